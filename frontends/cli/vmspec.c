/*
 * Children of the stack: --vm specifications, and the archive vms.cpio that hands them to the root
 * partition (etc/vms.conf and the files it names).
 *
 * Not modelled: more than one network card of a child.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/images.h"
#include "frontends/cli/net.h"

#define VM_MEMORY_DEFAULT (512ull << 20)
#define VM_MEMORY_MIN     (16ull << 20)
#define VM_MEMORY_MAX     (64ull << 30)
#define VM_CPUS_MAX       4
#define VM_VLAN_MAX       4094
#define VM_VLAN_TRUNK     4095 /* in etc/vms.conf: all VLANs, with their tags */
#define FILE_LIMIT        (1ull << 30)

#define NS_PER_MS 1000000u

static const char *const vm_keys[] = {"name",   "memory",     "cpus", "kernel", "initrd",
                                      "append", "disk",       "dvd",  "net",    "mac",
                                      "vlan",   "stop-after", NULL};

static const char *get_vm_key(size_t i)
{
    return vm_keys[i];
}

static int set_name(struct vm_spec *vm, const char *value, struct err *err)
{
    const size_t len = strlen(value);

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)value[i]) && !strchr("-_", value[i]))
            return err_set(err, "E-CLI-002", -EINVAL, "name=%s: letters, digits, - and _ only",
                           value);
    }
    if (len == 0 || len >= sizeof(vm->name))
        return err_set(err, "E-CLI-002", -EINVAL, "name=%s: 1 to 31 letters", value);
    strcpy(vm->name, value);
    return 0;
}

static int set_memory(struct vm_spec *vm, const char *value, struct err *err)
{
    if (value_parse_size(value, &vm->memory) < 0)
        return err_set(err, "E-CLI-002", -EINVAL, "memory=%s is no size", value);
    if (vm->memory < VM_MEMORY_MIN || vm->memory > VM_MEMORY_MAX || vm->memory & 0xfffff)
        return err_set(err, "E-CLI-002", -EINVAL, "memory=%s: whole MiB from 16M to 64G, please",
                       value);
    return 0;
}

static int add_disk(struct vm_spec *vm, const char *value, bool is_dvd, struct err *err)
{
    if (!*value)
        return err_set(err, "E-CLI-002", -EINVAL, "%s= names no file", is_dvd ? "dvd" : "disk");
    if (vm->disks == VM_DISKS)
        return err_set(err, "E-DISK-010", -ENOSPC, "more than %d disks", VM_DISKS);
    vm->is_dvd[vm->disks] = is_dvd;
    vm->disk[vm->disks++] = value;
    return 0;
}

static int set_net(struct vm_spec *vm, const char *value, struct err *err)
{
    vm->net_user = strcmp(value, "user") == 0;
    vm->net = vm->net_user || strcmp(value, "switch") == 0;
    if (vm->net || strcmp(value, "none") == 0)
        return 0;
    err_set(err, "E-CLI-002", -EINVAL, "net=%s is no network of a VM", value);
    return err_hint(err,
                    "switch (the machine's --net cards lead on), user (--net user, if there is "
                    "no --net) or none");
}

static int set_vlan(struct vm_spec *vm, const char *value, struct err *err)
{
    uint64_t number = VM_VLAN_TRUNK;
    if (strcmp(value, "trunk") != 0 &&
        (value_parse_count(value, &number) < 0 || number < 1 || number > VM_VLAN_MAX))
        return err_set(err, "E-CLI-002", -EINVAL, "vlan=%s: 1 to %d, or trunk", value, VM_VLAN_MAX);
    vm->vlan = (unsigned)number;
    return 0;
}

static int set_key(struct vm_spec *vm, const char *key, const char *value, struct err *err)
{
    uint64_t number;

    if (strcmp(key, "name") == 0)
        return set_name(vm, value, err);
    if (strcmp(key, "memory") == 0)
        return set_memory(vm, value, err);
    if (strcmp(key, "cpus") == 0) {
        if (value_parse_count(value, &number) < 0 || number < 1 || number > VM_CPUS_MAX)
            return err_set(err, "E-CLI-002", -EINVAL, "cpus=%s: 1 to %d", value, VM_CPUS_MAX);
        vm->cpus = (unsigned)number;
        return 0;
    }
    if (strcmp(key, "kernel") == 0) {
        vm->kernel = value;
        return 0;
    }
    if (strcmp(key, "initrd") == 0) {
        vm->initrd = value;
        return 0;
    }
    if (strcmp(key, "append") == 0) {
        if (strpbrk(value, "\"\n"))
            return err_set(err, "E-CLI-002", -EINVAL, "append= may not contain \" or line ends");
        vm->append = value;
        return 0;
    }
    if (strcmp(key, "stop-after") == 0) {
        if (value_parse_duration(value, &vm->stop_after) < 0 || vm->stop_after < NS_PER_MS)
            return err_set(err, "E-CLI-002", -EINVAL, "stop-after=%s: 90s, 5m or 250ms", value);
        return 0;
    }
    if (strcmp(key, "disk") == 0)
        return add_disk(vm, value, false, err);
    if (strcmp(key, "dvd") == 0)
        return add_disk(vm, value, true, err);
    if (strcmp(key, "net") == 0)
        return set_net(vm, value, err);
    if (strcmp(key, "mac") == 0) {
        vm->has_mac = true;
        return net_parse_mac(vm->mac, value, err);
    }
    if (strcmp(key, "vlan") == 0)
        return set_vlan(vm, value, err);
    err_set(err, "E-CLI-006", -EINVAL, "unknown key '%s'", key);
    const char *near = text_nearest(key, get_vm_key);
    return near ? err_hint(err, "did you mean %s=?", near)
                : err_hint(err, "keys: name memory cpus kernel initrd append disk dvd net mac vlan "
                                "stop-after");
}

int vm_spec_parse(struct vm_spec *vm, const char *text, unsigned index, struct err *err)
{
    char *key = NULL, *value = NULL;

    memset(vm, 0, sizeof(*vm));
    snprintf(vm->name, sizeof(vm->name), "vm%u", index + 1);
    vm->memory = VM_MEMORY_DEFAULT;
    vm->cpus = 1;
    vm->append = "";
    vm->copy = strdup(text);
    if (!vm->copy)
        return err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
    for (char *at = vm->copy; *at;) {
        if (keyed_next(&at, &key, &value, false, err) < 0 || set_key(vm, key, value, err) < 0)
            return err_wrap(err, "--vm %s", text);
    }
    if (!vm->net && (vm->has_mac || vm->vlan))
        return err_set(err, "E-CLI-004", -EINVAL, "--vm %s: mac= and vlan= without net=", text);
    if (!vm->kernel || !*vm->kernel) {
        err_set(err, "E-CLI-003", -EINVAL, "--vm %s: kernel= is missing", text);
        return err_hint(err, "--vm name=%s,kernel=/boot/vmlinuz,...", vm->name);
    }
    return 0;
}

void vm_spec_free(struct vm_spec *vm)
{
    free(vm->copy);
    vm->copy = NULL;
}

bool vms_want_user_net(const struct options *o)
{
    bool wants = false;
    const char *text;
    for (unsigned i = 0; (text = opt_list(o, OPT_ID_VM, i)); i++) {
        struct vm_spec vm;
        struct err ignored;
        err_clear(&ignored);
        wants |= vm_spec_parse(&vm, text, i, &ignored) == 0 && vm.net_user;
        vm_spec_free(&vm);
    }
    return wants;
}

/* A bzImage says how long it is (Linux boot protocol: setup_sects, syssize). */
static int check_bzimage(const struct file *f, const char *path, struct err *err)
{
    const uint8_t *b = f->data;
    const uint64_t setup = b[0x1f1] ? b[0x1f1] : 4;
    const uint64_t size = (uint64_t)b[0x1f4] | (uint64_t)b[0x1f5] << 8 | (uint64_t)b[0x1f6] << 16 |
                          (uint64_t)b[0x1f7] << 24;
    const uint64_t wanted = (setup + 1) * 512 + size * 16;

    /* the file may be shorter by the padding of the last paragraph */
    if (wanted > f->size + 15)
        return err_set(err, "E-BOOT-002", -ENOEXEC, "%s is cut off: %zu of %llu bytes", path,
                       f->size, (unsigned long long)wanted);
    return 0;
}

static int check_kernel(const struct file *f, const char *path, struct err *err)
{
    switch (image_kind_of(f->data, f->size)) {
    case IMAGE_BZIMAGE:
        return check_bzimage(f, path, err);
    case IMAGE_ELF:
        return 0;
    case IMAGE_CPIO:
        err_set(err, "E-BOOT-001", -ENOEXEC, "%s is an archive, no kernel", path);
        return err_hint(err, "an initial RAM disk is given as initrd=");
    default:
        return err_set(err, "E-BOOT-001", -ENOEXEC, "%s is neither a bzImage nor an ELF file",
                       path);
    }
}

/* Put a file into the archive once; children that name the same file share it. */
static int add_file(struct cpio *out, const struct vm_spec *vm, unsigned index, bool is_kernel,
                    char *inside, size_t size, uint64_t *image_bytes, struct err *err)
{
    const char *path = is_kernel ? vm[index].kernel : vm[index].initrd;
    const char *what = is_kernel ? "kernel" : "initrd";
    unsigned owner = 0;
    struct file f = {0};

    while (owner < index) {
        const char *other = is_kernel ? vm[owner].kernel : vm[owner].initrd;
        if (other && strcmp(other, path) == 0)
            break;
        owner++;
    }
    snprintf(inside, size, "vm/%s/%s", vm[owner].name, what);
    if (owner < index)
        return 0;
    int rc = file_read(&f, path, FILE_LIMIT, err);
    if (rc == 0 && is_kernel)
        rc = check_kernel(&f, path, err);
    if (rc < 0) {
        file_free(&f);
        return err_wrap(err, "%s of VM %s", what, vm[index].name);
    }
    cpio_add_file(out, inside, 0644, f.data, f.size);
    *image_bytes += f.size;
    file_free(&f);
    return 0;
}

static size_t put_net(const struct vm_spec *vm, char *to, size_t size)
{
    size_t n = 0;
    if (!vm->net)
        return 0;
    n += (size_t)snprintf(to, size, " net=switch");
    for (unsigned i = 0; i < 6 && vm->has_mac; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%02x", i ? ":" : " mac=", vm->mac[i]);
    if (vm->vlan)
        n += (size_t)snprintf(to + n, size - n, " vlan=%u", vm->vlan);
    return n;
}

static int add_vm(struct cpio *out, const struct vm_spec *vm, unsigned i, char *line, size_t size,
                  uint64_t *image_bytes, struct err *err)
{
    char dir[48], kernel[64], initrd[64];
    size_t n = 0;

    snprintf(dir, sizeof(dir), "vm/%s", vm[i].name);
    cpio_add_dir(out, dir, 0755);
    if (add_file(out, vm, i, true, kernel, sizeof(kernel), image_bytes, err) < 0)
        return err->code;
    n += (size_t)snprintf(line, size, "name=%s memory=%llu cpus=%u kernel=%s", vm[i].name,
                          (unsigned long long)vm[i].memory >> 20, vm[i].cpus, kernel);
    if (vm[i].initrd) {
        if (add_file(out, vm, i, false, initrd, sizeof(initrd), image_bytes, err) < 0)
            return err->code;
        n += (size_t)snprintf(line + n, size - n, " initrd=%s", initrd);
    }
    if (vm[i].stop_after)
        n += (size_t)snprintf(line + n, size - n, " stop-after=%llu",
                              (unsigned long long)(vm[i].stop_after / NS_PER_MS));
    for (unsigned j = 0; j < vm[i].disks; j++)
        n += (size_t)snprintf(line + n, size - n, "%s%s%u",
                              j ? "," : " disks=", vm[i].is_dvd[j] ? "dvd" : "", vm[i].nsid[j]);
    n += put_net(&vm[i], line + n, size - n);
    n += (size_t)snprintf(line + n, size - n, " append=\"%s\"\n", vm[i].append);
    if (n >= size)
        return err_set(err, "E-CLI-002", -EINVAL, "--vm %s: too long", vm[i].name);
    return 0;
}

int vms_build(struct cpio *out, const struct vm_spec *vm, unsigned count, bool stay,
              uint64_t *image_bytes, struct err *err)
{
    static char conf[64 + OPT_LIST_MAX * 2400];
    size_t n = 0;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(vm[i].name, vm[j].name) == 0)
                return err_set(err, "E-CLI-004", -EINVAL, "two VMs have the name %s", vm[i].name);
        }
    }
    if (stay)
        n = (size_t)sprintf(conf, "on-all-off=stay\n");
    cpio_init(out);
    cpio_add_dir(out, "etc", 0755);
    cpio_add_dir(out, "vm", 0755);
    for (unsigned i = 0; i < count; i++) {
        if (add_vm(out, vm, i, conf + n, 2400, image_bytes, err) < 0)
            return err->code;
        n += strlen(conf + n);
    }
    cpio_add_file(out, "etc/vms.conf", 0644, conf, n);
    if (cpio_finish(out) < 0)
        return err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
    return 0;
}
