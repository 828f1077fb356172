/*
 * A child that does everything a child should not: every hypercall code in every form, every MSR,
 * CPUID leaf and port, foreign partition ids and VP indexes, memory that is not its own,
 * instructions it has no right to, SynIC pages that make no sense, timers at the highest rate; then
 * it triple faults. What must hold is checked where the child can see it; that its neighbours are
 * unharmed is for the root to say (mini_root.c). Links with lib.c and the boot stub of
 * partitions/child.
 */
#include "partitions/child/ch.h"

#define OS_ID    0x8100000000010000ull
#define MEMORY   (16ull << 20)
#define WINDOW   0x80000000ull /* virtual address behind which `window` maps any 2 MiB */
#define X2(reg)  (MSR_X2APIC_BASE + (reg))
#define MSR_SELF HV_MSR_RESET

void ch_main(uint32_t start_info);
void ch_ap_main(void);
void ch_trap(uint64_t vector, uint64_t *frame);
uint64_t hostile_run(const void *code, uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t rbx);

extern char ch_stubs[], ch_ap_begin[], ch_ap_end[];
volatile bool ch_faulted;
static volatile uint64_t recover_rip, recover_rsp, fault_vector;
static uint64_t idt[512] __attribute__((aligned(16)));
static uint64_t window[512] __attribute__((aligned(4096)));
static uint8_t page_in[4096] __attribute__((aligned(4096)));
static uint8_t page_out[4096] __attribute__((aligned(4096)));
static uint8_t page_synic[4096] __attribute__((aligned(4096)));
static uint8_t page_call[4096] __attribute__((aligned(4096)));
static bool stormy;
static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Interrupts are ended, a fault in hostile_run goes to its end. */
void ch_trap(uint64_t vector, uint64_t *frame)
{
    if (vector >= 32 || (vector >= 16 && stormy)) { /* IPIs come with those too */
        ch_wrmsr(X2(0x0b), 0);
        return;
    }
    if (vector == EXC_NMI)
        return;
    const uint8_t *code = (const uint8_t *)frame[1];
    if (!recover_rip && vector == EXC_GP && code[0] == 0x0f) { /* RDMSR, WRMSR of lib.c */
        ch_faulted = true;
        frame[1] += 2;
        return;
    }
    if (!recover_rip) {
        char text[] = "hostile: fault ???????? ??? of its own making\n";
        for (unsigned i = 0; i < 8; i++)
            text[15 + i] = "0123456789abcdef"[frame[1] >> (28 - 4 * i) & 15];
        text[24] = (char)('0' + vector / 10);
        text[25] = (char)('0' + vector % 10);
        text[26] = ' ';
        ch_put(text);
        ch_outb(0xf4, (uint8_t)vector | 0x80);
    }
    fault_vector = vector;
    frame[1] = recover_rip;
    frame[4] = recover_rsp;
    recover_rip = 0;
}

/* Runs code up to its RET; the fault's vector, or ~0. */
uint64_t hostile_run(const void *code, uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t rbx)
{
    fault_vector = ~0ull;
    __asm__ volatile("leaq 1f(%%rip), %%rsi\n\t"
                     "movq %%rsi, %[rip]\n\t"
                     "movq %%rsp, %[rsp]\n\t"
                     "call *%%rdi\n1:"
                     : "+a"(rax), "+c"(rcx), "+d"(rdx),
                       "+b"(rbx), [rip] "=m"(recover_rip), [rsp] "=m"(recover_rsp), "+D"(code)
                     :
                     : "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    recover_rip = 0;
    return fault_vector;
}

static void trap_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        const uint64_t at = (uint64_t)ch_stubs + 16 * i;
        idt[2 * i] = (at & 0xffff) | 8ull << 16 | 0x8eull << 40 | (at >> 16 & 0xffff) << 48;
        idt[2 * i + 1] = at >> 32;
    }
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) const idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
    uint64_t cr3;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    uint64_t *pdpt = (uint64_t *)(*(uint64_t *)cr3 & X86_PAGE_MASK);
    pdpt[WINDOW >> 30] = (uint64_t)window | 3;
}

static uint64_t call(uint64_t control, uint64_t in, uint64_t out)
{
    uint64_t result;
    register uint64_t r8 __asm__("r8") = out;
    __asm__ volatile("vmcall"
                     : "=a"(result), "+c"(control), "+d"(in), "+r"(r8)
                     :
                     : "memory", "r9", "r10", "r11", "cc");
    return result;
}

/* ---- hypercalls ---- */
static bool is_for_children(uint32_t code)
{
    static const uint16_t mine[] = {0x02, 0x03, 0x08, 0x0b, 0x13, 0x14, 0x15,
                                    0x50, 0x51, 0x5c, 0x5d, 0x99, 0x9a};
    for (unsigned i = 0; i < sizeof(mine) / sizeof(mine[0]); i++) {
        if (mine[i] == code)
            return true;
    }
    return false;
}

static const uint64_t forms[] = {
    0,
    HV_HC_FAST,
    1ull << HV_HC_REP_SHIFT,
    1ull << HV_HC_REP_SHIFT | HV_HC_FAST,
    0xfffull << HV_HC_REP_SHIFT,
    4ull << HV_HC_REP_SHIFT | 4ull << HV_HC_START_SHIFT,
    4ull << HV_HC_REP_SHIFT | 0xfffull << HV_HC_START_SHIFT,
    1ull << HV_HC_VARHEAD_SHIFT,
    HV_HC_VARHEAD,
    HV_HC_VARHEAD | HV_HC_FAST | 0xfffull << HV_HC_REP_SHIFT,
    HV_HC_NESTED,
    1ull << 27,
    1ull << 44,
    1ull << 63,
};

static uint64_t place(unsigned which, uint64_t page)
{
    const uint64_t places[] = {page,      page + 4,   page + 0xff8, MEMORY,
                               0x4000000, 0x8000000,  1ull << 40,   1ull << 47,
                               ~7ull,     0xfee00000, 0x100000,     (uint64_t)page_call};
    return places[which % (sizeof(places) / sizeof(places[0]))];
}

static void fill_in(unsigned how)
{
    static const uint64_t ids[] = {0, 1, 2, 3, 4, 5, ~0ull, 1ull << 63};
    uint64_t *q = (uint64_t *)page_in;
    for (unsigned i = 0; i < 512; i++)
        q[i] = how & 8 ? next_random() : how & 16 ? ~0ull : 0;
    q[0] = ids[how & 7];
    q[1] = (how & 32) ? 0xffffffffu : how & 3;
}

static uint64_t calls, granted;

static void one_call(uint32_t code, uint64_t form, uint64_t in, uint64_t out)
{
    const uint64_t result = call(code | form, in, out);
    calls++;
    if (!HV_HC_STATUS(result) && !is_for_children(code))
        granted++;
}

static void sweep_calls(void)
{
    for (uint32_t code = 0; code < 0x10000; code += code < 0x180 ? 1 : 0x1ff) {
        fill_in(code & 31);
        for (unsigned f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
            const unsigned n = code + f;
            one_call(code, forms[f], (uint64_t)page_in, (uint64_t)page_out);
            one_call(code, forms[f], place(n, (uint64_t)page_in),
                     place(n / 12, (uint64_t)page_out));
        }
    }
    ch_check("hostile: no call of the parent's is granted", !granted, "status 0");
}

/* What a child may call, with arguments that make no sense. */
static void sweep_own_calls(void)
{
    for (uint32_t code = 0; code < 0x100; code++) {
        for (unsigned i = 0; is_for_children(code) && i < 600; i++) {
            const uint64_t reps = code == 3 || code == 0x14 || code == 0x50 || code == 0x51 ||
                                  code == 0x9a;
            const uint64_t form = reps ? (next_random() & 0x3f) << HV_HC_REP_SHIFT : 0;
            const uint64_t head = i & 1 ? (next_random() & 3) << HV_HC_VARHEAD_SHIFT : 0;
            const uint64_t fast = i % 5 == 4 ? HV_HC_FAST : 0;
            fill_in((unsigned)next_random());
            one_call(code, form | head | fast, i % 7 ? (uint64_t)page_in : next_random(),
                     (uint64_t)page_out);
        }
    }
}

/* ---- MSRs ---- */
static uint64_t msr_reads, msr_writes;

static bool spared(uint32_t msr) /* would end this child, and are not the neighbours' business */
{
    return msr == HV_MSR_RESET || msr == HV_MSR_ICR || msr == X2(0x30) ||
           msr == HV_MSR_GUEST_IDLE || msr == MSR_FS_BASE || msr == MSR_GS_BASE;
}

static void sweep_msr(uint32_t msr, bool thorough)
{
    uint64_t v = 0;
    msr_reads++;
    if (msr == HV_MSR_GUEST_IDLE)
        return;
    const bool there = ch_rdmsr(msr, &v);
    if (spared(msr))
        return;
    const uint64_t values[] = {
        0,          ~0ull,          1,         (uint64_t)page_synic | 1, 0x5555555555555555ull,
        MEMORY | 1, 1ull << 40 | 1, 0xfee00001};
    for (unsigned i = 0; i < (thorough ? 8 : 2); i++) {
        ch_wrmsr(msr, values[i]);
        msr_writes++;
    }
    if (there)
        ch_wrmsr(msr, v);
}

static void sweep_msrs(void)
{
    for (uint32_t m = HV_MSR_FIRST; m <= HV_MSR_LAST; m++)
        sweep_msr(m, m < HV_MSR_FIRST + 0x200);
    for (uint32_t m = 0; m < 0x2000; m++)
        sweep_msr(m, m < 0x400 && m != MSR_APIC_BASE && m != MSR_TSC);
    for (uint32_t m = 0xc0000000; m < 0xc0000200; m++)
        sweep_msr(m, m != MSR_EFER);
    for (unsigned i = 0; i < 2000; i++)
        sweep_msr((uint32_t)next_random(), false);
    ch_wrmsr(MSR_PAT, 0x0007040600070406ull);
    ch_wrmsr(HV_MSR_GUEST_OS_ID, OS_ID);
    ch_check("hostile: the hypervisor still counts", ch_rdmsr(HV_MSR_TIME_REF_COUNT, &seed) && seed,
             "no reference time");
    seed = 88172645463325252ull;
}

/* ---- CPUID, ports ---- */
static void sweep_cpuid(void)
{
    for (uint32_t i = 0; i < 0x40; i++) {
        ch_cpuid(i, 0);
        ch_cpuid(i, 1);
        ch_cpuid(i, (uint32_t)next_random());
        ch_cpuid(0x80000000 + i, i);
        ch_cpuid((uint32_t)next_random(), (uint32_t)next_random());
    }
    for (uint32_t leaf = 0x40000000; leaf < 0x40000400; leaf++)
        ch_cpuid(leaf, leaf);
    ch_check("hostile: CPUID still answers", ch_cpuid(HV_CPUID_VENDOR, 0).ebx == HV_CPUID_SIG_EBX,
             "no signature");
}

static void sweep_ports(void)
{
    static const uint8_t in[][3] = {{0xec, 0xc3}, {0x66, 0xed, 0xc3}, {0xed, 0xc3}};
    static const uint8_t out[][3] = {{0xee, 0xc3}, {0x66, 0xef, 0xc3}, {0xef, 0xc3}};
    for (uint32_t port = 0; port < 0x10000; port += port < 0x400 ? 3 : 0x7f) {
        hostile_run(in[port % 3], 0, 0, port, 0);
        /* not those that end a VM by right: exit, resets, power management */
        const uint32_t last = port + 4;
        const bool ends = (port <= 0x64 && last > 0x60) || (port <= 0xf4 && last > 0xf4) ||
                          (port <= 0xcf9 && last > 0xcf8) || (port >= 0x3f0 && port < 0x800);
        if (!ends)
            hostile_run(out[port % 3], 0xffffffff, 0, port, 0);
    }
}

/* ---- memory that is not its own ---- */
static void map_window(uint64_t gpa)
{
    window[0] = (gpa & ~0x1fffffull) | 0x83;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
}

static bool touch(uint64_t gpa)
{
    static const uint8_t read[] = {0x8a, 0x02, 0xc3}, write[] = {0x88, 0x02, 0xc3}; /* MOV (%rdx) */
    uint8_t v = 0;
    map_window(gpa);
    const uint64_t at = WINDOW | (gpa & 0x1fffff);
    fault_vector = ~0ull;
    recover_rip = 0;
    __asm__ volatile("movb (%%rdx), %%al" : "=a"(v) : "d"(at), "a"(0) : "memory");
    hostile_run(write, 0x5a, 0, at, 0);
    hostile_run(read, 0, 0, at, 0);
    return v == 0xff;
}

static void sweep_memory(void)
{
    bool nothing = true;
    for (uint64_t gpa = MEMORY; gpa < 0xfee00000; gpa += 0xa00ff8)
        nothing = touch(gpa) && nothing;
    for (unsigned bit = 32; bit < 39; bit++) /* of the physical address width of any model */
        nothing = touch(1ull << bit) && nothing;
    ch_check("hostile: nothing is there to read", nothing, "a foreign byte");
}

/* A parent may end the child for it. */
static void run_foreign(void)
{
    static const uint8_t jump[] = {0xff, 0xe2}; /* JMP *%rdx */
    map_window(0x8000000);
    ch_check("hostile: nothing is there to run", hostile_run(jump, 0, 0, WINDOW, 0) != ~0ull,
             "ran");
}

/* ---- instructions ---- */
static void sweep_instructions(void)
{
    static const char code[][10] = {"\x0f\x01\xc2\xc3" /* VMLAUNCH */,
                                    "\x0f\x01\xc3\xc3" /* VMRESUME */,
                                    "\x0f\x01\xc4\xc3" /* VMXOFF */,
                                    "\x0f\x01\xd4\xc3" /* VMFUNC */,
                                    "\xf3\x0f\xc7\x32\xc3" /* VMXON */,
                                    "\x66\x0f\xc7\x32\xc3" /* VMCLEAR */,
                                    "\x0f\xc7\x32\xc3" /* VMPTRLD */,
                                    "\x0f\xc7\x3a\xc3" /* VMPTRST */,
                                    "\x0f\x78\xc1\xc3" /* VMREAD */,
                                    "\x0f\x79\xc1\xc3" /* VMWRITE */,
                                    "\x66\x0f\x38\x80\x02\xc3" /* INVEPT */,
                                    "\x66\x0f\x38\x81\x02\xc3" /* INVVPID */,
                                    "\x0f\x01\xd9\xc3" /* VMMCALL */,
                                    "\x0f\x01\xd8\xc3" /* VMRUN */,
                                    "\x0f\x37\xc3" /* GETSEC */,
                                    "\x0f\xaa\xc3" /* RSM */,
                                    "\x0f\x01\xc8\xc3" /* MONITOR */,
                                    "\x0f\x01\xc9\xc3" /* MWAIT */,
                                    "\x0f\x33\xc3" /* RDPMC */,
                                    "\x0f\x01\xcf\xc3" /* ENCLS */,
                                    "\x0f\x01\xd1\xc3" /* XSETBV */,
                                    "\x0f\x08\xc3" /* INVD */,
                                    "\x0f\x09\xc3" /* WBINVD */,
                                    "\x0f\x01\xf0\xc3" /* LMSW */,
                                    "\x0f\x22\xc0\xc3" /* MOV CR0, RAX */,
                                    "\x0f\x22\xe0\xc3" /* MOV CR4, RAX */,
                                    "\x44\x0f\x22\xc0\xc3" /* MOV CR8, RAX */,
                                    "\x0f\x23\xf8\xc3" /* MOV DR7, RAX */,
                                    "\x0f\x01\xca\xc3" /* CLAC */,
                                    "\x0f\xc7\xf8\xc3" /* RDSEED */,
                                    "\x0f\x01\xef\xc3" /* WRPKRU */,
                                    "\xf3\x90\xc3" /* PAUSE */};
    uint64_t cr0, cr4;
    __asm__ volatile("mov %%cr0, %0\n\tmov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    const uint64_t values[] = {0,
                               cr0,
                               cr0 ^ CR0_NE,
                               cr0 | CR0_NW,
                               ~0ull,
                               cr4 ^ CR4_VMXE,
                               cr4 | 1ull << 22,
                               cr4 | 1ull << 12};
    for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        const bool cr = code[i][1] == 0x22;
        for (unsigned v = cr ? 4 : 0; v < 8; v++) /* paging off would be the end of this test */
            hostile_run(code[i], values[v], values[v], (uint64_t)page_in, v);
        if (cr)
            hostile_run(code[i], code[i][2] == (char)0xc0 ? cr0 ^ CR0_NE : cr4, 0, 0, 0);
    }
    hostile_run("\x0f\x22\xc0\xc3", cr0, 0, 0, 0);
    hostile_run("\x0f\x23\xf8\xc3", 0x400, 0, 0, 0);
    ch_check("hostile: VMXON is not for it",
             hostile_run(code[4], 0, 0, (uint64_t)page_in, 0) == EXC_UD, "no #UD");
    ch_check("hostile: CR4.PKE is not for it",
             hostile_run("\x0f\x22\xe0\xc3", cr4 | CR4_PKE, 0, 0, 0) == EXC_GP, "no #GP");
    ch_check("hostile: no way out of long mode",
             hostile_run("\x0f\x22\xc0\xc3", CR0_PE | CR0_ET, 0, 0, 0) == EXC_GP, "no #GP");
    ch_check("hostile: CR4.VMXE is not for it",
             hostile_run("\x0f\x22\xe0\xc3", cr4 | CR4_VMXE, 0, 0, 0) == EXC_GP, "no #GP");
}

/* ---- SynIC, timers, IPIs ---- */
static void sweep_synic(void)
{
    const uint64_t pages[] = {(uint64_t)page_synic,
                              (uint64_t)page_call,
                              (uint64_t)page_out,
                              0xfee00000,
                              0x9000,
                              MEMORY,
                              ~0xfffull};
    memset(page_synic, 0xff, sizeof(page_synic));
    ch_wrmsr(HV_MSR_HYPERCALL, (uint64_t)page_call | 1);
    for (unsigned i = 0; i < 49; i++) {
        ch_wrmsr(HV_MSR_SIMP, pages[i % 7] | 1);
        ch_wrmsr(HV_MSR_SIEFP, pages[i / 7] | 1);
        ch_wrmsr(HV_MSR_SCONTROL, 1);
        ch_wrmsr(HV_MSR_SINT0 + i % 16, (next_random() & 0x1f00ff));
        for (unsigned t = 0; t < 4; t++) {
            ch_wrmsr(HV_MSR_STIMER0_CONFIG + 2 * t,
                     HV_STIMER_AUTO_ENABLE | (uint64_t)(i % 16) << HV_STIMER_SINT_SHIFT);
            ch_wrmsr(HV_MSR_STIMER0_COUNT + 2 * t, 1 + (i & 1 ? next_random() : 0));
        }
        ch_wrmsr(HV_MSR_EOM, next_random());
        ch_wrmsr(HV_MSR_HYPERCALL, (next_random() & 0xffffff000) | 1); /* eats its own pool */
    }
    ch_wrmsr(HV_MSR_HYPERCALL, 0);
}

static void storm(void)
{
    stormy = true;
    ch_wrmsr(X2(0x0f), 0x1ff);
    for (unsigned t = 0; t < 4; t++) {
        ch_wrmsr(HV_MSR_STIMER0_CONFIG + 2 * t, HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC |
                                                    HV_STIMER_DIRECT |
                                                    (uint64_t)(0x50 + t) << HV_STIMER_VECTOR_SHIFT);
        ch_wrmsr(HV_MSR_STIMER0_COUNT + 2 * t, 1);
    }
    ch_wrmsr(X2(0x3e), 0xb);
    ch_wrmsr(X2(0x32), 0x20060);
    ch_wrmsr(X2(0x38), 1);
    for (unsigned i = 0; i < 3000; i++) {
        const uint64_t dest = next_random() & 0xff, type = next_random() & 7,
                       vector = next_random() & 0xee;
        if (type == HV_INTERRUPT_INIT || type == HV_INTERRUPT_SIPI)
            ch_wrmsr(X2(0x30), 1ull << 32 | type << 8 | 0x4008);
        else if (type == HV_INTERRUPT_NMI) /* the second VP may be where it has no handler yet */
            ch_wrmsr(X2(0x30), 1 << 18 | type << 8);
        else
            ch_wrmsr(X2(0x30), dest << 32 | type << 8 | (i & 7) << 11 | (i & 3) << 18 | vector);
        if (i % 16 == 0)
            __asm__ volatile("sti; nop; nop; cli");
        if (i % 64 == 0) {
            ch_wrmsr(X2(0x30), 1ull << 32 | 0x4500);
            ch_wrmsr(X2(0x30), 1ull << 32 | 0x4608);
        }
    }
}

/* The second VP: never halts, never yields, asks for flushes of everybody. */
void ch_ap_main(void)
{
    for (uint64_t i = 0;; i++)
        call(HVCALL_SEND_CLUSTER_IPI | HV_HC_FAST, 32 + (i & 0xdf), ~0ull);
}

void ch_main(uint32_t start_info)
{
    (void)start_info;
    trap_init();
    const uint64_t base = ch_msr(MSR_APIC_BASE);
    ch_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
    uint8_t *trampoline = (uint8_t *)0x8000;
    for (char *s = ch_ap_begin; s < ch_ap_end; s++)
        *trampoline++ = (uint8_t)*s;
    ch_check("hostile: no hypercall before the OS id",
             hostile_run("\x0f\x01\xc1\xc3", 0, 0, 0, 0) == EXC_UD, "no #UD");
    ch_wrmsr(HV_MSR_GUEST_OS_ID, OS_ID);
    sweep_calls();
    sweep_own_calls();
    sweep_cpuid();
    sweep_ports();
    sweep_memory();
    sweep_instructions();
    storm();
    sweep_msrs();
    sweep_synic();
    storm();
    sweep_calls();
    ch_check("hostile: made its calls", calls > 10000 && msr_reads > 10000 && msr_writes > 20000,
             "few");
    ch_put("hostile: all done\n");
    run_foreign();
    ch_summary();
    ch_put("hostile: the end\n");
    memset(idt, 0, sizeof(idt));
    __asm__ volatile("ud2"); /* triple fault */
}
