/*
 * Looking without touching: translations for the debugger and the tracer (no faults, no exits, no
 * accessed flags, nothing cached), and the processor's own reads of guest-physical memory.
 */
#include "mmu/mmu_int.h"

bool mmu_peek(const struct cpu *c, uint64_t la, struct mmu_view *v)
{
    struct walk w;
    struct cpu *cc = (struct cpu *)c; /* WF_PEEK walks write nothing */
    if (walk_linear(cc, la, 0, WF_PEEK, &w))
        return false;
    *v = (struct mmu_view){.gpa = w.gpa | (la & 4095),
                           .hpa = a20(c, w.hpa | (la & 4095)),
                           .page_shift = w.shift,
                           .writable = (w.perm & P_W) && (w.perm & P_EW),
                           .user = w.perm & P_U,
                           .executable = !(w.perm & P_NX) && (w.perm & P_EX)};
    return true;
}

bool mmu_peek_gpa(const struct cpu *c, uint64_t gpa_, uint64_t *hpa_)
{
    struct walk w;
    return ept_translate((struct cpu *)c, gpa_, 0, WF_PEEK, &w, hpa_) == WALK_OK;
}

bool mmu_peek_read(const struct cpu *c, uint64_t la, void *to, unsigned len)
{
    uint8_t *out = to;
    while (len) {
        struct mmu_view v;
        const unsigned room = 4096 - (unsigned)(la & 4095), n = len < room ? len : room;
        if (!mmu_peek(c, la, &v) || !ram_read(c->ram, hpa(v.hpa), out, n))
            return false;
        out += n;
        la += n;
        len -= n;
    }
    return true;
}

bool mmu_peek_write(struct cpu *c, uint64_t la, const void *from, unsigned len)
{
    const uint8_t *in = from;
    while (len) {
        struct mmu_view v;
        const unsigned room = 4096 - (unsigned)(la & 4095), n = len < room ? len : room;
        if (!mmu_peek(c, la, &v) || !ram_write(c->ram, hpa(v.hpa), in, n))
            return false;
        in += n;
        la += n;
        len -= n;
    }
    return true;
}

uint64_t mmu_gpa_ld64(struct cpu *c, uint64_t gpa_)
{
    struct walk w;
    uint64_t at;
    switch (ept_translate(c, gpa_, EPT_READ, 0, &w, &at)) {
    case WALK_EPT_VIOLATION: {
        const struct ept_violation e = {w.fault_gpa, w.qual, 0, w.suppress_ve};
        vmx_ept_violation(c, &e);
    }
    case WALK_PML_FULL:
        vmx_exit_pml_full(c);
    case WALK_EPT_MISCONFIG:
        vmx_exit_ept_misconfig(c, w.fault_gpa);
    default:
        return phys_ld(c, at, 8);
    }
}

bool mmu_load_pdptes(struct cpu *c, uint64_t cr3, uint64_t pdpte[4])
{
    const uint64_t rsvd = 0x1e6ull | (~0ull << CPU_PHYS_BITS);
    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = mmu_gpa_ld64(c, (cr3 & 0xffffffe0u) + i * 8);
        if ((pdpte[i] & PTE_P) && (pdpte[i] & rsvd))
            return false;
    }
    return true;
}
