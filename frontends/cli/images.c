/*
 * From options to what the machine boots; see images.h. Files are recognised by their content,
 * never by their names.
 */
#include "frontends/cli/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/video/vga.h"
#include "frontends/cli/embed.h"

#define FILE_LIMIT      (1ull << 30)
#define MEMORY_BARE     (256ull << 20)
#define MEMORY_STACK    (160ull << 20) /* hypervisor and root partition */
#define MEMORY_ROUND    (16ull << 20)
#define VGA_ROM_LIMIT   (1ull << 20)
#define DEMO_CHILD_SIZE (16ull << 20)

const struct embed_file *embed_find(const char *name)
{
    for (const struct embed_file *e = embed_files; e->name; e++) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

/* The built-in image, or the file that an option names instead. */
static int get_stack_image(struct file *f, const char *path, const char *name, const void **bytes,
                           size_t *len, struct err *err)
{
    if (path) {
        if (file_read(f, path, FILE_LIMIT, err) < 0)
            return err_wrap(err, "cannot load %s", name);
        *bytes = f->data;
        *len = f->size;
        return 0;
    }
    const struct embed_file *e = embed_find(name);
    if (!e) {
        err_set(err, "E-CLI-007", -ENOENT, "this build has no built-in %s", name);
        return err_hint(err, "build with an x86-64 gcc (configure --guest-cc), or give the file");
    }
    *bytes = e->data;
    *len = e->size;
    return 0;
}

static void add_port(struct images *im, const char *prefix, const char *name)
{
    char *text = im->port_text[im->port_count];

    strcpy(stpcpy(text, prefix), name); /* names of VMs are short: vm_spec_parse */
    im->port[im->port_count++] = text;
}

static int add_module(struct images *im, const char *path, const char *name, struct err *err)
{
    struct boot_module *m = &im->module[im->module_count];

    m->name = name;
    if (get_stack_image(&im->module_file[im->module_count], path, name, &m->bytes, &m->len, err) <
        0)
        return err->code;
    im->module_count++;
    return 0;
}

/* A child's disks become namespaces of the machine's NVMe controller, after those of --disk. */
static int add_child_disks(struct images *im, struct vm_spec *vm, struct err *err)
{
    for (unsigned i = 0; i < vm->disks; i++) {
        if ((vm->is_dvd[i] ? disks_add_dvd(im, vm->disk[i], err)
                           : disks_add(im, vm->disk[i], err)) < 0)
            return err_wrap(err, "disk of VM %s", vm->name);
        if (im->disk[im->disk_count - 1].bus != MACHINE_NVME)
            return err_set(err, "E-CLI-002", -EINVAL,
                           "disk of VM %s: the root partition drives bus=nvme only", vm->name);
        for (unsigned j = 0; j < im->disk_count; j++)
            vm->nsid[i] += im->disk[j].bus == MACHINE_NVME;
    }
    return 0;
}

/* The user's children: specifications, and the archive that hands them to the root partition. */
static int prepare_children(struct images *im, const struct options *o, struct err *err)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < opt_list_count(o, OPT_ID_VM); i++) {
        im->vm_count = i + 1;
        if (vm_spec_parse(&im->vm[i], opt_list(o, OPT_ID_VM, i), i, err) < 0 ||
            add_child_disks(im, &im->vm[i], err) < 0)
            return err->code;
        add_port(im, "vm.", im->vm[i].name);
    }
    return vms_build(&im->vms, im->vm, im->vm_count, opt_text(o, OPT_ID_NAME), &bytes, err);
}

/* Hypervisor, root.elf, rootfs.cpio and, for children of the user's, vms.cpio. */
static int prepare_stack(struct images *im, const struct options *o, struct err *err)
{
    add_port(im, "", "root");
    add_port(im, "", "vmms");
    if (im->plan == PLAN_DEMO) { /* VMMS itself has the definitions */
        add_port(im, "vm.", "child1");
        add_port(im, "vm.", "child2");
    }
    if ((im->plan != PLAN_DEMO || opt_text(o, OPT_ID_NAME)) && prepare_children(im, o, err) < 0)
        return err->code;
    if (get_stack_image(&im->kernel, opt_text(o, OPT_ID_HYPERVISOR), "hypervisor.elf",
                        &im->kernel_bytes, &im->kernel_len, err) < 0 ||
        add_module(im, opt_text(o, OPT_ID_ROOT), "root.elf", err) < 0 ||
        add_module(im, opt_text(o, OPT_ID_ROOTFS), "rootfs.cpio", err) < 0)
        return err->code;
    im->kernel_name = "hypervisor.elf";
    if (opt_text(o, OPT_ID_HVAPPEND))
        snprintf(im->cmdline, sizeof(im->cmdline), "%s", opt_text(o, OPT_ID_HVAPPEND));
    if (im->vms.size)
        im->module[im->module_count++] = (struct boot_module){"vms.cpio", im->vms.data,
                                                              im->vms.size};
    return 0;
}

/* FILE[,FILE...] of an option: read, each into a row of file[] and module[]. With rows for lines,
 * FILE ARGUMENTS is a module and its command line. */
static int add_list(const char *list, enum opt_id id, struct file *file, struct boot_module *module,
                    char (*line)[IMAGES_LINE], unsigned *count, unsigned max, struct err *err)
{
    while (list && *list) {
        const char *comma = strchr(list, ',');
        const size_t len = comma ? (size_t)(comma - list) : strlen(list);
        char path[IMAGES_LINE];
        if (len >= sizeof(path) || *count == max)
            return err_set(err, "E-CLI-002", -EINVAL, "--%s: too long", opt_rows[id].name);
        memcpy(path, list, len);
        path[len] = 0;
        const char *name = opt_rows[id].name;
        char *const arguments = line && access(path, F_OK) < 0 ? strchr(path, ' ') : NULL;
        if (arguments) {
            name = strcpy(line[*count], path);
            *arguments = 0;
        }
        struct file *f = &file[*count];
        if (file_read(f, path, FILE_LIMIT, err) < 0)
            return err_wrap(err, "cannot load a file of --%s", opt_rows[id].name);
        module[(*count)++] = (struct boot_module){name, f->data, f->size};
        list = comma ? comma + 1 : NULL;
    }
    return 0;
}

static int refuse_kind(const char *path, enum image_kind kind, struct err *err)
{
    switch (kind) {
    case IMAGE_CPIO:
        err_set(err, "E-BOOT-001", -ENOEXEC, "%s is an archive or compressed, no kernel", path);
        return err_hint(err, "an initial RAM disk is given with --initrd");
    case IMAGE_DISK:
    case IMAGE_CDROM:
        err_set(err, "E-BOOT-001", -ENOEXEC, "%s is a disk image, no kernel", path);
        return err_hint(err, "boot it with: vitrine run %s", path);
    default:
        return err_set(err, "E-BOOT-001", -ENOEXEC, "%s is neither a bzImage nor an ELF file",
                       path);
    }
}

static int prepare_bare(struct images *im, const struct options *o, struct err *err)
{
    const char *path = opt_text(o, OPT_ID_KERNEL) ? opt_text(o, OPT_ID_KERNEL) : o->args[0];
    const enum image_kind named = o->arg_count ? image_kind_of_file(o->args[0]) : IMAGE_UNKNOWN;
    const bool is_disk = named == IMAGE_DISK || named == IMAGE_CDROM;
    const bool firmware = opt_text(o, OPT_ID_FIRMWARE) || is_disk;

    if (is_disk) { /* vitrine run IMAGE */
        if (disks_add_file(im, path, named == IMAGE_CDROM, err) < 0)
            return err->code;
        path = NULL;
    }
    if (firmware && (firmware_prepare(im, o, err) < 0 ||
                     add_list(opt_text(o, OPT_ID_OPTION_ROM), OPT_ID_OPTION_ROM, im->option_rom,
                              im->option_roms, NULL, &im->option_rom_count, IMAGES_ROMS, err) < 0))
        return err->code;
    if (!path && firmware)
        return 0;
    if (!path) {
        err_set(err, "E-CLI-004", -EINVAL, "--bare needs a kernel or --firmware");
        return err_hint(err, "vitrine run --bare --kernel=/boot/vmlinuz --initrd=FILE "
                             "--append='console=ttyS0'");
    }
    if (file_read(&im->kernel, path, FILE_LIMIT, err) < 0)
        return err_wrap(err, "cannot load the kernel");
    const enum image_kind kind = image_kind_of(im->kernel.data, im->kernel.size);
    if (kind != IMAGE_BZIMAGE && kind != IMAGE_ELF)
        return refuse_kind(path, kind, err);
    im->kernel_bytes = im->kernel.data;
    im->kernel_len = im->kernel.size;
    im->kernel_name = path;
    if (opt_text(o, OPT_ID_APPEND)) {
        if (strlen(opt_text(o, OPT_ID_APPEND)) >= sizeof(im->cmdline))
            return err_set(err, "E-CLI-002", -EINVAL, "--append is longer than %zu bytes",
                           sizeof(im->cmdline) - 1);
        strcpy(im->cmdline, opt_text(o, OPT_ID_APPEND));
    }
    return add_list(opt_text(o, OPT_ID_INITRD), OPT_ID_INITRD, im->module_file, im->module,
                    im->module_line, &im->module_count, IMAGES_MODULES, err);
}

/* Enough for what was asked, unless --memory says otherwise. */
static uint64_t memory_for(const struct images *im, const struct options *o)
{
    uint64_t sum;

    if (opt_text(o, OPT_ID_MEMORY))
        return opt_number(o, OPT_ID_MEMORY) & ~0xfffffull;
    if (im->plan == PLAN_BARE) {
        sum = MEMORY_BARE;
        for (unsigned i = 0; i < im->module_count; i++)
            sum += im->module[i].len;
    } else {
        sum = MEMORY_STACK + 2 * im->vms.size + 2 * DEMO_CHILD_SIZE;
        for (unsigned i = 0; i < im->vm_count; i++)
            sum += im->vm[i].memory;
        sum += sum / 32;
    }
    return (sum + MEMORY_ROUND - 1) & ~(MEMORY_ROUND - 1);
}

static int choose_plan(struct images *im, const struct options *o, struct err *err)
{
    const bool kernel = opt_text(o, OPT_ID_KERNEL) || o->arg_count || opt_text(o, OPT_ID_FIRMWARE);

    if (o->arg_count > 1 || (o->arg_count && opt_text(o, OPT_ID_KERNEL)))
        return err_set(err, "E-CLI-004", -EINVAL, "more than one kernel: '%s'",
                       o->args[o->arg_count - 1]);
    const bool children = opt_list_count(o, OPT_ID_VM) > 0;
    if (children && (kernel || opt_text(o, OPT_ID_BARE))) {
        err_set(err, "E-CLI-004", -EINVAL,
                "--vm and a kernel for the bare machine exclude "
                "each other");
        return err_hint(err, "a child's kernel is given as --vm kernel=FILE");
    }
    im->plan = children                             ? PLAN_CHILDREN
               : kernel || opt_text(o, OPT_ID_BARE) ? PLAN_BARE
                                                    : PLAN_DEMO;
    if (im->plan == PLAN_DEMO && (opt_text(o, OPT_ID_INITRD) || opt_text(o, OPT_ID_APPEND))) {
        err_set(err, "E-CLI-004", -EINVAL, "--initrd and --append need --kernel");
        return err_hint(err, "for a child: --vm kernel=FILE,initrd=FILE,append='...'");
    }
    return 0;
}

/* "WxH" */
static int parse_screen(const char *text, struct machine_config *cfg, struct err *err)
{
    char *end;

    if (!text || strcmp(text, "text") == 0)
        return 0;
    const unsigned long w = strtoul(text, &end, 10);
    const unsigned long h = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (*end || w < 64 || h < 64 || w > VGA_MAX_WIDTH || h > VGA_MAX_HEIGHT) {
        err_set(err, "E-CLI-002", -EINVAL, "--screen: '%s' is no screen", text);
        return err_hint(err, "text, or a width and height such as 1024x768; at most %ux%u",
                        VGA_MAX_WIDTH, VGA_MAX_HEIGHT);
    }
    cfg->screen_width = (unsigned)w;
    cfg->screen_height = (unsigned)h;
    return 0;
}

static int prepare_display(struct images *im, const struct options *o, struct machine_config *cfg,
                           struct err *err)
{
    const char *vga = opt_text(o, OPT_ID_VGA), *rom = opt_text(o, OPT_ID_VGA_ROM);
    const bool wanted = strcmp(opt_text(o, OPT_ID_DISPLAY), "none") != 0 ||
                        opt_text(o, OPT_ID_SCREENSHOT) || rom;

    cfg->display = vga ? strcmp(vga, "none") != 0 : wanted;
    if (wanted && !cfg->display) {
        err_set(err, "E-CLI-004", -EINVAL, "--vga=none, but a display is asked for");
        return err_hint(err, "--display, --screenshot and --vga-rom need --vga=std");
    }
    if (!rom && cfg->display)
        rom = firmware_vga_rom(im);
    if (rom) {
        if (file_read(&im->vga_rom, rom, VGA_ROM_LIMIT, err) < 0)
            return err_wrap(err, "--vga-rom");
        cfg->vga_rom = im->vga_rom.data;
        cfg->vga_rom_len = im->vga_rom.size;
    }
    return parse_screen(opt_text(o, OPT_ID_SCREEN), cfg, err);
}

int images_prepare(struct images *im, const struct options *o, struct machine_config *cfg,
                   struct err *err)
{
    memset(im, 0, sizeof(*im));
    if (choose_plan(im, o, err) < 0)
        return err->code;
    if (im->plan == PLAN_BARE && prepare_bare(im, o, err) < 0) /* its argument is the first disk */
        return err->code;
    if (disks_prepare(im, o, err) < 0 || (im->plan != PLAN_BARE && prepare_stack(im, o, err) < 0) ||
        prepare_display(im, o, cfg, err) < 0)
        return err->code;
    cfg->memory = memory_for(im, o);
    cfg->smp = (unsigned)opt_number(o, OPT_ID_SMP);
    cfg->time = strcmp(opt_text(o, OPT_ID_TIME), "block") ? MACHINE_TIME_INSN : MACHINE_TIME_BLOCK;
    cfg->quantum = opt_number(o, OPT_ID_QUANTUM);
    cfg->cpu_model = opt_text(o, OPT_ID_CPU);
    cfg->seed = opt_number(o, OPT_ID_SEED);
    cfg->rng = opt_text(o, OPT_ID_RNG);
    cfg->kernel = im->kernel_bytes;
    cfg->kernel_len = im->kernel_len;
    cfg->kernel_name = im->kernel_name;
    cfg->cmdline = im->cmdline;
    cfg->modules = im->module;
    cfg->module_count = im->module_count;
    cfg->iommu = strcmp(opt_text(o, OPT_ID_IOMMU), "on") == 0;
    cfg->test_devices = opt_text(o, OPT_ID_TEST_DEVICES);
    cfg->option_roms = im->option_roms;
    cfg->option_rom_count = im->option_rom_count;
    cfg->firmware = im->firmware.data;
    cfg->firmware_len = im->firmware.size;
    cfg->firmware_name = im->firmware_path;
    cfg->firmware_vars = im->firmware_vars.data;
    cfg->firmware_vars_len = im->firmware_vars.size;
    cfg->firmware_vars_name = im->vars_path;
    cfg->disks = im->disk;
    cfg->disk_count = im->disk_count;
    cfg->console_ports = im->port_count ? im->port : NULL;
    cfg->console_port_count = im->port_count;
    return 0;
}

void images_free(struct images *im)
{
    disks_free(im);
    file_free(&im->kernel);
    file_free(&im->firmware);
    for (unsigned i = 0; i < im->option_rom_count; i++)
        file_free(&im->option_rom[i]);
    file_free(&im->firmware_vars);
    file_free(&im->vga_rom);
    for (unsigned i = 0; i < IMAGES_MODULES; i++)
        file_free(&im->module_file[i]);
    for (unsigned i = 0; i < im->vm_count; i++)
        vm_spec_free(&im->vm[i]);
    cpio_free(&im->vms);
}
