/*
 * Slow paths of data access: TLB misses, page crossings, device memory, code pages, watched pages,
 * #AC.
 *
 * All pages of an access are translated before the first byte moves, so a fault leaves nothing
 * half done. Device accesses go to the bus in the size of the instruction unless they cross a
 * page.
 *
 * Not modelled: #AC for 16-byte SSE operands, split-lock exceptions.
 */
#include "core/trace.h"
#include "cpu/timing/timing.h"
#include "mmu/mmu_int.h"

static uint64_t device_read(struct cpu *c, const struct page *p, unsigned off, unsigned size)
{
    if (p->vapic)
        return vmx_apic_read(c, off, size, p->gpa + off);
    const uint64_t v = p->apic ? c->apic_ops->mmio_read(c->apic, off, size)
                               : bus_mmio_read(c->bus, hpa(p->hpa + off), size);
    if (trace_on(c->trace, TP_io_mmio_read))
        trace_emit(c->trace, TP_io_mmio_read, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   p->gpa + off, size, v, cpu_rip(c), 0, 0);
    return v;
}

static void device_write(struct cpu *c, const struct page *p, unsigned off, unsigned size,
                         uint64_t v)
{
    if (p->vapic) {
        vmx_apic_write(c, off, size, v, p->gpa + off);
        return;
    }
    if (trace_on(c->trace, TP_io_mmio_write))
        trace_emit(c->trace, TP_io_mmio_write, (uint8_t)c->index, cpu_icount(c),
                   clock_now(c->clock), p->gpa + off, size, v, cpu_rip(c), 0, 0);
    if (p->apic)
        c->apic_ops->mmio_write(c->apic, off, size, v);
    else
        bus_mmio_write(c->bus, hpa(p->hpa + off), size, v);
}

/* Memory that a store goes to; otherwise it goes to the bus. */
static bool takes_stores(const struct page *p)
{
    return p->host && !(p->frame->flags & FRAME_READ_ONLY);
}

/* Largest power of two that fits, so that device accesses stay natural. */
static unsigned piece(unsigned off, unsigned len)
{
    unsigned n = len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1;
    while (off & (n - 1))
        n /= 2;
    return n;
}

static void page_read(struct cpu *c, const struct page *p, unsigned off, void *to, unsigned len)
{
    uint8_t *out = to;
    if (p->host) {
        memcpy(out, p->host + off, len);
        return;
    }
    while (len) {
        const unsigned n = piece(off, len);
        const uint64_t v = device_read(c, p, off, n);
        memcpy(out, &v, n);
        out += n;
        off += n;
        len -= n;
    }
}

static void page_write(struct cpu *c, const struct page *p, unsigned off, const void *from,
                       unsigned len)
{
    const uint8_t *in = from;
    if (takes_stores(p)) {
        memcpy(p->host + off, in, len);
        if (frame_guarded(p->frame))
            ram_code_written(c->ram, c, p->frame, p->hpa + off, len);
        return;
    }
    while (len) {
        const unsigned n = piece(off, len);
        uint64_t v = 0;
        memcpy(&v, in, n);
        device_write(c, p, off, n, v);
        in += n;
        off += n;
        len -= n;
    }
}

static void check_alignment(struct cpu *c, uint64_t la, unsigned size, unsigned acc)
{
    if ((la & (size - 1)) && !(acc & ACC_SYS) && c->cpl == 3 && (c->cr0 & CR0_AM) &&
        (c->eflags & FL_AC) && !(size & (size - 1)))
        cpu_fault(c, EXC_AC, 0);
}

static bool crosses(uint64_t la, unsigned len)
{
    return (la & 4095) + len > 4096;
}

/* The second page of an access: wraps at 4 GiB outside 64-bit mode, #GP/#SS is the caller's
 * there. */
static uint64_t next_page(const struct cpu *c, uint64_t la)
{
    const uint64_t next = (la & TLB_PAGE_MASK) + 4096;
    return cpu_long_mode(c) ? next : (uint32_t)next;
}

/* What an access of one page that has been done costs in the cycle model. */
static __attribute__((noinline)) void charge_page(struct cpu *c, uint64_t la, const struct page *p,
                                                  unsigned size, bool is_write)
{
    if (p->apic || p->vapic)
        timing_stall(c, TIMING_STALL_APIC);
    else if (is_write ? takes_stores(p) : p->host != NULL)
        timing_access(c, la, ram_address(c->ram, p->host + (la & 4095)), size, is_write);
    else
        timing_stall(c, is_write ? TIMING_STALL_DEVICE_WRITE : TIMING_STALL_DEVICE_READ);
}

static inline void charge(struct cpu *c, uint64_t la, const struct page *p, unsigned size,
                          bool is_write)
{
    if (__builtin_expect(c->timing != NULL, 0))
        charge_page(c, la, p, size, is_write);
}

static uint64_t ld(struct cpu *c, uint64_t la, unsigned size, unsigned acc)
{
    uint64_t v = 0;
    check_alignment(c, la, size, acc);
    const struct page p = page_find(c, la, acc);
    const unsigned off = la & 4095;
    if (!crosses(la, size)) {
        v = p.host ? host_ld(p.host + off, size) : device_read(c, &p, off, size);
        charge(c, la, &p, size, false);
        if (p.watched)
            watch_hit(c, la, size, ACC_R);
        return v;
    }
    const uint64_t la2 = next_page(c, la);
    const struct page q = page_find(c, la2, acc);
    const unsigned n = 4096 - off;
    page_read(c, &p, off, &v, n);
    page_read(c, &q, 0, (uint8_t *)&v + n, size - n);
    charge(c, la, &p, n, false);
    charge(c, la2, &q, size - n, false);
    if (p.watched || q.watched)
        watch_hit(c, la, size, ACC_R);
    return v;
}

static void st(struct cpu *c, uint64_t la, unsigned size, uint64_t v, unsigned acc)
{
    check_alignment(c, la, size, acc);
    const struct page p = page_find(c, la, acc);
    const unsigned off = la & 4095;
    if (!crosses(la, size)) {
        if (takes_stores(&p)) {
            host_st(p.host + off, size, v);
            if (frame_guarded(p.frame))
                ram_code_written(c->ram, c, p.frame, p.hpa + off, size);
        } else {
            device_write(c, &p, off, size, v);
        }
        charge(c, la, &p, size, true);
        if (p.watched)
            watch_hit(c, la, size, ACC_W);
        return;
    }
    const uint64_t la2 = next_page(c, la);
    const struct page q = page_find(c, la2, acc);
    const unsigned n = 4096 - off;
    page_write(c, &p, off, &v, n);
    page_write(c, &q, 0, (const uint8_t *)&v + n, size - n);
    charge(c, la, &p, n, true);
    charge(c, la2, &q, size - n, true);
    if (p.watched || q.watched)
        watch_hit(c, la, size, ACC_W);
}

/* First-level entry for an access in context ctx, or NULL. */
static const struct tlb_entry *l1_for(const struct cpu *c, uint64_t la, unsigned size, uint64_t ctx,
                                      bool is_write)
{
    const struct tlb_entry *e = &(is_write ? c->mmu->l1_w : c->mmu->l1_r)[tlb_index(la)];
    return e->tag == (((la + size - 1) & TLB_PAGE_MASK) | ctx) ? e : NULL;
}

static void charge_entry(struct cpu *c, const struct tlb_entry *e, uint64_t la, unsigned size,
                         bool is_write)
{
    timing_access(c, la, ram_address(c->ram, (const void *)(e->addend + la)), size, is_write);
}

/* With a cycle model these come here, as c->tlb_r and c->tlb_w are empty. */
static __attribute__((noinline)) uint64_t timed_ld(struct cpu *c, uint64_t la, unsigned size)
{
    const struct tlb_entry *const e = l1_for(c, la, size, c->ctx, false);
    if (!e)
        return ld(c, la, size, ACC_R);
    charge_entry(c, e, la, size, false);
    return host_ld((const void *)(e->addend + la), size);
}

static __attribute__((noinline)) void timed_st(struct cpu *c, uint64_t la, unsigned size,
                                               uint64_t v)
{
    const struct tlb_entry *const e = l1_for(c, la, size, c->ctx, true);
    if (!e) {
        st(c, la, size, v, ACC_W);
        return;
    }
    charge_entry(c, e, la, size, true);
    host_st((void *)(e->addend + la), size, v);
}

uint64_t mmu_ld_slow(struct cpu *c, uint64_t la, unsigned size)
{
    if (__builtin_expect(c->timing != NULL, 0))
        return timed_ld(c, la, size);
    return ld(c, la, size, ACC_R);
}

void mmu_st_slow(struct cpu *c, uint64_t la, unsigned size, uint64_t v)
{
    if (__builtin_expect(c->timing != NULL, 0))
        timed_st(c, la, size, v);
    else
        st(c, la, size, v, ACC_W);
}

uint64_t mmu_ld_sys(struct cpu *c, uint64_t la, unsigned size)
{
    const struct tlb_entry *const e = l1_for(c, la, size, c->mmu->ctx_sys, false);
    if (e) {
        if (c->timing)
            charge_entry(c, e, la, size, false);
        return host_ld((const void *)(e->addend + la), size);
    }
    return ld(c, la, size, ACC_R | ACC_SYS);
}

void mmu_st_sys(struct cpu *c, uint64_t la, unsigned size, uint64_t v)
{
    const struct tlb_entry *const e = l1_for(c, la, size, c->mmu->ctx_sys, true);
    if (e) {
        if (c->timing)
            charge_entry(c, e, la, size, true);
        host_st((void *)(e->addend + la), size, v);
        return;
    }
    st(c, la, size, v, ACC_W | ACC_SYS);
}

void mmu_probe(struct cpu *c, uint64_t la, unsigned len, int access)
{
    for (uint64_t at = la;;) {
        if (!l1_for(c, at, 1, c->ctx, access & ACC_W))
            page_find(c, at, (unsigned)access);
        const unsigned n = 4096 - (unsigned)(at & 4095);
        if (n >= len)
            return;
        len -= n;
        at = next_page(c, at);
    }
}

void mmu_ld_bytes(struct cpu *c, uint64_t la, void *to, unsigned len)
{
    uint8_t *out = to;
    const uint64_t start = la;
    const unsigned total = len;
    bool watched = false;
    if (crosses(la, len))
        mmu_probe(c, la, len, ACC_R);
    while (len) {
        const unsigned room = 4096 - (unsigned)(la & 4095), n = len < room ? len : room;
        const struct page p = page_find(c, la, ACC_R);
        page_read(c, &p, la & 4095, out, n);
        charge(c, la, &p, n, false);
        watched |= p.watched;
        out += n;
        len -= n;
        la = n == room ? next_page(c, la) : la + n;
    }
    if (watched)
        watch_hit(c, start, total, ACC_R);
}

void mmu_st_bytes(struct cpu *c, uint64_t la, const void *from, unsigned len)
{
    const uint8_t *in = from;
    const uint64_t start = la;
    const unsigned total = len;
    bool watched = false;
    if (crosses(la, len))
        mmu_probe(c, la, len, ACC_W);
    while (len) {
        const unsigned room = 4096 - (unsigned)(la & 4095), n = len < room ? len : room;
        const struct page p = page_find(c, la, ACC_W);
        page_write(c, &p, la & 4095, in, n);
        charge(c, la, &p, n, true);
        watched |= p.watched;
        in += n;
        len -= n;
        la = n == room ? next_page(c, la) : la + n;
    }
    if (watched)
        watch_hit(c, start, total, ACC_W);
}

void *mmu_bulk(struct cpu *c, uint64_t la, int access)
{
    const struct tlb_entry *const e = l1_for(c, la, 1, c->ctx, access & ACC_W);
    if (access != ACC_RW && e)
        return (void *)(e->addend + la);
    const struct page p = page_find(c, la, (unsigned)access);
    if (!p.host || p.watched || ((access & ACC_W) && !frame_takes_fast_stores(p.frame)))
        return NULL;
    if (c->cpl == 3 && (c->cr0 & CR0_AM) && (c->eflags & FL_AC))
        return NULL;
    return p.host + (la & 4095);
}
