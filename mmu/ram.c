/*
 * RAM: one host mapping, dense frame descriptors, access by physical address, notes to the engine
 * about stores that hit decoded code (engine.md A.4, self-modifying code); ROMs and the switched
 * pages below 1 MiB (PAM registers of the host bridge).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

/* Host address space for RAM, ROMs and windows; pages that nobody touches cost nothing. */
static size_t mapped(const struct ram *r)
{
    return r->size + RAM_ROM_MAX + RAM_WINDOW_ROOM;
}

static size_t frames_size(const struct ram *r)
{
    return (mapped(r) >> 12) * sizeof *r->frames;
}

#define HUGE_PAGE ((size_t)2 << 20)

void *huge_alloc(size_t size)
{
    uint8_t *const p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    const size_t before = -(uintptr_t)p & (HUGE_PAGE - 1);
    if (before)
        munmap(p, before);
    if (before < HUGE_PAGE)
        munmap(p + before + size, HUGE_PAGE - before);
    madvise(p + before, size, MADV_HUGEPAGE);
    return p + before;
}

void huge_free(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}

struct ram *ram_new(uint64_t size)
{
    if (size < 0x100000 || size % 0x100000 || size > 1ull << 39)
        return NULL;
    struct ram *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->size = size;
    r->low = size < RAM_LOW_MAX ? size : RAM_LOW_MAX;
    r->frame_count = size >> 12;
    r->rom_from = UINT64_MAX;
    for (unsigned n = 0; n < RAM_LEGACY_SIZE >> 12; n++)
        r->legacy[n] = n < 0x20 ? UINT64_MAX : (RAM_LEGACY >> 12) + n;
    r->base = mmap(NULL, mapped(r), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const size_t frames = frames_size(r);
    r->frames = mmap(NULL, frames, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->base == MAP_FAILED || r->frames == MAP_FAILED) {
        r->base = r->base == MAP_FAILED ? NULL : r->base;
        r->frames = r->frames == MAP_FAILED ? NULL : r->frames;
        ram_free(r);
        return NULL;
    }
    madvise(r->base, size, MADV_HUGEPAGE);
    return r;
}

void ram_free(struct ram *r)
{
    if (!r)
        return;
    if (r->base)
        munmap(r->base, mapped(r));
    if (r->frames)
        munmap(r->frames, frames_size(r));
    free(r);
}

bool ram_read(const struct ram *r, hpa_t from, void *to, size_t len)
{
    uint8_t *out = to;
    uint64_t at = from.v;
    while (len) {
        const size_t room = 4096 - (at & 4095), n = len < room ? len : room;
        const void *p = ram_host(r, at);
        if (!p)
            return false;
        memcpy(out, p, n);
        out += n;
        at += n;
        len -= n;
    }
    return true;
}

bool ram_write(struct ram *r, hpa_t to, const void *from, size_t len)
{
    const uint8_t *in = from;
    uint64_t at = to.v;
    while (len) {
        const size_t room = 4096 - (at & 4095), n = len < room ? len : room;
        struct frame *f = ram_frame(r, at);
        if (!f || (f->flags & FRAME_READ_ONLY))
            return false;
        memcpy(ram_host(r, at), in, n);
        if (frame_guarded(f))
            ram_code_written(r, NULL, f, at, n);
        in += n;
        at += n;
        len -= n;
    }
    return true;
}

/* ---- ROMs and switched pages ---- */

uint64_t ram_rom_index(const struct ram *r, uint64_t at)
{
    for (unsigned n = 0; n < r->rom_count; n++) {
        const struct ram_rom *const m = &r->rom[n];
        if (m->on && at - m->base < m->len)
            return m->first + ((at - m->base) >> 12);
    }
    for (unsigned n = 0; n < r->window_count; n++) {
        const struct ram_window *const w = &r->window[n];
        if (w->at != UINT64_MAX && at - w->at < w->len)
            return w->first + ((at - w->at) >> 12);
    }
    return UINT64_MAX;
}

/* The memory of [at, at + len) is about to be exchanged: what was decoded from it dies. */
static void forget_code(struct ram *r, uint64_t at, uint64_t len)
{
    if (r->engine)
        engine_code_written(r->engine, NULL, hpa(at), len);
}

static void forget_pages(struct ram *r)
{
    for (unsigned i = 0; i < r->cpu_count; i++)
        mmu_memory_changed(r->cpus[i]);
}

static void find_lowest(struct ram *r)
{
    r->rom_from = UINT64_MAX;
    for (unsigned n = 0; n < r->rom_count; n++) {
        if (r->rom[n].on && r->rom[n].base < r->rom_from)
            r->rom_from = r->rom[n].base;
    }
    for (unsigned n = 0; n < r->window_count; n++) {
        if (r->window[n].at < r->rom_from)
            r->rom_from = r->window[n].at;
    }
}

int ram_add_rom(struct ram *r, uint64_t base, const void *bytes, size_t len)
{
    const uint64_t pages = (len + 4095) >> 12;
    if (r->rom_count == RAM_ROMS || !len || len > RAM_ROM_MAX || base & 4095 ||
        r->rom_frames + pages > RAM_ROM_MAX >> 12 || base < RAM_LOW_MAX ||
        base + (pages << 12) > 1ull << 32)
        return -ENOSPC;
    struct ram_rom *const m = &r->rom[r->rom_count];
    *m = (struct ram_rom){base, pages << 12, r->frame_count + r->rom_frames, true};
    r->rom_frames += pages;
    memcpy(r->base + (m->first << 12), bytes, len);
    for (uint64_t n = 0; n < pages; n++)
        r->frames[m->first + n].flags |= FRAME_READ_ONLY;
    r->rom_count++;
    find_lowest(r);
    return (int)r->rom_count - 1;
}

uint8_t *ram_rom_bytes(struct ram *r, unsigned n)
{
    return r->base + (r->rom[n].first << 12);
}

void ram_rom_show(struct ram *r, unsigned n, bool on)
{
    struct ram_rom *const m = &r->rom[n];
    if (m->on == on)
        return;
    forget_code(r, m->base, m->len);
    m->on = on;
    find_lowest(r);
    forget_pages(r);
}

void ram_legacy_set(struct ram *r, uint64_t at, enum ram_legacy what, bool writable)
{
    const uint64_t page = at >> 12, from_end = (1u << 20) - (at & ~4095ull);
    uint64_t *const slot = &r->legacy[page - (RAM_LEGACY >> 12)];
    const uint64_t n = what == RAM_IS_RAM   ? page
                       : what == RAM_IS_ROM ? ram_rom_index(r, (1ull << 32) - from_end)
                                            : UINT64_MAX;
    struct frame *const f = &r->frames[page];
    const uint32_t flags = writable ? f->flags & ~(uint32_t)FRAME_READ_ONLY
                                    : f->flags | FRAME_READ_ONLY;
    if (*slot == n && f->flags == flags)
        return;
    forget_code(r, at & ~4095ull, 4096);
    *slot = n;
    f->flags = flags & ~(uint32_t)FRAME_FAST_WRITE;
    forget_pages(r);
}

int ram_window_add(struct ram *r, uint64_t len)
{
    uint64_t first = (r->size + RAM_ROM_MAX) >> 12;
    for (unsigned n = 0; n < r->window_count; n++)
        first += r->window[n].len >> 12;
    if (r->window_count == RAM_WINDOWS || !len || len % 4096 || len > RAM_WINDOW_ROOM ||
        (first << 12) + len > mapped(r))
        return -ENOSPC;
    r->window[r->window_count] = (struct ram_window){UINT64_MAX, len, first};
    return (int)r->window_count++;
}

uint8_t *ram_window_bytes(const struct ram *r, int window)
{
    return r->base + (r->window[window].first << 12);
}

void ram_window_move(struct ram *r, int window, uint64_t at)
{
    struct ram_window *const w = &r->window[window];
    if (w->at == at)
        return;
    if (w->at != UINT64_MAX)
        forget_code(r, w->at, w->len);
    w->at = at;
    find_lowest(r);
    forget_pages(r);
}

void ram_code_added(struct ram *r, struct frame *f, uint64_t hpa)
{
    if (!(f->flags & FRAME_FAST_WRITE))
        return;
    f->flags &= ~(uint32_t)FRAME_FAST_WRITE;
    for (unsigned i = 0; i < r->cpu_count; i++)
        mmu_drop_frame(r->cpus[i], hpa);
}

void ram_code_written(struct ram *r, struct cpu *running, struct frame *f, uint64_t hpa_,
                      uint64_t len)
{
    const unsigned first = (unsigned)(hpa_ & 4095) / 64;
    const unsigned last = (unsigned)((hpa_ & 4095) + len - 1) / 64;
    const uint64_t mask = (~0ull << first) & (~0ull >> (63 - (last < 63 ? last : 63)));
    if (f->flags & FRAME_MONITOR)
        ram_monitor_written(r, hpa_, len);
    if ((f->code & mask) && r->engine)
        engine_code_written(r->engine, running, hpa(hpa_), len);
}

/* Two multiplications a word; pages that are all zero cost one compare loop and are skipped with
 * their number, so sparse memory hashes fast. */
static uint64_t hash_page(const uint64_t *p, uint64_t h)
{
    for (unsigned i = 0; i < 512; i += 2) {
        h = (h ^ p[i]) * 0x9e3779b97f4a7c15ull;
        h = ((h << 29 | h >> 35) ^ p[i + 1]) * 0xd6e8feb86659fd93ull;
    }
    return h ^ h >> 32;
}

static bool page_is_zero(const uint64_t *p)
{
    return p[0] == 0 && memcmp(p, p + 1, 4088) == 0;
}

/* A fresh mapping in the old one's place: the host gives zero pages when they are touched. */
static void *fresh(uint8_t *at, size_t len)
{
    void *const p = mmap(at, len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return p == MAP_FAILED ? memset(at, 0, len) : p;
}

void ram_clear(struct ram *r)
{
    madvise(fresh(r->base, r->size), r->size, MADV_HUGEPAGE);
    for (unsigned n = 0; n < r->window_count; n++)
        fresh(ram_window_bytes(r, (int)n), r->window[n].len);
}

static uint64_t hash_pages(const struct ram *r, uint64_t first, uint64_t count, uint64_t h)
{
    for (uint64_t n = first; n < first + count; n++) {
        const uint64_t *p = (const uint64_t *)(r->base + (n << 12));
        if (!page_is_zero(p))
            h = hash_page(p, h ^ n << 1);
    }
    return h;
}

uint64_t ram_hash(const struct ram *r, uint64_t seed)
{
    uint64_t h = (seed ^ r->size) * 0x9e3779b97f4a7c15ull;
    h = hash_pages(r, 0, r->frame_count + r->rom_frames, h);
    for (unsigned n = 0; n < r->window_count; n++)
        h = hash_pages(r, r->window[n].first, r->window[n].len >> 12, h ^ r->window[n].at);
    return h;
}
