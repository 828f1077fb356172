/*
 * winhv/winhv.h: the hypervisor as the root sees it: one function per hypercall (TLFS 3 and 5 to
 * 11), each returning the HV_STATUS_* code. Callers run with interrupts off; that is what makes
 * the one input page enough.
 */
#ifndef RT_WINHV_H
#define RT_WINHV_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv.h"

extern bool winhv_present;                /* our privileges suffice to create partitions */
extern struct hv_message *winhv_messages; /* SIMP: one slot per SINT */
extern uint64_t (*winhv_events)[HV_EVENT_FLAGS_PER_SINT / 64]; /* SIEFP: flags per SINT */

void winhv_init(void);

/* The raw call, memory form. */
uint64_t winhv_call(uint64_t control, uint64_t input_pa, uint64_t output_pa);

uint16_t winhv_create_partition(uint64_t flags, uint64_t *id);
uint16_t winhv_initialize_partition(uint64_t id);
uint16_t winhv_finalize_partition(uint64_t id);
uint16_t winhv_delete_partition(uint64_t id);
uint16_t winhv_set_property(uint64_t id, uint32_t code, uint64_t value);
uint16_t winhv_get_property(uint64_t id, uint32_t code, uint64_t *value);
/* count <= HV_MAP_MAX_REPS; *done counts the pages taken. */
uint16_t winhv_deposit(uint64_t id, const uint64_t *gpfn, unsigned count, unsigned *done);
uint16_t winhv_withdraw(uint64_t id, uint64_t *gpfn, unsigned count, unsigned *done);
uint16_t winhv_memory_balance(uint64_t id, struct hv_out_memory_balance *out);
uint16_t winhv_map_gpa(uint64_t id, uint64_t gpfn, uint32_t flags, const uint64_t *source,
                       unsigned count, unsigned *done);
uint16_t winhv_unmap_gpa(uint64_t id, uint64_t gpfn, uint32_t flags, unsigned count);
uint16_t winhv_install_intercept(uint64_t id, uint32_t access, uint32_t type, uint64_t parameter);
uint16_t winhv_create_vp(uint64_t id, uint32_t vp);
uint16_t winhv_delete_vp(uint64_t id, uint32_t vp);
uint16_t winhv_get_registers(uint64_t id, uint32_t vp, struct hv_reg_assoc *list, unsigned count);
uint16_t winhv_set_registers(uint64_t id, uint32_t vp, const struct hv_reg_assoc *list,
                             unsigned count);
uint16_t winhv_translate(uint64_t id, uint32_t vp, uint64_t flags, uint64_t gva_page,
                         struct hv_out_translate_va *out);
uint16_t winhv_assert_interrupt(uint64_t id, uint64_t control, uint64_t destination,
                                uint32_t vector);
/* A port of ours that `peer` may send to, and its connection id `connection` for it. */
uint16_t winhv_create_port(uint32_t port, uint64_t peer, const struct hv_port_info *info);
uint16_t winhv_delete_port(uint32_t port);
uint16_t winhv_connect_port(uint64_t peer, uint32_t connection, uint32_t port, uint32_t type);
uint16_t winhv_disconnect_port(uint64_t peer, uint32_t connection);
/* size: up to HV_MESSAGE_PAYLOAD */
uint16_t winhv_post_message_direct(uint64_t id, uint32_t vp, uint8_t sint, uint32_t type,
                                   const void *payload, unsigned size);
uint16_t winhv_signal_event_direct(uint64_t id, uint32_t vp, uint8_t sint, uint16_t flag);
/* Frees SINT's message slot and lets the next message in. */
void winhv_message_done(unsigned sint);

#endif
