/*
 * core/bus.h: where the processor meets devices: I/O ports and memory-mapped ranges.
 *
 * RAM never comes here (mmu/mmu.h has it); a physical address that is neither RAM nor a mapped
 * range reads all ones and ignores writes, as on a PC. Sizes are 1, 2, 4 or 8 bytes (ports: 1, 2,
 * 4); an access that spans two mapped ranges is split into bytes by the bus.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include <stdint.h>

#include "core/addr.h"

struct bus;

struct bus_ops {
    uint64_t (*read)(void *dev, uint64_t offset, unsigned size);
    void (*write)(void *dev, uint64_t offset, unsigned size, uint64_t value);
    unsigned max_size; /* larger accesses are split by the bus, low part first; 0: no limit */
};

struct bus *bus_new(void);
void bus_free(struct bus *b);

/* 0 or -EBUSY when the range overlaps a mapped one. Ranges may be moved at run time (PCI BARs). */
int bus_map_port(struct bus *b, uint16_t base, unsigned count, const struct bus_ops *ops, void *dev,
                 const char *name);
void bus_unmap_port(struct bus *b, uint16_t base, unsigned count);
int bus_map_mmio(struct bus *b, hpa_t base, uint64_t len, const struct bus_ops *ops, void *dev,
                 const char *name);
void bus_unmap_mmio(struct bus *b, hpa_t base, uint64_t len);

uint64_t bus_port_read(struct bus *b, uint16_t port, unsigned size);
void bus_port_write(struct bus *b, uint16_t port, unsigned size, uint64_t value);
uint64_t bus_mmio_read(struct bus *b, hpa_t at, unsigned size);
void bus_mmio_write(struct bus *b, hpa_t at, unsigned size, uint64_t value);

#endif
