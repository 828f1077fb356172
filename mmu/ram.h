/*
 * mmu/ram.h: the machine's memory and its frame descriptors.
 *
 * RAM is one host mapping; machine physical layout: [0, low) and [4 GiB, 4 GiB + rest) with
 * low = min(size, RAM_LOW_MAX). Below 1 MiB, A0000-BFFFF is not RAM (VGA hole); each page of
 * C0000-FFFFF is RAM, or ROM, or nothing, as the chipset's attribute registers say.
 * ROMs are frames behind those of RAM, mapped below 4 GiB; stores to ROM and to RAM that is
 * write-protected go to the bus, where the chipset or a flash device listens.
 * A device's memory that the processor uses like RAM (a frame buffer) is a window: frames behind
 * those of the ROMs, cleared and hashed with RAM, that appear where the device says.
 * A frame number is a machine physical address >> 12.
 */
#ifndef MMU_RAM_H
#define MMU_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

#define RAM_LOW_MAX 0xb0000000ull /* here ECAM begins, then BARs, I/O APIC, local APIC */

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
    FRAME_READ_ONLY = 1 << 3,  /* stores go to the bus: ROM, protected RAM */
};

#define RAM_ROMS        2
#define RAM_ROM_MAX     (16u << 20) /* bytes of all ROMs */
#define RAM_LEGACY      0xa0000u    /* pages from here to 1 MiB can be switched */
#define RAM_LEGACY_SIZE 0x60000u

struct ram_rom {
    uint64_t base, len, first; /* first: index of its first frame */
    bool on;
};

#define RAM_WINDOWS     2
#define RAM_WINDOW_ROOM (32u << 20) /* bytes of all windows */

struct ram_window {
    uint64_t at, len, first; /* at: UINT64_MAX when it is nowhere */
};

/* Stores must be looked at: they call ram_code_written. */
static inline bool frame_guarded(const struct frame *f)
{
    return f->code || (f->flags & FRAME_MONITOR);
}

/* Nobody needs to know of stores: they may go straight to the host's memory. */
static inline bool frame_takes_fast_stores(const struct frame *f)
{
    return !f->code && !(f->flags & (FRAME_MONITOR | FRAME_READ_ONLY));
}

struct ram {
    uint8_t *base;
    uint64_t size, low; /* bytes in all, bytes below 4 GiB */
    struct frame *frames;
    uint64_t frame_count; /* of RAM pages, dense: index by ram_frame */
    uint64_t rom_frames;  /* behind them */
    struct ram_rom rom[RAM_ROMS];
    unsigned rom_count;
    struct ram_window window[RAM_WINDOWS];
    unsigned window_count;
    uint64_t rom_from; /* lowest address of a ROM or window that is on, or UINT64_MAX */
    uint64_t legacy[RAM_LEGACY_SIZE >> 12]; /* frame index of each page, or UINT64_MAX */
    struct engine *engine;                  /* told of stores to frames with code; may be NULL */
    struct cpu **cpus; /* whose TLB write tags must go when a frame gets code */
    unsigned cpu_count;
};

struct ram *
ram_new(uint64_t size); /* multiple of 1 MiB, >= 1 MiB; NULL when the host has no memory */
void ram_free(struct ram *r);
void ram_clear(struct ram *r); /* all bytes 0, costs no time for untouched ones */

/* A ROM whose last byte is below 4 GiB; bytes are copied. Its number, or -errno: too large. */
int ram_add_rom(struct ram *r, uint64_t base, const void *bytes, size_t len);
uint8_t *ram_rom_bytes(struct ram *r, unsigned n);
/* Is the ROM's memory there? When off (a flash in a command mode), reads go to the bus too. */
void ram_rom_show(struct ram *r, unsigned n, bool on);
/* What a page of [A0000, 1 MiB) is: RAM, the same offset below the end of the highest ROM, or
 * nothing; writable: RAM takes stores. Code decoded from it and TLB entries go. */
enum ram_legacy { RAM_IS_RAM, RAM_IS_ROM, RAM_IS_NOTHING };
void ram_legacy_set(struct ram *r, uint64_t hpa, enum ram_legacy what, bool writable);

/* A new window of len bytes (a multiple of 4096), nowhere yet; its number, or -ENOSPC. */
int ram_window_add(struct ram *r, uint64_t len);
uint8_t *ram_window_bytes(const struct ram *r, int window);
/* Show the window at a page-aligned address at or above RAM_LOW_MAX, or nowhere (UINT64_MAX). RAM
 * and ROM win where they overlap. */
void ram_window_move(struct ram *r, int window, uint64_t at);

uint64_t ram_rom_index(const struct ram *r, uint64_t hpa);

/* Zeroed host memory for the emulator's own big tables, in huge pages where the host has them:
 * they are walked at random. NULL when there is none. */
void *huge_alloc(size_t size);
void huge_free(void *p, size_t size);

/* Index into frames[] or UINT64_MAX when the address is neither RAM nor ROM nor a window. */
static inline uint64_t ram_index(const struct ram *r, uint64_t hpa)
{
    if (hpa < r->low)
        return hpa - RAM_LEGACY < RAM_LEGACY_SIZE ? r->legacy[(hpa - RAM_LEGACY) >> 12] : hpa >> 12;
    const uint64_t high = hpa - 0x100000000ull;
    if (high < r->size - r->low)
        return (r->low + high) >> 12;
    return hpa >= r->rom_from ? ram_rom_index(r, hpa) : UINT64_MAX;
}

/* Host pointer to a byte of RAM or ROM, good to the end of its page; NULL when it is neither.
 * Who stores through it looks at FRAME_READ_ONLY first. */
static inline void *ram_host(const struct ram *r, uint64_t hpa)
{
    const uint64_t n = ram_index(r, hpa);
    return n == UINT64_MAX ? NULL : r->base + (n << 12) + (hpa & 4095);
}

/* The machine address of a byte behind ram_host; of ROMs and windows a number of their own, beyond
 * all memory. */
static inline uint64_t ram_address(const struct ram *r, const void *host)
{
    const uint64_t at = (uint64_t)((const uint8_t *)host - r->base);
    if (at < r->low)
        return at;
    return at < r->size ? 0x100000000ull + (at - r->low) : (1ull << 52) + at;
}

static inline struct frame *ram_frame(const struct ram *r, uint64_t hpa)
{
    const uint64_t n = ram_index(r, hpa);
    return n == UINT64_MAX ? NULL : &r->frames[n];
}

/* By physical address, for loaders, DMA, VMCS areas and the debugger; stores notify the engine of
 * code they hit. false when a byte is not RAM (ram_write: or is read-only). */
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
