/*
 * vmwp/acpi_build.h: the ACPI tables of a VM.
 */
#ifndef RT_ACPI_BUILD_H
#define RT_ACPI_BUILD_H

#include <stdint.h>

#define ACPI_AREA_GPA  0xe0000u
#define ACPI_AREA_SIZE 0x2000u
#define VM_LAPIC_GPA   0xfee00000u
#define VM_IOAPIC_GPA  0xfec00000u

/* Fills `area` (ACPI_AREA_SIZE bytes, to appear at ACPI_AREA_GPA); the RSDP is its first byte. */
void acpi_build(uint8_t *area, unsigned cpus);

#endif
