/*
 * kern/selftest.c: checks of the kernel's own parts, run at each start without a hypervisor and
 * with `selftest=1` on the command line. A failure is a panic.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"

#define TEST_BLOCKS 64u

static void test_memory(void)
{
    uint64_t before = mm_free_bytes(), block[TEST_BLOCKS];
    for (unsigned i = 0; i < TEST_BLOCKS; i++) {
        block[i] = mm_alloc(i % 5);
        RT_ASSERT(block[i] && !(block[i] & ((PAGE << (i % 5)) - 1)));
        memset(phys_to_virt(block[i]), (int)i, PAGE << (i % 5));
    }
    for (unsigned i = 0; i < TEST_BLOCKS; i++)
        RT_ASSERT(*(uint8_t *)phys_to_virt(block[i]) == i);
    for (unsigned i = 0; i < TEST_BLOCKS; i++)
        mm_free(block[(i * 37) % TEST_BLOCKS], (i * 37) % TEST_BLOCKS % 5);
    RT_ASSERT(mm_free_bytes() == before);
    void *a = kmalloc(100), *b = kmalloc(5000);
    RT_ASSERT(a && b && a != b);
    kfree(a);
    kfree(b);
    RT_ASSERT(kmalloc(100) == a);
    kfree(a);
}

static void test_paging(void)
{
    uint64_t as = vm_create(), pa = mm_alloc_zeroed();
    RT_ASSERT(as && pa && vm_map(as, 0x400000, pa, VM_WRITE | VM_USER | VM_OWNED));
    uint64_t before;
    __asm__ volatile("mov %%cr3, %0; mov %1, %%cr3" : "=&r"(before) : "r"(as) : "memory");
    *(volatile uint64_t *)0x400000 = 0x1234;
    __asm__ volatile("mov %0, %%cr3" : : "r"(before) : "memory");
    RT_ASSERT(*(uint64_t *)phys_to_virt(pa) == 0x1234);
    vm_destroy(as);
}

static volatile unsigned test_counter[2];
static volatile bool test_stop;

static void test_spin(void *arg)
{
    irq_on();
    while (!test_stop)
        test_counter[(uint64_t)arg]++;
}

static void test_threads(void)
{
    uint64_t start = time_now();
    test_stop = false;
    RT_ASSERT(sched_new("spin0", 0, test_spin, (void *)0));
    RT_ASSERT(sched_new("spin1", 0, test_spin, (void *)1));
    struct thread *none = 0;
    RT_ASSERT(!sched_wait(&none, start + 30000000));
    test_stop = true;
    RT_ASSERT(test_counter[0] && test_counter[1]);
    RT_ASSERT(time_now() >= start + 30000000);
    sched_wait(&none, time_now() + 10000000);
}

static struct queue *test_queue;

static void test_sender(void *arg)
{
    for (uint64_t i = 0; i < (uint64_t)arg; i++)
        queue_send(test_queue, 100, 0, &i, sizeof(i));
}

static void test_queues(void)
{
    struct rt_msg m;
    test_queue = queue_new();
    RT_ASSERT(queue_recv(test_queue, &m, time_now() + 1000000) == -RT_ETIMEDOUT);
    RT_ASSERT(sched_new("sender", 0, test_sender, (void *)10));
    for (uint64_t i = 0; i < 10; i++) {
        RT_ASSERT(!queue_recv(test_queue, &m, RT_NEVER) && m.type == 100);
        RT_ASSERT(!memcmp(m.data, &i, sizeof(i)));
    }
    queue_unref(test_queue);
}

void selftest_run(void)
{
    test_memory();
    test_paging();
    test_threads();
    test_queues();
    nvme_selftest();
    rt_log("selftest: memory, paging, threads, queues: ok");
}
