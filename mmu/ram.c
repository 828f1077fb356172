/*
 * RAM: one host mapping, dense frame descriptors, access by physical address, notes to the engine
 * about stores that hit decoded code (engine.md A.4, self-modifying code).
 *
 * Not modelled: ROM write protection (the frames of C0000-FFFFF are plain RAM).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

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
    r->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    const size_t frames = r->frame_count * sizeof *r->frames;
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
        munmap(r->base, r->size);
    if (r->frames)
        munmap(r->frames, r->frame_count * sizeof *r->frames);
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
        if (!f)
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
void ram_clear(struct ram *r)
{
    void *const p = mmap(r->base, r->size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (p == MAP_FAILED)
        memset(r->base, 0, r->size);
    else
        madvise(r->base, r->size, MADV_HUGEPAGE);
}

uint64_t ram_hash(const struct ram *r, uint64_t seed)
{
    uint64_t h = (seed ^ r->size) * 0x9e3779b97f4a7c15ull;
    for (uint64_t n = 0; n < r->frame_count; n++) {
        const uint64_t *p = (const uint64_t *)(r->base + (n << 12));
        if (!page_is_zero(p))
            h = hash_page(p, h ^ n << 1);
    }
    return h;
}
