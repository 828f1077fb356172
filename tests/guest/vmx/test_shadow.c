/* VMCS shadowing (SDM 3C 25.10): VMREAD and VMWRITE of a guest on the linked VMCS. */
#include "vt.h"

static uint8_t shadow[4096] __attribute__((aligned(4096)));
static uint8_t read_map[4096] __attribute__((aligned(4096)));
static uint8_t write_map[4096] __attribute__((aligned(4096)));

/* RBX: flags, RDX: value; RSI: the field */
GUEST(g_vmread, "xor %edx, %edx\n vmread %rsi, %rdx\n pushfq\n pop %rbx")
GUEST(g_vmread_user, "vmread %rsi, %rdx")
GUEST(g_vmwrite, "vmwrite %rdx, %rsi\n pushfq\n pop %rbx")

static void permit(uint8_t *map, unsigned field, bool yes)
{
    if (yes)
        map[field >> 3] &= (uint8_t) ~(1u << (field & 7));
    else
        map[field >> 3] |= (uint8_t)(1u << (field & 7));
}

static unsigned flags(void)
{
    return vt_regs[RBX] & FL_CF ? 1 : vt_regs[RBX] & FL_ZF ? 2 : 0;
}

static uint32_t access(void (*code)(void), uint64_t field)
{
    vt_regs[RSI] = field;
    return vt_run_code(code);
}

/* The shadow VMCS made current for a moment */
static void load(const uint8_t *vmcs)
{
    const uint64_t at = (uintptr_t)vmcs;
    EQ(VMX_INSN("vmptrld %2", "m"(at)), 0);
}

static void store(const uint8_t *vmcs)
{
    const uint64_t at = (uintptr_t)vmcs;
    EQ(VMX_INSN("vmclear %2", "m"(at)), 0);
}

static void setup(void)
{
    *(uint32_t *)(void *)shadow = VMX_BASIC_REVISION(rdmsr(MSR_VMX_BASIC)) | 1u << 31;
    for (unsigned i = 0; i < sizeof read_map; i++)
        read_map[i] = write_map[i] = 0xff;
    store(shadow);
    load(shadow);
    wr(VMCS_GUEST_RSP, 0x123456789);
    wr(VMCS_TSC_OFFSET, 0x1111111122222222);
    store(shadow);
    vt_setup();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_SHADOW_VMCS);
    wr(VMCS_VMREAD_BITMAP, (uintptr_t)read_map);
    wr(VMCS_VMWRITE_BITMAP, (uintptr_t)write_map);
    wr(VMCS_VMCS_LINK_PTR, (uintptr_t)shadow);
}

static void accesses(void)
{
    vt_case("VMCS shadowing: the bitmaps say which fields exit");
    setup();
    EQ(access(g_vmread, VMCS_GUEST_RSP), VMX_EXIT_VMREAD);
    permit(read_map, VMCS_GUEST_RSP, true);
    EQ(access(g_vmread, VMCS_GUEST_RSP), VMX_EXIT_VMCALL);
    EQ(flags(), 0);
    EQ(vt_regs[RDX], 0x123456789);
    EQ(access(g_vmread, VMCS_GUEST_RSP | 1ull << 15), VMX_EXIT_VMREAD);
    EQ(access(g_vmwrite, VMCS_GUEST_RSP), VMX_EXIT_VMWRITE);
    permit(read_map, VMCS_TSC_OFFSET | 1, true);
    EQ(access(g_vmread, VMCS_TSC_OFFSET | 1), VMX_EXIT_VMCALL);
    EQ(vt_regs[RDX], 0x11111111);

    vt_case("VMCS shadowing: writes go to the linked VMCS, exit information too");
    permit(write_map, VMCS_TSC_OFFSET, true);
    permit(write_map, VMCS_EXIT_REASON, true);
    vt_regs[RDX] = 0x4444;
    const uint64_t own = rd(VMCS_TSC_OFFSET);
    EQ(access(g_vmwrite, VMCS_TSC_OFFSET), VMX_EXIT_VMCALL);
    EQ(flags(), 0);
    EQ(access(g_vmwrite, VMCS_EXIT_REASON), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_TSC_OFFSET), own);
    load(shadow);
    EQ(rd(VMCS_TSC_OFFSET), 0x4444);
    EQ(rd(VMCS_EXIT_REASON), 0x4444);
    store(shadow);
    load(vt_vmcs);

    vt_case("VMCS shadowing: no linked VMCS, no such field");
    permit(read_map, 0x4e, true);
    EQ(access(g_vmread, 0x4e), VMX_EXIT_VMCALL);
    EQ(flags(), 2);
    EQ(rd(VMCS_INSN_ERROR), VMX_ERR_UNSUPPORTED_FIELD);
    wr(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
    EQ(access(g_vmread, VMCS_GUEST_RSP), VMX_EXIT_VMCALL);
    EQ(flags(), 1);
}

static void user_mode(void)
{
    vt_case("VMCS shadowing: #GP outside CPL 0");
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_GP);
    vt_regs[RSI] = VMCS_GUEST_RSP;
    vt_start(g_vmread_user);
    wr(VMCS_GUEST_CS_SEL, 8 | 3);
    wr(VMCS_GUEST_SS_SEL, 16 | 3);
    wr(VMCS_GUEST_DS_SEL, 0);
    wr(VMCS_GUEST_DS_AR, VMX_AR_UNUSABLE);
    wr(VMCS_GUEST_ES_SEL, 0);
    wr(VMCS_GUEST_ES_AR, VMX_AR_UNUSABLE);
    wr(VMCS_GUEST_CS_AR, 0xa0fb);
    wr(VMCS_GUEST_SS_AR, 0xc0f3);
    boot_pml4[0] |= 4;
    for (unsigned i = 0; i < 4; i++)
        boot_pd[i] |= 4;
    uint64_t *const pdpt = (uint64_t *)(uintptr_t)(boot_pml4[0] & ~0xfffull);
    pdpt[0] |= 4;
    WRITE_CR(3, READ_CR(3));
    EQ(vt_run(), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO) & 0xff, EXC_GP);
}

static void shadow_vmcs_rules(void)
{
    vt_case("a shadow VMCS cannot be entered; the link must fit the control");
    setup();
    wr(VMCS_PROC2_CTL, 0); /* an ordinary VMCS is asked for then */
    EQ(vt_run_code(g_vmread), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    EQ(rd(VMCS_EXIT_QUAL), VMX_QUAL_ENTRY_LINK);
    wr(VMCS_PROC2_CTL, VMX_PROC2_SHADOW_VMCS);
    wr(VMCS_VMCS_LINK_PTR, (uintptr_t)vt_other_vmcs);
    EQ(vt_run_code(g_vmread), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    wr(VMCS_VMCS_LINK_PTR, VMCS_LINK_NONE);
    load(shadow);
    EQ(VMX_INSN("vmlaunch", "r"(0)), 1);
    store(shadow);
    load(vt_vmcs);
}

void test_shadowing(void)
{
    CHECK(rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & VMX_PROC2_SHADOW_VMCS);
    accesses();
    user_mode();
    shadow_vmcs_rules();
}
