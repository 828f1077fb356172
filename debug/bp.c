/*
 * Breakpoints, watchpoints, single-step; see bp.h.
 *
 * Addresses are linear and hold in whatever address space the LP has, as on real debug registers.
 *
 * Not modelled: conditions in the stub (gdb evaluates them), breakpoints by physical address.
 */
#include "debug/bp.h"

#include <errno.h>
#include <stdlib.h>

#include "machine/machine.h"
#include "mmu/mmu.h"

static bool is_watch(uint8_t kind)
{
    return kind >= BP_WRITE;
}

/* The engine looks at dbg only while ATTN_DEBUG is set. */
static void update_attn(struct cpu *c)
{
    if (c->dbg.bp_count || c->dbg.watch_count || c->dbg.step || c->dbg.insn)
        c->attn |= ATTN_DEBUG;
    else
        c->attn &= ~(uint32_t)ATTN_DEBUG;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void apply(struct bp_set *s)
{
    unsigned exec_count = 0, watch_count = 0;

    for (unsigned i = 0; i < s->count; i++) {
        const struct bp *b = &s->bp[i];
        if (!is_watch(b->kind)) {
            s->exec[exec_count++] = b->la;
            continue;
        }
        s->watch[watch_count++] = (struct cpu_watch){b->la, b->len,
                                                     (uint8_t)(b->kind == BP_WRITE  ? 2
                                                               : b->kind == BP_READ ? 1
                                                                                    : 3)};
    }
    qsort(s->exec, exec_count, sizeof(s->exec[0]), compare_u64);
    for (unsigned i = 0; i < machine_lp_count(s->machine); i++) {
        struct cpu *c = machine_lp(s->machine, i);
        const bool watch_changed = watch_count || c->dbg.watch_count;
        c->dbg.bp = s->exec;
        c->dbg.bp_count = exec_count;
        c->dbg.watch = s->watch;
        c->dbg.watch_count = watch_count;
        update_attn(c);
        if (watch_changed)
            mmu_watch_changed(c);
    }
}

void bp_init(struct bp_set *s, struct machine *m)
{
    *s = (struct bp_set){.machine = m};
}

static struct bp *find_exact(struct bp_set *s, enum bp_kind kind, uint64_t la, uint64_t len)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->bp[i].kind == kind && s->bp[i].la == la && s->bp[i].len == len)
            return &s->bp[i];
    }
    return NULL;
}

int bp_insert(struct bp_set *s, enum bp_kind kind, uint64_t la, uint64_t len)
{
    if (kind > BP_ACCESS || (is_watch(kind) && len == 0))
        return -EINVAL;
    if (find_exact(s, kind, la, len))
        return 0;
    if (s->count == BP_MAX)
        return -ENOSPC;
    s->bp[s->count++] = (struct bp){la, len, (uint8_t)kind};
    apply(s);
    return 0;
}

int bp_remove(struct bp_set *s, enum bp_kind kind, uint64_t la, uint64_t len)
{
    struct bp *b = find_exact(s, kind, la, len);

    if (!b)
        return 0; /* gdb may remove twice */
    *b = s->bp[--s->count];
    apply(s);
    return 0;
}

void bp_clear(struct bp_set *s)
{
    s->count = 0;
    apply(s);
    for (unsigned i = 0; i < machine_lp_count(s->machine); i++)
        bp_set_step(s, i, false);
}

const struct bp *bp_find(const struct bp_set *s, uint64_t la, bool watch)
{
    for (unsigned i = 0; i < s->count; i++) {
        const struct bp *b = &s->bp[i];
        if (is_watch(b->kind) != watch)
            continue;
        if (watch ? la - b->la < b->len : la == b->la)
            return b;
    }
    return NULL;
}

void bp_set_step(struct bp_set *s, unsigned lp, bool on)
{
    struct cpu *c = machine_lp(s->machine, lp);

    c->dbg.step = on;
    update_attn(c);
}

void bp_resume_over(struct bp_set *s)
{
    for (unsigned i = 0; i < machine_lp_count(s->machine); i++) {
        struct cpu *c = machine_lp(s->machine, i);
        c->dbg.hit_kind = 0;
        c->dbg.resume_over = c->dbg.bp_count != 0;
    }
}

void bp_set_trace(struct machine *m, void (*hook)(void *opaque, struct cpu *c), void *opaque)
{
    for (unsigned i = 0; i < machine_lp_count(m); i++) {
        struct cpu *c = machine_lp(m, i);
        c->dbg.insn = hook;
        c->dbg.opaque = opaque;
        update_attn(c);
    }
}
