/*
 * devices/acpi/tables.c: the fixed tables (acpi.h). The DSDT is built by dsdt.c.
 * Not modelled: SRAT/SLIT, DMAR (no IOMMU yet), sleep states but S5.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/lapic.h"
#include "devices/acpi/acpi.h"
#include "devices/acpi/aml.h"
#include "devices/chipset/chipset.h"
#include "devices/pci/pci.h"
#include "mmu/ram.h"

struct area {
    struct ram *ram;
    uint64_t at, next, end;
};

static uint8_t sum(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint8_t s = 0;
    while (len--)
        s = (uint8_t)(s + *p++);
    return s;
}

static struct acpi_header header(const char *signature, size_t len, uint8_t revision)
{
    struct acpi_header h = {
        .length = (uint32_t)len, .revision = revision, .oem_revision = 1, .creator_revision = 1};
    memcpy(h.signature, signature, 4);
    memcpy(h.oem_id, "VITRIN", 6);
    memcpy(h.oem_table_id, "VITRINE ", 8);
    memcpy(h.creator_id, "VITR", 4);
    return h;
}

static uint64_t put(struct area *a, const void *bytes, size_t len)
{
    const uint64_t at = a->next;
    if (len > a->end - at)
        return 0;
    ram_write(a->ram, hpa(at), bytes, len);
    a->next = (at + len + 63) & ~63ull;
    return at;
}

/* A table whose checksum is set here. */
static uint64_t put_table(struct area *a, void *table, size_t len)
{
    struct acpi_header *const h = table;
    h->checksum = 0;
    h->checksum = (uint8_t)-sum(table, len);
    return put(a, table, len);
}

static uint64_t put_dsdt(struct area *a, unsigned cpus)
{
    struct aml *const b = aml_new();
    if (!b)
        return 0;
    const struct acpi_header h = header("DSDT", 0, 2);
    aml_bytes(b, &h, sizeof h);
    acpi_dsdt(b, cpus);
    size_t len;
    uint8_t *const bytes = aml_finish(b, &len);
    uint64_t at = 0;
    if (bytes) {
        const uint32_t length = (uint32_t)len;
        memcpy(bytes + offsetof(struct acpi_header, length), &length, 4);
        at = put_table(a, bytes, len);
    }
    free(bytes);
    return at;
}

static struct acpi_gas io(uint16_t port, uint8_t bits, uint8_t access)
{
    return (struct acpi_gas){ACPI_SPACE_IO, bits, 0, access, port};
}

static uint64_t put_fadt(struct area *a, uint64_t dsdt, uint64_t facs)
{
    struct acpi_fadt f = {
        .h = header("FACP", sizeof f, 6),
        .firmware_ctrl = (uint32_t)facs,
        .dsdt = (uint32_t)dsdt,
        .preferred_pm_profile = 4, /* enterprise server */
        .sci_int = 9,
        .pm1a_evt_blk = PM_BASE,
        .pm1a_cnt_blk = PM_BASE + 4,
        .pm_tmr_blk = PM_TIMER,
        .gpe0_blk = PM_GPE0,
        .pm1_evt_len = 4,
        .pm1_cnt_len = 2,
        .pm_tmr_len = 4,
        .gpe0_blk_len = 4,
        .p_lvl2_lat = 0xfff,
        .p_lvl3_lat = 0xfff,
        .century = 0x32,
        .iapc_boot_arch = ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_ASPM,
        .flags = ACPI_F_WBINVD | ACPI_F_PROC_C1 | ACPI_F_PWR_BUTTON | ACPI_F_SLP_BUTTON |
                 ACPI_F_TMR_VAL_EXT | ACPI_F_RESET_REG_SUP,
        .reset_reg = io(0xcf9, 8, 1),
        .reset_value = ACPI_RESET_CF9,
        .x_dsdt = dsdt,
        .x_pm1a_evt_blk = io(PM_BASE, 32, 2),
        .x_pm1a_cnt_blk = io(PM_BASE + 4, 16, 2),
        .x_pm_tmr_blk = io(PM_TIMER, 32, 3),
        .x_gpe0_blk = io(PM_GPE0, 32, 1),
    };
    return put_table(a, &f, sizeof f);
}

static uint64_t put_madt(struct area *a, unsigned cpus)
{
    struct {
        struct acpi_madt m;
        uint8_t entries[16 * 8 + 12 + 2 * 10 + 6];
    } __attribute__((packed)) t = {.m = {.lapic_addr = LAPIC_BASE, .flags = ACPI_MADT_PCAT}};
    uint8_t *p = t.entries;
    for (unsigned i = 0; i < cpus && i < 16; i++) {
        const struct acpi_madt_lapic l = {{ACPI_MADT_LAPIC, sizeof l}, (uint8_t)i, (uint8_t)i, 1};
        memcpy(p, &l, sizeof l);
        p += sizeof l;
    }
    const struct acpi_madt_ioapic ioapic = {
        {ACPI_MADT_IOAPIC, sizeof ioapic}, 0, 0, IOAPIC_BASE, 0};
    const struct acpi_madt_iso iso[2] = {{{ACPI_MADT_ISO, sizeof iso[0]}, 0, 0, 2, 0},
                                         {{ACPI_MADT_ISO, sizeof iso[0]}, 0, 9, 9, 0xd}};
    const struct acpi_madt_lapic_nmi nmi = {{ACPI_MADT_LAPIC_NMI, sizeof nmi}, 0xff, 0, 1};
    memcpy(p, &ioapic, sizeof ioapic);
    p += sizeof ioapic;
    memcpy(p, iso, sizeof iso);
    p += sizeof iso;
    memcpy(p, &nmi, sizeof nmi);
    p += sizeof nmi;
    const size_t len = (size_t)(p - (uint8_t *)&t);
    t.m.h = header("APIC", len, 4);
    return put_table(a, &t, len);
}

static uint64_t put_hpet(struct area *a)
{
    struct acpi_hpet t = {
        .h = header("HPET", sizeof t, 1),
        .event_timer_block_id = 0x8086a201,
        .address = {ACPI_SPACE_MEMORY, 64, 0, 0, HPET_BASE},
        .min_tick = 100,
    };
    return put_table(a, &t, sizeof t);
}

static uint64_t put_mcfg(struct area *a)
{
    struct {
        struct acpi_header h;
        uint64_t reserved;
        struct acpi_mcfg_entry e;
    } __attribute__((packed)) t = {
        .h = header("MCFG", sizeof t, 1),
        .e = {PCI_ECAM_BASE, 0, 0, (uint8_t)(PCI_ECAM_SIZE >> 20) - 1, 0},
    };
    return put_table(a, &t, sizeof t);
}

uint64_t acpi_build(struct ram *ram, uint64_t at, uint64_t len, unsigned cpus)
{
    struct area a = {ram, at, (at + sizeof(struct acpi_rsdp) + 63) & ~63ull, at + len};
    struct acpi_facs facs = {.length = sizeof facs, .version = 2};
    memcpy(facs.signature, "FACS", 4);
    const uint64_t facs_at = put(&a, &facs, sizeof facs), dsdt = put_dsdt(&a, cpus);
    struct {
        struct acpi_header h;
        uint64_t table[4];
    } __attribute__((packed))
    xsdt = {.table = {put_fadt(&a, dsdt, facs_at), put_madt(&a, cpus), put_hpet(&a), put_mcfg(&a)}};
    xsdt.h = header("XSDT", sizeof xsdt, 1);
    struct acpi_rsdp r = {
        .revision = 2, .length = sizeof r, .xsdt = put_table(&a, &xsdt, sizeof xsdt)};
    memcpy(r.signature, ACPI_RSDP_SIG, 8);
    memcpy(r.oem_id, "VITRIN", 6);
    r.checksum = (uint8_t)-sum(&r, 20);
    r.ext_checksum = (uint8_t)-sum(&r, sizeof r);
    ram_write(ram, hpa(at), &r, sizeof r);
    return at;
}
