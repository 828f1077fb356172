/*
 * Entering VMX root operation, and the VMCS of a VP (SDM 3C 24.7, 25; 3D A).
 *
 * Every guest runs unrestricted with EPT. Root and children differ in three controls: children exit
 * on every port access, HLT is intercepted for both, and MSR bitmaps are per partition kind.
 */
#include "hypervisor/vmx/hv_vmx.h"
#include "hypervisor/mm/mm.h"

struct hv_vmx_caps hv_vmx;

/* Settings `want` plus what must be 1; panics when a bit of `want` can't be set. `maybe` bits are
 * taken when allowed. */
static uint32_t controls(uint32_t msr, uint32_t want, uint32_t maybe, const char *what)
{
    const uint64_t cap = hv_rdmsr(msr);
    const uint32_t must = (uint32_t)cap, may = (uint32_t)(cap >> 32);
    if (want & ~may)
        hv_panic("processor lacks VMX %s controls %x", what, want & ~may);
    return must | want | (maybe & may);
}

void hv_vmx_probe(void)
{
    if (!(hv_cpuid(1, 0).ecx & CPUID_1_ECX_VMX))
        hv_panic("this processor has no VT-x");
    const uint64_t basic = hv_rdmsr(MSR_VMX_BASIC);
    const bool true_ctls = basic & VMX_BASIC_TRUE_CTLS;
    hv_vmx.revision = VMX_BASIC_REVISION(basic);
    hv_vmx.pin = controls(true_ctls ? MSR_VMX_TRUE_PINBASED_CTLS : MSR_VMX_PINBASED_CTLS,
                          VMX_PIN_EXT_INT | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMI, 0, "pin-based");
    hv_vmx.proc = controls(true_ctls ? MSR_VMX_TRUE_PROCBASED_CTLS : MSR_VMX_PROCBASED_CTLS,
                           VMX_PROC_TSC_OFFSET | VMX_PROC_HLT | VMX_PROC_MWAIT | VMX_PROC_RDPMC |
                               VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE | VMX_PROC_MSR_BITMAPS |
                               VMX_PROC_MONITOR | (uint32_t)VMX_PROC_SECONDARY,
                           0, "processor-based");
    hv_vmx.proc &= ~(uint32_t)(VMX_PROC_INT_WINDOW | VMX_PROC_NMI_WINDOW);
    if (true_ctls)
        hv_vmx.proc &= ~(uint32_t)(VMX_PROC_CR3_LOAD | VMX_PROC_CR3_STORE) |
                       (uint32_t)hv_rdmsr(MSR_VMX_TRUE_PROCBASED_CTLS);
    hv_vmx.proc2 = controls(MSR_VMX_PROCBASED_CTLS2, VMX_PROC2_EPT | VMX_PROC2_UNRESTRICTED,
                            VMX_PROC2_VPID | VMX_PROC2_RDTSCP | VMX_PROC2_INVPCID | VMX_PROC2_PLE,
                            "secondary");
    hv_vmx.vpid = hv_vmx.proc2 & VMX_PROC2_VPID;
    hv_vmx.exit = controls(true_ctls ? MSR_VMX_TRUE_EXIT_CTLS : MSR_VMX_EXIT_CTLS,
                           VMX_XCTL_SAVE_DEBUG | VMX_XCTL_HOST_64 | VMX_XCTL_ACK_INT |
                               VMX_XCTL_SAVE_PAT | VMX_XCTL_LOAD_PAT | VMX_XCTL_SAVE_EFER |
                               VMX_XCTL_LOAD_EFER,
                           0, "exit");
    hv_vmx.entry = controls(true_ctls ? MSR_VMX_TRUE_ENTRY_CTLS : MSR_VMX_ENTRY_CTLS,
                            VMX_NCTL_LOAD_DEBUG | VMX_NCTL_LOAD_PAT | VMX_NCTL_LOAD_EFER, 0,
                            "entry");
    const uint64_t ept = hv_rdmsr(MSR_VMX_EPT_VPID_CAP);
    const uint64_t need = VMX_EPTVPID_WALK4 | VMX_EPTVPID_WB | VMX_EPTVPID_2M | VMX_EPTVPID_INVEPT;
    if ((ept & need) != need)
        hv_panic("EPT lacks 4-level walks, write-back, 2 MiB pages or INVEPT (%lx)", ept);
    hv_vmx.xsave = hv_cpuid(1, 0).ecx & (1u << 26);
    if (hv_vmx.xsave) {
        const struct hv_cpuid c = hv_cpuid(0xd, 0);
        hv_vmx.xcr0_mask = ((uint64_t)c.edx << 32 | c.eax) & 0xe7; /* x87, SSE, AVX, AVX-512 */
    }
}

void hv_vmx_on(struct hv_lp *lp)
{
    const uint64_t fc = hv_rdmsr(MSR_IA32_FEATURE_CONTROL);
    if (!(fc & FEATURE_CONTROL_LOCK))
        hv_wrmsr(MSR_IA32_FEATURE_CONTROL, fc | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    else if (!(fc & FEATURE_CONTROL_VMX))
        hv_panic("VT-x is locked off by firmware");
    hv_write_cr0((hv_read_cr0() | hv_rdmsr(MSR_VMX_CR0_FIXED0)) & hv_rdmsr(MSR_VMX_CR0_FIXED1));
    const uint64_t cr4 = hv_read_cr4() | CR4_VMXE | CR4_OSFXSR | CR4_OSXMMEXCPT |
                         (hv_vmx.xsave ? CR4_OSXSAVE : 0);
    hv_write_cr4((cr4 | hv_rdmsr(MSR_VMX_CR4_FIXED0)) & hv_rdmsr(MSR_VMX_CR4_FIXED1));
    if (hv_vmx.xsave) {
        hv_xsetbv(hv_vmx.xcr0_mask);
        lp->xcr0 = hv_vmx.xcr0_mask;
    }
    lp->vmxon = hv_page_alloc();
    hv_assert(lp->vmxon != 0);
    *(uint32_t *)hv_va(lp->vmxon) = hv_vmx.revision;
    if (!hv_vmxon_insn(lp->vmxon))
        hv_panic("VMXON failed on LP %u", lp->index);
}

static void write_host_state(struct hv_lp *lp)
{
    hv_vmwrite(VMCS_HOST_CR0, hv_read_cr0());
    hv_vmwrite(VMCS_HOST_CR3, hv_read_cr3());
    hv_vmwrite(VMCS_HOST_CR4, hv_read_cr4());
    hv_vmwrite(VMCS_HOST_CS_SEL, 0x08);
    hv_vmwrite(VMCS_HOST_SS_SEL, 0x10);
    hv_vmwrite(VMCS_HOST_DS_SEL, 0x10);
    hv_vmwrite(VMCS_HOST_ES_SEL, 0x10);
    hv_vmwrite(VMCS_HOST_FS_SEL, 0);
    hv_vmwrite(VMCS_HOST_GS_SEL, 0);
    hv_vmwrite(VMCS_HOST_TR_SEL, 0x18);
    hv_vmwrite(VMCS_HOST_FS_BASE, 0);
    hv_vmwrite(VMCS_HOST_GS_BASE, hv_pa(lp));
    hv_vmwrite(VMCS_HOST_TR_BASE, hv_pa(lp->tables.tss));
    hv_vmwrite(VMCS_HOST_GDTR_BASE, hv_pa(lp->tables.gdt));
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr;
    __asm__ volatile("sidt %0" : "=m"(idtr));
    hv_vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
    hv_vmwrite(VMCS_HOST_PAT, hv_rdmsr(MSR_PAT));
    hv_vmwrite(VMCS_HOST_EFER, hv_rdmsr(MSR_EFER));
    hv_vmwrite(VMCS_HOST_SYSENTER_CS, 0);
    hv_vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
    hv_vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
    hv_vmwrite(VMCS_HOST_RIP, (uint64_t)hv_vmx_exit_point);
}

void hv_vmcs_setup(struct hv_vp *vp)
{
    const struct hv_partition *p = vp->partition;
    *(uint32_t *)hv_va(vp->vmcs) = hv_vmx.revision;
    if (!hv_vmclear(vp->vmcs) || !hv_vmptrld(vp->vmcs))
        hv_panic("VMCS of VP %u of partition %lu refused", vp->index, p->id);
    write_host_state(vp->lp);
    vp->proc_ctl = hv_vmx.proc | (p->is_root ? 0 : (uint32_t)VMX_PROC_UNCOND_IO);
    hv_vmwrite(VMCS_PIN_CTL, hv_vmx.pin);
    hv_vmwrite(VMCS_PROC_CTL, vp->proc_ctl);
    hv_vmwrite(VMCS_PROC2_CTL, hv_vmx.proc2);
    hv_vmwrite(VMCS_EXIT_CTL, hv_vmx.exit);
    hv_vmwrite(VMCS_ENTRY_CTL, hv_vmx.entry);
    hv_vmwrite(VMCS_EXCEPTION_BITMAP, p->exception_intercepts);
    hv_vmwrite(VMCS_PF_EC_MASK, 0);
    hv_vmwrite(VMCS_PF_EC_MATCH, 0);
    hv_vmwrite(VMCS_CR3_TARGET_COUNT, 0);
    hv_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
    hv_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    hv_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    hv_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
    hv_vmwrite(VMCS_MSR_BITMAP, p->msr_bitmap);
    hv_vmwrite(VMCS_TSC_OFFSET, vp->tsc_offset);
    hv_vmwrite(VMCS_EPTP, p->eptp);
    if (hv_vmx.vpid)
        hv_vmwrite(VMCS_VPID, vp->vpid);
    if (hv_vmx.proc2 & VMX_PROC2_PLE) { /* a VP that spins gives way to its siblings */
        hv_vmwrite(VMCS_PLE_GAP, 128);
        hv_vmwrite(VMCS_PLE_WINDOW, 4096);
    }
    hv_vmwrite(VMCS_CR0_MASK, CR0_NE);
    hv_vmwrite(VMCS_CR4_MASK, HV_CR4_HIDDEN);
    hv_vmwrite(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
    hv_vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    hv_vmwrite(VMCS_GUEST_PENDING_DBG, 0);
    hv_vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_ACTIVE);
    hv_vmwrite(VMCS_GUEST_SMBASE, 0);
}

static void write_segment(unsigned i, const struct hv_segment *s)
{
    const uint32_t ar = (s->attributes & 0xf0ff) | (s->attributes & SA_P ? 0 : SA_UNUSABLE);
    hv_vmwrite(VMCS_GUEST_ES_SEL + 2 * i, s->selector);
    hv_vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
    hv_vmwrite(VMCS_GUEST_ES_AR + 2 * i, ar);
    hv_vmwrite(VMCS_GUEST_ES_BASE + 2 * i, s->base);
}

/* PAE paging takes its PDPTEs from the VMCS: load them as MOV to CR3 would. */
static void write_pdptes(struct hv_vp *vp)
{
    const struct hv_regs *r = &vp->regs;
    if (!(r->cr0 & CR0_PG) || !(r->cr4 & CR4_PAE) || (r->efer & EFER_LMA))
        return;
    const uint8_t *page = hv_gpa_page(vp->partition, r->cr3 & 0xffffffe0, EPT_R);
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t e = page ? *(const uint64_t *)(page + (r->cr3 & 0xfe0) + 8 * i) : 0;
        hv_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, e);
    }
}

void hv_vmcs_flush(struct hv_vp *vp)
{
    const struct hv_regs *r = &vp->regs;
    hv_vmwrite(VMCS_GUEST_CR0, r->cr0 | CR0_NE);
    hv_vmwrite(VMCS_CR0_SHADOW, r->cr0);
    hv_vmwrite(VMCS_GUEST_CR3, r->cr3);
    hv_vmwrite(VMCS_GUEST_CR4, r->cr4 | CR4_VMXE);
    hv_vmwrite(VMCS_CR4_SHADOW, r->cr4);
    hv_vmwrite(VMCS_GUEST_EFER, r->efer);
    hv_vmwrite(VMCS_ENTRY_CTL, hv_vmx.entry | (r->efer & EFER_LMA ? VMX_NCTL_IA32E_GUEST : 0));
    hv_vmwrite(VMCS_GUEST_PAT, r->pat);
    hv_vmwrite(VMCS_GUEST_DR7, r->dr7);
    hv_vmwrite(VMCS_GUEST_SYSENTER_CS, r->sysenter_cs);
    hv_vmwrite(VMCS_GUEST_SYSENTER_ESP, r->sysenter_esp);
    hv_vmwrite(VMCS_GUEST_SYSENTER_EIP, r->sysenter_eip);
    hv_vmwrite(VMCS_GUEST_GDTR_BASE, r->gdt_base);
    hv_vmwrite(VMCS_GUEST_GDTR_LIMIT, r->gdt_limit);
    hv_vmwrite(VMCS_GUEST_IDTR_BASE, r->idt_base);
    hv_vmwrite(VMCS_GUEST_IDTR_LIMIT, r->idt_limit);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        write_segment(i, &r->seg[i]);
    write_pdptes(vp);
    vp->regs_dirty = false;
    vp->flush_tlb = true;
}

void hv_vmcs_fetch(struct hv_vp *vp)
{
    struct hv_regs *r = &vp->regs;
    const uint64_t cr0 = hv_vmread(VMCS_GUEST_CR0), cr4 = hv_vmread(VMCS_GUEST_CR4);
    r->cr0 = (cr0 & ~(uint64_t)CR0_NE) | (hv_vmread(VMCS_CR0_SHADOW) & CR0_NE);
    r->cr4 = cr4 & ~(uint64_t)(CR4_VMXE | CR4_SMXE);
    r->cr3 = hv_vmread(VMCS_GUEST_CR3);
    r->efer = hv_vmread(VMCS_GUEST_EFER);
    r->pat = hv_vmread(VMCS_GUEST_PAT);
    r->dr7 = hv_vmread(VMCS_GUEST_DR7);
    r->sysenter_cs = hv_vmread(VMCS_GUEST_SYSENTER_CS);
    r->sysenter_esp = hv_vmread(VMCS_GUEST_SYSENTER_ESP);
    r->sysenter_eip = hv_vmread(VMCS_GUEST_SYSENTER_EIP);
    r->gdt_base = hv_vmread(VMCS_GUEST_GDTR_BASE);
    r->gdt_limit = (uint16_t)hv_vmread(VMCS_GUEST_GDTR_LIMIT);
    r->idt_base = hv_vmread(VMCS_GUEST_IDTR_BASE);
    r->idt_limit = (uint16_t)hv_vmread(VMCS_GUEST_IDTR_LIMIT);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct hv_segment *s = &r->seg[i];
        const uint32_t ar = (uint32_t)hv_vmread(VMCS_GUEST_ES_AR + 2 * i);
        s->selector = (uint16_t)hv_vmread(VMCS_GUEST_ES_SEL + 2 * i);
        s->limit = (uint32_t)hv_vmread(VMCS_GUEST_ES_LIMIT + 2 * i);
        s->base = hv_vmread(VMCS_GUEST_ES_BASE + 2 * i);
        s->attributes = (uint16_t)(ar & SA_UNUSABLE ? ar & 0xf07f : ar & 0xf0ff);
    }
    vp->regs_valid = true;
}
