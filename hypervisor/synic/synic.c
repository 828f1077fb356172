/*
 * Messages and event flags (TLFS 11.7-11.9). A message goes to the slot of its SINT when the slot
 * is free; else it waits, the slot is flagged "message pending", and EOM or EOI tries again.
 * Not modelled: event-ring page (SIRBP), proxy SINTs.
 */
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"

void hv_synic_reset(struct hv_vp *vp)
{
    hv_synic_forget(vp);
    memset(&vp->synic, 0, sizeof(vp->synic));
    for (unsigned i = 0; i < HV_SINT_COUNT; i++)
        vp->synic.sint[i] = HV_SINT_MASKED;
    hv_stimer_reset(vp);
}

static void raise(struct hv_vp *vp, uint32_t sint)
{
    const uint64_t s = vp->synic.sint[sint];
    if (!(s & (HV_SINT_MASKED | HV_SINT_POLLING)))
        hv_vlapic_post(vp, s & HV_SINT_VECTOR, false);
}

static struct hv_message *slot(struct hv_vp *vp, uint32_t sint)
{
    struct hv_synic *s = &vp->synic;
    if (!(s->scontrol & HV_MSR_ENABLE) || !(s->simp & HV_MSR_ENABLE))
        return NULL;
    struct hv_message *page = hv_guest_page_get(vp->partition, &s->message_page,
                                                s->simp & X86_PAGE_MASK, EPT_R | EPT_W);
    return page ? &page[sint] : NULL;
}

/* The head of a queue into its slot. False: it still waits. */
static bool try_deliver(struct hv_vp *vp, uint32_t sint)
{
    struct hv_msg_queue *q = &vp->synic.queue[sint];
    struct hv_message *d = slot(vp, sint);
    struct hv_msg *m = q->head;
    if (!d || !m)
        return false;
    volatile uint32_t *type = &d->type;
    if (*type != HV_MSG_NONE) {
        d->flags |= HV_MESSAGE_FLAG_PENDING;
        __sync_synchronize(); /* against the guest that frees the slot, then looks at the flag */
        if (*type != HV_MSG_NONE)
            return false;
    }
    q->head = m->next;
    m->queued = false;
    memcpy(d->payload, m->msg.payload, m->msg.size);
    d->size = m->msg.size;
    d->flags = q->head ? HV_MESSAGE_FLAG_PENDING : 0;
    d->rsvd = 0;
    d->sender = m->msg.sender;
    hv_barrier();
    *type = m->msg.type;
    if (!q->head) {
        q->tail = NULL;
        vp->synic.queued_sints &= ~(1u << sint);
    }
    raise(vp, sint);
    if (m->delivered)
        m->delivered(m);
    return true;
}

void hv_synic_post(struct hv_vp *vp, uint32_t sint, struct hv_msg *m)
{
    struct hv_msg_queue *q = &vp->synic.queue[sint];
    if (m->queued) { /* resumed before its message was read: the new one takes its place */
        hv_synic_scan(vp);
        return;
    }
    m->next = NULL;
    m->queued = true;
    if (q->tail)
        q->tail->next = m;
    else
        q->head = m;
    q->tail = m;
    vp->synic.queued_sints |= 1u << sint;
    if (q->head == m || vp->synic.queued_sints)
        try_deliver(vp, sint);
}

void hv_synic_scan(struct hv_vp *vp)
{
    for (uint32_t left = vp->synic.queued_sints; left; left &= left - 1)
        try_deliver(vp, (uint32_t)__builtin_ctz(left));
}

bool hv_synic_signal(struct hv_vp *vp, uint32_t sint, uint32_t flag)
{
    struct hv_synic *s = &vp->synic;
    if (!(s->scontrol & HV_MSR_ENABLE) || !(s->siefp & HV_MSR_ENABLE))
        return false;
    uint8_t *page = hv_guest_page_get(vp->partition, &s->event_page, s->siefp & X86_PAGE_MASK,
                                      EPT_R | EPT_W);
    if (!page)
        return false;
    uint32_t *word = (uint32_t *)(page + sint * 256) + flag / 32;
    const uint32_t bit = 1u << (flag % 32);
    if (!(__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit))
        raise(vp, sint);
    return true;
}

static void recompute_vectors(struct hv_synic *s)
{
    memset(s->auto_eoi, 0, sizeof(s->auto_eoi));
    memset(s->sint_vector, 0, sizeof(s->sint_vector));
    for (unsigned i = 0; i < HV_SINT_COUNT; i++) {
        const uint64_t v = s->sint[i], bit = 1ull << (v & 63);
        if (v & HV_SINT_MASKED)
            continue;
        s->sint_vector[(v & HV_SINT_VECTOR) / 64] |= bit;
        if (v & HV_SINT_AUTO_EOI)
            s->auto_eoi[(v & HV_SINT_VECTOR) / 64] |= bit;
    }
}

bool hv_synic_set_sint(struct hv_vp *vp, uint32_t n, uint64_t value)
{
    const uint64_t known = HV_SINT_VECTOR | HV_SINT_MASKED | HV_SINT_AUTO_EOI | HV_SINT_POLLING |
                           HV_SINT_AS_INTERCEPT;
    if (!(value & HV_SINT_MASKED) && !(value & HV_SINT_POLLING) && (value & HV_SINT_VECTOR) < 16)
        return false;
    if (value & HV_SINT_PROXY)
        return false;
    vp->synic.sint[n] = value & known;
    recompute_vectors(&vp->synic);
    return true;
}

/* SIMP or SIEFP. A page that the guest does not own is refused. */
bool hv_synic_set_page(struct hv_vp *vp, uint64_t *reg, uint64_t value)
{
    if ((value & HV_MSR_ENABLE) &&
        !hv_gpa_page(vp->partition, value & X86_PAGE_MASK, EPT_R | EPT_W))
        return false;
    *reg = value;
    vp->synic.message_page.va = NULL;
    vp->synic.event_page.va = NULL;
    if (value & HV_MSR_ENABLE)
        hv_synic_scan(vp);
    return true;
}

static void drop_from(struct hv_msg_queue *q, const struct hv_msg *first, const struct hv_msg *end)
{
    struct hv_msg **link = &q->head, *last = NULL;
    while (*link) {
        struct hv_msg *m = *link;
        if (m >= first && m < end) {
            *link = m->next;
            m->queued = false;
        } else {
            last = m;
            link = &m->next;
        }
    }
    q->tail = last;
}

void hv_msg_drop(struct hv_vp *vp, uint32_t sint, const struct hv_msg *first,
                 const struct hv_msg *end)
{
    drop_from(&vp->synic.queue[sint], first, end);
    if (!vp->synic.queue[sint].head)
        vp->synic.queued_sints &= ~(1u << sint);
}

/* Messages embedded in the VP may wait in the root's queues, others in the VP's own. */
void hv_synic_forget(struct hv_vp *vp)
{
    const struct hv_msg *first = (const void *)vp, *end = (const void *)((uint8_t *)vp + HV_PAGE);
    for (uint32_t v = 0; hv_root && v < HV_MAX_VPS; v++) {
        struct hv_vp *r = hv_root->vp[v];
        for (unsigned i = 0; r && i < HV_SINT_COUNT; i++) {
            hv_msg_drop(r, i, first, end);
        }
    }
    for (unsigned i = 0; i < HV_SINT_COUNT; i++) {
        struct hv_msg *m;
        while ((m = vp->synic.queue[i].head)) {
            vp->synic.queue[i].head = m->next;
            m->queued = false;
            if (m->delivered && !(m >= first && m < end))
                m->delivered(m);
        }
        vp->synic.queue[i].tail = NULL;
    }
    vp->synic.queued_sints = 0;
}
