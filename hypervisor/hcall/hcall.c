/*
 * The hypercall gate (TLFS 3.3-3.13): control word, registers or memory, alignment, privilege,
 * dispatch, result. Rep calls complete in one go.
 * Not modelled: XMM fast forms, extended calls, nested calls.
 */
#include "hypervisor/hcall/hcall.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/vmx/hv_vmx.h"

enum kind { SIMPLE, REP, VAR };

struct call {
    uint32_t (*fn)(struct hv_hcall *c);
    uint8_t kind;
    uint16_t in_size, in_elem, out_size, out_elem;
    uint32_t privilege;
};

#define HV_CALL(code, name, kind, privilege, in_size, in_elem, out_size, out_elem) \
    [code] = {hv_call_##name, kind, in_size, in_elem, out_size, out_elem, privilege},
static const struct call calls[0x100] = {
#include "hypervisor/hcall/hypercalls.def"
};
#undef HV_CALL

struct regs_abi {
    uint64_t control, in, out;
    bool long_mode;
};

static struct regs_abi read_abi(const struct hv_vp *vp)
{
    const bool long_mode = (hv_vmread(VMCS_GUEST_EFER) & EFER_LMA) &&
                           (hv_vmread(VMCS_GUEST_CS_AR) & SA_L);
    const uint64_t *g = vp->gpr;
    if (long_mode)
        return (struct regs_abi){g[HV_RCX], g[HV_RDX], g[HV_R8], true};
    return (struct regs_abi){
        g[HV_RDX] << 32 | (uint32_t)g[HV_RAX],
        g[HV_RBX] << 32 | (uint32_t)g[HV_RCX],
        g[HV_RDI] << 32 | (uint32_t)g[HV_RSI],
        false,
    };
}

static void write_result(struct hv_vp *vp, bool long_mode, uint64_t result)
{
    if (long_mode) {
        vp->gpr[HV_RAX] = result;
    } else {
        vp->gpr[HV_RAX] = (uint32_t)result;
        vp->gpr[HV_RDX] = result >> 32;
    }
    hv_vp_advance(vp);
}

static bool bad_block(uint64_t gpa, uint32_t size)
{
    return (gpa & 7) || (gpa & 0xfff) + size > 4096;
}

/* The caller's block; `cache` remembers the page, since guests use the same one call after call. */
static void *block(struct hv_vp *vp, unsigned cache, uint64_t gpa, uint64_t access)
{
    uint8_t *page = hv_guest_page_get(vp->partition, &vp->hcall_page[cache], gpa, access);
    return page ? page + (gpa & 0xfff) : NULL;
}

static uint32_t check_control(const struct call *call, uint64_t control)
{
    const uint32_t reps = control >> HV_HC_REP_SHIFT & HV_HC_REP_MASK;
    const uint32_t first = control >> HV_HC_START_SHIFT & HV_HC_REP_MASK;
    if ((control & (HV_HC_RSVD | HV_HC_NESTED)) || (call->kind != VAR && (control & HV_HC_VARHEAD)))
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (call->kind == REP ? !reps || first >= reps : reps || first)
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    return HV_STATUS_SUCCESS;
}

static uint32_t run_memory(const struct call *call, const struct regs_abi *a, struct hv_hcall *c)
{
    uint8_t header[280];
    const uint32_t in_size = call->in_size + call->in_elem * c->reps;
    const uint32_t out_size = call->out_size + call->out_elem * c->reps;
    if ((in_size && bad_block(a->in, in_size)) || (out_size && bad_block(a->out, out_size)))
        return HV_STATUS_INVALID_ALIGNMENT;
    const uint8_t *in = in_size ? block(c->vp, 0, a->in, EPT_R) : header;
    c->out = out_size ? block(c->vp, 1, a->out, EPT_R | EPT_W) : NULL;
    if (!in || (out_size && !c->out))
        return HV_STATUS_INVALID_PARAMETER;
    memcpy(header, in, call->in_size);
    c->in = header;
    c->list = in + call->in_size;
    return call->fn(c);
}

static uint32_t run_fast(const struct call *call, const struct regs_abi *a, struct hv_hcall *c)
{
    uint64_t params[2] = {a->in, a->out};
    if (call->in_size > sizeof(params) || call->in_elem || call->out_size || call->out_elem)
        return HV_STATUS_INVALID_HYPERCALL_INPUT; /* would need the XMM form */
    c->in = params;
    return call->fn(c);
}

static uint64_t run(struct hv_vp *vp, const struct regs_abi *a)
{
    const uint32_t code = a->control & HV_HC_CODE;
    const struct call *call = code < HV_ARRAY_SIZE(calls) ? &calls[code] : NULL;
    if (!call || !call->fn)
        return HV_STATUS_INVALID_HYPERCALL_CODE;
    if (call->privilege & ~(uint32_t)(vp->partition->privileges >> 32))
        return HV_STATUS_ACCESS_DENIED;
    uint32_t status = check_control(call, a->control);
    if (status)
        return status;
    struct hv_hcall c = {.vp = vp, .caller = vp->partition};
    c.reps = a->control >> HV_HC_REP_SHIFT & HV_HC_REP_MASK;
    c.done = a->control >> HV_HC_START_SHIFT & HV_HC_REP_MASK;
    status = a->control & HV_HC_FAST ? run_fast(call, a, &c) : run_memory(call, a, &c);
    return status | (uint64_t)(call->kind == REP ? c.done : 0) << HV_HC_REP_SHIFT;
}

void hv_hypercall(struct hv_vp *vp)
{
    if (!vp->partition->guest_os_id || !(hv_vmread(VMCS_GUEST_CR0) & CR0_PE) ||
        hv_vp_cpl(vp) != 0) {
        hv_vp_ud(vp);
        return;
    }
    const struct regs_abi a = read_abi(vp);
    const uint64_t result = run(vp, &a);
    write_result(vp, a.long_mode, result);
}

uint32_t hv_arg_child(struct hv_hcall *c, uint64_t id, struct hv_partition **p)
{
    *p = hv_partition_find(id);
    if (!*p)
        return HV_STATUS_INVALID_PARTITION_ID;
    return c->caller->is_root && !(*p)->is_root ? HV_STATUS_SUCCESS : HV_STATUS_ACCESS_DENIED;
}

uint32_t hv_arg_partition(struct hv_hcall *c, uint64_t id, struct hv_partition **p)
{
    if (id == HV_PARTITION_ID_SELF || id == c->caller->id) {
        *p = c->caller;
        return HV_STATUS_SUCCESS;
    }
    return hv_arg_child(c, id, p);
}

uint32_t hv_arg_vp(struct hv_hcall *c, uint64_t id, uint32_t index, struct hv_vp **vp)
{
    struct hv_partition *p;
    const uint32_t status = hv_arg_partition(c, id, &p);
    if (status)
        return status;
    if (index == HV_VP_INDEX_SELF && p == c->caller)
        index = c->vp->index;
    *vp = index < HV_MAX_VPS ? p->vp[index] : NULL;
    return *vp ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_VP_INDEX;
}
