/* Instruction intercepts with qualification, length and instruction information (SDM 3C 26.1,
 * 28.2). */
#include "vt.h"

struct plain {
    void (*code)(void);
    const char *name;
    uint32_t proc, proc2; /* control that makes it exit; both 0: always */
    uint32_t reason, ilen;
};

GUEST(g_cpuid, "cpuid")
GUEST(g_invd, "invd")
GUEST(g_xsetbv, "xsetbv")
GUEST(g_hlt, "hlt")
GUEST(g_rdtsc, "rdtsc")
GUEST(g_pause, "pause")
GUEST(g_wbinvd, "wbinvd")
GUEST(g_rdpmc, "rdpmc")
GUEST(g_vmxoff, "vmxoff")
GUEST(g_vmlaunch, "vmlaunch")
GUEST(g_vmresume, "vmresume")
GUEST(g_vmcall, "vmcall")
GUEST(g_monitor, "lea vt_guest_stack, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n monitor")
GUEST(g_mwait, "xor %eax, %eax\n xor %ecx, %ecx\n mwait")
GUEST(g_clts, "clts")

static const struct plain plains[] = {
    {g_cpuid, "CPUID", 0, 0, VMX_EXIT_CPUID, 2},
    {g_invd, "INVD", 0, 0, VMX_EXIT_INVD, 2},
    {g_vmcall, "VMCALL", 0, 0, VMX_EXIT_VMCALL, 3},
    {g_vmlaunch, "VMLAUNCH", 0, 0, VMX_EXIT_VMLAUNCH, 3},
    {g_vmresume, "VMRESUME", 0, 0, VMX_EXIT_VMRESUME, 3},
    {g_vmxoff, "VMXOFF", 0, 0, VMX_EXIT_VMXOFF, 3},
    {g_hlt, "HLT", VMX_PROC_HLT, 0, VMX_EXIT_HLT, 1},
    {g_rdtsc, "RDTSC", VMX_PROC_RDTSC, 0, VMX_EXIT_RDTSC, 2},
    {g_pause, "PAUSE", VMX_PROC_PAUSE, 0, VMX_EXIT_PAUSE, 2},
    {g_rdpmc, "RDPMC", VMX_PROC_RDPMC, 0, VMX_EXIT_RDPMC, 2},
    {g_wbinvd, "WBINVD", 0, VMX_PROC2_WBINVD, VMX_EXIT_WBINVD, 2},
    {g_monitor, "MONITOR", VMX_PROC_MONITOR, 0, VMX_EXIT_MONITOR, 3},
    {g_mwait, "MWAIT", VMX_PROC_MWAIT, 0, VMX_EXIT_MWAIT, 3},
};

static uint32_t cpuid_ecx(uint32_t leaf)
{
    uint32_t a = leaf, b, c_ = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c_), "=d"(d));
    return c_;
}

static bool has_monitor(void)
{
    return cpuid_ecx(1) & 1u << 3;
}

static void plain_exits(void)
{
    vt_case("plain instructions exit by their controls and only by them");
    for (unsigned i = 0; i < sizeof plains / sizeof plains[0]; i++) {
        const struct plain *p = &plains[i];
        if ((p->reason == VMX_EXIT_MONITOR || p->reason == VMX_EXIT_MWAIT) && !has_monitor())
            continue;
        vt_setup();
        vt_set(VMCS_PROC_CTL, p->proc);
        vt_set(VMCS_PROC2_CTL, p->proc2);
        vt_start(p->code);
        const uint32_t reason = vt_run();
        if (reason != p->reason) {
            vt_puts("  ");
            vt_puts(p->name);
            vt_puts("\n");
        }
        EQ(reason, p->reason);
        EQ(rd(VMCS_EXIT_INSN_LEN), p->ilen);
        EQ(rd(VMCS_IDT_VEC_INFO) & VMX_INTR_VALID, 0);
        EQ(rd(VMCS_GUEST_ACTIVITY), 0);
        vt_next();
        EQ(vt_run(), VMX_EXIT_VMCALL);
        const bool idle = p->reason == VMX_EXIT_HLT || p->reason == VMX_EXIT_MWAIT ||
                          p->reason == VMX_EXIT_RDPMC;
        if ((p->proc || p->proc2) && !idle) {
            vt_clear(VMCS_PROC_CTL, p->proc);
            vt_clear(VMCS_PROC2_CTL, p->proc2);
            EQ(vt_run_code(p->code), VMX_EXIT_VMCALL);
        }
    }
}

GUEST(g_xsetbv2, "mov %cr4, %rax\n or $0x40000, %rax\n mov %rax, %cr4\n xor %ecx, %ecx\n xgetbv\n"
                 "xsetbv")

static void xsetbv(void)
{
    if (!(cpuid_ecx(1) & 1u << 26))
        return;
    vt_case("XSETBV exits");
    vt_setup();
    EQ(vt_run_code(g_xsetbv2), VMX_EXIT_XSETBV);
    EQ(rd(VMCS_EXIT_INSN_LEN), 3);
}

GUEST(g_to_cr0, "mov %cr0, %rbx\n or $0x10000, %rbx\n mov %rbx, %cr0\n mov %cr0, %rbx\n"
                "xor $2, %rbx\n mov %rbx, %cr0")
GUEST(g_cr3, "mov %cr3, %r9\n mov %r9, %cr3")
GUEST(g_cr8, "mov $5, %ebx\n mov %rbx, %cr8\n mov %cr8, %rdx")
GUEST(g_lmsw, "smsw %ax\n or $8, %ax\n lmsw %ax")
GUEST(g_cr4, "mov %cr4, %rax\n or $0x80, %rax\n mov %rax, %cr4")

static void control_registers(void)
{
    vt_case("CR0 mask and shadow");
    vt_setup();
    wr(VMCS_CR0_MASK, CR0_MP | CR0_TS);
    wr(VMCS_CR0_SHADOW, CR0_TS); /* the guest sees TS=1 and MP=0, owns WP */
    EQ(vt_run_code(g_to_cr0), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x300); /* CR0, MOV to, RBX */
    EQ(vt_regs[RBX] & (CR0_MP | CR0_TS), CR0_MP | CR0_TS);
    EQ(rd(VMCS_GUEST_CR0) & (CR0_WP | CR0_TS | CR0_MP), CR0_WP | CR0_MP);
    EQ(vt_run_code(g_clts), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x20);
    wr(VMCS_CR0_SHADOW, 0);
    vt_set(VMCS_GUEST_CR0, CR0_TS);
    EQ(vt_run_code(g_clts), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_GUEST_CR0) & CR0_TS, CR0_TS);
    wr(VMCS_CR0_MASK, 0);
    EQ(vt_run_code(g_clts), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_GUEST_CR0) & CR0_TS, 0);
    wr(VMCS_CR0_MASK, CR0_TS);
    EQ(vt_run_code(g_lmsw), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL) & 0xf, 0);
    EQ(VMX_QUAL_CR_TYPE(rd(VMCS_EXIT_QUAL)), VMX_QUAL_CR_LMSW);
    EQ(VMX_QUAL_CR_LMSW_SRC(rd(VMCS_EXIT_QUAL)) & 8, 8);

    vt_case("CR3 load and store exiting, CR3 targets");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_CR3_LOAD | VMX_PROC_CR3_STORE);
    EQ(vt_run_code(g_cr3), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x913);
    vt_clear(VMCS_PROC_CTL, VMX_PROC_CR3_STORE);
    EQ(vt_run(), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x903);
    wr(VMCS_CR3_TARGET_COUNT, 2);
    wr(VMCS_CR3_TARGET0, 0x123000);
    wr(VMCS_CR3_TARGET1, vt_regs[9]);
    EQ(vt_run(), VMX_EXIT_VMCALL);

    vt_case("CR4 mask");
    vt_setup();
    wr(VMCS_CR4_MASK, CR4_PGE);
    EQ(vt_run_code(g_cr4), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x4);

    vt_case("CR8 exiting and TPR shadow");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE);
    EQ(vt_run_code(g_cr8), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x308);
    vt_next();
    EQ(vt_run(), VMX_EXIT_CR_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x218);
    vt_clear(VMCS_PROC_CTL, VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE);
    vt_set(VMCS_PROC_CTL, VMX_PROC_TPR_SHADOW);
    EQ(vt_run_code(g_cr8), VMX_EXIT_VMCALL);
    EQ(vt_apic_page[0x80], 0x50);
    EQ(vt_regs[RDX], 5);
    vt_apic_page[0x80] = 0x90;
    wr(VMCS_TPR_THRESHOLD, 6);
    EQ(vt_run_code(g_cr8), VMX_EXIT_TPR_BELOW);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_cr8 + 9); /* after the MOV: trap-like */
    wr(VMCS_TPR_THRESHOLD, 6);
    EQ(vt_run(), VT_FAIL | VMX_ERR_ENTRY_CONTROLS); /* above VTPR */
}

GUEST(g_dr, "mov %dr6, %rsi\n mov %rdi, %dr0")
GUEST(g_invlpg, "invlpg 0x1234(%rip)")
GUEST(g_io, "in $0x71, %al\n mov $0x1234, %edx\n out %eax, %dx\n lea vt_guest_stack, %rsi\n"
            "mov $3, %ecx\n rep outsb\n mov $0x9000, %edx\n lea vt_guest_stack, %rdi\n insw")

static void debug_and_io(void)
{
    vt_case("MOV DR and INVLPG exits");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_MOV_DR | VMX_PROC_INVLPG);
    EQ(vt_run_code(g_dr), VMX_EXIT_MOV_DR);
    EQ(rd(VMCS_EXIT_QUAL), 0x616);
    vt_next();
    EQ(vt_run(), VMX_EXIT_MOV_DR);
    EQ(rd(VMCS_EXIT_QUAL), 0x700);
    EQ(vt_run_code(g_invlpg), VMX_EXIT_INVLPG);
    EQ(rd(VMCS_EXIT_QUAL), (uintptr_t)g_invlpg + 7 + 0x1234);

    vt_case("I/O exits: qualification, linear address, bitmaps");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_UNCOND_IO);
    EQ(vt_run_code(g_io), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x710048); /* IN, 1 byte, immediate */
    EQ(rd(VMCS_EXIT_INSN_LEN), 2);
    vt_next();
    EQ(vt_run(), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x12340003);
    vt_next();
    EQ(vt_run(), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x12340030); /* string, REP */
    EQ(rd(VMCS_GUEST_LINEAR_ADDR), (uintptr_t)vt_guest_stack);
    EQ(rd(VMCS_EXIT_INSN_INFO) & 0x38380, 2u << 7 | 3u << 15); /* 64-bit address, DS */
    EQ(vt_regs[RCX], 3);
    vt_next();
    EQ(vt_run(), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x90000019);
    EQ(rd(VMCS_EXIT_INSN_INFO) & 0x380, 2u << 7);
    vt_clear(VMCS_PROC_CTL, VMX_PROC_UNCOND_IO);
    vt_set(VMCS_PROC_CTL, VMX_PROC_IO_BITMAPS);
    vt_io_bitmap[0x1234 / 8] = 0;
    vt_io_bitmap[0x1236 / 8] = 1u << (0x1236 & 7); /* third byte of the dword OUT */
    EQ(vt_run_code(g_io), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x12340003);
    vt_next();
    vt_io_bitmap[0x1236 / 8] = 0;
    vt_io_bitmap[0x9001 / 8] = 1u << (0x9001 & 7);
    EQ(vt_run(), VMX_EXIT_IO);
    EQ(rd(VMCS_EXIT_QUAL), 0x90000019);
}

GUEST(g_msr, "mov $0xc0000082, %ecx\n rdmsr\n wrmsr\n mov $0x174, %ecx\n rdmsr\n wrmsr\n"
             "mov $0x40000000, %ecx\n rdmsr")

static void set_bit(uint32_t offset, uint32_t bit)
{
    vt_msr_bitmap[offset + bit / 8] |= (uint8_t)(1u << bit % 8);
}

static void msrs(void)
{
    vt_case("MSR exits and bitmaps");
    vt_setup();
    EQ(vt_run_code(g_msr), VMX_EXIT_RDMSR);
    EQ(vt_regs[RCX], 0xc0000082);
    vt_next();
    EQ(vt_run(), VMX_EXIT_WRMSR);
    EQ(rd(VMCS_EXIT_INSN_LEN), 2);
    vt_set(VMCS_PROC_CTL, VMX_PROC_MSR_BITMAPS);
    set_bit(0xc00, 0x82);
    EQ(vt_run_code(g_msr), VMX_EXIT_WRMSR);
    EQ(vt_regs[RCX], 0xc0000082);
    vt_next();
    set_bit(0x000, 0x174);
    EQ(vt_run(), VMX_EXIT_RDMSR);
    EQ(vt_regs[RCX], 0x174);
    vt_next();
    EQ(vt_run(), VMX_EXIT_RDMSR);
    EQ(vt_regs[RCX], 0x40000000); /* outside the ranges: always */
}

GUEST(g_desc, "sub $64, %rsp\n sgdt 8(%rsp)\n sidt 16(%rsp)\n lgdt gdt_desc(%rip)\n"
              "mov $3, %ecx\n lidt idt_desc(, %rcx, 1)\n sldt %ebx\n str 4(%rsp)\n xor %eax, %eax\n"
              "lldt %ax\n ltr %r9w")

static void descriptor_tables(void)
{
    vt_case("descriptor-table exits: instruction information");
    vt_setup();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_DESC_TABLE);
    EQ(vt_run_code(g_desc), VMX_EXIT_GDTR_IDTR);
    EQ(rd(VMCS_EXIT_QUAL), 8);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 0);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 23 & 0x1f, 4); /* base RSP, valid */
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 15 & 7, 2);    /* SS */
    vt_next();
    EQ(vt_run(), VMX_EXIT_GDTR_IDTR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 1);
    vt_next();
    EQ(vt_run(), VMX_EXIT_GDTR_IDTR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 2);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 27 & 1, 1); /* no base: RIP-relative */
    vt_next();
    EQ(vt_run(), VMX_EXIT_GDTR_IDTR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 3);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 18 & 0x1f, 1); /* index RCX, valid */
    vt_next();
    EQ(vt_run(), VMX_EXIT_LDTR_TR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 0);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 10 & 1, 1);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 3 & 15, 3);
    vt_next();
    EQ(vt_run(), VMX_EXIT_LDTR_TR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 1);
    EQ(rd(VMCS_EXIT_QUAL), 4);
    vt_next();
    EQ(vt_run(), VMX_EXIT_LDTR_TR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 2);
    vt_next();
    EQ(vt_run(), VMX_EXIT_LDTR_TR);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 3, 3);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 3 & 15, 9);
}

GUEST(g_vmx_ops, "mov $1, %ecx\n vmptrld 0x20(%rsp, %rcx, 8)\n vmread %rdx, %rbx\n"
                 "vmwrite -16(%rsp), %r10\n invept (%rsi), %r11")

static void vmx_instruction_information(void)
{
    vt_case("VMX instructions in the guest: instruction information");
    vt_setup();
    EQ(vt_run_code(g_vmx_ops), VMX_EXIT_VMPTRLD);
    EQ(rd(VMCS_EXIT_QUAL), 0x20);
    const uint64_t i = rd(VMCS_EXIT_INSN_INFO);
    EQ(i & 3, 3);
    EQ(i >> 7 & 7, 2);
    EQ(i >> 15 & 7, 2);
    EQ(i >> 18 & 0x1f, 1);
    EQ(i >> 23 & 0x1f, 4);
    vt_next();
    EQ(vt_run(), VMX_EXIT_VMREAD);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 10 & 1, 1);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 3 & 15, 3);   /* destination RBX */
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 15, 2);  /* field in RDX */
    vt_next();
    EQ(vt_run(), VMX_EXIT_VMWRITE);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 15, 10);
    EQ(rd(VMCS_EXIT_QUAL), (uint64_t)-16);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 22 & 1, 1); /* no index */
    vt_next();
    EQ(vt_run(), VMX_EXIT_INVEPT);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 28 & 15, 11);
    EQ(rd(VMCS_EXIT_INSN_INFO) >> 15 & 7, 3); /* DS */
}

void test_exits(void)
{
    plain_exits();
    xsetbv();
    control_registers();
    debug_and_io();
    msrs();
    descriptor_tables();
    vmx_instruction_information();
}
