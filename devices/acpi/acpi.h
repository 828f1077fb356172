/*
 * devices/acpi/acpi.h: the machine's ACPI tables (ACPI 6.4): RSDP, RSDT, XSDT, FADT, FACS, MADT,
 * HPET, MCFG, DSDT, and DMAR when there is an IOMMU.
 *
 * The tables are one position-independent blob with a list of its pointers and checksums. Without
 * firmware they are put at a fixed place; with firmware they go through fw_cfg as files, together
 * with a script that tells the firmware to place and link them.
 */
#ifndef DEVICES_ACPI_ACPI_H
#define DEVICES_ACPI_ACPI_H

#include <stddef.h>
#include <stdint.h>

struct acpi_tables;
struct ram;

struct acpi_config {
    unsigned cpus;
    uint64_t ram_end;    /* address after the last byte of RAM */
    uint16_t boot_arch;  /* ACPI_BOOT_* of the FADT */
    unsigned iommu_bits; /* DMAR: width of machine addresses; 0: no IOMMU */
};

struct acpi_blob { /* a file of fw_cfg; lives as long as the tables */
    const void *bytes;
    size_t len;
};

struct acpi_tables *acpi_tables_new(const struct acpi_config *cfg); /* NULL: out of memory */
void acpi_tables_free(struct acpi_tables *t);
/* Writes the linked tables into [at, at + len), RSDP first; returns its address, 0: no room. */
uint64_t acpi_tables_place(const struct acpi_tables *t, struct ram *ram, uint64_t at, size_t len);
uint64_t acpi_tables_facs(uint64_t rsdp); /* of tables that were placed: address of the FACS */
/* Files "etc/acpi/tables", "etc/acpi/rsdp", "etc/table-loader" */
struct acpi_blob acpi_tables_file(const struct acpi_tables *t);
struct acpi_blob acpi_rsdp_file(const struct acpi_tables *t);
struct acpi_blob acpi_loader_file(const struct acpi_tables *t);

#endif
