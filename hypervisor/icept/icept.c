/*
 * Building and sending of intercept messages. All go to SINT0 of the root's VP 0, one at a time per
 * VP: the message sits in the VP itself. Serial consoles come this way per character, so the header
 * costs a dozen VMREADs and no page walk; only GPA intercepts fetch instruction bytes.
 * Not modelled: intercept pages (EXO partitions), register, SIPI and hypercall intercepts.
 */
#include "hypervisor/icept/icept.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/vmx/hv_vmx.h"

static struct hv_segment read_segment(unsigned i)
{
    return (struct hv_segment){
        .base = hv_vmread(VMCS_GUEST_ES_BASE + 2 * i),
        .limit = (uint32_t)hv_vmread(VMCS_GUEST_ES_LIMIT + 2 * i),
        .selector = (uint16_t)hv_vmread(VMCS_GUEST_ES_SEL + 2 * i),
        .attributes = (uint16_t)(hv_vmread(VMCS_GUEST_ES_AR + 2 * i) & 0xf0ff),
    };
}

static void fill_header(struct hv_vp *vp, struct hv_intercept *h, uint32_t access, uint32_t length)
{
    const uint64_t cr0 = hv_vmread(VMCS_GUEST_CR0);
    const uint32_t ss_ar = (uint32_t)hv_vmread(VMCS_GUEST_SS_AR);
    h->vp = vp->index;
    h->length_cr8 = (uint8_t)((length & 0xf) | (vp->apic.tpr & 0xf0));
    h->access = (uint8_t)access;
    h->state = (uint16_t)((ss_ar & SA_DPL) >> SA_DPL_SHIFT);
    h->state |= cr0 & CR0_PE ? HV_STATE_CR0_PE : 0;
    h->state |= cr0 & CR0_AM ? HV_STATE_CR0_AM : 0;
    h->state |= hv_vmread(VMCS_GUEST_EFER) & EFER_LMA ? HV_STATE_LMA : 0;
    h->state |= vp->event ? HV_STATE_INTERRUPTION : 0;
    h->state |= vp->interruptibility & 3 ? HV_STATE_SHADOW : 0;
    h->cs = read_segment(SEG_CS);
    h->rip = vp->rip;
    h->rflags = vp->rflags;
}

static void *start(struct hv_vp *vp, uint32_t type, uint32_t size)
{
    struct hv_message *m = &vp->icept.msg;
    m->type = type;
    m->size = (uint8_t)size;
    m->sender = vp->partition->id;
    return m->payload;
}

/* The VP sleeps; the root wakes. */
static void send(struct hv_vp *vp)
{
    struct hv_vp *to = hv_root->vp[0];
    vp->intercept_suspend = true;
    hv_vp_update(vp);
    if (vp->partition->is_root) {
        hv_panic("root partition failed: message %x, VP %u, RIP %lx, GPA %lx", vp->icept.msg.type,
                 vp->index, vp->rip, hv_vmread(VMCS_GUEST_PHYS_ADDR));
    }
    hv_synic_post(to, HV_SINT_INTERCEPT, &vp->icept);
}

void hv_icept_io(struct hv_vp *vp)
{
    const uint64_t q = hv_vmread(VMCS_EXIT_QUAL);
    struct hv_intercept_io *m = start(vp, HV_MSG_IO_PORT, sizeof(*m));
    fill_header(vp, &m->header, q & VMX_QUAL_IO_IN ? HV_INTERCEPT_READ : HV_INTERCEPT_WRITE,
                (uint32_t)hv_vmread(VMCS_EXIT_INSN_LEN));
    m->port = (uint16_t)VMX_QUAL_IO_PORT(q);
    m->access = (uint8_t)VMX_QUAL_IO_SIZE(q);
    m->byte_count = 0;
    m->rax = vp->gpr[HV_RAX];
    m->rcx = vp->gpr[HV_RCX];
    m->rsi = vp->gpr[HV_RSI];
    m->rdi = vp->gpr[HV_RDI];
    if (q & VMX_QUAL_IO_STRING) {
        m->access |= HV_IO_STRING | (q & VMX_QUAL_IO_REP ? HV_IO_REP : 0);
        m->ds = read_segment(SEG_DS);
        m->es = read_segment(SEG_ES);
        m->byte_count = (uint8_t)hv_fetch_code(vp, m->bytes, sizeof(m->bytes));
    }
    send(vp);
}

void hv_icept_gpa(struct hv_vp *vp, uint64_t gpa, uint64_t qual, uint32_t type)
{
    struct hv_intercept_gpa *m = start(vp, type, sizeof(*m));
    const uint32_t access = qual & VMX_QUAL_EPT_FETCH   ? HV_INTERCEPT_EXECUTE
                            : qual & VMX_QUAL_EPT_WRITE ? HV_INTERCEPT_WRITE
                                                        : HV_INTERCEPT_READ;
    fill_header(vp, &m->header, access, 0);
    m->cache_type = 0;
    m->info = 0;
    m->gva = 0;
    if (qual & VMX_QUAL_EPT_GLA_VALID) {
        m->gva = hv_vmread(VMCS_GUEST_LINEAR_ADDR);
        m->info = HV_GPA_GVA_VALID | (qual & VMX_QUAL_EPT_FINAL ? HV_GPA_TRANSLATION_VALID : 0);
    }
    m->tpr = (uint8_t)vp->apic.tpr;
    m->gpa = gpa;
    m->byte_count = 0;
    if (access != HV_INTERCEPT_EXECUTE)
        m->byte_count = (uint8_t)hv_fetch_code(vp, m->bytes, sizeof(m->bytes));
    send(vp);
}

void hv_icept_msr(struct hv_vp *vp, uint32_t access)
{
    struct hv_intercept_msr *m = start(vp, HV_MSG_MSR, sizeof(*m));
    fill_header(vp, &m->header, access, (uint32_t)hv_vmread(VMCS_EXIT_INSN_LEN));
    m->msr = (uint32_t)vp->gpr[HV_RCX];
    m->rdx = vp->gpr[HV_RDX];
    m->rax = vp->gpr[HV_RAX];
    send(vp);
}

void hv_icept_cpuid(struct hv_vp *vp, const struct hv_cpuid *r)
{
    struct hv_intercept_cpuid *m = start(vp, HV_MSG_CPUID, sizeof(*m));
    fill_header(vp, &m->header, HV_INTERCEPT_EXECUTE, (uint32_t)hv_vmread(VMCS_EXIT_INSN_LEN));
    m->rax = vp->gpr[HV_RAX];
    m->rcx = vp->gpr[HV_RCX];
    m->rdx = vp->gpr[HV_RDX];
    m->rbx = vp->gpr[HV_RBX];
    m->result_rax = r->eax;
    m->result_rcx = r->ecx;
    m->result_rdx = r->edx;
    m->result_rbx = r->ebx;
    send(vp);
}

void hv_icept_exception(struct hv_vp *vp, uint32_t info)
{
    struct hv_intercept_exception *m = start(vp, HV_MSG_EXCEPTION, sizeof(*m));
    fill_header(vp, &m->header, HV_INTERCEPT_EXECUTE, 0);
    m->vector = (uint16_t)(info & 0xff);
    m->info = info & VMX_INTR_ERROR_CODE ? 1 : 0;
    m->error_code = (uint32_t)hv_vmread(VMCS_EXIT_INTR_ERROR);
    m->parameter = hv_vmread(VMCS_EXIT_QUAL);
    m->byte_count = (uint8_t)hv_fetch_code(vp, m->bytes, sizeof(m->bytes));
    m->ds = read_segment(SEG_DS);
    m->ss = read_segment(SEG_SS);
    memcpy(m->gpr, vp->gpr, sizeof(m->gpr));
    send(vp);
}

void hv_icept_plain(struct hv_vp *vp, uint32_t type)
{
    struct hv_intercept *m = start(vp, type, sizeof(*m));
    fill_header(vp, m, HV_INTERCEPT_EXECUTE, 0);
    send(vp);
}

static void eoi_next(struct hv_msg *m)
{
    struct hv_vp *vp = (void *)((uint8_t *)m - offsetof(struct hv_vp, eoi_msg));
    for (uint32_t i = 0; i < 4; i++) {
        if (!vp->eoi_pending[i])
            continue;
        const uint32_t vector = i * 64 + (uint32_t)hv_top_bit(vp->eoi_pending[i]);
        vp->eoi_pending[i] &= ~(1ull << (vector & 63));
        const struct hv_apic_eoi e = {.vp = vp->index, .vector = vector};
        m->msg = (struct hv_message){
            .type = HV_MSG_APIC_EOI, .size = sizeof(e), .sender = vp->partition->id};
        memcpy(m->msg.payload, &e, sizeof(e));
        hv_synic_post(hv_root->vp[0], HV_SINT_INTERCEPT, m);
        return;
    }
}

/* The guest ended a level-triggered interrupt: the parent's virtual I/O APIC wants to know. */
void hv_icept_eoi(struct hv_vp *vp, uint32_t vector)
{
    vp->eoi_pending[vector / 64] |= 1ull << (vector & 63);
    vp->eoi_msg.delivered = eoi_next;
    if (!vp->eoi_msg.queued)
        eoi_next(&vp->eoi_msg);
}
