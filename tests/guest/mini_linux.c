/*
 * The test root's second trade: a Linux bzImage (64-bit boot protocol, Linux documentation
 * x86/boot.rst) as its one child, without ACPI and with nothing but COM1. Enough to see a stock
 * kernel's enlightenments come up before there is a worker process.
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/guest/mini_root.h"

#define BOOT_PARAMS 0x10000u
#define CMDLINE     0x11000u
#define TABLES      0x12000u
#define GDT         0x15000u
#define KERNEL      0x1000000u

static void put_e820(uint8_t *bp, unsigned i, uint64_t addr, uint64_t size, uint32_t type)
{
    uint8_t *e = bp + 0x2d0 + 20 * i;
    mini_copy(e, &addr, 8);
    mini_copy(e + 8, &size, 8);
    mini_copy(e + 16, &type, 4);
}

bool mini_is_linux(const uint8_t *image)
{
    return image[0x202] == 'H' && image[0x203] == 'd' && image[0x204] == 'r' && image[0x205] == 'S';
}

/* Fills guest memory at base; returns the 64-bit entry point. RSI must be BOOT_PARAMS. */
uint64_t mini_linux_load(uint64_t base, uint64_t memory, const uint8_t *image, uint64_t size,
                         const uint8_t *initrd, uint64_t initrd_size, const char *cmdline)
{
    uint8_t *bp = (uint8_t *)base + BOOT_PARAMS;
    const uint64_t setup = (image[0x1f1] + 1ull) * 512;
    mini_copy(bp + 0x1f1, image + 0x1f1, 0x290 - 0x1f1);
    bp[0x210] = 0xff;
    const uint32_t initrd_at = (uint32_t)(memory - initrd_size) & ~0xfffu;
    const uint32_t words[] = {initrd_at, (uint32_t)initrd_size};
    mini_copy(bp + 0x218, words, sizeof(words));
    *(uint32_t *)(bp + 0x228) = CMDLINE;
    char *c = (char *)base + CMDLINE;
    while ((*c++ = *cmdline++))
        continue;
    put_e820(bp, 0, 0, 0x9f000, 1);
    put_e820(bp, 1, 0x100000, memory - 0x100000, 1);
    bp[0x1e8] = 2;
    mini_copy((void *)(base + KERNEL), image + setup, size - setup);
    mini_copy((void *)(base + initrd_at), initrd, initrd_size);
    uint64_t *pml4 = (uint64_t *)(base + TABLES), *pdpt = pml4 + 512, *pd = pml4 + 1024;
    pml4[0] = (TABLES + 0x1000) | 3;
    pdpt[0] = (TABLES + 0x2000) | 3;
    for (unsigned i = 0; i < 512; i++)
        pd[i] = ((uint64_t)i << 21) | 0x83;
    uint64_t *gdt = (uint64_t *)(base + GDT);
    gdt[2] = 0x00af9b000000ffff;
    gdt[3] = 0x00cf93000000ffff;
    return KERNEL + 0x200;
}

static struct hv_reg_assoc *segment(struct hv_reg_assoc *a, uint32_t name, uint16_t selector,
                                    uint16_t attributes)
{
    a->name = name;
    a->value.segment = (struct hv_segment){
        .limit = 0xffffffff, .selector = selector, .attributes = attributes};
    return a + 1;
}

struct hv_reg_assoc *mini_linux_registers(struct hv_reg_assoc *a, uint64_t entry)
{
    a = segment(a, HV_REG_CS, 0x10, 0xa09b);
    a = segment(a, HV_REG_DS, 0x18, 0xc093);
    a = segment(a, HV_REG_ES, 0x18, 0xc093);
    a = segment(a, HV_REG_SS, 0x18, 0xc093);
    a->name = HV_REG_GDTR;
    a->value.table = (struct hv_table){.limit = 31, .base = GDT};
    a++;
    a = mini_reg(a, HV_REG_CR0, CR0_PE | CR0_PG | CR0_ET | CR0_WP | CR0_NE);
    a = mini_reg(a, HV_REG_CR3, TABLES);
    a = mini_reg(a, HV_REG_CR4, CR4_PAE);
    a = mini_reg(a, HV_REG_EFER, EFER_LME | EFER_LMA);
    a = mini_reg(a, HV_REG_RSI, BOOT_PARAMS);
    return mini_reg(a, HV_REG_RIP, entry);
}

/* ---- ACPI: hardware-reduced FADT, empty DSDT, MADT with the VPs' local APICs (ACPI 6.4, 5.2) - */
#define ACPI 0xe0000u

static void checksum(uint8_t *p, uint32_t length, uint32_t at)
{
    uint8_t sum = 0;
    p[at] = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + p[i]);
    p[at] = (uint8_t)-sum;
}

static void header(uint8_t *p, const char *signature, uint32_t length, uint8_t revision)
{
    mini_copy(p, signature, 4);
    mini_copy(p + 4, &length, 4);
    p[8] = revision;
    mini_copy(p + 10, "VITRINMINIROOT", 14);
    p[24] = 1;
    mini_copy(p + 28, "VITR", 4);
    checksum(p, length, 9);
}

void mini_acpi(uint64_t base, unsigned vps)
{
    uint8_t *p = (uint8_t *)base + ACPI;
    uint8_t *xsdt = p + 0x100, *fadt = p + 0x200, *madt = p + 0x400, *dsdt = p + 0x600;
    const uint64_t addresses[] = {ACPI + 0x100, ACPI + 0x200, ACPI + 0x400, ACPI + 0x600};
    mini_copy(p, "RSD PTR ", 8);
    mini_copy(p + 9, "VITRIN", 6);
    p[15] = 2;
    p[20] = 36;
    mini_copy(p + 24, &addresses[0], 8);
    checksum(p, 20, 8);
    checksum(p, 36, 32);
    mini_copy(xsdt + 36, &addresses[1], 16);
    header(xsdt, "XSDT", 52, 1);
    const uint32_t flags = 1u << 20 | 1u << 4 | 1u << 5; /* reduced hardware, no fixed buttons */
    mini_copy(fadt + 112, &flags, 4);
    mini_copy(fadt + 140, &addresses[3], 8);
    fadt[131] = 1; /* minor version */
    header(fadt, "FACP", 268, 5);
    const uint32_t apic = 0xfee00000;
    mini_copy(madt + 36, &apic, 4);
    for (unsigned i = 0; i < vps; i++) {
        uint8_t *e = madt + 44 + 8 * i;
        e[1] = 8;
        e[2] = e[3] = (uint8_t)i;
        e[4] = 1;
    }
    header(madt, "APIC", 44 + 8 * vps, 4);
    header(dsdt, "DSDT", 36, 2);
}
