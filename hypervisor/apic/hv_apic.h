/*
 * The physical local APIC, which the hypervisor keeps, and the virtual one of each VP (SDM 3A 10).
 */
#ifndef HYPERVISOR_APIC_H
#define HYPERVISOR_APIC_H

#include "hypervisor/core/hv_core.h"

/* Register numbers: MMIO offset / 16, and x2APIC MSR - 0x800 */
enum {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09,
    APIC_PPR = 0x0a,
    APIC_EOI = 0x0b,
    APIC_LDR = 0x0d,
    APIC_DFR = 0x0e,
    APIC_SVR = 0x0f,
    APIC_ISR = 0x10,
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_ICR = 0x30,
    APIC_ICR_HI = 0x31,
    APIC_LVT_TIMER = 0x32,
    APIC_LVT_THERMAL = 0x33,
    APIC_LVT_PERF = 0x34,
    APIC_LVT_LINT0 = 0x35,
    APIC_LVT_LINT1 = 0x36,
    APIC_LVT_ERROR = 0x37,
    APIC_TICR = 0x38,
    APIC_TCCR = 0x39,
    APIC_TDCR = 0x3e,
    APIC_SELF_IPI = 0x3f
};
#define APIC_LVT_MASKED     (1u << 16)
#define APIC_SVR_ENABLE     (1u << 8)
#define APIC_TIMER_MODE     (3u << 17)
#define APIC_TIMER_PERIODIC (1u << 17)
#define APIC_TIMER_TSC      (2u << 17)

/* lapic.c: the physical one */
void hv_lapic_init(void); /* once, on the BSP */
void hv_lapic_enable(void);
uint32_t hv_lapic_id(void);
void hv_lapic_eoi(void);
void hv_lapic_ipi(uint32_t apic_id, uint32_t icr_low);
void hv_lapic_timer(uint64_t tsc_deadline); /* HV_NO_DEADLINE stops it */
bool hv_lapic_is_level(uint32_t vector);    /* of an interrupt in service */

/* vlapic.c */
void hv_vlapic_reset(struct hv_vp *vp);
void hv_vlapic_init(struct hv_vp *vp);         /* INIT: all but the id and base */
int hv_vlapic_pending(const struct hv_vp *vp); /* vector that may be delivered, or -1 */
void hv_vlapic_accept(struct hv_vp *vp, uint32_t vector);
void hv_vlapic_post(struct hv_vp *vp, uint32_t vector, bool level);
void hv_vlapic_eoi(struct hv_vp *vp);
bool hv_vlapic_read(struct hv_vp *vp, uint32_t reg, uint32_t *value);
bool hv_vlapic_write(struct hv_vp *vp, uint32_t reg, uint32_t value);
bool hv_vlapic_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value);
bool hv_vlapic_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value);
bool hv_vlapic_set_base(struct hv_vp *vp, uint64_t value);
void hv_vlapic_set_tsc_deadline(struct hv_vp *vp, uint64_t value);
void hv_vlapic_icr(struct hv_vp *vp, uint32_t low, uint32_t dest);
void hv_vlapic_timer_expired(struct hv_vp *vp, uint64_t now);
/* Delivers to a destination as an ICR or AssertVirtualInterrupt gives it; false: nobody there. */
bool hv_vlapic_deliver(struct hv_partition *p, uint32_t dest, bool logical, uint32_t type,
                       uint32_t vector, bool level);
static inline bool hv_vlapic_x2apic(const struct hv_vp *vp)
{
    return (vp->apic.base & (APIC_BASE_EN | APIC_BASE_EXTD)) == (APIC_BASE_EN | APIC_BASE_EXTD);
}

#endif
