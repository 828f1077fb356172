/*
 * devices/acpi/acpi.h: the machine's ACPI tables (ACPI 6.4): RSDP, XSDT, FADT, MADT, HPET, MCFG,
 * DSDT.
 */
#ifndef DEVICES_ACPI_ACPI_H
#define DEVICES_ACPI_ACPI_H

#include <stdint.h>

struct ram;

/* Writes the tables into [at, at + len); returns the RSDP's address. */
uint64_t acpi_build(struct ram *ram, uint64_t at, uint64_t len, unsigned cpus);

#endif
