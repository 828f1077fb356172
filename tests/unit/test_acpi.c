/* Unit tests of devices/acpi: the tables as a guest finds them. With ACPI_DUMP=DIR in the
 * environment the tables are also written there, for check_acpi.sh. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/fwcfg.h"
#include "devices/acpi/acpi.h"
#include "devices/chipset/chipset.h"
#include "mmu/ram.h"

static struct ram *ram;
static struct acpi_tables *tables;

static const uint8_t *at(uint64_t pa)
{
    return ram->base + pa;
}

static uint8_t sum(const void *bytes, size_t len)
{
    uint8_t s = 0;
    for (size_t i = 0; i < len; i++)
        s = (uint8_t)(s + ((const uint8_t *)bytes)[i]);
    return s;
}

static const struct acpi_header *find(const char *sig)
{
    const struct acpi_rsdp *r = (const void *)at(0xe0000);
    const struct acpi_header *x = (const void *)at(r->xsdt);
    for (size_t i = 0; i < (x->length - sizeof *x) / 8; i++) {
        uint64_t pa;
        memcpy(&pa, (const uint8_t *)(x + 1) + 8 * i, 8);
        if (!memcmp(at(pa), sig, 4))
            return (const void *)at(pa);
    }
    return NULL;
}

static void dump(const struct acpi_header *h)
{
    char path[512];
    const char *dir = getenv("ACPI_DUMP");
    if (!dir)
        return;
    snprintf(path, sizeof path, "%s/%.4s.dat", dir, h->signature);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fwrite(h, 1, h->length, f);
    fclose(f);
}

static void setup(unsigned cpus)
{
    ram = ram_new(4 << 20);
    const struct acpi_config cfg = {
        cpus, 0x280000000, ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_8042 | ACPI_BOOT_NO_ASPM, 40};
    tables = acpi_tables_new(&cfg);
    ck_assert_uint_eq(acpi_tables_place(tables, ram, 0xe0000, 0x20000), 0xe0000);
}

START_TEST(every_table_sums_up_to_zero)
{
    static const char *const sigs[] = {"FACP", "APIC", "HPET", "MCFG", "DMAR"};
    setup(4);
    const struct acpi_rsdp *r = (const void *)at(0xe0000);
    ck_assert_int_eq(memcmp(r->signature, ACPI_RSDP_SIG, 8), 0);
    ck_assert_uint_eq(sum(r, 20), 0);
    ck_assert_uint_eq(sum(r, sizeof *r), 0);
    for (unsigned i = 0; i < 5; i++) {
        const struct acpi_header *h = find(sigs[i]);
        ck_assert_ptr_nonnull(h);
        ck_assert_uint_eq(sum(h, h->length), 0);
        dump(h);
    }
    const struct acpi_fadt *f = (const void *)find("FACP");
    const struct acpi_header *dsdt = (const void *)at(f->x_dsdt);
    ck_assert_int_eq(memcmp(dsdt->signature, "DSDT", 4), 0);
    ck_assert_uint_eq(sum(dsdt, dsdt->length), 0);
    dump(dsdt);
    ram_free(ram);
    acpi_tables_free(tables);
}
END_TEST

START_TEST(the_madt_lists_processors_ioapic_and_overrides)
{
    setup(3);
    const struct acpi_madt *m = (const void *)find("APIC");
    unsigned seen[16] = {0};
    for (const uint8_t *p = (const uint8_t *)(m + 1), *end = (const uint8_t *)m + m->h.length;
         p < end; p += p[1]) {
        ck_assert_uint_ge(p[1], 2);
        seen[p[0] & 15]++;
        if (p[0] == ACPI_MADT_ISO) {
            const struct acpi_madt_iso *o = (const void *)p;
            ck_assert(o->source == 0 ? o->gsi == 2 : o->source == 9 && (o->flags & 0xc) == 0xc);
        }
    }
    ck_assert_uint_eq(seen[ACPI_MADT_LAPIC], 3);
    ck_assert_uint_eq(seen[ACPI_MADT_IOAPIC], 1);
    ck_assert_uint_eq(seen[ACPI_MADT_ISO], 2);
    ram_free(ram);
    acpi_tables_free(tables);
}
END_TEST

START_TEST(the_fadt_names_the_registers_of_the_board)
{
    setup(1);
    const struct acpi_fadt *f = (const void *)find("FACP");
    ck_assert_uint_eq(f->pm1a_cnt_blk, PM_BASE + 4);
    ck_assert_uint_eq(f->pm_tmr_blk, PM_TIMER);
    ck_assert_uint_eq(f->reset_reg.address, 0xcf9);
    ck_assert(f->flags & ACPI_F_RESET_REG_SUP);
    ram_free(ram);
    acpi_tables_free(tables);
}
END_TEST

START_TEST(the_board_reserves_the_whole_pm_block_of_the_lpc_bridge)
{
    static const uint8_t range[] = {0x47, 1, 0x00, 0x06, 0x00, 0x06, 1, 0x80};
    setup(1);
    const struct acpi_fadt *f = (const void *)find("FACP");
    const struct acpi_header *dsdt = (const void *)at(f->x_dsdt);
    ck_assert_ptr_nonnull(memmem(dsdt, dsdt->length, range, sizeof range));
    const uint16_t blocks[] = {(uint16_t)f->pm1a_evt_blk, (uint16_t)f->pm1a_cnt_blk,
                               (uint16_t)f->pm_tmr_blk, (uint16_t)f->gpe0_blk};
    for (unsigned i = 0; i < 4; i++)
        ck_assert(blocks[i] >= PM_BASE && blocks[i] + 8 <= PM_BASE + PM_SIZE);
    ram_free(ram);
    acpi_tables_free(tables);
}
END_TEST

/* Address of a file that the loader placed. */
static uint8_t *placed[2];
static unsigned file_of(const char *name)
{
    return !strcmp(name, "etc/acpi/tables");
}

START_TEST(the_loader_script_links_the_same_tables)
{
    setup(16);
    const struct acpi_blob script = acpi_loader_file(tables), blob = acpi_tables_file(tables),
                           rsdp = acpi_rsdp_file(tables);
    ck_assert_uint_eq(script.len % sizeof(struct fwcfg_loader), 0);
    for (size_t i = 0; i < script.len / sizeof(struct fwcfg_loader); i++) {
        const struct fwcfg_loader *e = (const struct fwcfg_loader *)script.bytes + i;
        uint8_t *f;
        uint64_t v = 0;
        switch (e->command) {
        case FWCFG_LOADER_ALLOCATE: /* where acpi_tables_place puts them */
            f = ram->base + (file_of(e->allocate.file) ? 0x200040 : 0x200000);
            placed[file_of(e->allocate.file)] = f;
            memcpy(f, file_of(e->allocate.file) ? blob.bytes : rsdp.bytes,
                   file_of(e->allocate.file) ? blob.len : rsdp.len);
            break;
        case FWCFG_LOADER_ADD_POINTER:
            f = placed[file_of(e->pointer.in)] + e->pointer.offset;
            memcpy(&v, f, e->pointer.size);
            v += (uint64_t)(placed[file_of(e->pointer.to)] - ram->base);
            memcpy(f, &v, e->pointer.size);
            break;
        case FWCFG_LOADER_ADD_CHECKSUM:
            f = placed[file_of(e->checksum.file)];
            f[e->checksum.offset] = (uint8_t)(f[e->checksum.offset] -
                                              sum(f + e->checksum.start, e->checksum.len));
            break;
        default:
            ck_abort();
        }
    }
    uint8_t *const mine = malloc(0x20000);
    ck_assert_ptr_nonnull(mine);
    memcpy(mine, at(0x200000), 0x20000);
    ck_assert_uint_eq(acpi_tables_place(tables, ram, 0x200000, 0x20000), 0x200000);
    ck_assert_int_eq(memcmp(mine, at(0x200000), 0x20000), 0);
    free(mine);
    ram_free(ram);
    acpi_tables_free(tables);
}
END_TEST

SUITE("acpi", the_loader_script_links_the_same_tables, every_table_sums_up_to_zero,
      the_madt_lists_processors_ioapic_and_overrides, the_fadt_names_the_registers_of_the_board,
      the_board_reserves_the_whole_pm_block_of_the_lpc_bridge)
