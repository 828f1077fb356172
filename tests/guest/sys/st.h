/* tests/guest/sys/st.h: catching exceptions, running user code, and checks, for tests of the
 * processor's system side. The same image runs on other emulators, which are its oracle. */
#ifndef ST_H
#define ST_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/x86.h"

struct st_trap {
    uint64_t vector, error, rip, cs, rflags, rsp, ss, cr2;
};
#define NO_TRAP 999

/* Calls fn(arg) and returns the vector of the exception or interrupt that ended it, or NO_TRAP. The
 * trap's frame is in st_trap. */
unsigned st_catch(void (*fn)(void *), void *arg);
extern struct st_trap st_trap;
/* The same at CPL 3 (64-bit user code and stack); fn leaves by returning (INT 0x80 gate). */
unsigned st_catch_user(void (*fn)(void *), void *arg);
extern volatile uint32_t st_irqs[256]; /* interrupts taken with st_irq_gate */
void st_irq_gate(unsigned vector);     /* count and IRETQ instead of ending st_catch */
void st_trap_gate(unsigned vector);    /* back to normal */
void st_gate(unsigned vector, uint64_t low, uint64_t high);
extern uint64_t st_idt[512], st_gdt[32];
extern uint64_t boot_pml4[512], boot_pdpt[512], boot_pd[2048];
extern uint8_t st_tss[];

#define SEL_CODE64      8
#define SEL_DATA        16
#define SEL_CODE32      24
#define SEL_USER_DATA   32 /* |3; order for SYSRET: STAR[63:48] = 24 (+8 SS, +16 CS) */
#define SEL_USER_CODE64 40
#define SEL_TSS         48
#define SEL_FREE        64 /* free slots from here */

void st_puts(const char *s);
void st_hex(uint64_t v);
void st_case(const char *name);
void st_skip(const char *why);
void st_check(bool ok, const char *what, uint64_t got, uint64_t want, int line);
#define EQ(got, want)                                                    \
    do {                                                                 \
        const uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want); \
        st_check(got_ == want_, #got, got_, want_, __LINE__);            \
    } while (0)
#define CHECK(cond) st_check(cond, #cond, 0, 0, __LINE__)
/* A trap with this vector, error code and, when not 0, RIP */
#define TRAP(call, vec, err)    \
    do {                        \
        EQ(call, vec);          \
        EQ(st_trap.error, err); \
    } while (0)

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(n));
    return (uint64_t)d << 32 | a;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}
#define READ_CR(n)                                                      \
    __extension__({                                                     \
        uint64_t v_;                                                    \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_) : : "memory"); \
        v_;                                                             \
    })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")
#define READ_DR(n)                                         \
    __extension__({                                        \
        uint64_t v_;                                       \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v_)); \
        v_;                                                \
    })
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n : : "r"((uint64_t)(v)))

/* A function of plain assembly */
#define ASM(name, text)   \
    void name(void *arg); \
    __asm__(".text\n.global " #name "\n" #name ":\n" text "\nret\n");

void test_exceptions(void);
void test_user(void);
void test_segments(void);
void test_paging(void);
void test_debug(void);
void test_interrupts(void);
void test_ext(void);
void test_modes(void);

#endif
