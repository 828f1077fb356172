/* devices/boot/boot.c: kind of image, placing of bytes, processor state at the entry (boot.h). */
#include "devices/boot/boot.h"

#include <errno.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/bootparam.h"
#include "cpu/cpu.h"
#include "cpu/sys/sys.h"
#include "lib/log.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

#define BIOS_REFUSE 0xff53u /* in segment f000, where the PC has its empty interrupt handler */

int boot_put(struct boot *b, uint64_t at, const void *bytes, uint64_t len, const char *what)
{
    if (len && !ram_write(b->ram, hpa(at), bytes, len)) {
        err_set(b->err, "E-BOOT-003", -ENOSPC, "%s: %llu bytes at 0x%llx", what,
                (unsigned long long)len, (unsigned long long)at);
        return err_hint(b->err, "the machine has %llu MiB; give more with --memory",
                        (unsigned long long)(b->ram->size >> 20));
    }
    return 0;
}

uint64_t boot_put_high(struct boot *b, const void *bytes, uint64_t len, uint64_t limit,
                       const char *what)
{
    const uint64_t end = b->top < limit ? b->top : limit;
    const uint64_t room = end > 0x200000 ? end - 0x200000 : 0;
    if (len > room) {
        boot_put(b, b->ram->size, bytes, len + 1, what);
        if (!err_is_set(b->err))
            err_set(b->err, "E-BOOT-003", -ENOSPC, "%s does not fit", what);
        return 0;
    }
    const uint64_t at = (end - len) & ~4095ull;
    if (boot_put(b, at, bytes, len, what))
        return 0;
    b->top = at;
    return at;
}

static void set_flat(struct cpu *c, unsigned seg, uint16_t sel, uint32_t attr)
{
    c->seg[seg] = (struct seg){.limit = 0xffffffff, .attr = attr, .sel = sel};
}

/* Kernels that call a BIOS find one whose services all say that they do not exist: carry set, AH
 * 86h. Then the BIOS data area, by which they size low memory. */
static void put_bios(struct boot *b)
{
    static const uint8_t refuse[] = {0x55, 0x89, 0xe5,        /* push bp; mov bp, sp */
                                     0x80, 0x4e, 0x06, 0x01,  /* or byte [bp + 6], 1 */
                                     0xb4, 0x86, 0x5d, 0xcf}; /* mov ah, 86h; pop bp; iret */
    uint32_t ivt[256];
    for (unsigned i = 0; i < 256; i++)
        ivt[i] = 0xf000u << 16 | BIOS_REFUSE;
    ram_write(b->ram, hpa(0xf0000 + BIOS_REFUSE), refuse, sizeof refuse);
    ram_write(b->ram, hpa(0), ivt, sizeof ivt);
    const uint16_t ebda = 0x9fc0, base_kib = 639;
    ram_write(b->ram, hpa(0x40e), &ebda, sizeof ebda);
    ram_write(b->ram, hpa(0x413), &base_kib, sizeof base_kib);
}

static void common_state(struct boot *b, bool long_mode)
{
    put_bios(b);
    struct cpu *const c = b->cpu;
    static const uint64_t gdt[] = {
        0,
        0,
        0x00af9b000000ffffull,
        0x00cf93000000ffffull, /* 16: code 64, 24: data */
        0x00cf9b000000ffffull,
        0x00cf93000000ffffull, /* 32: code 32, 40: data */
        0x00008b0000000067ull, /* 48: TSS */
    };
    ram_write(b->ram, hpa(BOOT_GDT), gdt, sizeof gdt);
    c->gdtr = (struct dtable){BOOT_GDT, sizeof gdt - 1};
    c->idtr = (struct dtable){0, 0};
    set_flat(c, SEG_CS, long_mode ? 16 : 32,
             SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED | SA_G | (long_mode ? SA_L : SA_DB));
    for (unsigned s = 0; s < 6; s++) {
        if (s != SEG_CS)
            set_flat(c, s, long_mode ? 24 : 40, SA_P | SA_S | SA_RW | SA_ACCESSED | SA_G | SA_DB);
    }
    c->seg[SEG_TR] = (struct seg){.limit = 0x67, .attr = SA_P | ST_TSS_BUSY, .sel = 48};
    c->seg[SEG_LDTR] = (struct seg){.attr = SA_UNUSABLE};
    c->cpl = 0;
    cpu_set_rflags(c, FL_FIXED1);
}

void boot_enter_32(struct boot *b, uint32_t eip)
{
    struct cpu *const c = b->cpu;
    common_state(b, false);
    cr0_set(c, CR0_PE | CR0_ET | CR0_NE);
    cpu_update_mode(c);
    mmu_flush_all(c);
    c->rip = eip;
}

void boot_enter_64(struct boot *b, uint64_t rip)
{
    struct cpu *const c = b->cpu;
    uint64_t page[512] = {BOOT_TABLES + 0x1000 + 3};
    ram_write(b->ram, hpa(BOOT_TABLES), page, sizeof page);
    for (unsigned i = 0; i < 4; i++)
        page[i] = BOOT_TABLES + 0x2000 + i * 0x1000 + 3;
    ram_write(b->ram, hpa(BOOT_TABLES + 0x1000), page, sizeof page);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 512; j++)
            page[j] = ((uint64_t)i << 30 | (uint64_t)j << 21) | PTE_P | PTE_W | PTE_PS;
        ram_write(b->ram, hpa(BOOT_TABLES + 0x2000 + i * 0x1000), page, sizeof page);
    }
    common_state(b, true);
    c->cr3 = BOOT_TABLES;
    cr4_set(c, CR4_PAE);
    efer_set(c, EFER_LME | EFER_LMA);
    cr0_set(c, CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP);
    cpu_update_mode(c);
    mmu_flush_all(c);
    c->rip = rip;
}

void boot_resume(struct ram *ram, struct cpu *c, uint64_t facs)
{
    struct acpi_facs f = {.length = 0};
    ram_read(ram, hpa(facs), &f, sizeof f);
    if (f.x_waking_vector) {
        struct boot b = {.ram = ram, .cpu = c};
        boot_enter_32(&b, (uint32_t)f.x_waking_vector);
        return;
    }
    if (!f.waking_vector) {
        LOG_GUEST("boot", "awake from S3, but the FACS has no waking vector");
        return;
    }
    c->seg[SEG_CS].sel = (uint16_t)(f.waking_vector >> 4);
    c->seg[SEG_CS].base = f.waking_vector & 0xffff0;
    c->rip = f.waking_vector & 15;
    cpu_update_mode(c);
}

int boot_load(struct boot *b)
{
    const uint8_t *const k = b->cfg->kernel;
    const size_t len = b->cfg->kernel_len;
    uint32_t magic = 0;
    b->top = b->ram->low;
    if (len == 0)
        return err_set(b->err, "E-FILE-003", -EINVAL, "%s", b->cfg->kernel_name);
    if (len >= 4 && !memcmp(k,
                            "\x7f"
                            "ELF",
                            4))
        return boot_elf(b);
    if (len >= 0x206)
        memcpy(&magic, k + 0x202, 4);
    if (magic == BP_MAGIC)
        return boot_bzimage(b);
    return err_set(b->err, "E-BOOT-001", -ENOEXEC,
                   "%s: neither a bzImage nor an ELF file with multiboot header or PVH note",
                   b->cfg->kernel_name);
}
