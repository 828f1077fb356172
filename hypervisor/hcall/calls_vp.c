/*
 * Hypercalls on virtual processors: creation, registers, translation, interrupts, flushes (TLFS 7,
 * 8, 9.4, 10, 4.2).
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/hcall/hcall.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"

uint32_t hv_call_create_vp(struct hv_hcall *c)
{
    const struct hv_in_create_vp *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    if (p->state != HV_PART_ACTIVE)
        return HV_STATUS_INVALID_PARTITION_STATE;
    return hv_vp_create(p, in->vp, hv_sched_place());
}

uint32_t hv_call_delete_vp(struct hv_hcall *c)
{
    const struct hv_in_delete_vp *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    struct hv_vp *vp = in->vp < HV_MAX_VPS ? p->vp[in->vp] : NULL;
    if (!vp)
        return HV_STATUS_INVALID_VP_INDEX;
    vp->explicit_suspend = true;
    hv_vp_stop(vp);
    hv_vp_destroy(vp);
    return HV_STATUS_SUCCESS;
}

/* Registers other than the suspend flags need a VP that stands still. */
static uint32_t still(struct hv_hcall *c, struct hv_vp *vp, bool fetch)
{
    if (vp == c->vp)
        return HV_STATUS_INVALID_VP_STATE; /* a VP has instructions for its own registers */
    if (vp->state == VITRINE_VP_READY || vp->state == VITRINE_VP_HALTED)
        hv_vp_stop(vp);
    if (fetch)
        hv_vp_fetch(vp);
    return HV_STATUS_SUCCESS;
}

static bool is_light(uint32_t name) /* does not live in vp->regs */
{
    return name <= HV_REG_INTERCEPT_SUSPEND || (name >= HV_REG_RAX && name <= HV_REG_RFLAGS) ||
           name >= HV_REG_VP_RUNTIME;
}

uint32_t hv_call_get_vp_registers(struct hv_hcall *c)
{
    const struct hv_in_vp_registers *in = c->in;
    struct hv_vp *vp;
    uint32_t status = hv_arg_vp(c, in->partition, in->vp, &vp);
    if (status)
        return status;
    for (; c->done < c->reps; c->done++) {
        uint32_t name;
        union hv_reg_value v = {.q = {0, 0}};
        memcpy(&name, c->list + 4 * c->done, 4);
        status = still(c, vp, !is_light(name));
        if (!status && !hv_reg_get(vp, name, &v))
            status = HV_STATUS_UNKNOWN_REGISTER_NAME;
        if (status)
            return status;
        memcpy((uint8_t *)c->out + 16 * c->done, &v, 16);
    }
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_set_vp_registers(struct hv_hcall *c)
{
    const struct hv_in_vp_registers *in = c->in;
    struct hv_vp *vp;
    uint32_t status = hv_arg_vp(c, in->partition, in->vp, &vp);
    if (status)
        return status;
    for (; c->done < c->reps; c->done++) {
        struct hv_reg_assoc a;
        memcpy(&a, c->list + sizeof(a) * c->done, sizeof(a));
        status = still(c, vp, !is_light(a.name));
        if (!status)
            status = hv_reg_set(vp, a.name, &a.value);
        if (status)
            return status;
    }
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_translate_address(struct hv_hcall *c)
{
    const struct hv_in_translate_va *in = c->in;
    struct hv_out_translate_va *out = c->out;
    struct hv_vp *vp;
    uint32_t status = hv_arg_vp(c, in->partition, in->vp, &vp);
    if (!status)
        status = still(c, vp, true);
    if (status)
        return status;
    uint64_t gpa = 0;
    out->result = hv_translate(vp, in->gva_page << 12, in->flags, hv_vp_cpl(vp), &gpa);
    out->cache_type = EPT_MT_WB;
    out->gpfn = gpa >> 12;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_assert_interrupt(struct hv_hcall *c)
{
    const struct hv_in_assert_interrupt *in = c->in;
    const uint32_t type = (uint32_t)in->control;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    if (type > HV_INTERRUPT_EXTINT || type == 3 || in->vector > 0xff)
        return HV_STATUS_INVALID_PARAMETER;
    if (in->vector < 16 && type <= HV_INTERRUPT_LOWEST_PRIORITY)
        return HV_STATUS_INVALID_PARAMETER;
    hv_vlapic_deliver(p, (uint32_t)in->destination, in->control & HV_INTERRUPT_LOGICAL, type,
                      in->vector, in->control & HV_INTERRUPT_LEVEL);
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_send_ipi(struct hv_hcall *c)
{
    const uint32_t *in = c->in;
    const uint64_t mask = ((const uint64_t *)c->in)[1];
    if (in[0] < 16 || in[0] > 255 || in[1])
        return HV_STATUS_INVALID_PARAMETER;
    for (uint32_t i = 0; i < HV_MAX_VPS; i++) {
        if ((mask >> i & 1) && c->caller->vp[i])
            hv_vlapic_post(c->caller->vp[i], in[0], false);
    }
    return HV_STATUS_SUCCESS;
}

/* Every form flushes the whole TLB of the VPs asked for, and returns when none of them runs on with
 * old entries. */
static uint32_t flush(struct hv_hcall *c)
{
    const uint64_t *in = c->in;
    const bool all = (in[1] & 1) || !in[2];
    for (uint32_t i = 0; i < HV_MAX_VPS; i++) {
        struct hv_vp *vp = c->caller->vp[i];
        if (!vp || !(all || (in[2] >> i & 1)))
            continue;
        vp->flush_tlb = true;
        if (vp != c->vp)
            hv_vp_stop(vp);
    }
    c->done = c->reps;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_flush_space(struct hv_hcall *c)
{
    return flush(c);
}

uint32_t hv_call_flush_list(struct hv_hcall *c)
{
    return flush(c);
}

uint32_t hv_call_long_spin_wait(struct hv_hcall *c)
{
    c->vp->lp->resched = true;
    return HV_STATUS_SUCCESS;
}
