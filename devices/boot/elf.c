/*
 * devices/boot/elf.c: ELF32 and ELF64 images by multiboot 1 (abi/multiboot.h) or PVH (abi/pvh.h).
 * The multiboot header wins when an image has both. The a.out kludge is honoured for its addresses.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/multiboot.h"
#include "abi/pvh.h"
#include "cpu/cpu.h"
#include "devices/boot/boot.h"
#include "mmu/ram.h"

struct image {
    const uint8_t *bytes;
    size_t len;
    uint64_t entry, phoff, end; /* end: of what was loaded */
    unsigned phnum, phentsize;
    bool is64;
};

struct segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz;
};

static int bad(struct boot *b, const char *what)
{
    return err_set(b->err, "E-BOOT-002", -EINVAL, "%s: %s", b->cfg->kernel_name, what);
}

static int parse(struct boot *b, struct image *im)
{
    *im = (struct image){.bytes = b->cfg->kernel, .len = b->cfg->kernel_len};
    if (im->len < sizeof(Elf32_Ehdr))
        return bad(b, "ends inside its ELF header");
    im->is64 = im->bytes[EI_CLASS] == ELFCLASS64;
    if (im->is64) {
        Elf64_Ehdr h;
        if (im->len < sizeof h)
            return bad(b, "ends inside its ELF header");
        memcpy(&h, im->bytes, sizeof h);
        im->entry = h.e_entry, im->phoff = h.e_phoff, im->phnum = h.e_phnum,
        im->phentsize = h.e_phentsize;
        if (h.e_machine != EM_X86_64)
            return bad(b, "not an x86 program");
    } else {
        Elf32_Ehdr h;
        memcpy(&h, im->bytes, sizeof h);
        im->entry = h.e_entry, im->phoff = h.e_phoff, im->phnum = h.e_phnum,
        im->phentsize = h.e_phentsize;
        if (h.e_machine != EM_386 && h.e_machine != EM_X86_64)
            return bad(b, "not an x86 program");
    }
    const size_t want = im->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (im->phnum == 0 || im->phentsize < want)
        return bad(b, "no program headers");
    if (im->phoff > im->len || (im->len - im->phoff) / im->phentsize < im->phnum)
        return bad(b, "program headers lie outside of the file");
    return 0;
}

static struct segment segment(const struct image *im, unsigned n)
{
    const uint8_t *const at = im->bytes + im->phoff + (size_t)n * im->phentsize;
    if (im->is64) {
        Elf64_Phdr h;
        memcpy(&h, at, sizeof h);
        return (struct segment){h.p_type, h.p_offset, h.p_paddr, h.p_filesz, h.p_memsz};
    }
    Elf32_Phdr h;
    memcpy(&h, at, sizeof h);
    return (struct segment){h.p_type, h.p_offset, h.p_paddr, h.p_filesz, h.p_memsz};
}

static int clear(struct boot *b, uint64_t at, uint64_t len)
{
    static const uint8_t zero[65536];
    while (len) {
        const uint64_t n = len < sizeof zero ? len : sizeof zero;
        const int rc = boot_put(b, at, zero, n, b->cfg->kernel_name);
        if (rc)
            return rc;
        at += n;
        len -= n;
    }
    return 0;
}

static int load_segments(struct boot *b, struct image *im)
{
    for (unsigned n = 0; n < im->phnum; n++) {
        const struct segment s = segment(im, n);
        if (s.type != PT_LOAD || !s.memsz)
            continue;
        if (s.offset > im->len || s.filesz > im->len - s.offset || s.filesz > s.memsz)
            return bad(b, "a segment lies outside of the file");
        if (s.paddr < 0x1000 || s.paddr > b->ram->low || s.memsz > b->ram->low - s.paddr)
            return err_set(b->err, "E-BOOT-003", -ENOSPC, "%s: segment of %llu bytes at 0x%llx",
                           b->cfg->kernel_name, (unsigned long long)s.memsz,
                           (unsigned long long)s.paddr);
        int rc = boot_put(b, s.paddr, im->bytes + s.offset, s.filesz, b->cfg->kernel_name);
        if (rc || (rc = clear(b, s.paddr + s.filesz, s.memsz - s.filesz)))
            return rc;
        if (s.paddr + s.memsz > im->end)
            im->end = s.paddr + s.memsz;
    }
    return im->end ? 0 : bad(b, "nothing to load");
}

/* ---- multiboot ---- */

static bool find_header(const struct image *im, struct multiboot_header *h)
{
    for (size_t at = 0; at + 12 <= im->len && at + 12 <= MULTIBOOT_SEARCH; at += 4) {
        memset(h, 0, sizeof *h);
        memcpy(h, im->bytes + at, im->len - at < sizeof *h ? 12 : sizeof *h);
        if (h->magic == MULTIBOOT_MAGIC && h->magic + h->flags + h->checksum == 0)
            return true;
    }
    return false;
}

/* Modules, then one area with all tables and strings. Returns 0 or -errno. */
static int put_modules(struct boot *b, uint64_t *at)
{
    for (size_t i = 0; i < b->cfg->module_count; i++) {
        const struct boot_module *m = &b->cfg->modules[i];
        at[i] = boot_put_high(b, m->bytes, m->len, UINT32_MAX, m->name ? m->name : "module");
        if (!at[i] && m->len)
            return b->err->code;
    }
    return 0;
}

#define MODULES_MAX 16
struct area { /* bytes that go to BOOT_INFO.. */
    uint8_t bytes[0x2000];
    uint32_t used;
};

static uint32_t area_put(struct area *a, const void *bytes, size_t len)
{
    if (len > sizeof a->bytes - a->used)
        return 0;
    const uint32_t at = BOOT_INFO + a->used;
    memcpy(a->bytes + a->used, bytes, len);
    a->used += (uint32_t)((len + 15) & ~15ull);
    return at;
}
static uint32_t area_text(struct area *a, const char *text)
{
    return area_put(a, text ? text : "", strlen(text ? text : "") + 1);
}

static int multiboot(struct boot *b, struct image *im, const struct multiboot_header *h)
{
    struct area *const a = calloc(1, sizeof *a);
    uint64_t at[MODULES_MAX];
    struct multiboot_module mods[MODULES_MAX];
    struct multiboot_mmap map[BOOT_E820_MAX];
    struct multiboot_info info = {.flags = MBI_MEMORY | MBI_CMDLINE | MBI_MODS | MBI_MMAP |
                                           MBI_LOADER_NAME};
    int rc = a ? put_modules(b, at) : err_set(b->err, "E-MACH-002", -ENOMEM, "loader");
    if (!rc)
        a->used = (sizeof info + 15) & ~15u;
    for (size_t i = 0; !rc && i < b->cfg->module_count; i++)
        mods[i] = (struct multiboot_module){(uint32_t)at[i],
                                            (uint32_t)(at[i] + b->cfg->modules[i].len),
                                            area_text(a, b->cfg->modules[i].name), 0};
    for (unsigned i = 0; i < b->e820_count; i++)
        map[i] = (struct multiboot_mmap){20, b->e820[i].addr, b->e820[i].size, b->e820[i].type};
    if (!rc) {
        info.mem_lower = 639;
        info.mem_upper = (uint32_t)((b->ram->low - 0x100000) >> 10);
        info.cmdline = area_text(a, b->cfg->cmdline);
        info.mods_count = (uint32_t)b->cfg->module_count;
        info.mods_addr = area_put(a, mods, b->cfg->module_count * sizeof mods[0]);
        info.mmap_length = b->e820_count * (uint32_t)sizeof map[0];
        info.mmap_addr = area_put(a, map, info.mmap_length);
        info.boot_loader_name = area_text(a, "vitrine");
        memcpy(a->bytes, &info, sizeof info);
        if (!info.cmdline || !info.mmap_addr || !info.boot_loader_name)
            rc = err_set(b->err, "E-BOOT-003", -E2BIG, "command lines are too long");
        else
            rc = boot_put(b, BOOT_INFO, a->bytes, a->used, "boot information");
    }
    free(a);
    if (rc)
        return rc;
    boot_enter_32(b, h->flags & MULTIBOOT_AOUT_KLUDGE ? h->entry_addr : (uint32_t)im->entry);
    b->cpu->r[R_AX] = MULTIBOOT_BOOTLOADER_MAGIC;
    b->cpu->r[R_BX] = BOOT_INFO;
    return 0;
}

/* ---- PVH ---- */

static bool find_pvh(const struct image *im, uint32_t *entry)
{
    for (unsigned n = 0; n < im->phnum; n++) {
        const struct segment s = segment(im, n);
        if (s.type != PT_NOTE || s.offset > im->len || s.filesz > im->len - s.offset)
            continue;
        for (uint64_t at = s.offset, end = s.offset + s.filesz; end - at >= 12;) {
            uint32_t h[3];
            memcpy(h, im->bytes + at, 12);
            const uint64_t name = (h[0] + 3ull) & ~3ull, desc = (h[1] + 3ull) & ~3ull;
            if (name + desc > end - at - 12)
                break;
            if (h[2] == PVH_NOTE_PHYS32_ENTRY && h[0] == 4 &&
                !memcmp(im->bytes + at + 12, PVH_NOTE_NAME, 4) && h[1] >= 4) {
                memcpy(entry, im->bytes + at + 12 + name, 4);
                return true;
            }
            at += 12 + name + desc;
        }
    }
    return false;
}

static int pvh(struct boot *b, uint32_t entry)
{
    struct area *const a = calloc(1, sizeof *a);
    uint64_t at[MODULES_MAX];
    struct hvm_modlist_entry mods[MODULES_MAX];
    struct hvm_memmap_entry map[BOOT_E820_MAX];
    struct hvm_start_info info = {.magic = HVM_START_MAGIC, .version = HVM_START_VERSION};
    int rc = a ? put_modules(b, at) : err_set(b->err, "E-MACH-002", -ENOMEM, "loader");
    if (!rc) {
        a->used = (sizeof info + 15) & ~15u;
        for (size_t i = 0; i < b->cfg->module_count; i++)
            mods[i] = (struct hvm_modlist_entry){at[i], b->cfg->modules[i].len,
                                                 area_text(a, b->cfg->modules[i].name), 0};
        for (unsigned i = 0; i < b->e820_count; i++)
            map[i] = (struct hvm_memmap_entry){b->e820[i].addr, b->e820[i].size, b->e820[i].type,
                                               0};
        info.nr_modules = (uint32_t)b->cfg->module_count;
        info.modlist_paddr = area_put(a, mods, b->cfg->module_count * sizeof mods[0]);
        info.cmdline_paddr = area_text(a, b->cfg->cmdline);
        info.rsdp_paddr = b->rsdp;
        info.memmap_entries = b->e820_count;
        info.memmap_paddr = area_put(a, map, b->e820_count * sizeof map[0]);
        memcpy(a->bytes, &info, sizeof info);
        if (!info.cmdline_paddr || !info.memmap_paddr)
            rc = err_set(b->err, "E-BOOT-003", -E2BIG, "command lines are too long");
        else
            rc = boot_put(b, BOOT_INFO, a->bytes, a->used, "boot information");
    }
    free(a);
    if (rc)
        return rc;
    boot_enter_32(b, entry);
    b->cpu->r[R_BX] = BOOT_INFO;
    return 0;
}

int boot_elf(struct boot *b)
{
    struct image im;
    struct multiboot_header h;
    uint32_t entry;
    int rc = parse(b, &im);
    if (rc)
        return rc;
    const bool mb = find_header(&im, &h);
    if (!mb && !find_pvh(&im, &entry))
        return err_set(b->err, "E-BOOT-001", -ENOEXEC,
                       "%s: ELF file without multiboot header or PVH note", b->cfg->kernel_name);
    if (b->cfg->module_count > MODULES_MAX)
        return err_set(b->err, "E-BOOT-003", -E2BIG, "more than %d modules", MODULES_MAX);
    rc = load_segments(b, &im);
    if (rc)
        return rc;
    rc = mb ? multiboot(b, &im, &h) : pvh(b, entry);
    if (!rc && b->cfg->module_count && b->top < im.end)
        return err_set(b->err, "E-BOOT-003", -ENOSPC, "image and modules overlap");
    return rc;
}
