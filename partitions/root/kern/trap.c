/*
 * kern/trap.c: descriptor tables, system call MSRs, exceptions and interrupt dispatch
 * (SDM 3A 6 and 8.7; SYSCALL: SDM 3A 5.8.8).
 *
 * A fault of user code, or of the kernel while it copies from or to a process, ends that process.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/drv/drv.h"

#define IST_DF  1
#define IST_NMI 2

struct tss64 {
    uint32_t rsvd0;
    uint64_t rsp[3];
    uint64_t rsvd1;
    uint64_t ist[7];
    uint64_t rsvd2;
    uint16_t rsvd3;
    uint16_t iomap;
} __attribute__((packed));

struct idt_gate {
    uint16_t offset0;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset1;
    uint32_t offset2;
    uint32_t rsvd;
};

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern char trap_stubs[];
extern void syscall_entry(void);
extern uint64_t syscall_kernel_rsp;

static struct tss64 trap_tss __attribute__((aligned(16)));
static uint64_t trap_gdt[8] __attribute__((aligned(16)));
static struct idt_gate trap_idt[256] __attribute__((aligned(16)));
static uint8_t trap_ist_stack[2][8192] __attribute__((aligned(16)));

static struct {
    trap_handler *fn;
    void *arg;
    bool auto_eoi;
} trap_table[256];

void trap_handle(unsigned vector, trap_handler *fn, void *arg)
{
    trap_table[vector].fn = fn;
    trap_table[vector].arg = arg;
}

void trap_handle_auto_eoi(unsigned vector, trap_handler *fn)
{
    trap_handle(vector, fn, 0);
    trap_table[vector].auto_eoi = true;
}

void trap_set_stack(uint64_t top)
{
    trap_tss.rsp[0] = top;
    syscall_kernel_rsp = top;
}

void trap_init(void)
{
    uint64_t base = (uint64_t)&trap_tss;
    trap_gdt[KCODE_SEL / 8] = 0x00af9b000000ffffull;
    trap_gdt[KDATA_SEL / 8] = 0x00cf93000000ffffull;
    trap_gdt[3] = 0x00cffb000000ffffull; /* 32-bit user code: only SYSRET's arithmetic needs it */
    trap_gdt[UDATA_SEL / 8] = 0x00cff3000000ffffull;
    trap_gdt[UCODE_SEL / 8] = 0x00affb000000ffffull;
    trap_gdt[TSS_SEL / 8] = (sizeof(trap_tss) - 1) | (base & 0xffffff) << 16 |
                            (uint64_t)(SA_P | ST_TSS_AVAIL) << 40 | (base >> 24 & 0xff) << 56;
    trap_gdt[TSS_SEL / 8 + 1] = base >> 32;
    trap_tss.iomap = sizeof(trap_tss);
    trap_tss.ist[IST_DF - 1] = (uint64_t)(trap_ist_stack[0] + sizeof(trap_ist_stack[0]));
    trap_tss.ist[IST_NMI - 1] = (uint64_t)(trap_ist_stack[1] + sizeof(trap_ist_stack[1]));
    for (unsigned v = 0; v < 256; v++) {
        uint64_t entry = (uint64_t)trap_stubs + 16 * v;
        trap_idt[v] = (struct idt_gate){(uint16_t)entry,
                                        KCODE_SEL,
                                        v == EXC_DF    ? IST_DF
                                        : v == EXC_NMI ? IST_NMI
                                                       : 0,
                                        SA_P | ST_INT | (v == EXC_BP ? SA_DPL : 0),
                                        (uint16_t)(entry >> 16),
                                        (uint32_t)(entry >> 32),
                                        0};
    }
    struct table_register gdtr = {sizeof(trap_gdt) - 1, (uint64_t)trap_gdt};
    struct table_register idtr = {sizeof(trap_idt) - 1, (uint64_t)trap_idt};
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdtr), "m"(idtr), "r"(TSS_SEL));
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)KCODE_SEL << 32 | (uint64_t)((UDATA_SEL - 8) | 3) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, FL_IF | FL_DF | FL_TF | FL_AC | FL_NT);
}

static const char *const trap_names[32] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                           "#NM", "#DF", "9",   "#TS", "#NP", "#SS", "#GP",
                                           "#PF", "15",  "#MF", "#AC", "#MC", "#XM", "#VE"};

static void trap_exception(struct trap_frame *f)
{
    uint64_t cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    const char *name = trap_names[f->vector] ? trap_names[f->vector] : "exception";
    struct proc *p = sched_cur ? sched_cur->proc : 0;
    bool user = (f->cs & 3) != 0;
    if (p && (user || (f->vector == EXC_PF && cr2 < RT_USER_END))) {
        rt_log("%s: %s error %lx at %lx (%s), address %lx: process ends", p->name, name, f->error,
               f->rip, user ? "user" : "system call", cr2);
        proc_exit(p, -RT_EFAULT);
    }
    rt_panic("%s error %lx at %lx:%lx rsp %lx rflags %lx cr2 %lx rax %lx rcx %lx rdx %lx rdi %lx "
             "rsi %lx",
             name, f->error, f->cs, f->rip, f->rsp, f->rflags, cr2, f->rax, f->rcx, f->rdx, f->rdi,
             f->rsi);
}

void trap(struct trap_frame *f)
{
    unsigned v = (unsigned)f->vector;
    if (v < 32) {
        trap_exception(f);
        return;
    }
    if (trap_table[v].fn)
        trap_table[v].fn(trap_table[v].arg);
    else if (v != VEC_SPURIOUS)
        rt_log("interrupt %x has no owner", v);
    if (!trap_table[v].auto_eoi && v != VEC_SPURIOUS)
        apic_eoi();
    sched_interrupt_return();
}
