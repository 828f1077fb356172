/* VM entry: failures, MSR lists, unrestricted guest, 32-bit guest (SDM 3C 27, 28.4, 28.6). */
#include "vt.h"

GUEST(g_nop, "nop")
GUEST(g_rdmsr, "mov $0xc0000083, %ecx\n rdmsr")

static struct vmx_msr_entry load[4] __attribute__((aligned(16)));
static struct vmx_msr_entry store[4] __attribute__((aligned(16)));

/* 16-bit code at 0x8000 for the real-mode guest: mov ax, 0x1234; mov bx, cs; mov [0x9000], ax;
 * vmcall */
static const uint8_t real_code[] = {0xb8, 0x34, 0x12, 0x8c, 0xcb, 0xa3,
                                    0x00, 0x90, 0x0f, 0x01, 0xc1};
/* 32-bit code: mov eax, 0x11223344; inc eax (40: REX in 64-bit mode); vmcall */
static const uint8_t code32[] = {0xb8, 0x44, 0x33, 0x22, 0x11, 0x40, 0x0f, 0x01, 0xc1};

static void copy(uint64_t to, const uint8_t *from, unsigned n)
{
    volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)to;
    while (n--)
        *p++ = *from++;
}

static void failures(void)
{
    vt_case("entry failures: controls, host state, guest state");
    vt_setup();
    vt_start(g_nop);
    wr(VMCS_PIN_CTL, 0);
    EQ(vt_run(), VT_FAIL | VMX_ERR_ENTRY_CONTROLS);
    vt_setup();
    vt_start(g_nop);
    wr(VMCS_HOST_CS_SEL, 0);
    EQ(vt_run(), VT_FAIL | VMX_ERR_ENTRY_HOST_STATE);
    vt_setup();
    vt_start(g_nop);
    wr(VMCS_GUEST_RFLAGS, 0);
    EQ(vt_run(), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    EQ(rd(VMCS_EXIT_QUAL), 0);
    wr(VMCS_GUEST_RFLAGS, 2);
    wr(VMCS_VMCS_LINK_PTR, 0x10);
    EQ(vt_run(), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    EQ(rd(VMCS_EXIT_QUAL), VMX_QUAL_ENTRY_LINK);
    wr(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
    EQ(vt_run(), VMX_EXIT_VMCALL);       /* mended */
    vt_set(VMCS_GUEST_CS_AR, VMX_AR_DB); /* L and D */
    EQ(vt_run(), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
}

static void msr_lists(void)
{
    vt_case("MSR load and store lists");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_MSR_BITMAPS);
    load[0] = (struct vmx_msr_entry){MSR_CSTAR, 0, 0x123456789a};
    load[1] = (struct vmx_msr_entry){MSR_LSTAR, 0, 0x55};
    store[0] = (struct vmx_msr_entry){MSR_CSTAR, 0, 0};
    wr(VMCS_ENTRY_MSR_LOAD_ADDR, (uintptr_t)load);
    wr(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
    wr(VMCS_EXIT_MSR_STORE_ADDR, (uintptr_t)store);
    wr(VMCS_EXIT_MSR_STORE_COUNT, 1);
    load[2] = (struct vmx_msr_entry){MSR_CSTAR, 0, 0x77};
    wr(VMCS_EXIT_MSR_LOAD_ADDR, (uintptr_t)&load[2]);
    wr(VMCS_EXIT_MSR_LOAD_COUNT, 1);
    EQ(vt_run_code(g_rdmsr), VMX_EXIT_VMCALL);
    EQ(vt_regs[RDX] << 32 | (uint32_t)vt_regs[RAX], 0x123456789a);
    EQ(store[0].value, 0x123456789a);
    EQ(rdmsr(MSR_CSTAR), 0x77);
    EQ(rdmsr(MSR_LSTAR), 0x55);
    load[1] = (struct vmx_msr_entry){MSR_FS_BASE, 0, 0};
    EQ(vt_run_code(g_nop), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_MSR_LOAD);
    EQ(rd(VMCS_EXIT_QUAL), 2);
    load[1] = (struct vmx_msr_entry){MSR_LSTAR, 1, 0};
    EQ(vt_run_code(g_nop), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_MSR_LOAD);
}

static void flat32(void)
{
    vt_set(VMCS_EXIT_CTL, 0);
    vt_clear(VMCS_ENTRY_CTL, VMX_NCTL_IA32E_GUEST);
    wr(VMCS_GUEST_EFER, 0);
    wr(VMCS_GUEST_CS_SEL, 40);
    wr(VMCS_GUEST_CS_AR, 0xc09b);
}

static void other_modes(void)
{
    if (!(rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & VMX_PROC2_UNRESTRICTED))
        return;
    vt_case("unrestricted guest: real mode");
    vt_setup();
    vt_ept();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_UNRESTRICTED);
    flat32();
    static const uint16_t bases[] = {VMCS_GUEST_ES_BASE, VMCS_GUEST_CS_BASE, VMCS_GUEST_SS_BASE,
                                     VMCS_GUEST_DS_BASE, VMCS_GUEST_FS_BASE, VMCS_GUEST_GS_BASE};
    for (unsigned i = 0; i < 6; i++) {
        wr(bases[i], 0);
        wr(VMCS_GUEST_ES_SEL + 2 * i, 0);
        wr(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffff);
        wr(VMCS_GUEST_ES_AR + 2 * i, 0x93);
    }
    wr(VMCS_GUEST_CS_SEL, 0x700);
    wr(VMCS_GUEST_CS_BASE, 0x7000);
    wr(VMCS_GUEST_CR0, CR0_NE | CR0_ET);
    wr(VMCS_GUEST_CR4, CR4_BIT_VMXE);
    copy(0x8000, real_code, sizeof real_code);
    vt_start((void (*)(void))0x1000);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX] & 0xffff, 0x1234);
    EQ(vt_regs[RBX] & 0xffff, 0x700);
    EQ(*(volatile uint16_t *)0x9000, 0x1234);
    EQ(rd(VMCS_GUEST_RIP), 0x1008);
    EQ(rd(VMCS_ENTRY_CTL) & VMX_NCTL_IA32E_GUEST, 0);

    vt_case("unrestricted guest: protected mode without paging");
    vt_setup();
    vt_ept();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_UNRESTRICTED);
    flat32();
    wr(VMCS_GUEST_CR0, CR0_NE | CR0_ET | CR0_PE);
    wr(VMCS_GUEST_CR4, CR4_BIT_VMXE);
    copy(0x8000, code32, sizeof code32);
    vt_start((void (*)(void))0x8000);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX], 0x11223345);
}

void test_entry(void)
{
    failures();
    msr_lists();
    other_modes();
}
