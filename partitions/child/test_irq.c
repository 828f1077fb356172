/*
 * Virtual local APIC, SynIC messages, synthetic timers, a second processor, FPU state.
 */
#include "partitions/child/ch.h"

static struct hv_message messages[HV_SINT_COUNT] __attribute__((aligned(4096)));
static uint8_t events[4096] __attribute__((aligned(4096)));
static volatile uint32_t ap_state, ap_index;

#define X2(reg) (MSR_X2APIC_BASE + (reg))

enum { V_SELF = CH_VECTOR, V_TIMER, V_DEADLINE, V_STIMER, V_SINT, V_IPI, V_LOW, V_PERIODIC, V_BOX };

static volatile uint32_t *xapic(uint32_t reg)
{
    return (volatile uint32_t *)(0xfee00000ull + 16 * reg);
}

void ch_test_apic(void)
{
    uint64_t v;
    const uint64_t base = ch_msr(MSR_APIC_BASE);
    ch_check("apic base", (base & ~0xfffull) == 0xfee00000 && (base & APIC_BASE_BSP), "value");
    if (!(base & APIC_BASE_EXTD)) {
        ch_check("x2apic registers fault in xAPIC mode", !ch_rdmsr(X2(0x02), &v), "no #GP");
        *xapic(0x0f) = 0x1ff;
        ch_check("xapic page reads", (*xapic(0x03) & 0xff) == 0x14, "version");
        *xapic(0x31) = 0;
        *xapic(0x30) = 0x40000 | V_SELF;
        ch_check("xapic self IPI", ch_wait(V_SELF, 1), "no interrupt");
        ch_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
    }
    const unsigned before = ch_interrupts(V_SELF);
    ch_check("x2apic on", ch_rdmsr(X2(0x02), &v) && v == 0, "id");
    ch_check("x2apic cannot go back", !ch_wrmsr(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_EXTD),
             "no #GP");
    ch_wrmsr(X2(0x0f), 0x1ff);
    ch_check("x2apic EOI refuses non-zero", !ch_wrmsr(X2(0x0b), 1), "no #GP");
    ch_check("x2apic version is read-only", !ch_wrmsr(X2(0x03), 0), "no #GP");
    ch_wrmsr(X2(0x3f), V_SELF);
    ch_check("x2apic self IPI", ch_wait(V_SELF, before + 1), "no interrupt");
    ch_wrmsr(X2(0x08), 0xf0);
    ch_wrmsr(X2(0x3f), V_SELF);
    __asm__ volatile("sti; nop; nop; cli");
    ch_check("TPR holds back", ch_interrupts(V_SELF) == before + 1, "delivered");
    ch_wrmsr(X2(0x08), 0);
    ch_check("TPR lets go", ch_wait(V_SELF, before + 2), "no interrupt");
    ch_wrmsr(X2(0x3e), 0xb);
    ch_wrmsr(X2(0x32), V_TIMER);
    const uint64_t t0 = ch_ref_time();
    ch_wrmsr(X2(0x38), (uint32_t)(ch_msr(HV_MSR_APIC_FREQUENCY) / 1000));
    ch_check("apic timer one-shot", ch_wait(V_TIMER, 1), "no interrupt");
    const uint64_t took = ch_ref_time() - t0;
    ch_check("apic timer frequency", took >= 9999 && took < 200000, "not 1 ms");
    ch_wrmsr(X2(0x32), V_PERIODIC | 1u << 17);
    ch_wrmsr(X2(0x38), (uint32_t)(ch_msr(HV_MSR_APIC_FREQUENCY) / 1000));
    ch_check("apic timer periodic", ch_wait(V_PERIODIC, 3), "no interrupts");
    ch_wrmsr(X2(0x38), 0);
    ch_wrmsr(X2(0x32), V_DEADLINE | 2u << 17);
    ch_wrmsr(MSR_TSC_DEADLINE, ch_rdtsc() + ch_msr(HV_MSR_TSC_FREQUENCY) / 1000);
    for (unsigned i = 0; i < 3 && !ch_interrupts(V_DEADLINE); i++) /* a last periodic tick */
        __asm__ volatile("sti; hlt; cli");
    ch_check("HLT wakes for a TSC deadline", ch_interrupts(V_DEADLINE) == 1, "no interrupt");
    ch_check("TSC deadline reads 0 afterwards", ch_msr(MSR_TSC_DEADLINE) == 0, "value");
    ch_wrmsr(X2(0x30), 0x40400);
    ch_wrmsr(X2(0x30), 0x400);
    for (unsigned i = 0; i < 100 && !ch_interrupts(EXC_NMI); i++)
        ch_rdtsc();
    ch_check("NMI by IPI", ch_interrupts(EXC_NMI) > 0, "no NMI");
}

static bool message_waits(uint32_t sint)
{
    return *(volatile uint32_t *)&messages[sint].type == HV_MSG_TIMER_EXPIRED;
}

static void free_slot(uint32_t sint)
{
    *(volatile uint32_t *)&messages[sint].type = HV_MSG_NONE;
    __sync_synchronize();
    if (messages[sint].flags & HV_MESSAGE_FLAG_PENDING)
        ch_wrmsr(HV_MSR_EOM, 0);
}

void ch_test_synic(void)
{
    ch_check("SIMP outside memory faults", !ch_wrmsr(HV_MSR_SIMP, 1ull << 40 | 1), "no #GP");
    ch_check("synic on",
             ch_wrmsr(HV_MSR_SIMP, (uint64_t)messages | 1) &&
                 ch_wrmsr(HV_MSR_SIEFP, (uint64_t)events | 1) &&
                 ch_wrmsr(HV_MSR_SINT0 + 2, V_SINT) && ch_wrmsr(HV_MSR_SCONTROL, 1),
             "#GP");
    const uint64_t config = HV_STIMER_AUTO_ENABLE;
    /* direct mode */
    ch_wrmsr(HV_MSR_STIMER0_CONFIG, config | HV_STIMER_DIRECT | V_STIMER << HV_STIMER_VECTOR_SHIFT);
    const uint64_t due = ch_ref_time() + 10000;
    ch_wrmsr(HV_MSR_STIMER0_COUNT, due);
    ch_check("stimer auto-enables", ch_msr(HV_MSR_STIMER0_CONFIG) & HV_STIMER_ENABLE, "disabled");
    ch_check("stimer direct", ch_wait(V_STIMER, 1) && ch_ref_time() >= due, "no interrupt");
    ch_check("stimer one-shot disables", !(ch_msr(HV_MSR_STIMER0_CONFIG) & HV_STIMER_ENABLE),
             "enabled");
    ch_wrmsr(HV_MSR_STIMER0_COUNT, 1);
    ch_check("stimer in the past fires", ch_wait(V_STIMER, 2), "no interrupt");
    /* message mode */
    ch_wrmsr(HV_MSR_STIMER0_CONFIG + 2, config | 2ull << HV_STIMER_SINT_SHIFT);
    ch_wrmsr(HV_MSR_STIMER0_COUNT + 2, ch_ref_time() + 10000);
    ch_check("stimer message", ch_wait(V_SINT, 1) && message_waits(2), "no message");
    const struct hv_timer_payload *p = (const void *)messages[2].payload;
    ch_check("stimer payload",
             messages[2].size == 24 && p->index == 1 && p->delivery >= p->expiration, "values");
    ch_wrmsr(HV_MSR_STIMER0_COUNT + 2, ch_ref_time() + 1000);
    for (const uint64_t end = ch_ref_time() + 20000; ch_ref_time() < end;)
        __asm__ volatile("sti; nop; cli");
    ch_check("busy slot is flagged", messages[2].flags & HV_MESSAGE_FLAG_PENDING, "no flag");
    ch_check("busy slot holds back", ch_interrupts(V_SINT) == 1, "interrupt");
    free_slot(2);
    ch_check("EOM delivers the next", ch_wait(V_SINT, 2) && message_waits(2), "no message");
    free_slot(2);
    /* periodic */
    ch_wrmsr(HV_MSR_STIMER0_CONFIG + 4,
             config | HV_STIMER_PERIODIC | HV_STIMER_DIRECT | V_BOX << HV_STIMER_VECTOR_SHIFT);
    ch_wrmsr(HV_MSR_STIMER0_COUNT + 4, 10000);
    ch_check("stimer periodic", ch_wait(V_BOX, 3), "no interrupts");
    ch_wrmsr(HV_MSR_STIMER0_COUNT + 4, 0);
    ch_wrmsr(HV_MSR_STIMER0_CONFIG + 4, 0);
    /* SynIC IPI hypercall to itself */
    ch_check("SendSyntheticClusterIpi",
             ch_hypercall(HVCALL_SEND_CLUSTER_IPI | HV_HC_FAST, V_IPI, 1) == 0 && ch_wait(V_IPI, 1),
             "no interrupt");
    ch_check("SendSyntheticClusterIpi low vector",
             ch_hypercall(HVCALL_SEND_CLUSTER_IPI | HV_HC_FAST, 8, 1) == 5, "status");
}

extern char ch_ap_begin[], ch_ap_end[];
void ch_ap_main(void);

void ch_ap_main(void)
{
    ch_trap_load();
    const uint64_t base = ch_msr(MSR_APIC_BASE);
    ch_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
    ch_wrmsr(X2(0x0f), 0x1ff);
    ap_index = (uint32_t)ch_msr(HV_MSR_VP_INDEX);
    ap_state = 1;
    for (;;) {
        __asm__ volatile("sti; hlt; cli");
        if (ch_interrupts(V_IPI) >= 2 && ap_state == 1) {
            ap_state = 2;
            ch_wrmsr(X2(0x30), V_LOW); /* to APIC id 0 */
        }
    }
}

static bool wait_ap(uint32_t state)
{
    const uint64_t end = ch_ref_time() + 10000000;
    while (ap_state < state && ch_ref_time() < end)
        __asm__ volatile("pause");
    return ap_state >= state;
}

void ch_test_smp(void)
{
    if (ch_cpuid(0xb, 1).ebx < 2)
        return;
    uint8_t *trampoline = (uint8_t *)0x8000;
    for (char *s = ch_ap_begin; s < ch_ap_end; s++)
        *trampoline++ = (uint8_t)*s;
    ch_wrmsr(X2(0x30), 1ull << 32 | 0x4500);
    ch_wrmsr(X2(0x30), 1ull << 32 | 0x4608);
    ch_check("second processor starts", wait_ap(1), "silence");
    ch_check("second processor has VP index 1", ap_index == 1, "index");
    ch_wrmsr(X2(0x30), 1ull << 32 | V_IPI);
    ch_check("IPI wakes it from HLT", wait_ap(2), "silence");
    ch_check("IPI comes back", ch_wait(V_LOW, 1), "silence");
    *(uint64_t *)ch_in = 0;
    ((uint64_t *)ch_in)[1] = 3; /* all processors, all spaces */
    ch_check("FlushVirtualAddressSpace",
             ch_hypercall(HVCALL_FLUSH_VA_SPACE, (uint64_t)ch_in, 0) == 0, "status");
}

/* XMM0 must survive the other VPs of the LP. */
void ch_test_fpu(void)
{
    static const uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00};
    static uint64_t out[2];
    __asm__ volatile("movups %0, %%xmm7" : : "m"(in));
    const uint64_t end = ch_ref_time() + 50000;
    while (ch_ref_time() < end)
        ch_outb(0x80, 0); /* each one runs the root */
    __asm__ volatile("movups %%xmm7, %0" : "=m"(out));
    ch_check("XMM registers survive a switch", out[0] == in[0] && out[1] == in[1], "changed");
}
