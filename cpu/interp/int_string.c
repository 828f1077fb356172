/*
 * String instructions (SDM 2B 4.3 REP). A repeated one works in chunks: from the present iteration
 * to the nearest page boundary of either pointer, at most 4096 bytes. Each chunk is one retired
 * instruction; RIP stays until rCX is 0, so interrupts are taken between chunks. The size of a
 * chunk depends on nothing but registers (and the data, for CMPS and SCAS), never on the host.
 *
 * Bulk host copies are used when both pages are plain RAM and flat; the loop over single
 * iterations gives the same result and serves all other cases.
 */
#include "cpu/interp/ops.h"
#include "cpu/timing/timing.h"
#include "cpu/vmx/vmx.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

#define CHUNK 4096u

struct str {
    unsigned size;  /* of an element */
    unsigned asize; /* of the pointers */
    int64_t step;
};

static struct str str_of(const struct cpu *c, const struct insn *i)
{
    return (struct str){i->osize, asize(i), c->eflags & FL_DF ? -(int64_t)i->osize : i->osize};
}

static uint64_t src_la(struct cpu *c, const struct insn *i, unsigned size)
{
    return seg_linear(c, i->seg, ea_wrap(i, c->r[R_SI]), size, ACC_R);
}

static uint64_t dst_la(struct cpu *c, const struct insn *i, unsigned size, int access)
{
    return seg_linear(c, SEG_ES, ea_wrap(i, c->r[R_DI]), size, access);
}

static void advance(struct cpu *c, const struct str *s, unsigned reg, uint64_t n)
{
    reg_set(c, reg, s->asize, c->r[reg] + (uint64_t)s->step * n);
}

/* One iteration; false ends a REPE/REPNE loop. */
typedef bool iter_fn(struct cpu *c, const struct insn *i, const struct str *s);

static bool iter_movs(struct cpu *c, const struct insn *i, const struct str *s)
{
    const uint64_t v = mem_ld(c, src_la(c, i, s->size), s->size);
    mem_st(c, dst_la(c, i, s->size, ACC_W), s->size, v);
    advance(c, s, R_SI, 1);
    advance(c, s, R_DI, 1);
    return true;
}

static bool iter_stos(struct cpu *c, const struct insn *i, const struct str *s)
{
    mem_st(c, dst_la(c, i, s->size, ACC_W), s->size, c->r[R_AX]);
    advance(c, s, R_DI, 1);
    return true;
}

static bool iter_lods(struct cpu *c, const struct insn *i, const struct str *s)
{
    reg_set(c, R_AX, s->size, mem_ld(c, src_la(c, i, s->size), s->size));
    advance(c, s, R_SI, 1);
    return true;
}

static bool goes_on(const struct insn *i, const struct lf *f)
{
    return lf_zf(f->res) == !!(i->flags & INSN_REP);
}

static bool iter_cmps(struct cpu *c, const struct insn *i, const struct str *s)
{
    struct lf f = lf_load(c);
    const uint64_t a = mem_ld(c, src_la(c, i, s->size), s->size);
    const uint64_t b = mem_ld(c, dst_la(c, i, s->size, ACC_R), s->size);
    alu_cmp(&f, a, b, s->size);
    lf_save(c, f);
    advance(c, s, R_SI, 1);
    advance(c, s, R_DI, 1);
    return goes_on(i, &f);
}

static bool iter_scas(struct cpu *c, const struct insn *i, const struct str *s)
{
    struct lf f = lf_load(c);
    const uint64_t b = mem_ld(c, dst_la(c, i, s->size, ACC_R), s->size);
    alu_cmp(&f, reg_get(c, R_AX, s->size), b, s->size);
    lf_save(c, f);
    advance(c, s, R_DI, 1);
    return goes_on(i, &f);
}

/* Iterations from this pointer to the end (or, downwards, start) of its page, at least one. */
static uint64_t to_page_end(const struct str *s, uint64_t la)
{
    const unsigned off = la & 4095;
    const uint64_t n = s->step > 0 ? (4096 - off) / s->size : off / s->size + 1;
    return n ? n : 1;
}

/* Offsets wrap at the address size before the linear page ends only when they are that close. */
static uint64_t to_wrap(const struct str *s, uint64_t ea)
{
    if (s->asize == 8)
        return UINT64_MAX;
    const uint64_t top = s->asize == 4 ? 0x100000000ull : 0x10000ull;
    ea &= top - 1;
    const uint64_t n = s->step > 0 ? (top - ea) / s->size : ea / s->size + 1;
    return n ? n : 1;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t rep_count(const struct cpu *c, const struct str *s)
{
    return alu_zext(c->r[R_CX], s->asize);
}

static void count_down(struct cpu *c, const struct str *s, uint64_t n)
{
    reg_set(c, R_CX, s->asize, c->r[R_CX] - n);
}

/* The chunk of a repeated instruction, in iterations. */
static uint64_t chunk_of(struct cpu *c, const struct insn *i, const struct str *s, bool src,
                         bool dst)
{
    uint64_t n = min64(rep_count(c, s), CHUNK / s->size);
    if (c->eflags & FL_TF)
        n = 1;
    if (src) {
        n = min64(n, to_page_end(s, c->seg[i->seg].base + ea_wrap(i, c->r[R_SI])));
        n = min64(n, to_wrap(s, c->r[R_SI]));
    }
    if (dst) {
        n = min64(n, to_page_end(s, c->seg[SEG_ES].base + ea_wrap(i, c->r[R_DI])));
        n = min64(n, to_wrap(s, c->r[R_DI]));
    }
    return n;
}

static void again(struct cpu *c, const struct insn *i, const struct str *s, bool goes)
{
    if (goes && rep_count(c, s))
        c->rip = insn_rip(c, i);
}

/* State is exact after each iteration, so a fault in the middle resumes there. */
static bool iterate(struct cpu *c, const struct insn *i, const struct str *s, iter_fn *iter,
                    uint64_t n)
{
    uint64_t done = 0;
    bool goes = true;
    while (goes && done < n) {
        goes = iter(c, i, s);
        count_down(c, s, 1);
        done++;
        if (c->attn & ~c->attn_seen)
            break; /* a device wants attention: an early end of the chunk */
    }
    if (c->timing)
        timing_cycles(c, iter == iter_movs || iter == iter_stos ? done * s->size / TIMING_REP_BYTES
                                                                : done * TIMING_REP_COMPARE);
    return goes;
}

static bool repeated(const struct insn *i)
{
    return i->flags & (INSN_REP | INSN_REPNE);
}

/* A run of n elements that lies in one page, is plain RAM and passes the segment checks: host
 * pointer to its lowest byte. NULL: iterate. */
static uint8_t *run_host(struct cpu *c, const struct str *s, uint64_t la, uint64_t n, int access)
{
    const uint64_t low = s->step > 0 ? la : la - (n - 1) * s->size;
    if ((low & 4095) + n * s->size > 4096)
        return NULL;
    uint8_t *p = mmu_bulk(c, la,
                          access); /* the first element's address: it is the one that faults */
    return p ? p - (la - low) : NULL;
}

/* Like run_host for a store into a page that holds decoded code: the code in the way is dropped
 * first, as the stores one by one would do. */
static uint8_t *run_code(struct cpu *c, const struct str *s, uint64_t la, uint64_t n)
{
    const uint64_t low = s->step > 0 ? la : la - (n - 1) * s->size;
    struct mmu_view v;
    if ((low & 4095) + n * s->size > 4096 || (c->dr[7] & 0xff) || c->dbg.watch_count)
        return NULL;
    mmu_probe(c, la, s->size, ACC_W);
    if (!mmu_peek(c, low, &v))
        return NULL;
    const struct frame *f = ram_frame(c->ram, v.hpa);
    if (!f || !f->code || (f->flags & (FRAME_MONITOR | FRAME_READ_ONLY)) ||
        (c->non_root && vmx_is_apic_page(c, v.hpa)) || (c->cpl == 3 && (c->eflags & FL_AC)))
        return NULL;
    engine_code_written(c->engine, c, hpa(v.hpa), n * s->size);
    return ram_host(c->ram, v.hpa);
}

/* The cycle model wants to see each access. */
static bool bulk_allowed(const struct cpu *c)
{
    if (c->timing)
        return false;
    return cpu_code64(c) || (c->mode & MODE_FLAT);
}

static bool seg_is_flat(const struct cpu *c, unsigned seg)
{
    return cpu_code64(c) || seg < SEG_FS;
}

void op_movs(struct cpu *c, const struct insn *i)
{
    const struct str s = str_of(c, i);
    if (!repeated(i)) {
        iter_movs(c, i, &s);
        return;
    }
    if (!rep_count(c, &s))
        return;
    const uint64_t n = chunk_of(c, i, &s, true, true);
    if (n > 2 && bulk_allowed(c) && seg_is_flat(c, i->seg)) {
        /* faults of the source come before those of the destination */
        const uint8_t *p = run_host(c, &s, src_la(c, i, s.size), n, ACC_R);
        uint8_t *q = p ? run_host(c, &s, dst_la(c, i, s.size, ACC_W), n, ACC_W) : NULL;
        const uint64_t len = n * s.size;
        /* overlapping the wrong way repeats a pattern: one by one */
        const bool overlap = q && q != p && q < p + len && p < q + len;
        if (q && (!overlap || (s.step > 0) == (q < p))) {
            memmove(q, p, len);
            advance(c, &s, R_SI, n);
            advance(c, &s, R_DI, n);
            count_down(c, &s, n);
            again(c, i, &s, true);
            return;
        }
    }
    again(c, i, &s, iterate(c, i, &s, iter_movs, n));
}

static void fill(uint8_t *p, uint64_t v, unsigned size, uint64_t n)
{
    if (size == 1) {
        memset(p, (int)(uint8_t)v, n * size);
        return;
    }
    for (uint64_t k = 0; k < n; k++, p += size)
        memcpy(p, &v, size);
}

void op_stos(struct cpu *c, const struct insn *i)
{
    const struct str s = str_of(c, i);
    if (!repeated(i)) {
        iter_stos(c, i, &s);
        return;
    }
    if (!rep_count(c, &s))
        return;
    const uint64_t n = chunk_of(c, i, &s, false, true);
    if (n > 2 && bulk_allowed(c)) {
        const uint64_t to = dst_la(c, i, s.size, ACC_W);
        uint8_t *q = run_host(c, &s, to, n, ACC_W);
        if (q || (q = run_code(c, &s, to, n))) {
            const uint64_t v = alu_zext(c->r[R_AX], s.size);
            if (v == 0)
                memset(q, 0, n * s.size);
            else
                fill(q, v, s.size, n);
            advance(c, &s, R_DI, n);
            count_down(c, &s, n);
            again(c, i, &s, true);
            return;
        }
    }
    again(c, i, &s, iterate(c, i, &s, iter_stos, n));
}

void op_lods(struct cpu *c, const struct insn *i)
{
    const struct str s = str_of(c, i);
    if (!repeated(i)) {
        iter_lods(c, i, &s);
        return;
    }
    if (!rep_count(c, &s))
        return;
    again(c, i, &s, iterate(c, i, &s, iter_lods, chunk_of(c, i, &s, true, false)));
}

void op_cmps(struct cpu *c, const struct insn *i)
{
    const struct str s = str_of(c, i);
    if (!repeated(i)) {
        iter_cmps(c, i, &s);
        return;
    }
    if (!rep_count(c, &s))
        return;
    again(c, i, &s, iterate(c, i, &s, iter_cmps, chunk_of(c, i, &s, true, true)));
}

void op_scas(struct cpu *c, const struct insn *i)
{
    const struct str s = str_of(c, i);
    if (!repeated(i)) {
        iter_scas(c, i, &s);
        return;
    }
    if (!rep_count(c, &s))
        return;
    again(c, i, &s, iterate(c, i, &s, iter_scas, chunk_of(c, i, &s, false, true)));
}
