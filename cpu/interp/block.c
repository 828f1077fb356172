/*
 * The cache of decoded blocks: building, finding, killing, eviction.
 *
 * A killed block stays in the hash, invalid: when the same bytes' address is decoded again, as in
 * self-modifying code, its memory is used again and jump cache entries that name it are right
 * again.
 *
 * Memory is an arena of two halves. When one is full the other one is emptied and becomes current,
 * so the younger half of all blocks survives. Killed blocks stay in place until then: the running
 * chain may still be in one.
 *
 * Not modelled: nothing; code in device memory is decoded for each execution (run.c).
 */
#include "cpu/interp/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "cpu/decode/decode.h"
#include "cpu/timing/timing.h"
#include "lib/log.h"
#include "mmu/mmu.h"

struct engine *engine_new(struct ram *ram)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->arena = huge_alloc(ARENA_SIZE);
    if (!e->arena) {
        free(e);
        return NULL;
    }
    e->ram = ram;
    e->fast = e->fuse = e->link = e->dead_flags = true;
    return e;
}

/* Each block is left to the run loop, which keeps the accounts. */
void engine_use_timing(struct engine *e)
{
    e->timed = true;
    e->link = e->fuse = false;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    for (unsigned n = 0; n < e->cpu_count; n++)
        huge_free(e->jumps[n], JUMP_ENTRIES * sizeof(struct jump_entry));
    huge_free(e->arena, ARENA_SIZE);
    free(e);
}

static unsigned hash_of(uint64_t hpa, uint32_t mode)
{
    const uint64_t h = (hpa ^ (uint64_t)mode << 40) * 0x9e3779b97f4a7c15ull;
    return (unsigned)(h >> (64 - HASH_BITS));
}

struct block *block_find(struct engine *e, uint64_t hpa, uint32_t mode)
{
    for (struct block *b = e->hash[hash_of(hpa, mode)]; b; b = b->hash_next) {
        if (b->key == hpa && b->mode == mode && b->valid)
            return b;
    }
    return NULL;
}

/* An invalid block of this address with n instructions, as jump cache entries may say. */
static struct block *find_dead(struct engine *e, uint64_t hpa, uint32_t mode, unsigned n)
{
    for (struct block *b = e->hash[hash_of(hpa, mode)]; b; b = b->hash_next) {
        if (b->key == hpa && b->mode == mode && !b->valid && b->n == n)
            return b;
    }
    return NULL;
}

/* ---- killing ---- */
static void hash_remove(struct engine *e, struct block *b)
{
    struct block **p = &e->hash[hash_of(b->key, b->mode)];
    while (*p && *p != b)
        p = &(*p)->hash_next;
    if (*p)
        *p = b->hash_next;
}

static void frame_remove(struct frame *f, const struct block *b)
{
    struct block **p = &f->blocks;
    while (*p && *p != b)
        p = &(*p)->next;
    if (*p)
        *p = b->next;
}

static uint64_t second_granules(const struct block *b)
{
    const unsigned end = (b->start_off + b->insn[0].len) & 4095;
    return end ? ~0ull >> (63 - (end - 1) / 64) : 0;
}

/* Page-split instructions are in a list by their second frame too; they have no links, so link[0]
 * is the list's. */
static struct block **split_list(struct engine *e, uint64_t frame)
{
    return &e->split[frame & (SPLIT_LISTS - 1)];
}

static void split_remove(struct engine *e, const struct block *b)
{
    struct block **p = split_list(e, b->frame2);
    while (*p && *p != b)
        p = &(*p)->link[0];
    if (*p)
        *p = b->link[0];
}

/* Granules of the second halves of page-split instructions in this frame. */
static uint64_t split_mask(struct engine *e, const struct frame *f, uint64_t hpa)
{
    uint64_t mask = 0;
    if (!(f->flags & FRAME_SPLIT))
        return 0;
    for (const struct block *b = *split_list(e, hpa >> 12); b; b = b->link[0]) {
        if (b->frame2 == (uint32_t)(hpa >> 12))
            mask |= second_granules(b);
    }
    return mask;
}

static void frame_mask(struct engine *e, uint64_t hpa)
{
    struct frame *f = ram_frame(e->ram, hpa);
    if (!f)
        return;
    uint64_t mask = split_mask(e, f, hpa);
    for (const struct block *b = f->blocks; b; b = b->next)
        mask |= b->granules;
    f->code = mask;
}

/* All but the frame's list. Links from other blocks of the page stay: they lead to h_dead, or to
 * the block that is built here again. */
static void bury(struct engine *e, struct block *b)
{
    b->valid = 0;
    b->insn[0].fn = h_dead;
    if (b->flags & BLOCK_SPLIT) {
        split_remove(e, b);
        frame_mask(e, (uint64_t)b->frame2 << 12);
    }
    b->link[0] = b->link[1] = NULL;
    for (unsigned n = 0; n < e->cpu_count; n++) {
        struct cpu *c = e->cpus[n];
        if (c->cur && insn_block(c->cur)->key == b->key) /* it, or a copy of its start */
            c->attn |= ATTN_CODE;
        if (c->link_from == b)
            c->link_from = NULL;
        c->st.blocks_killed += n == 0;
    }
}

void block_kill(struct engine *e, struct block *b)
{
    if (!b->valid)
        return;
    struct frame *f = ram_frame(e->ram, b->key);
    if (f)
        frame_remove(f, b);
    bury(e, b);
}

static bool overlaps(const struct block *b, unsigned first, unsigned last)
{
    const unsigned end = b->insn[b->n].rip_off; /* of the END pseudo-instruction */
    return b->start_off <= last && first < end;
}

static void splits_written(struct engine *e, const struct frame *f, uint64_t hpa, unsigned first)
{
    if (!(f->flags & FRAME_SPLIT))
        return;
    for (struct block *b = *split_list(e, hpa >> 12), *next; b; b = next) {
        next = b->link[0];
        if (b->frame2 == (uint32_t)(hpa >> 12) && first < ((b->start_off + b->insn[0].len) & 4095u))
            block_kill(e, b);
    }
}

/* Bytes first..last of one frame were written. */
static void frame_written(struct engine *e, uint64_t hpa, unsigned first, unsigned last)
{
    struct frame *f = ram_frame(e->ram, hpa);
    if (!f || !f->code)
        return;
    splits_written(e, f, hpa, first);
    bool any = false;
    uint64_t mask = 0;
    const bool all = f->kills >= KILLS_IN_A_ROW;
    for (struct block **p = &f->blocks; *p;) {
        struct block *b = *p;
        if (all || overlaps(b, first, last)) {
            *p = b->next;
            bury(e, b);
            any = true;
        } else {
            mask |= b->granules;
            p = &b->next;
        }
    }
    f->kills += any;
    f->code = mask | split_mask(e, f, hpa);
}

void engine_code_written(struct engine *e, struct cpu *running, hpa_t at, uint64_t len)
{
    (void)running;
    uint64_t hpa = at.v;
    while (len) {
        const unsigned off = hpa & 4095;
        const uint64_t n = len < 4096 - off ? len : 4096 - off;
        frame_written(e, hpa & ~4095ull, off, (unsigned)(off + n - 1));
        hpa += n;
        len -= n;
    }
}

/* ---- arena ---- */
static void forget_jumps(struct engine *e)
{
    for (unsigned n = 0; n < e->cpu_count; n++) {
        memset(e->cpus[n]->jump, 0xff, JUMP_ENTRIES * sizeof(struct jump_entry));
        e->cpus[n]->link_from = NULL;
    }
}

void engine_forget_page(struct cpu *c, uint64_t la)
{
    const uint64_t page = la & ~4095ull;
    if (!c->jump)
        return;
    for (unsigned off = 0; off < 4096; off++) {
        struct jump_entry *const j = &c->jump[jump_hash(page + off)];
        if ((j->la & ~4095ull) == page)
            j->key = UINT64_MAX;
    }
}

static size_t block_size(const struct engine *e, unsigned n)
{
    return sizeof(struct block) + (n + 1) * sizeof(struct insn) +
           (e->timed ? timing_costs_size(n) : 0);
}

/* Call fn for each block of a half. */
static void half_each(struct engine *e, unsigned half, void (*fn)(struct engine *, struct block *))
{
    uint8_t *p = e->arena + half * (size_t)(ARENA_SIZE / 2), *end = p + e->used[half];
    while (p < end) {
        struct block *b = (struct block *)p;
        p += block_size(e, b->room);
        fn(e, b);
    }
}

static void evict(struct engine *e, struct block *b)
{
    if (b->valid) {
        block_kill(e, b);
        frame_mask(e, b->key);
    }
    hash_remove(e, b);
}

static void unlink_block(struct engine *e, struct block *b)
{
    (void)e;
    if (!(b->flags & BLOCK_SPLIT))
        b->link[0] = b->link[1] = NULL;
}

static void half_clear(struct engine *e, unsigned half)
{
    half_each(e, half, evict);
    half_each(e, half ^ 1, unlink_block);
    e->used[half] = 0;
    forget_jumps(e);
}

void engine_flush(struct engine *e)
{
    half_clear(e, 0);
    half_clear(e, 1);
}

/* Room for a block of the greatest size; the unused rest is given back by arena_commit. */
static struct block *arena_open(struct engine *e)
{
    if (e->used[e->half] + block_size(e, BLOCK_MAX_INSNS) > ARENA_SIZE / 2) {
        e->half ^= 1;
        half_clear(e, e->half);
    }
    return (struct block *)(e->arena + e->half * (size_t)(ARENA_SIZE / 2) + e->used[e->half]);
}

static void arena_commit(struct engine *e, struct block *b)
{
    b->room = (uint8_t)b->n;
    e->used[e->half] += block_size(e, b->n);
    struct block **slot = &e->hash[hash_of(b->key, b->mode)];
    b->hash_next = *slot;
    *slot = b;
}

/* Move a block built at the arena's end into the memory of a dead one of its address. */
static struct block *reuse(const struct engine *e, struct block *dead, const struct block *b)
{
    struct block *const hash_next = dead->hash_next;
    const uint8_t room = dead->room;
    memcpy(dead, b, block_size(e, b->n));
    dead->hash_next = hash_next;
    dead->room = room;
    return dead;
}

/* ---- building ---- */
static void insert(struct cpu *c, struct block *b, struct frame *f)
{
    struct engine *e = c->engine;
    b->valid = 1;
    b->next = f->blocks;
    f->blocks = b;
    f->code |= b->granules;
    f->kills = 0;
    ram_code_added(e->ram, f, b->key & ~4095ull);
    if (b->flags & BLOCK_SPLIT) {
        struct block **list = split_list(e, b->frame2);
        b->link[0] = *list;
        *list = b;
        struct frame *f2 = ram_frame(e->ram, (uint64_t)b->frame2 << 12);
        if (f2) {
            f2->flags |= FRAME_SPLIT;
            f2->code |= second_granules(b);
            ram_code_added(e->ram, f2, (uint64_t)b->frame2 << 12);
        }
    }
    c->st.blocks_built++;
}

static uint64_t granule_mask(unsigned first, unsigned last)
{
    return (~0ull << first / 64) & (~0ull >> (63 - last / 64));
}

static uint64_t next_page_la(const struct cpu *c, uint64_t la)
{
    const uint64_t next = (la & ~4095ull) + 4096;
    return cpu_long_mode(c) ? next : (uint32_t)next;
}

/* Bytes of a page that is not RAM. */
static void fetch_device(struct cpu *c, uint64_t hpa_, uint8_t *to, unsigned len)
{
    for (unsigned k = 0; k < len; k++)
        to[k] = c->bus ? (uint8_t)bus_mmio_read(c->bus, hpa(hpa_ + k), 1) : 0xff;
}

/* Fetch up to 15 bytes at la across the page end; returns how many, and the second page. */
static unsigned fetch_split(struct cpu *c, uint64_t la, uint64_t hpa, const uint8_t *host,
                            uint8_t buf[INSN_MAX_LEN], uint64_t *second)
{
    const unsigned room = 4096 - (la & 4095);
    const unsigned n = room < INSN_MAX_LEN ? room : INSN_MAX_LEN;
    if (host)
        memcpy(buf, host, n);
    else
        fetch_device(c, hpa, buf, n);
    *second = UINT64_MAX;
    if (n == INSN_MAX_LEN)
        return n;
    struct insn probe;
    if (decode(&probe, buf, n, la & 4095, c->mode, c->features) == DECODE_OK)
        return n;
    void *host2 = NULL;
    *second = mmu_fetch_page(c, next_page_la(c, la), &host2);
    if (host2)
        memcpy(buf + n, host2, INSN_MAX_LEN - n);
    else
        fetch_device(c, *second, buf + n, INSN_MAX_LEN - n);
    return INSN_MAX_LEN;
}

static void end_block(struct block *b, unsigned end_off)
{
    struct insn *i = &b->insn[b->n];
    memset(i, 0, sizeof *i);
    i->fn = h_fall;
    i->op = OPX_END;
    i->idx = (uint8_t)b->n;
    i->rip_off = (uint16_t)end_off;
}

static struct block *build_split(struct cpu *c, uint64_t la, uint64_t hpa, const uint8_t *p)
{
    uint8_t buf[INSN_MAX_LEN];
    uint64_t second;
    const unsigned n = fetch_split(c, la, hpa, p, buf, &second);
    struct block *b = arena_open(c->engine);
    memset(b, 0, sizeof *b);
    decode(&b->insn[0], buf, n, la & 4095, c->mode, c->features);
    b->n = 1;
    if (second != UINT64_MAX) {
        b->flags = BLOCK_SPLIT;
        b->frame2 = (uint32_t)(second >> 12);
    }
    b->start_off = la & 4095;
    return b;
}

struct block *block_build(struct cpu *c, uint64_t la, uint64_t hpa, const uint8_t *p)
{
    struct engine *e = c->engine;
    struct frame *f = ram_frame(e->ram, hpa);
    const unsigned start = la & 4095;
    unsigned off = start;
    struct block *b = arena_open(e);
    memset(b, 0, sizeof *b);
    while (b->n < BLOCK_MAX_INSNS && off < 4096) {
        struct insn *i = &b->insn[b->n];
        if (decode(i, p + (off - start), 4096 - off, off, c->mode, c->features) == DECODE_MORE)
            break;
        i->idx = (uint8_t)b->n++;
        off += i->len;
        if (insn_ends(i) || (e->timed && timing_ends_at(off)))
            break;
    }
    if (b->n == 0) {
        b = build_split(c, la, hpa, p);
        off = start + b->insn[0].len;
    }
    b->key = hpa;
    b->mode = c->mode;
    b->start_off = (uint16_t)start;
    b->granules = granule_mask(start, off > 4096 ? 4095 : off - 1);
    end_block(b, off);
    if (e->timed)
        timing_block_built(b);
    struct block *dead = find_dead(e, hpa, c->mode, b->n);
    if (dead)
        b = reuse(e, dead, b);
    else
        arena_commit(e, b);
    fast_assign(e, b);
    insert(c, b, f);
    return b;
}

const struct insn *step_decode(struct cpu *c, uint64_t la)
{
    struct block *const s = step_block(c->engine);
    uint8_t buf[INSN_MAX_LEN];
    uint64_t second;
    void *host = NULL;
    const uint64_t page = mmu_fetch_page(c, la, &host);
    const unsigned off = la & 4095;
    const unsigned n = fetch_split(c, la, page + off, host ? (uint8_t *)host + off : NULL, buf,
                                   &second);
    memset(s, 0, sizeof *s);
    decode(&s->insn[0], buf, n, off, c->mode, c->features);
    s->n = 1;
    s->mode = c->mode;
    s->start_off = (uint16_t)off;
    return &s->insn[0];
}
