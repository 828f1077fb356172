/*
 * kern/acpi.c: what the root wants from the machine's ACPI tables (ACPI 6.5 chapter 5.2): MADT,
 * FADT, MCFG, and the _S5 package, found by its name in the DSDT's bytes.
 *
 * Not modelled: AML beyond that scan.
 */
#include "partitions/root/kern/kern.h"

struct rt_acpi rt_acpi;

static const struct acpi_rsdp *acpi_scan(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at + 20 <= to; at += 16) {
        const struct acpi_rsdp *r = phys_to_virt(at);
        if (memcmp(r->signature, ACPI_RSDP_SIG, 8))
            continue;
        uint8_t sum = 0;
        for (unsigned i = 0; i < 20; i++)
            sum = (uint8_t)(sum + ((const uint8_t *)r)[i]);
        if (!sum)
            return r;
    }
    return 0;
}

static void acpi_madt(const struct acpi_madt *m)
{
    rt_acpi.lapic_addr = m->lapic_addr;
    const uint8_t *p = (const uint8_t *)(m + 1), *end = (const uint8_t *)m + m->h.length;
    while (p + 2 <= end && p[1] >= 2 && p + p[1] <= end) {
        switch (p[0]) {
        case ACPI_MADT_LAPIC:
            rt_acpi.cpus += ((const struct acpi_madt_lapic *)p)->flags & 1;
            break;
        case ACPI_MADT_X2APIC:
            rt_acpi.cpus += ((const struct acpi_madt_x2apic *)p)->flags & 1;
            break;
        case ACPI_MADT_IOAPIC:
            if (!rt_acpi.ioapic_addr) {
                rt_acpi.ioapic_addr = ((const struct acpi_madt_ioapic *)p)->address;
                rt_acpi.ioapic_gsi_base = ((const struct acpi_madt_ioapic *)p)->gsi_base;
            }
            break;
        case ACPI_MADT_ISO: {
            const struct acpi_madt_iso *iso = (const void *)p;
            if (iso->source < 16) {
                rt_acpi.isa_gsi[iso->source] = iso->gsi;
                rt_acpi.isa_flags[iso->source] = iso->flags;
            }
            break;
        }
        }
        p += p[1];
    }
}

static const uint8_t *acpi_aml_byte(const uint8_t *p, uint8_t *out)
{
    if (*p == AML_BYTE) {
        *out = p[1];
        return p + 2;
    }
    *out = *p; /* ZeroOp and OneOp are their values */
    return p + 1;
}

static void acpi_dsdt(const struct acpi_header *h)
{
    const uint8_t *p = (const uint8_t *)(h + 1), *end = (const uint8_t *)h + h->length;
    for (; p + 9 <= end; p++) { /* the package may be the last thing of the table */
        if (memcmp(p, "_S5_", 4) || p[4] != AML_PACKAGE)
            continue;
        p += 5;
        p += 1 + (*p >> 6); /* package length */
        p++;                /* element count */
        p = acpi_aml_byte(p, &rt_acpi.s5_a);
        if (p + 2 <= end)
            acpi_aml_byte(p, &rt_acpi.s5_b);
        rt_acpi.has_s5 = true;
        return;
    }
}

static void acpi_fadt(const struct acpi_fadt *f)
{
    rt_acpi.pm1a_cnt = (uint16_t)f->pm1a_cnt_blk;
    rt_acpi.pm1b_cnt = (uint16_t)f->pm1b_cnt_blk;
    rt_acpi.pm_timer = (uint16_t)f->pm_tmr_blk;
    if (f->smi_cmd && f->acpi_enable && !(inw(rt_acpi.pm1a_cnt) & ACPI_PM1C_SCI_EN))
        outb((uint16_t)f->smi_cmd, f->acpi_enable);
    if (f->dsdt)
        acpi_dsdt(phys_to_virt(f->dsdt));
}

static void acpi_table(uint64_t pa)
{
    if (!pa || pa >= 1ull << 32)
        return;
    const struct acpi_header *h = phys_to_virt(pa);
    if (!memcmp(h->signature, "APIC", 4))
        acpi_madt((const void *)h);
    else if (!memcmp(h->signature, "FACP", 4))
        acpi_fadt((const void *)h);
    else if (!memcmp(h->signature, "MCFG", 4) && h->length >= sizeof(struct acpi_mcfg) + 16) {
        rt_acpi.ecam_base = ((const struct acpi_mcfg *)h)->entry[0].base;
        rt_acpi.ecam_bus_end = ((const struct acpi_mcfg *)h)->entry[0].bus_end;
    }
}

void acpi_init(void)
{
    for (unsigned i = 0; i < 16; i++)
        rt_acpi.isa_gsi[i] = i;
    const struct acpi_rsdp *r = 0;
    if (rt_boot.rsdp)
        r = phys_to_virt(rt_boot.rsdp);
    if (!r)
        r = acpi_scan(ACPI_RSDP_AREA, ACPI_RSDP_AREA_END);
    if (!r)
        rt_panic("no ACPI tables");
    bool wide = r->revision >= 2 && r->xsdt;
    const struct acpi_header *sdt = phys_to_virt(wide ? r->xsdt : r->rsdt);
    const uint8_t *p = (const uint8_t *)(sdt + 1);
    for (unsigned n = (sdt->length - sizeof(*sdt)) / (wide ? 8 : 4); n; n--) {
        uint64_t pa = 0;
        memcpy(&pa, p, wide ? 8 : 4);
        acpi_table(pa);
        p += wide ? 8 : 4;
    }
}

void acpi_poweroff(void)
{
    if (!rt_acpi.has_s5 || !rt_acpi.pm1a_cnt) {
        rt_log("acpi: no _S5, can't power off");
        return;
    }
    uint16_t keep = (uint16_t)(inw(rt_acpi.pm1a_cnt) & ~(ACPI_PM1C_SLP_TYP | ACPI_PM1C_SLP_EN));
    outw(rt_acpi.pm1a_cnt,
         (uint16_t)(keep | rt_acpi.s5_a << ACPI_PM1C_SLP_TYP_SHIFT | ACPI_PM1C_SLP_EN));
    if (rt_acpi.pm1b_cnt)
        outw(rt_acpi.pm1b_cnt,
             (uint16_t)(rt_acpi.s5_b << ACPI_PM1C_SLP_TYP_SHIFT | ACPI_PM1C_SLP_EN));
}
