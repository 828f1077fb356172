/* devices/acpi/acpi_int.h: the blob under construction: between tables.c and place.c. */
#ifndef DEVICES_ACPI_ACPI_INT_H
#define DEVICES_ACPI_ACPI_INT_H

#include <stdbool.h>

#include "abi/acpi.h"
#include "devices/acpi/acpi.h"

#define ACPI_PTRS_MAX 24
#define ACPI_SUMS_MAX 16

struct acpi_tables {
    uint8_t *bytes; /* pointers are offsets into it; checksums hold for these */
    size_t len, cap;
    struct acpi_rsdp rsdp; /* likewise */
    struct acpi_ptr {
        uint32_t at;
        uint8_t size;
        bool rsdp; /* at is an offset in the RSDP */
    } ptr[ACPI_PTRS_MAX];
    struct acpi_sum {
        uint32_t at, start, len;
        bool rsdp;
    } sum[ACPI_SUMS_MAX];
    unsigned ptrs, sums;
    uint8_t *loader;
    size_t loader_len;
    bool failed;
};

uint8_t acpi_sum(const void *bytes, size_t len);
bool acpi_build_loader(struct acpi_tables *t);

#endif
