/*
 * devices/acpi/tables.c: the fixed tables (acpi.h). The DSDT is built by dsdt.c; place.c places.
 * Not modelled: SRAT/SLIT, sleep states but S3 and S5.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/lapic.h"
#include "abi/vtd.h"
#include "devices/acpi/acpi_int.h"
#include "devices/acpi/aml.h"
#include "devices/chipset/chipset.h"
#include "devices/pci/pci.h"

#define ALIGN 64u

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

/* Append; returns the offset. */
static uint32_t put(struct acpi_tables *t, const void *bytes, size_t len)
{
    const size_t at = t->len, end = (at + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (end > t->cap) {
        const size_t cap = end * 2;
        uint8_t *const grown = realloc(t->bytes, cap);
        if (!grown) {
            t->failed = true;
            return 0;
        }
        memset(grown + t->cap, 0, cap - t->cap);
        t->bytes = grown;
        t->cap = cap;
    }
    memcpy(t->bytes + at, bytes, len);
    t->len = end;
    return (uint32_t)at;
}

static void add_ptr(struct acpi_tables *t, bool rsdp, size_t at, unsigned size)
{
    if (t->ptrs == ACPI_PTRS_MAX)
        t->failed = true;
    else
        t->ptr[t->ptrs++] = (struct acpi_ptr){(uint32_t)at, (uint8_t)size, rsdp};
}

static void add_sum(struct acpi_tables *t, bool rsdp, size_t at, size_t start, size_t len)
{
    if (t->sums == ACPI_SUMS_MAX)
        t->failed = true;
    else
        t->sum[t->sums++] = (struct acpi_sum){(uint32_t)at, (uint32_t)start, (uint32_t)len, rsdp};
}

/* A table with a header. */
static uint32_t put_table(struct acpi_tables *t, const void *table, size_t len)
{
    const uint32_t at = put(t, table, len);
    add_sum(t, false, at + offsetof(struct acpi_header, checksum), at, len);
    return at;
}

static uint32_t put_dsdt(struct acpi_tables *t, const struct acpi_config *cfg)
{
    struct aml *const b = aml_new();
    if (!b) {
        t->failed = true;
        return 0;
    }
    const struct acpi_header h = header("DSDT", 0, 2);
    aml_bytes(b, &h, sizeof h);
    acpi_dsdt(b, cfg);
    size_t len;
    uint8_t *const bytes = aml_finish(b, &len);
    uint32_t at = 0;
    if (bytes) {
        const uint32_t length = (uint32_t)len;
        memcpy(bytes + offsetof(struct acpi_header, length), &length, 4);
        at = put_table(t, bytes, len);
    } else {
        t->failed = true;
    }
    free(bytes);
    return at;
}

static struct acpi_gas io(uint16_t port, uint8_t bits, uint8_t access)
{
    return (struct acpi_gas){ACPI_SPACE_IO, bits, 0, access, port};
}

static uint32_t put_fadt(struct acpi_tables *t, const struct acpi_config *cfg, uint32_t dsdt,
                         uint32_t facs)
{
    struct acpi_fadt f = {
        .h = header("FACP", sizeof f, 6),
        .firmware_ctrl = facs,
        .dsdt = dsdt,
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
        .iapc_boot_arch = cfg->boot_arch,
        .flags = ACPI_F_WBINVD | ACPI_F_PROC_C1 | ACPI_F_SLP_BUTTON | ACPI_F_TMR_VAL_EXT |
                 ACPI_F_RESET_REG_SUP,
        .reset_reg = io(0xcf9, 8, 1),
        .reset_value = ACPI_RESET_CF9,
        .x_dsdt = dsdt,
        .x_pm1a_evt_blk = io(PM_BASE, 32, 2),
        .x_pm1a_cnt_blk = io(PM_BASE + 4, 16, 2),
        .x_pm_tmr_blk = io(PM_TIMER, 32, 3),
        .x_gpe0_blk = io(PM_GPE0, 32, 1),
    };
    const uint32_t at = put_table(t, &f, sizeof f);
    add_ptr(t, false, at + offsetof(struct acpi_fadt, firmware_ctrl), 4);
    add_ptr(t, false, at + offsetof(struct acpi_fadt, dsdt), 4);
    add_ptr(t, false, at + offsetof(struct acpi_fadt, x_dsdt), 8);
    return at;
}

static uint32_t put_madt(struct acpi_tables *tables, unsigned cpus)
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
    return put_table(tables, &t, len);
}

static uint32_t put_hpet(struct acpi_tables *tables)
{
    struct acpi_hpet t = {
        .h = header("HPET", sizeof t, 1),
        .event_timer_block_id = 0x8086a201,
        .address = {ACPI_SPACE_MEMORY, 64, 0, 0, HPET_BASE},
        .min_tick = 100,
    };
    return put_table(tables, &t, sizeof t);
}

static uint32_t put_mcfg(struct acpi_tables *tables)
{
    struct {
        struct acpi_header h;
        uint64_t reserved;
        struct acpi_mcfg_entry e;
    } __attribute__((packed)) t = {
        .h = header("MCFG", sizeof t, 1),
        .e = {PCI_ECAM_BASE, 0, 0, (uint8_t)(PCI_ECAM_SIZE >> 20) - 1, 0},
    };
    return put_table(tables, &t, sizeof t);
}

static struct acpi_dmar_scope scope(uint8_t type, uint8_t id, uint16_t rid)
{
    return (struct acpi_dmar_scope){.type = type,
                                    .length = sizeof(struct acpi_dmar_scope),
                                    .id = id,
                                    .bus = (uint8_t)(rid >> 8),
                                    .device = rid >> 3 & 31,
                                    .function = rid & 7};
}

/* One unit for all functions, and for what sends messages without being one. */
static uint32_t put_dmar(struct acpi_tables *tables, unsigned bits)
{
    struct {
        struct acpi_dmar d;
        struct acpi_dmar_drhd unit;
        struct acpi_dmar_scope scope[2];
    } __attribute__((packed)) t = {
        .d = {.h = header("DMAR", sizeof t, 1),
              .host_address_width = (uint8_t)(bits - 1),
              .flags = ACPI_DMAR_INTR_REMAP},
        .unit = {.length = sizeof t.unit + sizeof t.scope,
                 .flags = ACPI_DRHD_ALL,
                 .registers = VTD_BASE},
        .scope = {scope(ACPI_SCOPE_IOAPIC, 0, PCI_RID_IOAPIC),
                  scope(ACPI_SCOPE_HPET, 0, PCI_RID_HPET)},
    };
    return put_table(tables, &t, sizeof t);
}

/* RSDT and XSDT: both list the same tables. */
static void put_roots(struct acpi_tables *t, const uint32_t *table, unsigned count)
{
    struct {
        struct acpi_header h;
        uint32_t table[8];
    } __attribute__((packed)) r;
    struct {
        struct acpi_header h;
        uint64_t table[8];
    } __attribute__((packed)) x;
    const size_t rlen = sizeof r.h + 4 * count, xlen = sizeof x.h + 8 * count;
    r.h = header("RSDT", rlen, 1);
    x.h = header("XSDT", xlen, 1);
    for (unsigned i = 0; i < count; i++)
        x.table[i] = r.table[i] = table[i];
    const uint32_t rsdt = put_table(t, &r, rlen), xsdt = put_table(t, &x, xlen);
    for (unsigned i = 0; i < count; i++) {
        add_ptr(t, false, rsdt + sizeof r.h + 4 * i, 4);
        add_ptr(t, false, xsdt + sizeof x.h + 8 * i, 8);
    }
    t->rsdp = (struct acpi_rsdp){
        .revision = 2, .length = sizeof t->rsdp, .rsdt = rsdt, .xsdt = xsdt};
    memcpy(t->rsdp.signature, ACPI_RSDP_SIG, 8);
    memcpy(t->rsdp.oem_id, "VITRIN", 6);
    add_ptr(t, true, offsetof(struct acpi_rsdp, rsdt), 4);
    add_ptr(t, true, offsetof(struct acpi_rsdp, xsdt), 8);
    add_sum(t, true, offsetof(struct acpi_rsdp, checksum), 0, 20);
    add_sum(t, true, offsetof(struct acpi_rsdp, ext_checksum), 0, sizeof t->rsdp);
}

struct acpi_tables *acpi_tables_new(const struct acpi_config *cfg)
{
    struct acpi_tables *const t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    struct acpi_facs facs = {.length = sizeof facs, .version = 2};
    memcpy(facs.signature, "FACS", 4);
    const uint32_t facs_at = put(t, &facs, sizeof facs), dsdt = put_dsdt(t, cfg);
    uint32_t table[5] = {put_fadt(t, cfg, dsdt, facs_at), put_madt(t, cfg->cpus), put_hpet(t),
                         put_mcfg(t)};
    unsigned count = 4;
    if (cfg->iommu_bits)
        table[count++] = put_dmar(t, cfg->iommu_bits);
    put_roots(t, table, count);
    if (t->failed || !acpi_build_loader(t)) {
        acpi_tables_free(t);
        return NULL;
    }
    return t;
}

void acpi_tables_free(struct acpi_tables *t)
{
    if (!t)
        return;
    free(t->bytes);
    free(t->loader);
    free(t);
}
