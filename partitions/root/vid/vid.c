/*
 * vid/vid.c: partitions of the root's processes.
 *
 * The intercept path, which a serial console pays per character: the hypervisor writes the
 * message to SINT0's slot and interrupts; vid_interrupt copies it into the VP's run page and wakes
 * the worker thread, which is in vid_vp_run; that returns to ring 3. The worker's answer comes
 * with its next call of vid_vp_run: register values from the run page go into the VP's own
 * hypercall page, whose header never changes, with InterceptSuspend = 0 as last element: one
 * SetVpRegisters resumes the VP.
 *
 * Memory deposits follow TLFS 4: any call may ask for more (status 0x0b) and is then repeated.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid_int.h"
#include "partitions/root/winhv/winhv.h"

#define VID_FIRST_DEPOSIT 512u
#define VID_DEPOSIT       64u

static struct part *vid_part[VID_PARTITIONS];

void vid_init(void)
{
    if (winhv_present)
        bus_init();
}

/* ---- memory given to the hypervisor ---- */
static bool vid_deposit(uint64_t id, unsigned pages)
{
    while (pages) {
        uint64_t list[VID_DEPOSIT];
        unsigned n = 0, done = 0;
        while (n < VID_DEPOSIT && n < pages) {
            uint64_t pa = mm_alloc(0);
            if (!pa)
                break;
            list[n++] = pa >> X86_PAGE_SHIFT;
        }
        uint16_t status = n ? winhv_deposit(id, list, n, &done) : HV_STATUS_INSUFFICIENT_MEMORY;
        for (unsigned i = done; i < n; i++)
            mm_free(list[i] << X86_PAGE_SHIFT, 0);
        if (status)
            return false;
        pages -= n;
    }
    return true;
}

static void vid_withdraw(uint64_t id)
{
    uint64_t list[VID_DEPOSIT];
    for (;;) {
        unsigned done = 0;
        uint16_t status = winhv_withdraw(id, list, VID_DEPOSIT, &done);
        for (unsigned i = 0; i < done && i < VID_DEPOSIT; i++)
            mm_free(list[i] << X86_PAGE_SHIFT, 0);
        if (status || !done)
            return;
    }
}

/* Repeats a hypercall with more memory for as long as it asks for that. */
#define VID_RETRY(status, id, call) \
    do {                            \
        (status) = (call);          \
    } while ((status) == HV_STATUS_INSUFFICIENT_MEMORY && vid_deposit((id), VID_DEPOSIT))

static int64_t vid_error(const struct part *p, const char *what, uint16_t status)
{
    if (!status)
        return 0;
    rt_log("vid: %s: %s: hypercall status %x", p->name, what, status);
    return -(int64_t)(RT_EHV + status);
}

/* ---- partitions ---- */
static void vid_name(struct part *p)
{
    for (unsigned i = 0; i < HV_PROP_VITRINE_NAME_WORDS; i++) {
        uint64_t word;
        memcpy(&word, p->name + 8 * i, 8);
        if (winhv_set_property(p->id, HV_PROP_VITRINE_NAME + i, word))
            return;
    }
}

int64_t vid_create(struct proc *owner, const char *name, uint64_t vps, struct part **out)
{
    unsigned slot = 0;
    uint16_t status;
    if (!winhv_present)
        return -RT_ENODEV;
    if (!vps || vps > VID_MAX_VPS)
        return -RT_EINVAL;
    while (slot < VID_PARTITIONS && vid_part[slot])
        slot++;
    struct part *p = slot < VID_PARTITIONS ? kmalloc(sizeof(*p)) : 0;
    if (!p)
        return -RT_ENOMEM;
    p->owner = owner;
    p->slot = slot;
    p->vps = (unsigned)vps;
    rt_strcpy(p->name, name, sizeof(p->name));
    VID_RETRY(status, HV_PARTITION_ID_SELF,
              winhv_create_partition(HV_PART_FLAG_LAPIC | HV_PART_FLAG_X2APIC, &p->id));
    if (status) {
        int64_t r = vid_error(p, "create", status);
        kfree(p);
        return r;
    }
    vid_part[slot] = p;
    vid_name(p);
    if (!vid_deposit(p->id, VID_FIRST_DEPOSIT))
        status = HV_STATUS_INSUFFICIENT_MEMORY;
    else
        VID_RETRY(status, p->id, winhv_initialize_partition(p->id));
    /* Ports nobody else claims come to us. */
    if (!status)
        VID_RETRY(status, p->id,
                  winhv_install_intercept(p->id, HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE,
                                          HV_INTERCEPT_TYPE_IO_PORT, 0));
    if (status) {
        int64_t r = vid_error(p, "initialize", status);
        vid_destroy(p);
        return r;
    }
    *out = p;
    return 0;
}

void vid_destroy(struct part *p)
{
    for (unsigned i = 0; i < VID_PARTITIONS; i++)
        if (vid_part[i] == p)
            vid_part[i] = 0;
    for (unsigned i = 0; i < p->vps; i++) {
        if (!p->vp[i].exists)
            continue;
        const struct hv_reg_assoc stop = {HV_REG_EXPLICIT_SUSPEND, {0}, {.q = {1, 0}}};
        winhv_set_registers(p->id, i, &stop, 1);
    }
    bus_stop(p);
    winhv_finalize_partition(p->id);
    vid_withdraw(p->id);
    uint16_t status = winhv_delete_partition(p->id);
    if (status)
        rt_log("vid: %s: delete: hypercall status %x: its memory is lost", p->name, status);
    for (unsigned i = 0; i < p->blocks && !status; i++)
        mm_free(p->block[i], MM_ORDER_2M);
    for (unsigned i = 0; i < p->vps; i++)
        if (p->vp[i].input)
            mm_free(p->vp[i].input_pa, 0);
    kfree(p->block);
    kfree(p);
}

/* ---- memory of the child ---- */
static bool vid_remember(struct part *p, uint64_t pa)
{
    if (p->blocks == p->block_room) {
        unsigned room = p->block_room ? p->block_room * 2 : 256;
        uint64_t *more = room <= VID_MAX_BLOCKS ? kmalloc(room * 8) : 0;
        if (!more)
            return false;
        if (p->block)
            memcpy(more, p->block, p->blocks * 8);
        kfree(p->block);
        p->block = more;
        p->block_room = room;
    }
    p->block[p->blocks++] = pa;
    return true;
}

/* The range that vid_memory fills, or 0: it overlaps another, or there are too many. */
static struct vid_range *vid_new_range(struct part *p, uint64_t gpa, uint64_t bytes)
{
    for (unsigned i = 0; i < p->ranges; i++)
        if (gpa < p->range[i].gpa + p->range[i].bytes && p->range[i].gpa < gpa + bytes)
            return 0;
    if (p->ranges == VID_MAX_RANGES)
        return 0;
    p->range[p->ranges] = (struct vid_range){gpa, 0, p->blocks};
    return &p->range[p->ranges++];
}

uint64_t vid_gpa_to_pa(const struct part *p, uint64_t gpa, uint64_t want, uint64_t *got)
{
    for (unsigned i = 0; i < p->ranges; i++) {
        const struct vid_range *r = &p->range[i];
        if (gpa < r->gpa || gpa - r->gpa >= r->bytes)
            continue;
        uint64_t at = gpa - r->gpa, left = r->bytes - at;
        uint64_t block = r->first + at / PAGE_2M, n = PAGE_2M - at % PAGE_2M;
        uint64_t pa = p->block[block] + at % PAGE_2M;
        for (; n < want && n < left && p->block[block + 1] == p->block[block] + PAGE_2M; block++)
            n += PAGE_2M;
        *got = n < want ? n : want;
        return pa;
    }
    return 0;
}

static uint16_t vid_map_large(struct part *p, uint64_t gpa, const uint64_t *gpfn, unsigned count)
{
    const uint32_t flags = HV_MAP_READ | HV_MAP_WRITE | HV_MAP_KEXEC | HV_MAP_UEXEC | HV_MAP_LARGE;
    unsigned at = 0, done;
    uint16_t status = 0;
    while (at < count && !status) {
        VID_RETRY(status, p->id,
                  winhv_map_gpa(p->id, (gpa >> X86_PAGE_SHIFT) + at * 512ull, flags, gpfn + at,
                                count - at, &done));
        at += done;
    }
    return status;
}

int64_t vid_memory(struct part *p, uint64_t gpa, uint64_t bytes)
{
    uint64_t gpfn[128];
    if ((gpa | bytes) & (PAGE_2M - 1) || !bytes || gpa + bytes < gpa ||
        gpa + bytes > RT_PRIVATE_BASE - RT_GUEST_BASE)
        return -RT_EINVAL;
    struct vid_range *range = vid_new_range(p, gpa, bytes);
    if (!range)
        return -RT_EINVAL;
    while (bytes) {
        unsigned n = 0;
        for (; n < RT_COUNT(gpfn) && n * PAGE_2M < bytes; n++) {
            uint64_t pa = mm_alloc_guest();
            if (!pa)
                return -RT_ENOMEM;
            if (!vid_remember(p, pa)) {
                mm_free(pa, MM_ORDER_2M);
                return -RT_ENOMEM;
            }
            if (!vm_map_2m(p->owner->pml4, RT_GUEST_BASE + gpa + n * PAGE_2M, pa,
                           VM_USER | VM_WRITE | VM_NX))
                return -RT_ENOMEM;
            gpfn[n] = pa >> X86_PAGE_SHIFT;
        }
        uint16_t status = vid_map_large(p, gpa, gpfn, n);
        if (status)
            return vid_error(p, "map memory", status);
        range->bytes += n * PAGE_2M;
        gpa += n * PAGE_2M;
        bytes -= n * PAGE_2M;
    }
    return 0;
}

int64_t vid_reference_time(const struct part *p)
{
    uint64_t now;
    uint16_t status = winhv_get_property(p->id, HV_PROP_REFERENCE_TIME, &now);
    return status ? vid_error(p, "reference time", status) : (int64_t)now;
}

/* ---- virtual processors ---- */
int64_t vid_vp_create(struct part *p, uint64_t index, uint64_t *run_va)
{
    if (index >= p->vps || p->vp[index].exists)
        return -RT_EINVAL;
    struct vid_vp *vp = &p->vp[index];
    uint64_t va = proc_memory(p->owner, PAGE), run = mm_alloc_zeroed();
    vp->input_pa = mm_alloc_zeroed();
    /* proc_memory made the address free; the run page takes its place. */
    if (!va || !run || !vp->input_pa ||
        !vm_map(p->owner->pml4, va + PAGE, run, VM_USER | VM_WRITE | VM_NX | VM_OWNED))
        return -RT_ENOMEM;
    va += PAGE;
    vp->run = phys_to_virt(run);
    vp->run_va = va;
    vp->input = phys_to_virt(vp->input_pa);
    *vp->input = (struct hv_in_vp_registers){.partition = p->id, .vp = (uint32_t)index};
    uint16_t status;
    VID_RETRY(status, p->id, winhv_create_vp(p->id, (uint32_t)index));
    vp->exists = !status;
    *run_va = va;
    return vid_error(p, "create VP", status);
}

int64_t vid_vp_regs(struct part *p, uint64_t vp, struct hv_reg_assoc *list, unsigned count,
                    bool get)
{
    if (vp >= p->vps || !p->vp[vp].exists)
        return -RT_EINVAL;
    uint16_t status = get ? winhv_get_registers(p->id, (uint32_t)vp, list, count)
                          : winhv_set_registers(p->id, (uint32_t)vp, list, count);
    return vid_error(p, get ? "get registers" : "set registers", status);
}

int64_t vid_vp_run(struct part *p, uint64_t index)
{
    if (index >= p->vps || !p->vp[index].exists)
        return -RT_EINVAL;
    struct vid_vp *vp = &p->vp[index];
    const struct rt_vp_run *run = vp->run;
    unsigned n = run->set_count < RT_RUN_MAX_SET ? run->set_count : RT_RUN_MAX_SET;
    unsigned flags = run->flags;
    struct hv_reg_assoc *e = (struct hv_reg_assoc *)(vp->input + 1);
    for (unsigned i = 0; i < n; i++, e++) {
        e->name = run->set[i].name;
        e->value.q[0] = run->set[i].value;
        e->value.q[1] = 0;
    }
    if (flags & RT_RUN_RESUME) {
        e->name = HV_REG_INTERCEPT_SUSPEND;
        e++->value.q[0] = 0;
        n++;
    }
    if (flags & RT_RUN_START) {
        e->name = HV_REG_EXPLICIT_SUSPEND;
        e++->value.q[0] = 0;
        n++;
    }
    if (n) {
        uint64_t r = winhv_call(HV_HC_REP(HVCALL_SET_VP_REGISTERS, n), vp->input_pa, 0);
        if (HV_HC_STATUS(r))
            return vid_error(p, "resume", HV_HC_STATUS(r));
    }
    while (!vp->has_message) {
        if (vp->waiter)
            return -RT_EPERM;
        sched_wait(&vp->waiter, RT_NEVER);
    }
    vp->has_message = false;
    return 0;
}

int64_t vid_translate(struct part *p, uint64_t vp, uint64_t gva, uint64_t flags)
{
    struct hv_out_translate_va out;
    if (vp >= p->vps)
        return -RT_EINVAL;
    uint16_t status = winhv_translate(p->id, (uint32_t)vp, flags, gva >> X86_PAGE_SHIFT, &out);
    if (status)
        return -(int64_t)(RT_EHV + status);
    if (out.result != HV_TRANSLATE_SUCCESS)
        return -RT_EFAULT;
    return (int64_t)((out.gpfn << X86_PAGE_SHIFT) | (gva & (PAGE - 1)));
}

int64_t vid_assert(struct part *p, uint64_t control, uint64_t destination, uint32_t vector)
{
    uint16_t status = winhv_assert_interrupt(p->id, control, destination, vector);
    return status ? -(int64_t)(RT_EHV + status) : 0;
}

/* ---- intercept messages ---- */
static struct part *vid_find(uint64_t id)
{
    for (unsigned i = 0; i < VID_PARTITIONS; i++)
        if (vid_part[i] && vid_part[i]->id == id)
            return vid_part[i];
    return 0;
}

void vid_interrupt(void *arg)
{
    (void)arg;
    struct hv_message *m = &winhv_messages[HV_SINT_INTERCEPT];
    uint32_t type = *(volatile uint32_t *)&m->type;
    if (type == HV_MSG_NONE)
        return;
    uint32_t index;
    memcpy(&index, m->payload, 4);
    struct part *p = vid_find(m->sender);
    if (p && index < p->vps && p->vp[index].exists) {
        struct vid_vp *vp = &p->vp[index];
        const uint64_t *from = (const uint64_t *)m;
        uint64_t *to = (uint64_t *)&vp->run->message;
        uint64_t words = 2 + (m->size < HV_MESSAGE_PAYLOAD ? m->size + 7u : 240u) / 8;
        __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(words) : : "memory");
        vp->has_message = true;
        if (vp->waiter)
            sched_wake(vp->waiter);
    }
    winhv_message_done(HV_SINT_INTERCEPT);
}
