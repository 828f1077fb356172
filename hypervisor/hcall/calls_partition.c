/*
 * Hypercalls on partitions and their memory (TLFS 5, 6).
 * Not modelled: proximity domains; properties other than the name, privileges and those that are
 * only kept.
 */
#include "hypervisor/hcall/hcall.h"
#include "hypervisor/iommu/hv_iommu.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/synic/hv_synic.h"

uint32_t hv_call_create_partition(struct hv_hcall *c)
{
    const struct hv_in_create_partition *in = c->in;
    const uint64_t known = HV_PART_FLAG_SMT | HV_PART_FLAG_LAPIC | HV_PART_FLAG_X2APIC;
    if (!c->caller->is_root)
        return HV_STATUS_PARTITION_TOO_DEEP;
    if (in->rsvd || in->isolation)
        return HV_STATUS_INVALID_PARAMETER;
    if (in->flags & (HV_PART_FLAG_EXO | HV_PART_FLAG_INTERCEPT_PAGE | ~(known | 0xffffffffull)))
        return HV_STATUS_FEATURE_UNAVAILABLE;
    struct hv_partition *p = hv_partition_create(in->flags & known);
    if (!p)
        return HV_STATUS_NO_RESOURCES;
    *(uint64_t *)c->out = p->id;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_initialize_partition(struct hv_hcall *c)
{
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, *(const uint64_t *)c->in, &p);
    if (status)
        return status;
    if (p->state != HV_PART_CREATED)
        return HV_STATUS_INVALID_PARTITION_STATE;
    if (!hv_ept_init(p))
        return HV_STATUS_INSUFFICIENT_MEMORY;
    p->state = HV_PART_ACTIVE;
    return HV_STATUS_SUCCESS;
}

/* Stops and frees everything but the pool. */
uint32_t hv_call_finalize_partition(struct hv_hcall *c)
{
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, *(const uint64_t *)c->in, &p);
    if (status)
        return status;
    if (p->state == HV_PART_FINALIZED)
        return HV_STATUS_INVALID_PARTITION_STATE;
    for (uint32_t i = 0; i < HV_MAX_VPS; i++) {
        struct hv_vp *vp = p->vp[i];
        if (!vp)
            continue;
        vp->explicit_suspend = true;
        hv_vp_stop(vp);
        hv_vp_destroy(vp);
    }
    hv_ports_forget(p);
    p->hypercall_overlay.active = false;
    hv_ept_free(p);
    p->state = HV_PART_FINALIZED;
    return HV_STATUS_SUCCESS;
}

/* A page goes back to the root's space. */
static void give_back(uint64_t hpa)
{
    uint64_t *e = hv_ept_entry(hv_root, hpa, 1, true);
    if (e)
        *e = hpa | EPT_R | EPT_W | EPT_X | EPT_MT_WB << EPT_MT_SHIFT;
    hv_iommu_grant(hpa);
}

static uint64_t take_from_pool(struct hv_partition *p)
{
    const uint64_t hpa = hv_partition_page(p); /* zeroed: nothing leaks */
    if (hpa)
        p->pool_total--;
    return hpa;
}

uint32_t hv_call_delete_partition(struct hv_hcall *c)
{
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, *(const uint64_t *)c->in, &p);
    if (status)
        return status;
    if (p->state == HV_PART_ACTIVE)
        return HV_STATUS_INVALID_PARTITION_STATE;
    uint64_t hpa;
    while ((hpa = take_from_pool(p)))
        give_back(hpa);
    hv_partition_delete(p);
    return HV_STATUS_SUCCESS;
}

/* Kept properties, by slot. */
static const uint32_t kept[] = {
    HV_PROP_SUSPEND,    HV_PROP_CPU_RESERVE,        HV_PROP_CPU_CAP,
    HV_PROP_CPU_WEIGHT, HV_PROP_SYNTHETIC_FEATURES, HV_PROP_COMPAT_VERSION};

uint32_t hv_call_get_partition_property(struct hv_hcall *c)
{
    const struct hv_in_partition_property *in = c->in;
    uint64_t *value = c->out;
    struct hv_partition *p;
    const uint32_t status = hv_arg_partition(c, in->partition, &p);
    if (status)
        return status;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(kept); i++) {
        if (kept[i] == in->code) {
            *value = p->property[i];
            return HV_STATUS_SUCCESS;
        }
    }
    switch (in->code) {
    case HV_PROP_PRIVILEGE_FLAGS:
        *value = p->privileges;
        return HV_STATUS_SUCCESS;
    case HV_PROP_TIME_FREEZE:
        *value = 0;
        return HV_STATUS_SUCCESS;
    case HV_PROP_APIC_FREQUENCY:
        *value = HV_VLAPIC_HZ;
        return HV_STATUS_SUCCESS;
    case HV_PROP_REFERENCE_TIME:
        *value = hv_ref_time(p);
        return HV_STATUS_SUCCESS;
    case HV_PROP_PROCESSOR_CLOCK:
        *value = hv_tsc_hz;
        return HV_STATUS_SUCCESS;
    case HV_PROP_GUEST_OS_ID:
        *value = p->guest_os_id;
        return HV_STATUS_SUCCESS;
    case HV_PROP_PROCESSOR_VENDOR:
        *value = 1;
        return HV_STATUS_SUCCESS; /* Intel */
    case HV_PROP_UNIMPLEMENTED_MSR_ACTION:
        *value = 0;
        return HV_STATUS_SUCCESS;
    case HV_PROP_REFERENCE_TSC_ACTIVE:
        *value = p->reference_tsc_msr & HV_MSR_ENABLE;
        return HV_STATUS_SUCCESS;
    default:
        return HV_STATUS_UNKNOWN_PROPERTY;
    }
}

uint32_t hv_call_set_partition_property(struct hv_hcall *c)
{
    const struct hv_in_partition_property *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    if (in->code - HV_PROP_VITRINE_NAME < HV_PROP_VITRINE_NAME_WORDS) {
        hv_partition_set_name(p, in->code - HV_PROP_VITRINE_NAME, in->value);
        return HV_STATUS_SUCCESS;
    }
    for (unsigned i = 0; i < HV_ARRAY_SIZE(kept); i++) {
        if (kept[i] == in->code) {
            p->property[i] = in->value;
            return HV_STATUS_SUCCESS;
        }
    }
    if (in->code == HV_PROP_PRIVILEGE_FLAGS) {
        /* A child may have less than its profile, never more. */
        if (p->state != HV_PART_CREATED)
            return HV_STATUS_INVALID_PARTITION_STATE;
        p->privileges &= in->value;
        return HV_STATUS_SUCCESS;
    }
    return HV_STATUS_UNKNOWN_PROPERTY;
}

uint32_t hv_call_get_partition_id(struct hv_hcall *c)
{
    *(uint64_t *)c->out = c->caller->id;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_get_next_child(struct hv_hcall *c)
{
    const struct hv_in_next_child *in = c->in;
    uint64_t best = 0;
    for (uint32_t i = 0; c->caller->is_root && i < HV_MAX_PARTITIONS; i++) {
        const uint64_t id = hv_partitions[i].id;
        if (id > HV_ROOT_ID && id > in->previous && (!best || id < best))
            best = id;
    }
    *(uint64_t *)c->out = best;
    return HV_STATUS_SUCCESS;
}

/* RAM page of the caller that it may give away or share, or 0. */
static uint64_t own_page(struct hv_partition *caller, uint64_t gpfn)
{
    if (gpfn >> 36)
        return 0;
    const void *va = hv_gpa_page(caller, gpfn << 12, EPT_R | EPT_W);
    return va && !hv_is_ours(hv_pa(va), HV_PAGE) ? hv_pa(va) : 0;
}

uint32_t hv_call_deposit_memory(struct hv_hcall *c)
{
    struct hv_partition *p;
    uint32_t status = hv_arg_child(c, *(const uint64_t *)c->in, &p);
    if (status)
        return status;
    for (; c->done < c->reps; c->done++) {
        uint64_t gpfn;
        memcpy(&gpfn, c->list + 8 * c->done, 8);
        const uint64_t hpa = own_page(c->caller, gpfn);
        uint64_t *e = hpa ? hv_ept_entry(c->caller, gpfn << 12, 1, true) : NULL;
        if (!e) {
            status = hpa ? HV_STATUS_INSUFFICIENT_MEMORY : HV_STATUS_INVALID_PARAMETER;
            break;
        }
        *e = HV_EPT_TAKEN;
        hv_iommu_revoke(hpa);
        hv_partition_free_page(p, hpa);
        p->pool_total++;
    }
    hv_iommu_flush();
    hv_ept_changed(c->caller);
    return status;
}

uint32_t hv_call_withdraw_memory(struct hv_hcall *c)
{
    const struct hv_in_memory *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    for (; c->done < c->reps; c->done++) {
        const uint64_t hpa = take_from_pool(p);
        if (!hpa)
            return HV_STATUS_NO_RESOURCES;
        give_back(hpa);
        const uint64_t gpfn = hpa >> 12;
        memcpy((uint8_t *)c->out + 8 * c->done, &gpfn, 8);
    }
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_get_memory_balance(struct hv_hcall *c)
{
    const struct hv_in_memory *in = c->in;
    struct hv_out_memory_balance *out = c->out;
    struct hv_partition *p;
    const uint32_t status = hv_arg_partition(c, in->partition, &p);
    if (status)
        return status;
    out->available = p->pool_free;
    out->in_use = p->pool_total - p->pool_free;
    return HV_STATUS_SUCCESS;
}

static uint32_t map_one(struct hv_hcall *c, struct hv_partition *p, const struct hv_in_map_gpa *in,
                        uint64_t source)
{
    if (!(in->flags & HV_MAP_LARGE)) {
        const uint64_t hpa = own_page(c->caller, source);
        if (!hpa)
            return HV_STATUS_INVALID_PARAMETER;
        return hv_ept_map(p, (in->gpfn + c->done) << 12, hpa, in->flags, 1);
    }
    /* Units of 2 MiB: page numbers and target in 4 KiB units, aligned. */
    const uint64_t gpfn = in->gpfn + c->done * 512ull;
    if ((source | in->gpfn) & 511)
        return HV_STATUS_INVALID_PARAMETER;
    for (unsigned i = 0; i < 512; i++) {
        if (own_page(c->caller, source + i) != (source + i) << 12)
            return HV_STATUS_INVALID_PARAMETER;
    }
    return hv_ept_map(p, gpfn << 12, source << 12, in->flags, 2);
}

uint32_t hv_call_map_gpa_pages(struct hv_hcall *c)
{
    const struct hv_in_map_gpa *in = c->in;
    struct hv_partition *p;
    uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    if (p->state != HV_PART_ACTIVE)
        return HV_STATUS_INVALID_PARTITION_STATE;
    if (!(in->flags & HV_MAP_READ) || in->gpfn >> 36)
        return HV_STATUS_INVALID_PARAMETER;
    for (; c->done < c->reps && !status; c->done += !status) {
        uint64_t source;
        memcpy(&source, c->list + 8 * c->done, 8);
        status = map_one(c, p, in, source);
    }
    return status;
}

uint32_t hv_call_unmap_gpa_pages(struct hv_hcall *c)
{
    const struct hv_in_map_gpa *in = c->in;
    struct hv_partition *p;
    uint32_t status = hv_arg_child(c, in->partition, &p);
    if (status)
        return status;
    if (p->state != HV_PART_ACTIVE)
        return HV_STATUS_INVALID_PARTITION_STATE;
    if (in->gpfn >> 36)
        return HV_STATUS_INVALID_PARAMETER;
    for (; c->done < c->reps && !status; c->done += !status) {
        if (!hv_ept_unmap(p, (in->gpfn + c->done) << 12))
            status = HV_STATUS_INSUFFICIENT_MEMORY;
    }
    hv_ept_changed(p);
    return status;
}

uint32_t hv_call_install_intercept(struct hv_hcall *c)
{
    const struct hv_in_install_intercept *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_child(c, in->partition, &p);
    return status ? status : (uint32_t)hv_partition_add_intercept(p, in);
}

uint32_t hv_call_get_system_property(struct hv_hcall *c)
{
    const struct hv_in_system_property *in = c->in;
    if (in->property != HV_SYSTEM_PROPERTY_SCHEDULER)
        return HV_STATUS_INVALID_PARAMETER;
    *(uint64_t *)c->out = HV_SCHEDULER_CLASSIC;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_create_port(struct hv_hcall *c)
{
    return hv_port_create(c->in);
}

uint32_t hv_call_connect_port(struct hv_hcall *c)
{
    return hv_port_connect(c->in);
}

uint32_t hv_call_delete_port(struct hv_hcall *c)
{
    const struct hv_in_delete_port *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_partition(c, in->partition, &p);
    return status ? status : hv_port_delete(p, in->id);
}

uint32_t hv_call_disconnect_port(struct hv_hcall *c)
{
    const struct hv_in_delete_port *in = c->in;
    struct hv_partition *p;
    const uint32_t status = hv_arg_partition(c, in->partition, &p);
    return status ? status : hv_port_disconnect(p, in->id);
}

uint32_t hv_call_post_message(struct hv_hcall *c)
{
    return hv_post_message(c->caller, c->in);
}

uint32_t hv_call_signal_event(struct hv_hcall *c)
{
    const struct hv_in_signal_event *in = c->in;
    return in->rsvd ? HV_STATUS_INVALID_PARAMETER
                    : hv_signal_event(c->caller, in->connection, in->flag);
}

uint32_t hv_call_signal_event_direct(struct hv_hcall *c)
{
    const struct hv_in_signal_event_direct *in = c->in;
    struct hv_vp *vp;
    const uint32_t status = hv_arg_vp(c, in->partition, in->vp, &vp);
    if (status)
        return status;
    if (in->sint >= HV_SINT_COUNT || in->flag >= HV_EVENT_FLAGS_PER_SINT)
        return HV_STATUS_INVALID_PARAMETER;
    if (!hv_synic_signal(vp, in->sint, in->flag))
        return HV_STATUS_INVALID_SYNIC_STATE;
    *(uint8_t *)c->out = 1;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_call_post_message_direct(struct hv_hcall *c)
{
    const struct hv_in_post_message_direct *in = c->in;
    struct hv_vp *vp;
    const uint32_t status = hv_arg_vp(c, in->partition, in->vp, &vp);
    return status ? status : hv_post_message_direct(vp, in->sint, &in->message);
}
