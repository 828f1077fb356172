/*
 * Descriptor tables of the hypervisor (SDM 3A 3.4, 6.14, 7.7).
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/boot/boot.h"

extern char hv_trap_stubs[];
void hv_trap(uint64_t vector, const uint64_t *frame);

static uint64_t idt[512];

void hv_idt_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        const uint64_t at = (uint64_t)hv_trap_stubs + 16 * i;
        idt[2 * i] = (at & 0xffff) | 0x08ull << 16 | 0x8eull << 40 | (at >> 16 & 0xffff) << 48;
        idt[2 * i + 1] = at >> 32;
    }
}

struct pseudo_descriptor {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void hv_lp_tables(struct hv_lp *lp)
{
    struct hv_descriptor_tables *t = &lp->tables;
    const uint64_t tss = hv_pa(t->tss);
    t->gdt[1] = 0x00af9b000000ffffull;
    t->gdt[2] = 0x00cf93000000ffffull;
    t->gdt[3] = 0x67 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    t->gdt[4] = tss >> 32;
    const struct pseudo_descriptor gdtr = {sizeof(t->gdt) - 1, hv_pa(t->gdt)};
    const struct pseudo_descriptor idtr = {sizeof(idt) - 1, hv_pa(idt)};
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdtr), "m"(idtr), "r"(0x18) : "memory");
    __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    lp->self = lp;
    hv_wrmsr(MSR_GS_BASE, hv_pa(lp));
}

void hv_trap(uint64_t vector, const uint64_t *frame)
{
    if (vector < 32 && vector != EXC_NMI)
        hv_panic("exception %lu error %lx at %lx cr2 %lx rsp %lx", vector, frame[0], frame[1],
                 hv_read_cr2(), frame[4]);
    struct hv_lp *lp = hv_this_lp();
    hv_lp_service(lp);
    hv_lock();
    if (vector == EXC_NMI) {
        if (hv_root && hv_root->vp[lp->index])
            hv_root->vp[lp->index]->nmi_pending = true;
    } else {
        hv_lp_interrupt(lp, (uint32_t)vector);
    }
    hv_unlock();
}
