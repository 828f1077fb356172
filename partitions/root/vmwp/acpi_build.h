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

/* Guest addresses for memory of synthetic devices; the high ones only if RAM ends below. */
#define VM_LOW_MMIO       0xf8000000ull
#define VM_LOW_MMIO_SIZE  0x6c00000ull
#define VM_HIGH_MMIO      0xfe0000000ull
#define VM_HIGH_MMIO_SIZE 0x20000000ull

/* Fills `area` (ACPI_AREA_SIZE bytes, to appear at ACPI_AREA_GPA); the RSDP is its first byte. */
void acpi_build(uint8_t *area, unsigned cpus, uint64_t ram_end);

/* dsdt.c: AML at `to`, less than 1 KiB; returns its length. */
unsigned dsdt_build(uint8_t *to, uint64_t ram_end);

#endif
