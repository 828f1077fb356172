/*
 * Order of the tests, then the verdict to the exit port 0xf4.
 */
#include "partitions/child/ch.h"

void ch_main(uint32_t start_info);

void ch_main(uint32_t start_info)
{
    (void)start_info;
    ch_put("tiny child of Vitrine\n");
    ch_trap_init();
    ch_test_cpuid();
    ch_test_msrs();
    ch_test_hypercalls();
    ch_test_time();
    ch_test_apic();
    ch_test_synic();
    ch_test_vmbus();
    ch_test_smp();
    ch_test_fpu();
    ch_outb(0xf4, ch_summary() ? 1 : 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}
