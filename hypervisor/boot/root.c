/*
 * The root partition's start: its ELF image to where it says, a PVH start info in low memory, VP 0
 * in 32-bit flat protected mode at the PVH entry.
 */
#include "hypervisor/boot/boot.h"
#include "hypervisor/sched/sched.h"

#define INFO_PAGE         0x5000ull /* two pages: start info with lists, command line */
#define NOTE_PHYS32_ENTRY 18u

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

enum { PT_LOAD = 1, PT_NOTE = 4 };

static struct elf_segment segments[16]; /* copied: loading may overwrite the module */
static uint32_t segment_count;

static uint64_t pvh_entry(const uint8_t *note, uint64_t size)
{
    for (uint64_t at = 0; at + 12 <= size;) {
        const uint32_t *n = (const uint32_t *)(note + at);
        const uint64_t desc = at + 12 + HV_ALIGN_UP(n[0], 4), next = desc + HV_ALIGN_UP(n[1], 4);
        if (next > size)
            break;
        if (n[2] == NOTE_PHYS32_ENTRY && n[0] == 4 && !memcmp(note + at + 12, "Xen", 4))
            return *(const uint32_t *)(note + desc);
        at = next;
    }
    return 0;
}

static uint64_t read_headers(const struct hv_module *m)
{
    const struct elf_header *h = hv_va(m->base);
    const uint8_t *image = hv_va(m->base);
    uint64_t entry = 0;
    if (m->size < sizeof(*h) || memcmp(h->ident, "\177ELF\2\1", 6) || h->machine != 62)
        hv_panic("module 0 is no x86-64 ELF image");
    for (uint32_t i = 0; i < h->phnum; i++) {
        const struct elf_segment *s = (const void *)(image + h->phoff + (uint64_t)i * h->phentsize);
        if (s->offset + s->filesz > m->size)
            hv_panic("root image is cut off");
        if (s->type == PT_NOTE)
            entry = entry ? entry : pvh_entry(image + s->offset, s->filesz);
        if (s->type != PT_LOAD)
            continue;
        if (segment_count == HV_ARRAY_SIZE(segments) || !hv_is_ram(s->paddr, s->memsz) ||
            hv_is_ours(s->paddr, s->memsz))
            hv_panic("root segment %lx-%lx is not free RAM", s->paddr, s->paddr + s->memsz);
        segments[segment_count++] = *s;
    }
    if (!entry)
        hv_panic("root image has no PVH entry note");
    return entry;
}

static bool overlaps(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
    return a < b + bn && b < a + an;
}

static bool in_segments(uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < segment_count; i++) {
        if (overlaps(base, size, segments[i].paddr, segments[i].memsz))
            return true;
    }
    return false;
}

/* Moves a module that lies where the root will be to free RAM below our heap. */
static void move_away(struct hv_module *m)
{
    const uint64_t size = HV_ALIGN_UP(m->size, HV_PAGE);
    uint64_t to = HV_ALIGN_DOWN(hv_reserved[1].base - size, HV_PAGE);
    for (; to > 0x100000; to -= HV_PAGE) {
        bool busy = in_segments(to, size) || !hv_is_ram(to, size) || hv_is_ours(to, size);
        for (uint32_t i = 0; i < hv_boot.module_count && !busy; i++)
            busy = overlaps(to, size, hv_boot.module[i].base, hv_boot.module[i].size);
        if (!busy)
            break;
    }
    if (to <= 0x100000)
        hv_panic("no room for a module of %lu bytes", m->size);
    memcpy(hv_va(to), hv_va(m->base), m->size);
    m->base = to;
}

/* The map that the root sees: firmware's, with our memory cut out. */
static uint32_t write_memmap(struct hv_pvh_memmap *out, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < hv_memmap.count; i++) {
        struct hv_range r = hv_memmap.range[i];
        while (r.size && n < max) {
            uint64_t piece = r.size;
            uint32_t type = r.type;
            for (unsigned k = 0; r.type == 1 && k < HV_ARRAY_SIZE(hv_reserved); k++) {
                const struct hv_range *o = &hv_reserved[k];
                if (r.base >= o->base && r.base < o->base + o->size) {
                    type = 2;
                    piece = o->base + o->size - r.base;
                } else if (o->base > r.base && o->base - r.base < piece) {
                    piece = o->base - r.base;
                }
            }
            if (piece > r.size)
                piece = r.size;
            out[n++] = (struct hv_pvh_memmap){.addr = r.base, .size = piece, .type = type};
            r.base += piece;
            r.size -= piece;
        }
    }
    return n;
}

static void write_info(void)
{
    struct hv_pvh_info *s = hv_va(INFO_PAGE);
    memset(s, 0, 2 * HV_PAGE);
    struct hv_pvh_module *mods = (void *)(s + 1);
    struct hv_pvh_memmap *map = (void *)(mods + HV_MAX_MODULES);
    char *cmdline = hv_va(INFO_PAGE + HV_PAGE);
    memcpy(cmdline, hv_boot.cmdline, sizeof(hv_boot.cmdline));
    *s = (struct hv_pvh_info){.magic = HV_PVH_MAGIC, .version = 1, .rsdp = hv_boot.rsdp};
    s->nr_modules = hv_boot.module_count - 1;
    s->modlist = hv_pa(mods);
    s->cmdline = hv_pa(cmdline);
    s->memmap = hv_pa(map);
    for (uint32_t i = 0; i < s->nr_modules; i++)
        mods[i] = (struct hv_pvh_module){.addr = hv_boot.module[i + 1].base,
                                         .size = hv_boot.module[i + 1].size};
    s->memmap_entries = write_memmap(map, (uint32_t)((HV_PAGE - 256) / sizeof(*map)));
}

static void set_registers(struct hv_vp *vp, uint64_t entry)
{
    struct hv_regs *r = &vp->regs;
    const uint16_t flat = SA_P | SA_S | SA_DB | SA_G;
    for (unsigned i = 0; i < 6; i++)
        r->seg[i] = (struct hv_segment){
            .limit = 0xffffffff, .selector = 0x10, .attributes = flat | 3};
    r->seg[SEG_CS].selector = 0x08;
    r->seg[SEG_CS].attributes = flat | 11;
    r->seg[SEG_TR] = (struct hv_segment){.limit = 0x67, .attributes = SA_P | ST_TSS_BUSY};
    r->cr0 = CR0_PE | CR0_ET | CR0_NE;
    vp->regs_dirty = true;
    vp->gpr[HV_RBX] = INFO_PAGE;
    hv_vp_set_rip(vp, entry);
}

void hv_root_load(void)
{
    if (!hv_boot.module_count)
        hv_panic("no root image: the loader gave no modules");
    const uint64_t entry = read_headers(&hv_boot.module[0]);
    for (uint32_t i = 0; i < hv_boot.module_count; i++) {
        if (in_segments(hv_boot.module[i].base, hv_boot.module[i].size))
            move_away(&hv_boot.module[i]);
    }
    const uint8_t *image = hv_va(hv_boot.module[0].base);
    for (uint32_t i = 0; i < segment_count; i++) {
        const struct elf_segment *s = &segments[i];
        memcpy(hv_va(s->paddr), image + s->offset, s->filesz);
        memset(hv_va(s->paddr + s->filesz), 0, s->memsz - s->filesz);
    }
    write_info();
    set_registers(hv_root->vp[0], entry);
    hv_log(HV_LOG_INFO, "root enters at %lx with %u modules", entry, hv_boot.module_count - 1);
}
