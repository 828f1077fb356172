/*
 * tests/perf/vmx_exit.c: VM exit + entry round trips: a 64-bit guest that executes CPUID in a loop,
 * a host that adds 2 to its RIP and resumes. SDM 3C 24-27. Ten guest+host instructions a trip.
 */
#include "abi/vmx.h"

#include "bench_guest.h"

static uint8_t vmxon_region[4096] __attribute__((aligned(4096)));
static uint8_t vmcs_region[4096] __attribute__((aligned(4096)));
static uint64_t ept_pml4[512] __attribute__((aligned(4096)));
static uint64_t ept_pdpt[512] __attribute__((aligned(4096)));
static uint8_t guest_stack[4096] __attribute__((aligned(16)));

extern uint8_t gdt[], tss[];
extern const char vmx_guest_code[], vmx_host_entry[];
uint64_t vmx_run(uint64_t trips); /* below: launches, then counts exits down */

__asm__("vmx_guest_code:\n"
        "1: xor %eax, %eax\n cpuid\n jmp 1b\n"
        /* rdi: trips */
        ".global vmx_run\n"
        "vmx_run:\n push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rdi, %r15\n mov $0x6c14, %eax\n vmwrite %rsp, %rax\n"
        "vmlaunch\n"
        "mov $-1, %rax\n jmp 9f\n"
        "vmx_host_entry:\n"
        "dec %r15\n jz 8f\n"
        "mov $0x681e, %ebx\n vmread %rbx, %rcx\n add $2, %rcx\n vmwrite %rcx, %rbx\n"
        "vmresume\n"
        "mov $-2, %rax\n jmp 9f\n"
        "8: mov $0x4402, %ebx\n vmread %rbx, %rax\n"
        "9: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static void vmwrite(uint64_t field, uint64_t v)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "rm"(v) : "cc");
}

static uint32_t adjust(uint32_t msr, uint32_t want)
{
    const uint64_t cap = rdmsr(msr);
    return (want | (uint32_t)cap) & (uint32_t)(cap >> 32);
}

#define READ_CR(n)                                         \
    __extension__({                                        \
        uint64_t v_;                                       \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_)); \
        v_;                                                \
    })

static void vmx_on(void)
{
    const uint32_t rev = VMX_BASIC_REVISION(rdmsr(MSR_VMX_BASIC));
    uint64_t at = (uintptr_t)vmxon_region;
    if (!(rdmsr(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    *(uint32_t *)vmxon_region = *(uint32_t *)vmcs_region = rev;
    __asm__ volatile("mov %0, %%cr4" : : "r"(READ_CR(4) | CR4_BIT_VMXE));
    __asm__ volatile("vmxon %0" : : "m"(at) : "cc", "memory");
    at = (uintptr_t)vmcs_region;
    __asm__ volatile("vmclear %0; vmptrld %0" : : "m"(at) : "cc", "memory");
}

static void set_controls(bool ept)
{
    vmwrite(VMCS_PIN_CTL, adjust(MSR_VMX_TRUE_PINBASED_CTLS, 0));
    vmwrite(VMCS_PROC_CTL, adjust(MSR_VMX_TRUE_PROCBASED_CTLS, ept ? 1u << 31 : 0));
    vmwrite(VMCS_EXIT_CTL, adjust(MSR_VMX_TRUE_EXIT_CTLS, 1u << 9));   /* 64-bit host */
    vmwrite(VMCS_ENTRY_CTL, adjust(MSR_VMX_TRUE_ENTRY_CTLS, 1u << 9)); /* IA-32e guest */
    if (ept) {
        for (unsigned i = 0; i < 4; i++) {
            static uint64_t pd[4][512] __attribute__((aligned(4096)));
            for (unsigned j = 0; j < 512; j++)
                pd[i][j] = ((uint64_t)i << 30 | (uint64_t)j << 21) | EPT_R | EPT_W | EPT_X |
                           (uint64_t)EPT_MT_WB << EPT_MT_SHIFT | EPT_LEAF;
            ept_pdpt[i] = (uintptr_t)pd[i] | EPT_R | EPT_W | EPT_X;
        }
        ept_pml4[0] = (uintptr_t)ept_pdpt | EPT_R | EPT_W | EPT_X;
        vmwrite(VMCS_PROC2_CTL, 1u << 1 | 1u << 5); /* EPT, VPID */
        vmwrite(VMCS_EPTP, (uintptr_t)ept_pml4 | EPT_MT_WB | EPTP_WALK4);
        vmwrite(VMCS_VPID, 1);
    }
    vmwrite(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
}

static void set_state(void)
{
    static const struct {
        uint32_t sel, limit, ar, base, value;
    } seg[] = {
        {VMCS_GUEST_ES_SEL, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR, VMCS_GUEST_ES_BASE, 16},
        {VMCS_GUEST_CS_SEL, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_AR, VMCS_GUEST_CS_BASE, 8},
        {VMCS_GUEST_SS_SEL, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_AR, VMCS_GUEST_SS_BASE, 16},
        {VMCS_GUEST_DS_SEL, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR, VMCS_GUEST_DS_BASE, 16},
        {VMCS_GUEST_FS_SEL, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_AR, VMCS_GUEST_FS_BASE, 0},
        {VMCS_GUEST_GS_SEL, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_AR, VMCS_GUEST_GS_BASE, 0},
        {VMCS_GUEST_LDTR_SEL, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_AR, VMCS_GUEST_LDTR_BASE, 0},
    };
    for (unsigned i = 0; i < sizeof seg / sizeof seg[0]; i++) {
        vmwrite(seg[i].sel, seg[i].value);
        vmwrite(seg[i].limit, 0xffffffffu);
        vmwrite(seg[i].ar, seg[i].value == 8    ? 0xa09b
                           : seg[i].value == 16 ? 0xc093
                                                : VMX_AR_UNUSABLE);
        vmwrite(seg[i].base, 0);
    }
    vmwrite(VMCS_GUEST_TR_SEL, 24);
    vmwrite(VMCS_GUEST_TR_LIMIT, 0x67);
    vmwrite(VMCS_GUEST_TR_AR, 0x8b);
    vmwrite(VMCS_GUEST_TR_BASE, (uintptr_t)tss);
    vmwrite(VMCS_GUEST_GDTR_BASE, (uintptr_t)gdt);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, 39);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
    vmwrite(VMCS_GUEST_CR0, READ_CR(0));
    vmwrite(VMCS_GUEST_CR3, READ_CR(3));
    vmwrite(VMCS_GUEST_CR4, READ_CR(4));
    vmwrite(VMCS_GUEST_DR7, 0x400);
    vmwrite(VMCS_GUEST_RFLAGS, 2);
    vmwrite(VMCS_GUEST_RSP, (uintptr_t)guest_stack + sizeof guest_stack);
    vmwrite(VMCS_GUEST_RIP, (uintptr_t)vmx_guest_code);
    vmwrite(VMCS_HOST_CR0, READ_CR(0));
    vmwrite(VMCS_HOST_CR3, READ_CR(3));
    vmwrite(VMCS_HOST_CR4, READ_CR(4));
    vmwrite(VMCS_HOST_CS_SEL, 8);
    vmwrite(VMCS_HOST_SS_SEL, 16);
    vmwrite(VMCS_HOST_DS_SEL, 16);
    vmwrite(VMCS_HOST_ES_SEL, 16);
    vmwrite(VMCS_HOST_TR_SEL, 24);
    vmwrite(VMCS_HOST_TR_BASE, (uintptr_t)tss);
    vmwrite(VMCS_HOST_GDTR_BASE, (uintptr_t)gdt);
    vmwrite(VMCS_HOST_RIP, (uintptr_t)vmx_host_entry);
}

static uint64_t run(uint64_t n, bool ept)
{
    static bool on;
    if (!on)
        vmx_on();
    on = true;
    const uint64_t at = (uintptr_t)vmcs_region;
    __asm__ volatile("vmclear %0; vmptrld %0" : : "m"(at) : "cc", "memory");
    set_controls(ept);
    set_state();
    return vmx_run(n * 100);
}

uint64_t bench_vmx_exit(uint64_t n)
{
    return run(n, false);
}
uint64_t bench_vmx_exit_ept(uint64_t n)
{
    return run(n, true);
}
