/*
 * devices/acpi/aml.h: writing AML (ACPI 6.4 chapter 20) into a growing buffer.
 *
 * Blocks with a package length are opened and closed; the length is put in front on closing, always
 * in the form that takes four bytes, so nothing has to move twice.
 */
#ifndef DEVICES_ACPI_AML_H
#define DEVICES_ACPI_AML_H

#include <stddef.h>
#include <stdint.h>

#include "devices/acpi/acpi.h"

struct aml;
struct aml *aml_new(void);
/* Bytes (to be freed by the caller) and length; frees the writer. NULL: out of memory. */
uint8_t *aml_finish(struct aml *a, size_t *len);

void aml_bytes(struct aml *a, const void *bytes, size_t len);
void aml_byte(struct aml *a, uint8_t v);
void aml_integer(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *text);
void aml_eisaid(struct aml *a, const char *id);    /* "PNP0A08" */
void aml_name(struct aml *a, const char *name);    /* Name (NAME, ...): value follows */
void aml_path(struct aml *a, const char *path);    /* name string: "_SB_", "\\_S5_" */
void aml_scope(struct aml *a, const char *path);   /* opens */
void aml_device(struct aml *a, const char *name);  /* opens */
void aml_package(struct aml *a, uint8_t elements); /* opens */
void aml_buffer(struct aml *a);                    /* opens: resource bytes follow */
void aml_method(struct aml *a, const char *name,
                uint8_t flags);                    /* opens; arguments, 8: serialized */
void aml_if(struct aml *a);                        /* opens: predicate follows */
void aml_field(struct aml *a, const char *region); /* opens: bytes, preserving */
void aml_field_unit(struct aml *a, const char *name, uint8_t bits); /* NULL: skipped bits, < 64 */
void aml_region_pci(struct aml *a, const char *name, uint8_t offset, uint8_t len);
void aml_close(struct aml *a);

/* Resource descriptors inside a buffer (ACPI 6.4 6.4) */
void aml_res_io(struct aml *a, uint16_t base, uint8_t len);
void aml_res_irq(struct aml *a, unsigned irq);
void aml_res_irq_shared(struct aml *a, uint16_t mask); /* level, active low, shared */
void aml_res_memory32(struct aml *a, uint32_t base, uint32_t len);
void aml_res_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window32(struct aml *a, uint32_t first, uint32_t last);
void aml_res_window64(struct aml *a, uint64_t first, uint64_t last);
void aml_res_end(struct aml *a);

/* routing.c: \_PIC at the root; LPC bridge's registers and _PRT in the PCI root; LNKA-LNKH */
void acpi_pic_mode(struct aml *a);
void acpi_pci_routing(struct aml *a);
void acpi_link_devices(struct aml *a);
void acpi_dsdt(struct aml *a, const struct acpi_config *cfg);

#endif
