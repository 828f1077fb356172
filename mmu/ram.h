/*
 * mmu/ram.h: the machine's memory and its frame descriptors.
 *
 * RAM is one host mapping; machine physical layout: [0, low) and [4 GiB, 4 GiB + rest) with
 * low = min(size, RAM_LOW_MAX). Below 1 MiB, A0000-BFFFF is not RAM (VGA hole); C0000-FFFFF is RAM.
 * A frame number is a machine physical address >> 12.
 */
#ifndef MMU_RAM_H
#define MMU_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

#define RAM_LOW_MAX 0x80000000ull /* the PCI hole begins here: ECAM, BARs, IOAPIC, LAPIC */

struct block;
struct cpu;
struct engine;

/* Per 4 KiB page of RAM. */
struct frame {
    uint64_t code;        /* granules of 64 bytes that hold decoded code: engine + mmu/smc */
    struct block *blocks; /* blocks decoded from this frame: engine's */
    uint32_t flags;       /* FRAME_* */
    uint32_t kills;       /* recent self-modifications */
};

enum {
    FRAME_FAST_WRITE = 1 << 0, /* some LP may hold a fast write tag for it */
    FRAME_SPLIT = 1 << 1,      /* engine's: a page-split instruction may end here */
    FRAME_MONITOR = 1 << 2,    /* an LP waits for a store to one of its lines (MONITOR) */
};

/* Stores must be looked at: they call ram_code_written. */
static inline bool frame_guarded(const struct frame *f)
{
    return f->code || (f->flags & FRAME_MONITOR);
}

struct ram {
    uint8_t *base;
    uint64_t size, low; /* bytes in all, bytes below 4 GiB */
    struct frame *frames;
    uint64_t frame_count;  /* of RAM pages, dense: index by ram_frame */
    struct engine *engine; /* told of stores to frames with code; may be NULL */
    struct cpu **cpus;     /* whose TLB write tags must go when a frame gets code */
    unsigned cpu_count;
};

struct ram *
ram_new(uint64_t size); /* multiple of 1 MiB, >= 1 MiB; NULL when the host has no memory */
void ram_free(struct ram *r);
void ram_clear(struct ram *r); /* all bytes 0, costs no time for untouched ones */

/* Zeroed host memory for the emulator's own big tables, in huge pages where the host has them:
 * they are walked at random. NULL when there is none. */
void *huge_alloc(size_t size);
void huge_free(void *p, size_t size);

/* Index into frames[] or UINT64_MAX when the address is not RAM. */
static inline uint64_t ram_index(const struct ram *r, uint64_t hpa)
{
    if (hpa < r->low)
        return hpa - 0xa0000 < 0x20000 ? UINT64_MAX : hpa >> 12;
    const uint64_t high = hpa - 0x100000000ull;
    return high < r->size - r->low ? (r->low + high) >> 12 : UINT64_MAX;
}

/* Host pointer to a RAM byte, good to the end of its page; NULL when not RAM. */
static inline void *ram_host(const struct ram *r, uint64_t hpa)
{
    const uint64_t n = ram_index(r, hpa);
    return n == UINT64_MAX ? NULL : r->base + (n << 12) + (hpa & 4095);
}

static inline struct frame *ram_frame(const struct ram *r, uint64_t hpa)
{
    const uint64_t n = ram_index(r, hpa);
    return n == UINT64_MAX ? NULL : &r->frames[n];
}

/* By physical address, for loaders, DMA, VMCS areas and the debugger; stores notify the engine of
 * code they hit. false when a byte is not RAM. */
bool ram_read(const struct ram *r, hpa_t from, void *to, size_t len);
bool ram_write(struct ram *r, hpa_t to, const void *from, size_t len);

/* The engine decoded code from this frame for the first time: drop every LP's write tags to it. */
void ram_code_added(struct ram *r, struct frame *f, uint64_t hpa);
/* A store hit [hpa, hpa+len) of a guarded frame. */
void ram_code_written(struct ram *r, struct cpu *running, struct frame *f, uint64_t hpa,
                      uint64_t len);

/* Wake LPs whose monitored line was stored to; by ram_code_written. */
void ram_monitor_written(struct ram *r, uint64_t hpa, uint64_t len);

uint64_t ram_hash(const struct ram *r, uint64_t seed);

#endif
