/*
 * What the loader said: Multiboot information (0.6.96, 3.3) or hvm_start_info, brought into one
 * form. Then where the hypervisor's own memory is.
 */
#include "hypervisor/boot/boot.h"

struct hv_boot_info hv_boot;
extern char hv_image_start[], hv_image_end[];

struct multiboot {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr;
};

struct multiboot_module {
    uint32_t start, end, string, rsvd;
};

struct multiboot_mmap {
    uint32_t size; /* of the rest */
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed));

static void add_range(uint64_t base, uint64_t size, uint32_t type)
{
    if (hv_memmap.count < HV_MAX_RANGES && size)
        hv_memmap.range[hv_memmap.count++] = (struct hv_range){base, size, type};
}

static void add_module(uint64_t base, uint64_t size)
{
    if (hv_boot.module_count < HV_MAX_MODULES)
        hv_boot.module[hv_boot.module_count++] = (struct hv_module){base, size};
}

static void set_cmdline(uint64_t address)
{
    const char *s = hv_va(address);
    for (unsigned i = 0; address && s[i] && i + 1 < sizeof(hv_boot.cmdline); i++)
        hv_boot.cmdline[i] = s[i];
}

static void parse_multiboot(const struct multiboot *mb)
{
    if (mb->flags & 4)
        set_cmdline(mb->cmdline);
    const struct multiboot_module *m = hv_va(mb->mods_addr);
    for (uint32_t i = 0; (mb->flags & 8) && i < mb->mods_count; i++)
        add_module(m[i].start, m[i].end - m[i].start);
    if (!(mb->flags & 64))
        hv_panic("the loader gave no memory map");
    for (uint32_t at = 0; at < mb->mmap_length;) {
        const struct multiboot_mmap *e = hv_va((uint64_t)mb->mmap_addr + at);
        add_range(e->addr, e->len, e->type);
        at += e->size + 4;
    }
}

static void parse_pvh(const struct hv_pvh_info *s)
{
    if (s->magic != HV_PVH_MAGIC || s->version < 1)
        hv_panic("no PVH start info with a memory map");
    set_cmdline(s->cmdline);
    hv_boot.rsdp = s->rsdp;
    const struct hv_pvh_module *m = hv_va(s->modlist);
    for (uint32_t i = 0; i < s->nr_modules; i++)
        add_module(m[i].addr, m[i].size);
    const struct hv_pvh_memmap *e = hv_va(s->memmap);
    for (uint32_t i = 0; i < s->memmap_entries; i++)
        add_range(e[i].addr, e[i].size, e[i].type);
}

/* ACPI 6.4, 5.2.5.1: the EBDA's first KiB, then 0xe0000-0xfffff. */
static uint64_t scan_rsdp(uint64_t from, uint64_t to)
{
    for (uint64_t a = HV_ALIGN_UP(from, 16); a + 20 <= to; a += 16) {
        const uint8_t *p = hv_va(a);
        uint8_t sum = 0;
        if (memcmp(p, "RSD PTR ", 8) != 0)
            continue;
        for (unsigned i = 0; i < 20; i++)
            sum = (uint8_t)(sum + p[i]);
        if (!sum)
            return a;
    }
    return 0;
}

void hv_boot_parse(bool multiboot, uint64_t info)
{
    if (multiboot)
        parse_multiboot(hv_va(info));
    else
        parse_pvh(hv_va(info));
    const char *level = hv_boot.cmdline;
    for (; *level; level++) {
        if (hv_starts_with(level, "loglevel="))
            hv_log_set_level((unsigned)(level[9] - '0'));
    }
    if (!hv_boot.rsdp) {
        const uint64_t ebda = (uint64_t) * (const volatile uint16_t *)hv_va(0x40e) << 4;
        if (ebda >= 0x80000 && ebda < 0xa0000)
            hv_boot.rsdp = scan_rsdp(ebda, ebda + 1024);
        if (!hv_boot.rsdp)
            hv_boot.rsdp = scan_rsdp(0xe0000, 0x100000);
    }
}

static bool is_free(uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < hv_boot.module_count; i++) {
        const struct hv_module *m = &hv_boot.module[i];
        if (base < m->base + m->size && m->base < base + size)
            return false;
    }
    return hv_is_ram(base, size) && !hv_is_ours(base, size);
}

/* Image at 1 MiB; heap of 32 MiB + RAM / 64 as high below 4 GiB as it fits. */
void hv_boot_memory(void)
{
    uint64_t ram = 0;
    for (uint32_t i = 0; i < hv_memmap.count; i++) {
        if (hv_memmap.range[i].type == 1)
            ram += hv_memmap.range[i].size;
    }
    const uint64_t image = (uint64_t)hv_image_start, image_end = (uint64_t)hv_image_end;
    hv_reserve(image, image_end - image);
    const uint64_t size = HV_ALIGN_UP((32ull << 20) + ram / 64, HV_LARGE_PAGE);
    uint64_t base = (1ull << 32) - size;
    while (base >= 0x200000 && !is_free(base, size))
        base -= HV_LARGE_PAGE;
    if (base < 0x200000)
        hv_panic("no %lu MiB of RAM below 4 GiB for the hypervisor", size >> 20);
    hv_reserve(base, size);
    hv_heap_init(base, size);
    hv_log(HV_LOG_INFO, "RAM %lu MiB, image %lx-%lx, heap %lx-%lx", ram >> 20, image, image_end,
           base, base + size);
}

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
} __attribute__((packed));

/* By the XSDT, or the RSDT of ACPI 1.0. */
uint8_t *hv_acpi_find(const char *signature)
{
    if (!hv_boot.rsdp)
        return NULL;
    const uint8_t *rsdp = hv_va(hv_boot.rsdp);
    uint64_t root = *(const uint32_t *)(rsdp + 16);
    unsigned width = 4;
    if (rsdp[15] >= 2 && *(const uint64_t *)(rsdp + 24)) {
        root = *(const uint64_t *)(rsdp + 24);
        width = 8;
    }
    const struct acpi_header *h = hv_va(root);
    for (uint32_t at = sizeof(*h); at + width <= h->length; at += width) {
        uint64_t address = 0;
        memcpy(&address, (const uint8_t *)h + at, width);
        struct acpi_header *t = hv_va(address);
        if (!memcmp(t->signature, signature, 4))
            return (uint8_t *)t;
    }
    return NULL;
}
