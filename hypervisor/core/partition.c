/*
 * Partitions: creation, the pool of deposited pages, privileges, deletion (TLFS 4), and the
 * description that is published for debuggers.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/vmx/hv_vmx.h"

struct hv_partition hv_partitions[HV_MAX_PARTITIONS];
struct hv_partition *hv_root;
struct vitrine_info hv_vitrine_info __attribute__((aligned(16), section(".data"))) = {
    .magic = {'V', 'I', 'T', 'R', 'I', 'N', 'E', '1'}, .version = VITRINE_INFO_VERSION};

static uint64_t next_id = HV_ROOT_ID;
static uint64_t msr_bitmap; /* the same for everyone */

#define ROOT_EAX                                                                          \
    (HV_ACCESS_VP_RUNTIME | HV_ACCESS_REF_COUNTER | HV_ACCESS_SYNIC | HV_ACCESS_STIMER |  \
     HV_ACCESS_INTR_CTRL | HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX | HV_ACCESS_REF_TSC | \
     HV_ACCESS_FREQUENCY)
#define ROOT_EBX                                                                                \
    (HV_CREATE_PARTITIONS | HV_ACCESS_PARTITION_ID | HV_ACCESS_MEMORY_POOL | HV_POST_MESSAGES | \
     HV_SIGNAL_EVENTS | HV_CREATE_PORT | HV_CONNECT_PORT | HV_CPU_MANAGEMENT)
#define CHILD_EAX                                                                       \
    (HV_ACCESS_REF_COUNTER | HV_ACCESS_SYNIC | HV_ACCESS_STIMER | HV_ACCESS_INTR_CTRL | \
     HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX | HV_ACCESS_REF_TSC | HV_ACCESS_FREQUENCY)
#define CHILD_EBX (HV_POST_MESSAGES | HV_SIGNAL_EVENTS)
#define FEATURES  (HV_FEAT_FREQUENCY_MSRS | HV_FEAT_CRASH_MSRS | HV_FEAT_DIRECT_STIMER)
#define HINTS     (HV_HINT_RELAXED_TIMING | HV_HINT_DEPRECATE_AUTO_EOI)

struct hv_partition *hv_partition_find(uint64_t id)
{
    for (uint32_t i = 0; id && i < HV_MAX_PARTITIONS; i++) {
        if (hv_partitions[i].id == id)
            return &hv_partitions[i];
    }
    return NULL;
}

uint64_t hv_partition_page(struct hv_partition *p)
{
    if (p->is_root)
        return hv_page_alloc();
    const uint64_t hpa = p->pool;
    if (!hpa)
        return 0;
    p->pool = *(uint64_t *)hv_va(hpa);
    p->pool_free--;
    memset(hv_va(hpa), 0, HV_PAGE);
    return hpa;
}

void hv_partition_free_page(struct hv_partition *p, uint64_t hpa)
{
    if (p->is_root) {
        hv_page_free(hpa);
        return;
    }
    *(uint64_t *)hv_va(hpa) = p->pool;
    p->pool = hpa;
    p->pool_free++;
}

static uint64_t hypercall_page(void)
{
    static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0xc3}; /* VMCALL; RET */
    const uint64_t page = hv_page_alloc();
    if (page) {
        memset(hv_va(page), 0xcc, HV_PAGE);
        memcpy(hv_va(page), code, sizeof(code));
    }
    return page;
}

static struct hv_partition *free_row(void)
{
    for (uint32_t i = 0; i < HV_MAX_PARTITIONS; i++) {
        if (!hv_partitions[i].id)
            return &hv_partitions[i];
    }
    return NULL;
}

struct hv_partition *hv_partition_create(uint64_t flags)
{
    static uint64_t hypercall_code;
    struct hv_partition *p = free_row();
    if (!p)
        return NULL;
    if (!msr_bitmap) {
        msr_bitmap = hv_page_alloc();
        hypercall_code = hypercall_page();
        if (!msr_bitmap || !hypercall_code)
            return NULL;
        hv_msr_bitmap_init(hv_va(msr_bitmap));
    }
    memset(p, 0, sizeof(*p));
    p->id = next_id++;
    p->is_root = p->id == HV_ROOT_ID;
    p->flags = flags;
    p->privileges = p->is_root ? (uint64_t)ROOT_EBX << 32 | ROOT_EAX
                               : (uint64_t)CHILD_EBX << 32 | CHILD_EAX;
    p->features = FEATURES;
    p->hints = HINTS;
    p->msr_bitmap = msr_bitmap;
    p->hypercall_overlay.page = hypercall_code;
    p->tsc_base = p->is_root ? 0 : hv_rdtsc();
    p->info = &hv_vitrine_info.partition[p - hv_partitions];
    memset(p->info, 0, sizeof(*p->info));
    p->info->id = p->id;
    hv_partition_set_name(p, 0, p->is_root ? 0x746f6f72 : 0x646c696863); /* root, child */
    hv_vitrine_info.partition_count++;
    return p;
}

void hv_partition_set_name(struct hv_partition *p, uint32_t word, uint64_t chars)
{
    memcpy(p->info->name + 8 * word, &chars, 8);
    p->info->name[sizeof(p->info->name) - 1] = 0;
}

/* VPs are gone and the pool is withdrawn or given up by the caller. */
void hv_partition_delete(struct hv_partition *p)
{
    hv_ports_forget(p);
    memset(p->info, 0, sizeof(*p->info));
    hv_vitrine_info.partition_count--;
    memset(p, 0, sizeof(*p));
}

int hv_partition_add_intercept(struct hv_partition *p, const struct hv_in_install_intercept *in)
{
    switch (in->type) {
    case HV_INTERCEPT_TYPE_IO_PORT:
        return HV_STATUS_SUCCESS; /* children always exit */
    case HV_INTERCEPT_TYPE_MSR:
        p->msr_intercept = in->access != 0;
        return HV_STATUS_SUCCESS;
    case HV_INTERCEPT_TYPE_CPUID:
        for (uint32_t i = 0; i < p->cpuid_intercepts; i++) {
            if (p->cpuid_intercept[i] == (uint32_t)in->parameter)
                return HV_STATUS_SUCCESS;
        }
        if (p->cpuid_intercepts == HV_MAX_INTERCEPTS)
            return HV_STATUS_NO_RESOURCES;
        p->cpuid_intercept[p->cpuid_intercepts++] = (uint32_t)in->parameter;
        return HV_STATUS_SUCCESS;
    case HV_INTERCEPT_TYPE_EXCEPTION:
        if (in->parameter > 31 || in->parameter == EXC_NMI || p->vp_count)
            return HV_STATUS_INVALID_PARAMETER; /* before the first VP only */
        p->exception_intercepts |= 1u << in->parameter;
        return HV_STATUS_SUCCESS;
    default:
        return HV_STATUS_INVALID_PARAMETER;
    }
}

void hv_root_create(void)
{
    hv_root = hv_partition_create(HV_PART_FLAG_LAPIC | HV_PART_FLAG_X2APIC);
    hv_assert(hv_root && hv_ept_init(hv_root));
    hv_root->state = HV_PART_ACTIVE;
    for (uint32_t i = 0; i < hv_lp_count; i++) {
        const uint32_t status = hv_vp_create(hv_root, i, &hv_lps[i]);
        if (status)
            hv_panic("root VP %u: status %x", i, status);
        hv_root->vp[i]->explicit_suspend = false;
        hv_vp_update(hv_root->vp[i]);
    }
}
