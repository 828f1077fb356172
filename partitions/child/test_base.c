/*
 * CPUID leaves, MSR rules, hypercall page and status codes, clocks.
 */
#include "partitions/child/ch.h"

uint8_t ch_in[4096] __attribute__((aligned(4096)));
uint8_t ch_out[4096] __attribute__((aligned(4096)));
uint8_t ch_code[4096] __attribute__((aligned(4096)));
static struct hv_tsc_page tsc_page __attribute__((aligned(4096)));

#define OS_ID 0x8100000000010000ull

uint64_t ch_hypercall(uint64_t control, uint64_t in, uint64_t out)
{
    uint64_t result;
    register uint64_t r8 __asm__("r8") = out;
    __asm__ volatile("call *%4"
                     : "=a"(result), "+c"(control), "+d"(in), "+r"(r8)
                     : "r"(ch_code)
                     : "memory", "r9", "r10", "r11", "cc");
    return result;
}

void ch_test_cpuid(void)
{
    struct ch_cpuid r = ch_cpuid(1, 0);
    ch_check("cpuid hypervisor bit", r.ecx >> 31, "leaf 1 ECX[31] is 0");
    ch_check("cpuid hides VT-x", !(r.ecx & 1u << 5), "leaf 1 ECX[5] is 1");
    ch_check("cpuid x2APIC", r.ecx & 1u << 21, "leaf 1 ECX[21] is 0");
    ch_check("cpuid APIC id", r.ebx >> 24 == 0, "VP 0 has another id");
    ch_check("cpuid leaf b id", ch_cpuid(0xb, 0).edx == 0, "VP 0 has another id");
    r = ch_cpuid(HV_CPUID_VENDOR, 0);
    ch_check("cpuid signature",
             r.ebx == HV_CPUID_SIG_EBX && r.ecx == HV_CPUID_SIG_ECX && r.edx == HV_CPUID_SIG_EDX,
             "not Microsoft Hv");
    ch_check("cpuid range", r.eax >= 0x40000005 && r.eax <= 0x4000ffff, "highest leaf");
    ch_check("cpuid interface", ch_cpuid(HV_CPUID_INTERFACE, 0).eax == HV_CPUID_INTERFACE_HV1,
             "not Hv#1");
    r = ch_cpuid(HV_CPUID_FEATURES, 0);
    ch_check("cpuid privileges low", (r.eax & 0xa7e) == 0xa7e, "leaf 3 EAX");
    ch_check("cpuid privileges high", (r.ebx & 0x30) == 0x30, "leaf 3 EBX");
    ch_check("cpuid not the root", !(r.ebx & (HV_CPU_MANAGEMENT | HV_ACCESS_PARTITION_ID)),
             "leaf 3 EBX");
    ch_check("cpuid features", (r.edx & 0x80500) == 0x80500, "leaf 3 EDX");
    ch_check("cpuid no AutoEOI", ch_cpuid(HV_CPUID_HINTS, 0).eax & HV_HINT_DEPRECATE_AUTO_EOI,
             "leaf 4 EAX[9]");
    r = ch_cpuid(0x40000081, 0);
    ch_check("cpuid unused leaf is 0", !(r.eax | r.ebx | r.ecx | r.edx), "0x40000081");
    ch_check("cpuid no KVM", ch_cpuid(0x40000100, 0).ebx != 0x4b4d564b, "0x40000100");
}

void ch_test_msrs(void)
{
    uint64_t v;
    ch_check("msr undefined synthetic faults", !ch_rdmsr(0x40000200, &v), "no #GP");
    ch_check("msr undefined faults", !ch_rdmsr(0x12345, &v), "no #GP");
    ch_check("msr EOI is write-only", !ch_rdmsr(HV_MSR_EOI, &v), "no #GP");
    ch_check("msr VP_INDEX reads 0", ch_rdmsr(HV_MSR_VP_INDEX, &v) && v == 0, "value");
    ch_check("msr VP_INDEX is read-only", !ch_wrmsr(HV_MSR_VP_INDEX, 0), "no #GP");
    ch_check("msr TIME_REF_COUNT is read-only", !ch_wrmsr(HV_MSR_TIME_REF_COUNT, 0), "no #GP");
    ch_check("msr SVERSION", ch_rdmsr(HV_MSR_SVERSION, &v) && v == 1, "value");
    ch_check("msr SINT reset", ch_rdmsr(HV_MSR_SINT0 + 5, &v) && v == HV_SINT_MASKED, "value");
    ch_check("msr SINT vector below 16 faults", !ch_wrmsr(HV_MSR_SINT0 + 5, 5), "no #GP");
    ch_check("msr stimer reserved bits fault", !ch_wrmsr(HV_MSR_STIMER0_CONFIG, 1ull << 40),
             "no #GP");
    ch_check("msr no statistics pages", !ch_rdmsr(0x400000e0, &v), "no #GP");
    ch_check("msr TSC frequency", ch_rdmsr(HV_MSR_TSC_FREQUENCY, &v) && v > 1000000, "value");
    ch_check("msr APIC frequency", ch_rdmsr(HV_MSR_APIC_FREQUENCY, &v) && v > 1000000, "value");
    ch_check("msr MTRRCAP", ch_rdmsr(MSR_MTRRCAP, &v) && (v & 0xff) == 8, "value");
    ch_check("msr EFER reserved bits fault", !ch_wrmsr(MSR_EFER, 1ull << 63), "no #GP");
    ch_check("msr LSTAR holds",
             ch_wrmsr(MSR_LSTAR, 0xffff800012345678) && ch_msr(MSR_LSTAR) == 0xffff800012345678,
             "value");
    ch_check("msr LSTAR non-canonical faults", !ch_wrmsr(MSR_LSTAR, 1ull << 62), "no #GP");
    ch_check("msr KERNEL_GS_BASE holds",
             ch_wrmsr(MSR_KERNEL_GS_BASE, 0x1234567890) &&
                 ch_msr(MSR_KERNEL_GS_BASE) == 0x1234567890,
             "value");
    ch_check("msr VMX capabilities hidden", !ch_rdmsr(MSR_VMX_BASIC, &v), "no #GP");
}

void ch_test_hypercalls(void)
{
    uint64_t v;
    ch_check("hypercall without OS id is #UD",
             ch_probe((uint64_t) "\x0f\x01\xc1\xc3", false) == EXC_UD, "no #UD");
    ch_wrmsr(HV_MSR_HYPERCALL, (uint64_t)ch_code | HV_MSR_ENABLE);
    ch_check("hypercall page needs OS id", ch_rdmsr(HV_MSR_HYPERCALL, &v) && !(v & HV_MSR_ENABLE),
             "enabled");
    ch_wrmsr(HV_MSR_GUEST_OS_ID, OS_ID);
    ch_check("msr GUEST_OS_ID holds", ch_msr(HV_MSR_GUEST_OS_ID) == OS_ID, "value");
    ch_code[0] = 0x55;
    ch_wrmsr(HV_MSR_HYPERCALL, (uint64_t)ch_code | HV_MSR_ENABLE);
    ch_check("hypercall page enabled", ch_msr(HV_MSR_HYPERCALL) & HV_MSR_ENABLE, "not enabled");
    ch_check("hypercall page has code", *(volatile uint8_t *)ch_code == 0x0f, "no VMCALL");
    ch_check("hypercall page is read-only", ch_probe((uint64_t)ch_code, true) == EXC_GP, "no #GP");
    const uint64_t in = (uint64_t)ch_in;
    ch_check("hypercall unknown code", ch_hypercall(0x3f, in, 0) == 2, "status");
    ch_check("hypercall denied", ch_hypercall(HVCALL_CREATE_PARTITION, in, 0) == 6, "status");
    ch_check("hypercall GetPartitionId denied", ch_hypercall(0x46, 0, in) == 6, "status");
    ch_check("hypercall reserved bits", ch_hypercall(HVCALL_POST_MESSAGE | 1ull << 27, in, 0) == 3,
             "status");
    ch_check("hypercall rep of simple", ch_hypercall(HV_HC_REP(HVCALL_POST_MESSAGE, 1), in, 0) == 3,
             "status");
    ch_check("hypercall misaligned", ch_hypercall(HVCALL_POST_MESSAGE, in + 4, 0) == 4, "status");
    ch_check("hypercall page crossing", ch_hypercall(HVCALL_POST_MESSAGE, in + 0xf80, 0) == 4,
             "status");
    ch_check("hypercall input outside memory",
             HV_HC_STATUS(ch_hypercall(HVCALL_POST_MESSAGE, 1ull << 40, 0)) != 0, "success");
    *(struct hv_in_post_message *)ch_in = (struct hv_in_post_message){
        .connection = 0x777, .type = 1, .size = 8};
    ch_check("PostMessage unknown connection", ch_hypercall(HVCALL_POST_MESSAGE, in, 0) == 0x12,
             "status");
    ch_check("SignalEvent unknown connection",
             ch_hypercall(HVCALL_SIGNAL_EVENT | HV_HC_FAST, 0x777, 0) == 0x12, "status");
    ch_check("NotifyLongSpinWait",
             ch_hypercall(HVCALL_NOTIFY_LONG_SPIN_WAIT | HV_HC_FAST, 100, 0) == 0, "status");
}

static uint64_t page_time(void)
{
    uint32_t seq;
    uint64_t t;
    do {
        seq = tsc_page.sequence;
        const unsigned __int128 product = (unsigned __int128)ch_rdtsc() * tsc_page.scale;
        t = (uint64_t)(product >> 64) + (uint64_t)tsc_page.offset;
    } while (seq != tsc_page.sequence);
    return t;
}

/* The TSC over 2 ms of reference time. */
static bool frequency_fits(void)
{
    const uint64_t hz = ch_msr(HV_MSR_TSC_FREQUENCY);
    const uint64_t r0 = ch_ref_time(), c0 = ch_rdtsc();
    while (ch_ref_time() < r0 + 20000)
        continue;
    const uint64_t want = hz / 500, got = ch_rdtsc() - c0;
    return got > want - want / 8 && got < want + want / 8;
}

void ch_test_time(void)
{
    const uint64_t t0 = ch_ref_time();
    for (unsigned i = 0; i < 2000; i++)
        ch_rdtsc();
    ch_check("reference time advances", ch_ref_time() > t0, "stands still");
    ch_wrmsr(HV_MSR_REFERENCE_TSC, (uint64_t)&tsc_page | HV_MSR_ENABLE);
    ch_check("TSC page valid", tsc_page.sequence != 0 && tsc_page.sequence != ~0u, "sequence");
    bool agree = true;
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t a = page_time(), b = ch_ref_time(), c = page_time();
        agree = agree && a <= b && b <= c;
    }
    ch_check("TSC page agrees with the counter", agree, "differs");
    bool right = false;
    for (unsigned i = 0; i < 8 && !right; i++) /* others may run in between */
        right = frequency_fits();
    ch_check("TSC frequency is in Hz", right, "ratio");
}
