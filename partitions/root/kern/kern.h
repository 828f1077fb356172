/*
 * kern/kern.h: the root kernel's inner interface.
 *
 * One processor, one big rule: kernel code runs with interrupts off, except kernel threads that
 * opt in and the idle loop; user code and such threads are preempted on interrupt return. So
 * shared state needs no locks, and every system call is short or blocks by switching threads.
 *
 * Address map: 0 to RT_USER_END user, DIRECT_BASE all physical memory (2 MiB pages), MMIO_BASE
 * uncached device windows, KERNEL_BASE the image (-2 GiB + physical address).
 */
#ifndef RT_KERN_H
#define RT_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/acpi.h"
#include "abi/pvh.h"
#include "abi/x86.h"
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/sysabi.h"

#define DIRECT_BASE 0xffff800000000000ull
#define MMIO_BASE   0xffffc00000000000ull
#define KERNEL_BASE 0xffffffff80000000ull
#define PAGE        4096ull
#define PAGE_2M     0x200000ull

#define KCODE_SEL 0x08
#define KDATA_SEL 0x10
#define UDATA_SEL 0x20
#define UCODE_SEL 0x28
#define TSS_SEL   0x30

/* Interrupt vectors */
#define VEC_IRQ_BASE  0x30 /* + I/O APIC pin */
#define VEC_MSI       0x50
#define VEC_NVME      0x51
#define VEC_NET       0x52
#define VEC_TIMER     0xe0
#define VEC_INTERCEPT 0xf3
#define VEC_VMBUS     0xf2
#define VEC_SPURIOUS  0xff

static inline void *phys_to_virt(uint64_t pa)
{
    return (void *)(DIRECT_BASE + pa);
}
static inline uint64_t virt_to_phys(const void *va)
{
    uint64_t v = (uint64_t)va;
    return v >= KERNEL_BASE ? v - KERNEL_BASE : v - DIRECT_BASE;
}

/* ---- instructions ---- */
static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(n) : "memory");
    return ((uint64_t)hi << 32) | lo;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t)hi << 32) | lo;
}
static inline void cpuid(uint32_t leaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}
static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline void irq_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}
static inline void irq_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}
static inline void cpu_pause(void)
{
    __asm__ volatile("pause");
}
static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

/* ---- main.c ---- */
struct rt_module {
    uint64_t paddr;
    uint64_t size;
};
#define RT_MAX_MEMMAP  64
#define RT_MAX_MODULES 8
struct rt_boot {
    char cmdline[512];
    uint64_t rsdp;
    unsigned memmaps;
    struct hvm_memmap_entry memmap[RT_MAX_MEMMAP];
    unsigned modules;
    struct rt_module module[RT_MAX_MODULES];
};
extern struct rt_boot rt_boot;

/* ---- log.c ---- */
void rt_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void rt_log_text(const char *text, size_t n);
/* From now on lines go to the given sink; what was logged so far is repeated there. */
void rt_log_set_sink(void (*sink)(const char *text, size_t n));
void rt_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
#define RT_ASSERT(c) ((c) ? (void)0 : rt_panic("assertion %s, %s:%d", #c, __FILE__, __LINE__))

/* ---- mm.c: physical pages (buddy, orders of 4 KiB) and small objects ---- */
#define MM_ORDER_2M 9u
void mm_init(void);
uint64_t mm_alloc(unsigned order); /* physical address, contents undefined; 0 = none left */
void mm_free(uint64_t pa, unsigned order);
uint64_t mm_alloc_zeroed(void);
uint64_t mm_alloc_guest(void); /* 2 MiB that carry nobody's data */
uint64_t mm_free_bytes(void);
void *kmalloc(size_t n); /* zeroed; 0 = no memory */
void kfree(void *p);

/* ---- vm.c: paging ---- */
#define VM_WRITE PTE_W
#define VM_USER  PTE_U
#define VM_NX    PTE_NX
#define VM_OWNED (1ull << 9) /* software: the page is freed with the address space */
extern uint64_t vm_kernel_pml4;
void vm_init(void);
uint64_t vm_create(void); /* PML4 page of a new address space, 0 = no memory */
void vm_destroy(uint64_t pml4);
bool vm_map(uint64_t pml4, uint64_t va, uint64_t pa, uint64_t flags);    /* 4 KiB */
bool vm_map_2m(uint64_t pml4, uint64_t va, uint64_t pa, uint64_t flags); /* 2 MiB */
uint64_t vm_unmap_2m(uint64_t pml4, uint64_t va);
volatile void *vm_map_mmio(uint64_t pa, uint64_t size);

/* ---- entry.S, trap.c, apic.c ---- */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};
void trap_init(void);
void trap_set_stack(uint64_t top);
void trap(struct trap_frame *f);
typedef void trap_handler(void *arg);
void trap_handle(unsigned vector, trap_handler *fn, void *arg);
void trap_handle_auto_eoi(unsigned vector, trap_handler *fn); /* no EOI to the local APIC */

extern uint32_t apic_id;
extern bool apic_x2;
void apic_init(void);
void apic_eoi(void);
void apic_timer(uint32_t count); /* one-shot in input clocks / 16, 0 = off */
uint32_t apic_timer_now(void);
void apic_ioapic_route(unsigned isa_irq, unsigned vector);
void apic_ioapic_route_gsi(unsigned gsi, unsigned vector, bool level, bool low);

/* ---- acpi.c ---- */
struct rt_acpi {
    uint32_t lapic_addr;
    uint32_t ioapic_addr;
    uint32_t ioapic_gsi_base;
    unsigned cpus;
    uint32_t isa_gsi[16];
    uint16_t isa_flags[16];
    uint16_t pm1a_cnt, pm1b_cnt, pm_timer;
    bool has_s5;
    uint8_t s5_a, s5_b;
    uint64_t ecam_base; /* 0 = no MCFG */
    uint8_t ecam_bus_end;
};
extern struct rt_acpi rt_acpi;
void acpi_init(void);
void acpi_poweroff(void);

/* ---- time.c ---- */
struct ktimer {
    struct ktimer *next;
    uint64_t deadline; /* ns */
    void (*fn)(void *arg);
    void *arg;
    bool armed;
};
void time_init(void);
uint64_t time_now(void);
uint64_t time_wall(void); /* seconds since 1970 at boot */
void time_arm(struct ktimer *t, uint64_t deadline);
void time_cancel(struct ktimer *t);

/* ---- sched.c ---- */
struct proc;
struct thread {
    uint64_t ksp; /* saved stack pointer; used by switch.S */
    uint64_t stack_top;
    struct proc *proc;
    struct thread *next;      /* run queue */
    struct thread *proc_next; /* threads of the process */
    struct thread **wait;     /* where a waker finds this thread */
    struct ktimer timeout;
    uint64_t mutex; /* address slept on */
    bool runnable, timed_out, dead;
    char name[16];
};
extern struct thread *sched_cur;
extern bool sched_need;
void sched_init(void);
struct thread *sched_new(const char *name, struct proc *p, void (*entry)(void *arg), void *arg);
void sched_new_user(struct thread *t, uint64_t rip, uint64_t rsp, uint64_t arg);
void sched_free(struct thread *t);
void sched_wake(struct thread *t);
void sched_yield(void);
/* Sleeps until sched_wake or the deadline; *slot names this thread meanwhile. False: timed out. */
bool sched_wait(struct thread **slot, uint64_t deadline);
void sched_interrupt_return(void);
void sched_leave_pml4(uint64_t pml4); /* before the address space is freed */
void sched_exit(void) __attribute__((noreturn));

/* ---- queue.c ---- */
struct queue;
struct queue *queue_new(void);
void queue_ref(struct queue *q);
void queue_unref(struct queue *q);
int queue_send(struct queue *q, uint32_t type, uint64_t sender, const void *data, size_t n);
int queue_recv(struct queue *q, struct rt_msg *out, uint64_t deadline);

/* ---- ramfs.c ---- */
struct ramfs_file {
    const char *name;
    const uint8_t *data;
    uint64_t size;
};
void ramfs_init(void);
const struct ramfs_file *ramfs_find(const char *name);

/* ---- proc.c ---- */
enum handle_type { H_NONE, H_QUEUE, H_FILE, H_CONSOLE, H_PARTITION };
struct handle {
    enum handle_type type;
    void *object;
};
#define PROC_HANDLES 32
struct proc {
    struct proc *next;
    uint64_t id;
    uint64_t pml4;
    uint64_t brk; /* next private address */
    char name[RT_NAME];
    struct thread *threads;
    struct queue *parent;
    struct queue *inbox; /* where its parent's messages go, or 0 */
    struct handle handle[PROC_HANDLES];
    bool dying;
};
extern struct proc *proc_list;
int64_t proc_spawn(const char *path, const char *args, struct queue *parent);
void proc_exit(struct proc *p, int64_t code); /* does not return when p is the caller's own */
int64_t proc_handle(struct proc *p, enum handle_type type, void *object);
void *proc_object(struct proc *p, uint64_t handle, enum handle_type type);
int64_t proc_thread(struct proc *p, uint64_t rip, uint64_t rsp, uint64_t arg);
uint64_t proc_memory(struct proc *p, uint64_t bytes);

/* ---- selftest.c ---- */
void selftest_run(void);

#endif
