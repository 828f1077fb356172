/* tests/guest/sys/st.c: report and IDT of the system-mode tests. */
#include "st.h"

struct st_trap st_trap;
volatile uint32_t st_irqs[256];
uint8_t st_irq_flags[256];
uint64_t st_idt[512] __attribute__((aligned(16)));
extern uint8_t st_stubs[];

static const char *case_name;
static unsigned case_failed, failed, passed, skipped;

static void put(char ch)
{
    while (!(inb(0x3fd) & 0x20))
        ;
    outb(0x3f8, (uint8_t)ch);
}

void st_puts(const char *s)
{
    while (*s)
        put(*s++);
}

void st_hex(uint64_t v)
{
    st_puts("0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        if (v >> shift || shift == 0)
            put("0123456789abcdef"[v >> shift & 15]);
    }
}

static void end_case(void)
{
    if (!case_name)
        return;
    st_puts(case_failed ? "not ok sys " : "ok sys ");
    st_puts(case_name);
    st_puts("\n");
    failed += case_failed != 0;
    passed += case_failed == 0;
    case_name = 0;
}

void st_case(const char *name)
{
    end_case();
    case_name = name;
    case_failed = 0;
}

void st_skip(const char *why)
{
    st_puts("skip sys ");
    st_puts(case_name);
    st_puts(": ");
    st_puts(why);
    st_puts("\n");
    case_name = 0;
    skipped++;
}

void st_check(bool ok, const char *what, uint64_t got, uint64_t want, int line)
{
    if (ok)
        return;
    case_failed++;
    st_puts("  line ");
    st_hex((uint64_t)line);
    st_puts(": ");
    st_puts(what);
    st_puts(" is ");
    st_hex(got);
    st_puts(" want ");
    st_hex(want);
    st_puts("\n");
}

void st_gate(unsigned vector, uint64_t low, uint64_t high)
{
    st_idt[2 * vector] = low;
    st_idt[2 * vector + 1] = high;
}

void st_trap_gate(unsigned v)
{
    const uint64_t to = (uintptr_t)st_stubs + 16 * v, dpl = v == 0x80 || v == 3 ? 3 : 0;
    st_irq_flags[v] = 0;
    st_gate(v, (to & 0xffff) | 8u << 16 | (0x8e00ull | dpl << 13) << 32 | (to >> 16 & 0xffff) << 48,
            to >> 32);
}

void st_irq_gate(unsigned v)
{
    st_trap_gate(v);
    st_irq_flags[v] = 1;
    st_irqs[v] = 0;
}

void st_main(void);
void st_main(void)
{
    outb(0x3f8 + 3, 3);
    for (unsigned v = 0; v < 256; v++)
        st_trap_gate(v);
    test_exceptions();
    test_user();
    test_segments();
    test_paging();
    test_debug();
    test_interrupts();
    test_ext();
    test_modes();
    end_case();
    st_puts("sys: passed ");
    st_hex(passed);
    st_puts(" failed ");
    st_hex(failed);
    st_puts(" skipped ");
    st_hex(skipped);
    st_puts("\n");
    outb(0xf4, failed != 0);
    for (const char *p = "Shutdown"; *p; p++)
        outb(0x8900, (uint8_t)*p);
}
