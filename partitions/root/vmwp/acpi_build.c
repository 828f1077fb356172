/*
 * vmwp/acpi_build.c: RSDP, XSDT, FADT, FACS, MADT and the DSDT of dsdt.c (ACPI 6.5 5.2). APIC ids
 * are VP indices; ids from 255 on would get x2APIC entries.
 */
#include "partitions/root/vmwp/acpi_build.h"
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/models.h"
#include "abi/acpi.h"

#define AT_XSDT 0x40u
#define AT_FADT 0x100u
#define AT_FACS 0x240u
#define AT_DSDT 0x300u
#define AT_MADT 0x800u

static void set_checksum(uint8_t *table, unsigned length, uint8_t *at)
{
    uint8_t sum = 0;
    *at = 0;
    for (unsigned i = 0; i < length; i++)
        sum = (uint8_t)(sum + table[i]);
    *at = (uint8_t)-sum;
}

static void header(struct acpi_header *h, const char *signature, uint8_t revision, uint32_t length)
{
    memcpy(h->signature, signature, 4);
    h->length = length;
    h->revision = revision;
    memcpy(h->oem_id, "VITRIN", 6);
    memcpy(h->oem_table_id, "VITRINVM", 8);
    h->oem_revision = 1;
    memcpy(h->creator_id, "VTRN", 4);
    h->creator_revision = 1;
    set_checksum((uint8_t *)h, length, &h->checksum);
}

static struct acpi_gas io_register(uint64_t port, uint8_t bits)
{
    return (struct acpi_gas){ACPI_SPACE_IO, bits, 0,
                             (uint8_t)(bits == 8    ? 1
                                       : bits == 16 ? 2
                                                    : 3),
                             port};
}

static void build_fadt(uint8_t *area)
{
    struct acpi_fadt *f = (void *)(area + AT_FADT);
    f->firmware_ctrl = ACPI_AREA_GPA + AT_FACS;
    f->dsdt = ACPI_AREA_GPA + AT_DSDT;
    f->x_dsdt = f->dsdt;
    f->sci_int = 9;
    f->pm1a_evt_blk = PM1A_EVT;
    f->pm1a_cnt_blk = PM1A_CNT;
    f->pm_tmr_blk = PM_TIMER;
    f->pm1_evt_len = 4;
    f->pm1_cnt_len = 2;
    f->pm_tmr_len = 4;
    f->p_lvl2_lat = 0xfff; /* no C2, C3 */
    f->p_lvl3_lat = 0xfff;
    f->century = 0x32;
    f->iapc_boot_arch = ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_MSI;
    f->flags = ACPI_F_WBINVD | ACPI_F_PROC_C1 | ACPI_F_PWR_BUTTON | ACPI_F_SLP_BUTTON |
               ACPI_F_TMR_VAL_EXT | ACPI_F_RESET_REG_SUP;
    f->reset_reg = io_register(0xcf9, 8);
    f->reset_value = ACPI_RESET_CF9;
    f->minor_revision = 5;
    f->x_pm1a_evt_blk = io_register(PM1A_EVT, 32);
    f->x_pm1a_cnt_blk = io_register(PM1A_CNT, 16);
    f->x_pm_tmr_blk = io_register(PM_TIMER, 32);
    header(&f->h, "FACP", 6, sizeof(*f));
    struct acpi_facs *facs = (void *)(area + AT_FACS);
    memcpy(facs->signature, "FACS", 4);
    facs->length = sizeof(*facs);
    facs->version = 2;
}

static void build_dsdt(uint8_t *area, uint64_t ram_end)
{
    uint8_t *d = area + AT_DSDT;
    const unsigned n = dsdt_build(d + sizeof(struct acpi_header), ram_end);
    header((void *)d, "DSDT", 2, (uint32_t)sizeof(struct acpi_header) + n);
}

static void build_madt(uint8_t *area, unsigned cpus)
{
    struct acpi_madt *m = (void *)(area + AT_MADT);
    uint8_t *p = (uint8_t *)(m + 1);
    m->lapic_addr = VM_LAPIC_GPA;
    m->flags = ACPI_MADT_PCAT;
    for (unsigned i = 0; i < cpus; i++) {
        *(struct acpi_madt_lapic *)p = (struct acpi_madt_lapic){
            {ACPI_MADT_LAPIC, 8}, (uint8_t)i, (uint8_t)i, 1};
        p += 8;
    }
    *(struct acpi_madt_ioapic *)p = (struct acpi_madt_ioapic){
        {ACPI_MADT_IOAPIC, 12}, (uint8_t)cpus, 0, VM_IOAPIC_GPA, 0};
    p += 12;
    *(struct acpi_madt_iso *)p = (struct acpi_madt_iso){{ACPI_MADT_ISO, 10}, 0, 0, 2, 0};
    p += 10;
    *(struct acpi_madt_iso *)p = (struct acpi_madt_iso){{ACPI_MADT_ISO, 10}, 0, 9, 9, 0xd};
    p += 10;
    *(struct acpi_madt_lapic_nmi *)p = (struct acpi_madt_lapic_nmi){
        {ACPI_MADT_LAPIC_NMI, 6}, 0xff, 0, 1};
    p += 6;
    header(&m->h, "APIC", 5, (uint32_t)(p - (uint8_t *)m));
}

void acpi_build(uint8_t *area, unsigned cpus, uint64_t ram_end)
{
    memset(area, 0, ACPI_AREA_SIZE);
    build_fadt(area);
    build_dsdt(area, ram_end);
    build_madt(area, cpus);
    uint64_t entry[2] = {ACPI_AREA_GPA + AT_FADT, ACPI_AREA_GPA + AT_MADT};
    memcpy(area + AT_XSDT + sizeof(struct acpi_header), entry, sizeof(entry));
    header((void *)(area + AT_XSDT), "XSDT", 1, sizeof(struct acpi_header) + sizeof(entry));
    struct acpi_rsdp *r = (void *)area;
    memcpy(r->signature, ACPI_RSDP_SIG, 8);
    memcpy(r->oem_id, "VITRIN", 6);
    r->revision = 2;
    r->length = sizeof(*r);
    r->xsdt = ACPI_AREA_GPA + AT_XSDT;
    set_checksum(area, 20, &r->checksum);
    set_checksum(area, sizeof(*r), &r->ext_checksum);
}
