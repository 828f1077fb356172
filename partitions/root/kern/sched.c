/*
 * kern/sched.c: threads, round robin with a 2 ms slice.
 *
 * A thread that blocks while nobody else is runnable halts the processor in its own context; so
 * a worker that waits for its VP's next intercept is back in ring 3 without any thread switch or
 * CR3 load. There is no idle thread.
 *
 * Not modelled: priorities, more than one processor.
 */
#include "partitions/root/kern/kern.h"

#define SLICE_NS    2000000ull
#define STACK_ORDER 2u

extern void thread_switch(uint64_t *save_rsp, uint64_t load_rsp);
extern void user_first(void), kernel_first(void);

struct thread *sched_cur;
bool sched_need;
static struct thread *run_head, **run_tail = &run_head;
static struct thread *sched_zombie;
static struct ktimer slice_timer;
static bool sched_idle;
static uint64_t sched_cr3;
static struct thread boot_thread;

static void slice_expired(void *arg)
{
    (void)arg;
    sched_need = true;
}

void sched_init(void)
{
    rt_strcpy(boot_thread.name, "boot", sizeof(boot_thread.name));
    boot_thread.runnable = true;
    sched_cur = &boot_thread;
    sched_cr3 = vm_kernel_pml4;
    slice_timer.fn = slice_expired;
}

static void sched_enqueue(struct thread *t)
{
    t->next = 0;
    *run_tail = t;
    run_tail = &t->next;
}

static void sched_dequeue(struct thread *t)
{
    for (struct thread **p = &run_head; *p; p = &(*p)->next) {
        if (*p != t)
            continue;
        *p = t->next;
        if (run_tail == &t->next)
            run_tail = p;
        return;
    }
}

void sched_free(struct thread *t)
{
    if (t->runnable)
        sched_dequeue(t);
    time_cancel(&t->timeout);
    if (t->wait)
        *t->wait = 0;
    mm_free(virt_to_phys((void *)(t->stack_top - (PAGE << STACK_ORDER))), STACK_ORDER);
    kfree(t);
}

/* Runs the next thread; the current one has been queued already if it stays runnable. */
static void sched_switch(void)
{
    struct thread *prev = sched_cur;
    while (!run_head) {
        sched_idle = true;
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        sched_idle = false;
    }
    struct thread *t = run_head;
    run_head = t->next;
    if (!run_head)
        run_tail = &run_head;
    else if (!slice_timer.armed)
        time_arm(&slice_timer, time_now() + SLICE_NS);
    sched_need = false;
    if (t == prev)
        return;
    sched_cur = t;
    trap_set_stack(t->stack_top);
    if (t->proc && t->proc->pml4 != sched_cr3) {
        sched_cr3 = t->proc->pml4;
        __asm__ volatile("mov %0, %%cr3" : : "r"(sched_cr3) : "memory");
    }
    thread_switch(&prev->ksp, t->ksp);
    if (sched_zombie && sched_zombie != sched_cur) {
        struct thread *z = sched_zombie;
        sched_zombie = 0;
        sched_free(z);
    }
}

void sched_yield(void)
{
    if (!run_head) {
        sched_need = false;
        return;
    }
    sched_enqueue(sched_cur);
    sched_switch();
}

void sched_wake(struct thread *t)
{
    if (t->runnable)
        return;
    t->runnable = true;
    if (t->wait)
        *t->wait = 0;
    t->wait = 0;
    sched_enqueue(t);
    if (!sched_idle && !slice_timer.armed)
        time_arm(&slice_timer, time_now() + SLICE_NS);
}

static void sched_timeout(void *arg)
{
    struct thread *t = arg;
    t->timed_out = true;
    sched_wake(t);
}

bool sched_wait(struct thread **slot, uint64_t deadline)
{
    struct thread *t = sched_cur;
    t->runnable = false;
    t->timed_out = false;
    t->wait = slot;
    if (slot)
        *slot = t;
    if (deadline != RT_NEVER) {
        t->timeout.fn = sched_timeout;
        t->timeout.arg = t;
        time_arm(&t->timeout, deadline);
    }
    sched_switch();
    if (deadline != RT_NEVER)
        time_cancel(&t->timeout);
    return !t->timed_out;
}

void sched_interrupt_return(void)
{
    if (sched_need && !sched_idle)
        sched_yield();
}

void sched_exit(void)
{
    irq_off();
    sched_cur->runnable = false;
    if (sched_zombie)
        sched_free(sched_zombie);
    sched_zombie = sched_cur; /* its stack is still in use; whoever runs next frees it */
    sched_switch();
    rt_panic("a dead thread runs");
}

void sched_leave_pml4(uint64_t pml4)
{
    if (sched_cr3 != pml4)
        return;
    sched_cr3 = vm_kernel_pml4;
    __asm__ volatile("mov %0, %%cr3" : : "r"(sched_cr3) : "memory");
}

struct thread *sched_new(const char *name, struct proc *p, void (*entry)(void *arg), void *arg)
{
    struct thread *t = kmalloc(sizeof(*t));
    uint64_t stack = t ? mm_alloc(STACK_ORDER) : 0;
    if (!stack) {
        kfree(t);
        return 0;
    }
    t->stack_top = (uint64_t)phys_to_virt(stack) + (PAGE << STACK_ORDER);
    t->proc = p;
    rt_strcpy(t->name, name, sizeof(t->name));
    uint64_t *sp = (uint64_t *)t->stack_top;
    *--sp = 0;
    *--sp = (uint64_t)kernel_first;
    *--sp = 0;               /* rbx */
    *--sp = 0;               /* rbp */
    *--sp = (uint64_t)entry; /* r12 */
    *--sp = (uint64_t)arg;   /* r13 */
    *--sp = 0;               /* r14 */
    *--sp = 0;               /* r15 */
    t->ksp = (uint64_t)sp;
    if (entry) {
        t->runnable = true;
        sched_enqueue(t);
    }
    return t;
}

void sched_new_user(struct thread *t, uint64_t rip, uint64_t rsp, uint64_t arg)
{
    uint64_t *sp = (uint64_t *)t->stack_top;
    *--sp = rsp;
    *--sp = rip;
    *--sp = FL_IF | FL_FIXED1;
    *--sp = arg;
    *--sp = (uint64_t)user_first;
    sp -= 6;
    memset(sp, 0, 48);
    t->ksp = (uint64_t)sp;
    t->runnable = true;
    sched_enqueue(t);
}
