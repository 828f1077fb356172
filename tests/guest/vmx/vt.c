/* tests/guest/vmx/vt.c: the small hypervisor: one VMCS, guest and host in one address space. */
#include "vt.h"

#define PAGE __attribute__((aligned(4096)))
uint64_t vt_regs[16];
uint64_t vt_last_vector, vt_last_error, vt_last_rip, vt_last_rflags, vt_skip;
uint32_t vt_counts[256];
uint8_t vt_idt[4096] PAGE, vt_guest_stack[8192] PAGE, vt_io_bitmap[8192] PAGE;
uint8_t vt_msr_bitmap[4096] PAGE, vt_apic_page[4096] PAGE;
uint8_t vt_vmcs[4096] PAGE, vt_vmxon[4096] PAGE, vt_other_vmcs[4096] PAGE;
uint64_t vt_ept_pt[512] PAGE, vt_ept_pd[2048] PAGE;
static uint64_t ept_pml4[512] PAGE, ept_pdpt[512] PAGE;
static bool launched;
static const char *case_name;
static unsigned case_failed, failed_cases, cases;

uint64_t vt_enter(bool launched_before);
extern const char vt_host_entry[];
void vt_main(void);

/* ---- report ---- */

static void put(char ch)
{
    outb(0xe9, (uint8_t)ch);
    for (unsigned n = 0; n < 10000 && !(inb(0x3fd) & 0x20); n++)
        ;
    outb(0x3f8, (uint8_t)ch);
}

void vt_puts(const char *s)
{
    while (*s)
        put(*s++);
}

void vt_hex(uint64_t v)
{
    vt_puts("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        if (v >> shift || shift == 0)
            put("0123456789abcdef"[v >> shift & 15]);
}

static void end_case(void)
{
    if (!case_name)
        return;
    vt_puts(case_failed ? "not ok vmx " : "ok vmx ");
    vt_puts(case_name);
    vt_puts("\n");
    failed_cases += case_failed != 0;
    cases++;
    case_name = 0;
}

void vt_case(const char *name)
{
    end_case();
    case_name = name;
    case_failed = 0;
}

void vt_check(bool ok, const char *what, uint64_t got, uint64_t want, int line)
{
    if (ok)
        return;
    case_failed++;
    vt_puts("  line ");
    vt_hex((uint64_t)line);
    vt_puts(": ");
    vt_puts(what);
    vt_puts(" is ");
    vt_hex(got);
    vt_puts(" want ");
    vt_hex(want);
    vt_puts("\n");
}

void vt_done(void)
{
    end_case();
    vt_puts("done, failed cases: ");
    vt_hex(failed_cases);
    vt_puts(" of ");
    vt_hex(cases);
    vt_puts("\n");
    outb(0xf4, failed_cases != 0);
}

/* ---- hypervisor ---- */

void vt_set(uint64_t field, uint64_t bits)
{
    wr(field, rd(field) | bits);
}
void vt_clear(uint64_t field, uint64_t bits)
{
    wr(field, rd(field) & ~bits);
}

uint32_t vt_adjust(uint32_t msr, uint32_t want)
{
    const uint64_t cap = rdmsr(msr);
    return (want | (uint32_t)cap) & (uint32_t)(cap >> 32);
}

void vt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t *gate = (uint64_t *)(void *)(vt_idt + 16 * v);
        const uint64_t to = (uintptr_t)vt_stubs + 16 * v;
        gate[0] = (to & 0xffff) | 8u << 16 | 0x8e00ull << 32 | (to >> 16 & 0xffff) << 48;
        gate[1] = to >> 32;
    }
    if (!(rdmsr(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    const uint32_t revision = VMX_BASIC_REVISION(rdmsr(MSR_VMX_BASIC));
    *(uint32_t *)(void *)vt_vmxon = revision;
    *(uint32_t *)(void *)vt_vmcs = revision;
    *(uint32_t *)(void *)vt_other_vmcs = revision;
    WRITE_CR(4, READ_CR(4) | CR4_BIT_VMXE);
}

static void set_guest_segments(void)
{
    static const uint16_t fields[][5] = {
        {VMCS_GUEST_ES_SEL, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR, VMCS_GUEST_ES_BASE, 16},
        {VMCS_GUEST_CS_SEL, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_AR, VMCS_GUEST_CS_BASE, 8},
        {VMCS_GUEST_SS_SEL, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_AR, VMCS_GUEST_SS_BASE, 16},
        {VMCS_GUEST_DS_SEL, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR, VMCS_GUEST_DS_BASE, 16},
        {VMCS_GUEST_FS_SEL, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_AR, VMCS_GUEST_FS_BASE, 0},
        {VMCS_GUEST_GS_SEL, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_AR, VMCS_GUEST_GS_BASE, 0},
        {VMCS_GUEST_LDTR_SEL, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_AR, VMCS_GUEST_LDTR_BASE, 0},
    };
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const uint16_t *f = fields[i];
        wr(f[0], f[4]);
        wr(f[1], 0xffffffff);
        wr(f[2], f[4] == 8 ? 0xa09b : f[4] == 16 ? 0xc093 : VMX_AR_UNUSABLE);
        wr(f[3], 0);
    }
    wr(VMCS_GUEST_TR_SEL, 24);
    wr(VMCS_GUEST_TR_LIMIT, 0x67);
    wr(VMCS_GUEST_TR_AR, 0x8b);
    wr(VMCS_GUEST_TR_BASE, (uintptr_t)tss);
    wr(VMCS_GUEST_GDTR_BASE, (uintptr_t)gdt);
    wr(VMCS_GUEST_GDTR_LIMIT, 47);
    wr(VMCS_GUEST_IDTR_BASE, (uintptr_t)vt_idt);
    wr(VMCS_GUEST_IDTR_LIMIT, 4095);
}

static void set_host(void)
{
    wr(VMCS_HOST_CR0, READ_CR(0));
    wr(VMCS_HOST_CR3, READ_CR(3));
    wr(VMCS_HOST_CR4, READ_CR(4));
    wr(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    wr(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    wr(VMCS_HOST_CS_SEL, 8);
    wr(VMCS_HOST_SS_SEL, 16);
    wr(VMCS_HOST_DS_SEL, 16);
    wr(VMCS_HOST_ES_SEL, 16);
    wr(VMCS_HOST_TR_SEL, 24);
    wr(VMCS_HOST_TR_BASE, (uintptr_t)tss);
    wr(VMCS_HOST_GDTR_BASE, (uintptr_t)gdt);
    wr(VMCS_HOST_IDTR_BASE, (uintptr_t)vt_idt);
    wr(VMCS_HOST_RIP, (uintptr_t)vt_host_entry);
}

static void zero(void *p, unsigned n)
{
    for (uint8_t *b = p; n--;)
        *b++ = 0;
}

void vt_setup(void)
{
    uint64_t at = (uintptr_t)vt_vmcs;
    __asm__ volatile("vmclear %0; vmptrld %0" : : "m"(at) : "cc", "memory");
    launched = false;
    zero(vt_io_bitmap, sizeof vt_io_bitmap);
    zero(vt_msr_bitmap, sizeof vt_msr_bitmap);
    zero(vt_apic_page, sizeof vt_apic_page);
    for (unsigned i = 0; i < 16; i++)
        vt_regs[i] = 0;
    /* every field that these tests touch starts from 0 */
    static const uint16_t to_zero[] = {
        VMCS_VPID,
        VMCS_EXIT_MSR_STORE_COUNT,
        VMCS_EXIT_MSR_LOAD_COUNT,
        VMCS_ENTRY_MSR_LOAD_COUNT,
        VMCS_ENTRY_INTR_INFO,
        VMCS_TPR_THRESHOLD,
        VMCS_PROC2_CTL,
        VMCS_EXCEPTION_BITMAP,
        VMCS_PF_EC_MASK,
        VMCS_PF_EC_MATCH,
        VMCS_CR3_TARGET_COUNT,
        VMCS_TSC_OFFSET,
        VMCS_CR0_MASK,
        VMCS_CR4_MASK,
        VMCS_CR0_SHADOW,
        VMCS_CR4_SHADOW,
        VMCS_GUEST_DEBUGCTL,
        VMCS_GUEST_SYSENTER_CS,
        VMCS_GUEST_SYSENTER_ESP,
        VMCS_GUEST_SYSENTER_EIP,
        VMCS_GUEST_PENDING_DBG,
        VMCS_GUEST_SMBASE,
        VMCS_HOST_FS_SEL,
        VMCS_HOST_GS_SEL,
        VMCS_HOST_FS_BASE,
        VMCS_HOST_GS_BASE,
        VMCS_HOST_SYSENTER_CS,
        VMCS_HOST_SYSENTER_ESP,
        VMCS_HOST_SYSENTER_EIP,
        VMCS_EPTP,
        VMCS_APIC_ACCESS_ADDR,
    };
    for (unsigned i = 0; i < sizeof to_zero / sizeof to_zero[0]; i++)
        wr(to_zero[i], 0);
    wr(VMCS_PIN_CTL, vt_adjust(MSR_VMX_TRUE_PINBASED_CTLS, 0));
    wr(VMCS_PROC_CTL, vt_adjust(MSR_VMX_TRUE_PROCBASED_CTLS, (uint32_t)VMX_PROC_SECONDARY));
    wr(VMCS_EXIT_CTL,
       vt_adjust(MSR_VMX_TRUE_EXIT_CTLS,
                 VMX_XCTL_HOST_64 | VMX_XCTL_LOAD_EFER | VMX_XCTL_SAVE_EFER | VMX_XCTL_SAVE_DEBUG));
    wr(VMCS_ENTRY_CTL, vt_adjust(MSR_VMX_TRUE_ENTRY_CTLS,
                                 VMX_NCTL_IA32E_GUEST | VMX_NCTL_LOAD_EFER | VMX_NCTL_LOAD_DEBUG));
    wr(VMCS_IO_BITMAP_A, (uintptr_t)vt_io_bitmap);
    wr(VMCS_IO_BITMAP_B, (uintptr_t)vt_io_bitmap + 4096);
    wr(VMCS_MSR_BITMAP, (uintptr_t)vt_msr_bitmap);
    wr(VMCS_VIRTUAL_APIC_ADDR, (uintptr_t)vt_apic_page);
    wr(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
    set_guest_segments();
    wr(VMCS_GUEST_CR0, READ_CR(0));
    wr(VMCS_GUEST_CR3, READ_CR(3));
    wr(VMCS_GUEST_CR4, READ_CR(4));
    wr(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
    wr(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
    wr(VMCS_GUEST_DR7, 0x400);
    set_host();
}

void vt_start(void (*code)(void))
{
    wr(VMCS_GUEST_RIP, (uintptr_t)code);
    wr(VMCS_GUEST_RSP, (uintptr_t)vt_guest_stack + sizeof vt_guest_stack - 8);
    wr(VMCS_GUEST_RFLAGS, 2);
    wr(VMCS_GUEST_ACTIVITY, 0);
    wr(VMCS_GUEST_INTERRUPTIBILITY, 0);
    wr(VMCS_GUEST_PENDING_DBG, 0);
}

uint32_t vt_run(void)
{
    const uint64_t flags = vt_enter(launched);
    if (flags & FL_CF)
        return VT_INVALID;
    if (flags & FL_ZF)
        return VT_FAIL | (uint32_t)rd(VMCS_INSN_ERROR);
    const uint32_t reason = (uint32_t)rd(VMCS_EXIT_REASON);
    if (!(reason & VMX_EXIT_ENTRY_FAILURE))
        launched = true;
    return reason;
}

uint32_t vt_run_code(void (*code)(void))
{
    vt_start(code);
    return vt_run();
}

void vt_next(void)
{
    wr(VMCS_GUEST_RIP, rd(VMCS_GUEST_RIP) + rd(VMCS_EXIT_INSN_LEN));
}

void vt_ept(void)
{
    const uint64_t rwx = EPT_R | EPT_W | EPT_X, wb = (uint64_t)EPT_MT_WB << EPT_MT_SHIFT;
    for (unsigned i = 0; i < 2048; i++)
        vt_ept_pd[i] = (uint64_t)i << 21 | rwx | wb | EPT_LEAF;
    for (unsigned i = 0; i < 512; i++)
        vt_ept_pt[i] = (uint64_t)i << 12 | rwx | wb;
    vt_ept_pd[0] = (uintptr_t)vt_ept_pt | rwx;
    for (unsigned i = 0; i < 4; i++)
        ept_pdpt[i] = (uintptr_t)(vt_ept_pd + 512 * i) | rwx;
    ept_pml4[0] = (uintptr_t)ept_pdpt | rwx;
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_EPT | VMX_PROC2_VPID);
    wr(VMCS_VPID, 7);
    wr(VMCS_EPTP, (uintptr_t)ept_pml4 | EPT_MT_WB | EPTP_WALK4);
    vt_invept();
}

void vt_invept(void)
{
    const struct invept_desc d = {0, 0};
    EQ(VMX_INSN("invept %2, %3", "m"(d), "r"((uint64_t)INVEPT_ALL)), 0);
}

void vt_main(void)
{
    outb(0x3fb, 3); /* 8 data bits */
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    vt_init();
    test_instructions();
    test_exits();
    test_events();
    test_ept();
    test_ept_extras();
    test_time();
    test_entry();
    test_controls();
    test_shadowing();
    test_apic_virtualization();
    test_masked_interrupt();
    vt_done();
}
