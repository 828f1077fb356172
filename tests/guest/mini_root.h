/*
 * What the files of the test root share.
 */
#ifndef TESTS_MINI_ROOT_H
#define TESTS_MINI_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv.h"
#include "abi/x86.h"

void mini_copy(void *d, const void *s, uint64_t n);
struct hv_reg_assoc *mini_reg(struct hv_reg_assoc *a, uint32_t name, uint64_t value);

bool mini_is_linux(const uint8_t *image);
uint64_t mini_linux_load(uint64_t base, uint64_t memory, const uint8_t *image, uint64_t size,
                         const uint8_t *initrd, uint64_t initrd_size, const char *cmdline);
void mini_acpi(uint64_t base, unsigned vps);
struct hv_reg_assoc *mini_linux_registers(struct hv_reg_assoc *a, uint64_t entry);

/* Devices reach the root's memory, but neither the hypervisor's nor a deposited page's. */
bool mini_dma(uint64_t deposited);

#endif
