/*
 * tests/guest/sys/test_modes.c: leaving long mode: 32-bit paging (PSE, PAE), real mode with INT and
 * far transfers, VM86, a hardware task switch; each part runs and comes back with a result word.
 */
#include "st.h"

/* Runs from 64-bit code at identity addresses; results in m_results. */
uint32_t m_results[16];
void m_run(void); /* modes.S */

void test_modes(void)
{
    m_run();
    st_case("32-bit protected mode without paging");
    EQ(m_results[0], 0x32320001);
    st_case("32-bit paging with 4 MiB pages");
    EQ(m_results[1], 0x12345678);
    EQ(m_results[2], 0xe0); /* A and D and PS of the 4 MiB entry */
    st_case("PAE paging with 2 MiB pages");
    EQ(m_results[3], 0x9abcdef0);
    st_case("hardware task switch by far JMP and back");
    EQ(m_results[4], 0x7a5c0001);
    EQ(m_results[5] & 0x4000, 0); /* NT clear after JMP */
    st_case("virtual-8086 mode: segment arithmetic, INT to the monitor");
    EQ(m_results[6], 0x8600);
    EQ(m_results[7], 13); /* INT n with IOPL 0: #GP */
    st_case("real mode: INT through the vector table, far call, 64 KiB limit");
    EQ(m_results[8], 0x1616);
    EQ(m_results[9], 13); /* word at FFFF: limit violation */
}
