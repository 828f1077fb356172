/*
 * The one lock, and what an LP must do for others even while it waits for it.
 */
#include "hypervisor/core/hv_core.h"
#include "hypervisor/vmx/hv_vmx.h"

static volatile uint32_t held;

static volatile bool stopped;

void hv_stop_all(void)
{
    stopped = true;
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void reload(const struct hv_lp *lp)
{
    if (lp->current && lp->current->vmcs_ready)
        hv_vmptrld(lp->current->vmcs);
}

/* Copies the registers of the VP that another LP asks for, or lets go of a VMCS. Touches nothing
 * else: the asking LP holds the lock. */
void hv_lp_service(struct hv_lp *lp)
{
    if (stopped)
        hv_stop_all();
    if (lp->clear) {
        hv_vmclear(lp->clear);
        reload(lp);
        hv_barrier();
        lp->clear = 0;
    }
    struct hv_vp *vp = lp->fetch;
    if (!vp)
        return;
    if (lp->current != vp)
        hv_vmptrld(vp->vmcs);
    hv_vmcs_fetch(vp);
    if (lp->current != vp)
        reload(lp);
    hv_barrier();
    lp->fetch = NULL;
}

void hv_lock(void)
{
    while (__atomic_exchange_n(&held, 1, __ATOMIC_ACQUIRE)) {
        while (held) {
            hv_lp_service(hv_this_lp());
            hv_pause();
        }
    }
}

void hv_unlock(void)
{
    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
}
