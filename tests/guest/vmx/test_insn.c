/* VMX instructions: flags, error numbers, VMREAD/VMWRITE of every field (SDM 3C 31). */
#include "vt.h"

GUEST(g_nothing, "nop")

static unsigned vmptrld(uint64_t at)
{
    return VMX_INSN("vmptrld %2", "m"(at));
}
static unsigned vmclear(uint64_t at)
{
    return VMX_INSN("vmclear %2", "m"(at));
}
static unsigned vmxon(uint64_t at)
{
    return VMX_INSN("vmxon %2", "m"(at));
}
static unsigned invept(uint64_t type, uint64_t eptp)
{
    const struct invept_desc d = {eptp, 0};
    return VMX_INSN("invept %2, %3", "m"(d), "r"(type));
}
static unsigned invvpid(uint64_t type, uint64_t vpid, uint64_t gla)
{
    const struct invvpid_desc d = {vpid, gla};
    return VMX_INSN("invvpid %2, %3", "m"(d), "r"(type));
}
static unsigned vmwrite(uint64_t field, uint64_t v)
{
    return VMX_INSN("vmwrite %3, %2", "r"(field), "r"(v));
}
static unsigned vmread(uint64_t field, uint64_t *v)
{
    bool cf, zf;
    __asm__ volatile("vmread %3, %2" : "=@ccc"(cf), "=@ccz"(zf), "=r"(*v) : "r"(field));
    return cf ? 1 : zf ? 2 : 0;
}

#define FAILS(call, error)                                                                        \
    do {                                                                                          \
        EQ(call, 2);                                                                              \
        EQ(rd(VMCS_INSN_ERROR), error);                                                           \
    } while (0)

static void no_current_vmcs(void)
{
    const uint64_t self = (uintptr_t)vt_vmcs, on = (uintptr_t)vt_vmxon;
    uint64_t v;
    vt_case("instructions outside VMX operation raise #UD");
    vt_skip = 3;
    vt_counts[EXC_UD] = 0;
    __asm__ volatile("vmcall" ::: "memory");
    __asm__ volatile("vmlaunch" ::: "memory");
    EQ(vt_counts[EXC_UD], 2);
    vt_skip = 0;

    vt_case("VMXON checks its region and enters VMX operation");
    EQ(vmxon(on + 8), 1);
    EQ(vmxon(on | 1ull << 60), 1);
    *(uint32_t *)(void *)vt_vmxon ^= 1;
    EQ(vmxon(on), 1);
    *(uint32_t *)(void *)vt_vmxon ^= 1;
    EQ(vmxon(on), 0);

    vt_case("without a current VMCS failures set CF only");
    uint64_t ptr = 0;
    __asm__ volatile("vmptrst %0" : "=m"(ptr));
    EQ(ptr, UINT64_MAX);
    EQ(vmxon(on), 1);
    EQ(vmread(VMCS_GUEST_RIP, &v), 1);
    EQ(vmwrite(VMCS_GUEST_RIP, 0), 1);
    EQ(VMX_INSN("vmlaunch", "r"(0)), 1);
    EQ(VMX_INSN("vmresume", "r"(0)), 1);
    EQ(VMX_INSN("vmcall", "r"(0)), 1);
    EQ(vmclear(self + 1), 1);
    EQ(vmptrld(on), 1);
}

static void errors(void)
{
    const uint64_t self = (uintptr_t)vt_vmcs, on = (uintptr_t)vt_vmxon;
    uint64_t v;
    vt_case("VM-instruction errors have the manual's numbers");
    EQ(vmclear(self), 0);
    EQ(vmptrld(self), 0);
    __asm__ volatile("vmptrst %0" : "=m"(v));
    EQ(v, self);
    FAILS(VMX_INSN("vmcall", "r"(0)), VMX_ERR_VMCALL_IN_ROOT);
    FAILS(vmclear(self + 0x10), VMX_ERR_VMCLEAR_ADDR);
    FAILS(vmclear(self | 1ull << 60), VMX_ERR_VMCLEAR_ADDR);
    FAILS(vmclear(on), VMX_ERR_VMCLEAR_VMXON_PTR);
    FAILS(vmptrld(self + 8), VMX_ERR_VMPTRLD_ADDR);
    FAILS(vmptrld(on), VMX_ERR_VMPTRLD_VMXON_PTR);
    *(uint32_t *)(void *)vt_other_vmcs ^= 4;
    FAILS(vmptrld((uintptr_t)vt_other_vmcs), VMX_ERR_VMPTRLD_REVISION);
    *(uint32_t *)(void *)vt_other_vmcs ^= 4;
    FAILS(vmread(0x5000, &v), VMX_ERR_UNSUPPORTED_FIELD);
    FAILS(vmread(0xffffffffffffull, &v), VMX_ERR_UNSUPPORTED_FIELD);
    FAILS(vmwrite(0x6826 + 0x100, 0), VMX_ERR_UNSUPPORTED_FIELD);
    if (!(rdmsr(MSR_VMX_MISC) & VMX_MISC_VMWRITE_ALL))
        FAILS(vmwrite(VMCS_EXIT_REASON, 0), VMX_ERR_VMWRITE_READ_ONLY);
    FAILS(vmxon(on), VMX_ERR_VMXON_IN_ROOT);
    FAILS(VMX_INSN("vmresume", "r"(0)), VMX_ERR_VMRESUME_NOT_LAUNCHED);
    FAILS(invept(0, 0), VMX_ERR_INV_OPERAND);
    FAILS(invept(3, 0), VMX_ERR_INV_OPERAND);
    FAILS(invept(INVEPT_SINGLE, 1), VMX_ERR_INV_OPERAND);
    FAILS(invvpid(4, 1, 0), VMX_ERR_INV_OPERAND);
    FAILS(invvpid(INVVPID_SINGLE, 0, 0), VMX_ERR_INV_OPERAND);
    FAILS(invvpid(INVVPID_SINGLE, 0x10001, 0), VMX_ERR_INV_OPERAND);
    FAILS(invvpid(INVVPID_ADDR, 1, 1ull << 62), VMX_ERR_INV_OPERAND);
    EQ(invept(INVEPT_ALL, 0), 0);
    EQ(invept(INVEPT_SINGLE, 0x10000 | EPT_MT_WB | EPTP_WALK4), 0);
    EQ(invvpid(INVVPID_ALL, 0, 0), 0);
    EQ(invvpid(INVVPID_SINGLE, 1, 0), 0);
    EQ(invvpid(INVVPID_ADDR, 1, 0x1000), 0);
    EQ(invvpid(INVVPID_SINGLE_NON_GLOBAL, 1, 0), 0);

    vt_case("launch state is kept by the VMCS");
    vt_setup();
    EQ(vt_run_code(g_nothing), VMX_EXIT_VMCALL);
    FAILS(VMX_INSN("vmlaunch", "r"(0)), VMX_ERR_VMLAUNCH_NOT_CLEAR);
    EQ(vmclear((uintptr_t)vt_other_vmcs), 0);
    EQ(vmptrld((uintptr_t)vt_other_vmcs), 0);
    FAILS(VMX_INSN("vmresume", "r"(0)), VMX_ERR_VMRESUME_NOT_LAUNCHED);
    EQ(vmptrld(self), 0);
    FAILS(VMX_INSN("vmlaunch", "r"(0)), VMX_ERR_VMLAUNCH_NOT_CLEAR);
    EQ(vmclear(self), 0);
    EQ(vmptrld(self), 0);
    FAILS(VMX_INSN("vmresume", "r"(0)), VMX_ERR_VMRESUME_NOT_LAUNCHED);

    vt_case("VM entry after MOV SS fails with error 26");
    vt_setup();
    vt_start(g_nothing);
    uint64_t flags;
    __asm__ volatile("mov %%ss, %%ax; mov %%ax, %%ss; vmlaunch; pushfq; pop %0"
                     : "=r"(flags)
                     :
                     : "rax", "cc", "memory");
    EQ(flags & (FL_ZF | FL_CF), FL_ZF);
    EQ(rd(VMCS_INSN_ERROR), VMX_ERR_ENTRY_MOV_SS);
}

struct field {
    uint32_t encoding;
    uint32_t bits;
    bool read_only;
};
#define BITS_U16 16
#define BITS_U32 32
#define BITS_U64 64
#define BITS_NAT 64
#define IS_RO_RW false
#define IS_RO_RO true
static const struct field fields[] = {
#define VMCS_FIELD(member, name, enc, width, access, group, help)                                 \
    {enc, BITS_##width, IS_RO_##access},
#include "abi/vmcs.def"
#undef VMCS_FIELD
};

static void all_fields(void)
{
    const unsigned n = sizeof fields / sizeof fields[0];
    const uint64_t self = (uintptr_t)vt_vmcs;
    uint64_t v = 0;
    const bool all = rdmsr(MSR_VMX_MISC) & VMX_MISC_VMWRITE_ALL;
    vt_case("every field reads back what was written, across VMCLEAR");
    for (unsigned i = 0; i < n; i++)
        if (all || !fields[i].read_only)
            EQ(vmwrite(fields[i].encoding, 0x0123456789abcdefull * (i + 1)), 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < n; i++) {
            const struct field *f = &fields[i];
            const uint64_t mask = f->bits == 64 ? UINT64_MAX : (1ull << f->bits) - 1;
            uint64_t want = 0x0123456789abcdefull * (i + 1) & mask;
            if (f->read_only && !all)
                continue;
            EQ(vmread(f->encoding, &v), 0);
            /* access rights and the activity may drop bits that no processor keeps */
            if (f->encoding >= VMCS_GUEST_ES_AR && f->encoding <= VMCS_GUEST_TR_AR) {
                want &= 0x1f0ff;
                v &= 0x1f0ff;
            }
            EQ(v, want);
            if (VMCS_ENC_WIDTH(f->encoding) == 1) {
                EQ(vmread(f->encoding | 1, &v), 0);
                EQ(v, want >> 32);
            }
        }
        EQ(vmclear(self), 0);
        EQ(vmptrld((uintptr_t)vt_other_vmcs), 0);
        EQ(vmptrld(self), 0);
    }
    vt_case("the high half of a 64-bit field can be written alone");
    EQ(vmwrite(VMCS_TSC_OFFSET, 0x1111111122222222ull), 0);
    EQ(vmwrite(VMCS_TSC_OFFSET | 1, 0x33333333), 0);
    EQ(rd(VMCS_TSC_OFFSET), 0x3333333322222222ull);
}

static void capabilities(void)
{
    static const uint32_t plain[] = {MSR_VMX_PINBASED_CTLS, MSR_VMX_PROCBASED_CTLS,
                                     MSR_VMX_EXIT_CTLS, MSR_VMX_ENTRY_CTLS};
    vt_case("capability MSRs are consistent");
    CHECK(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_TRUE_CTLS);
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t a = rdmsr(plain[i]), b = rdmsr(MSR_VMX_TRUE_PINBASED_CTLS + i);
        EQ((uint32_t)a & ~(uint32_t)(a >> 32), 0);
        EQ((uint32_t)b & ~(uint32_t)(b >> 32), 0);
        EQ(a >> 32, b >> 32);
        EQ((uint32_t)b & ~(uint32_t)a, 0);
    }
    EQ((uint32_t)rdmsr(MSR_VMX_PROCBASED_CTLS2), 0);
    EQ(rdmsr(MSR_VMX_CR0_FIXED0) & ~rdmsr(MSR_VMX_CR0_FIXED1), 0);
    EQ(rdmsr(MSR_VMX_CR4_FIXED0) & ~rdmsr(MSR_VMX_CR4_FIXED1), 0);
    EQ(READ_CR(4) & ~rdmsr(MSR_VMX_CR4_FIXED1), 0);

    vt_case("CR0 and CR4 bits are fixed in VMX operation");
    vt_skip = 3;
    vt_counts[EXC_GP] = 0;
    WRITE_CR(0, READ_CR(0) & ~(uint64_t)CR0_NE);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_BIT_VMXE);
    EQ(vt_counts[EXC_GP], 2);
    vt_skip = 0;
}

void test_instructions(void)
{
    no_current_vmcs();
    capabilities();
    errors();
    all_fields();
    vt_case("VMXOFF leaves VMX operation");
    EQ(VMX_INSN("vmxoff", "r"(0)), 0);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_BIT_VMXE);
    EQ(READ_CR(4) & CR4_BIT_VMXE, 0);
    WRITE_CR(4, READ_CR(4) | CR4_BIT_VMXE);
    EQ(vmxon((uintptr_t)vt_vmxon), 0);
}
