/*
 * SynIC of a VP: messages, event flags, synthetic timers; and ports and connections between
 * partitions (TLFS 11, 12).
 */
#ifndef HYPERVISOR_SYNIC_H
#define HYPERVISOR_SYNIC_H

#include "hypervisor/core/hv_core.h"

void hv_synic_reset(struct hv_vp *vp);
void hv_synic_forget(struct hv_vp *vp); /* the VP goes away: drop its queues and its messages */
void hv_synic_post(struct hv_vp *vp, uint32_t sint, struct hv_msg *m);
/* Takes messages of [first, end) out of a queue. */
void hv_msg_drop(struct hv_vp *vp, uint32_t sint, const struct hv_msg *first,
                 const struct hv_msg *end);
void hv_synic_scan(struct hv_vp *vp); /* EOM, EOI: queued messages try again */
bool hv_synic_signal(struct hv_vp *vp, uint32_t sint, uint32_t flag); /* false: SynIC is off */
bool hv_synic_set_sint(struct hv_vp *vp, uint32_t n, uint64_t value);
bool hv_synic_set_page(struct hv_vp *vp, uint64_t *reg, uint64_t value);

void hv_stimer_expired(struct hv_vp *vp, unsigned n);
bool hv_stimer_set_config(struct hv_vp *vp, unsigned n, uint64_t value);
void hv_stimer_set_count(struct hv_vp *vp, unsigned n, uint64_t value);
void hv_stimer_reset(struct hv_vp *vp);

/* ports.c: each returns HV_STATUS_* */
uint32_t hv_port_create(const struct hv_in_create_port *in);
uint32_t hv_port_delete(struct hv_partition *p, uint32_t id);
uint32_t hv_port_connect(const struct hv_in_connect_port *in);
uint32_t hv_port_disconnect(struct hv_partition *p, uint32_t id);
uint32_t hv_post_message(struct hv_partition *p, const struct hv_in_post_message *in);
uint32_t hv_signal_event(struct hv_partition *p, uint32_t connection, uint32_t flag);
uint32_t hv_post_message_direct(struct hv_vp *vp, uint32_t sint, const struct hv_message *m);
void hv_ports_forget(struct hv_partition *p);

#endif
