/* tests/guest/vmx/vt.h: a very small hypervisor for tests of VT-x, and its checks. */
#ifndef VT_H
#define VT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/vmx.h"
#include "abi/x86.h"

enum { RAX, RCX, RDX, RBX, RSP_, RBP, RSI, RDI, R8 };
extern uint64_t vt_regs[16];
extern uint64_t vt_last_vector, vt_last_error, vt_last_rip, vt_last_rflags, vt_skip;
extern uint32_t vt_counts[256];
extern uint64_t boot_pml4[512], boot_pd[2048];
extern uint8_t gdt[], tss[], vt_stubs[];
extern uint8_t vt_idt[4096];
extern uint8_t vt_guest_stack[8192], vt_io_bitmap[8192], vt_msr_bitmap[4096], vt_apic_page[4096],
    vt_vmcs[4096], vt_vmxon[4096], vt_other_vmcs[4096];

/* report */
void vt_puts(const char *s);
void vt_hex(uint64_t v);
void vt_case(const char *name); /* ends the case before */
void vt_done(void);
void vt_check(bool ok, const char *what, uint64_t got, uint64_t want, int line);
#define CHECK(cond) vt_check(cond, #cond, 0, 0, __LINE__)
static inline void vt_eq(uint64_t got, uint64_t want, const char *what, int line)
{
    vt_check(got == want, what, got, want, line);
}
#define EQ(got, want) vt_eq((uint64_t)(got), (uint64_t)(want), #got, __LINE__)

/* hypervisor */
void vt_init(void);                 /* VMXON */
void vt_setup(void);                /* fresh VMCS for a 64-bit guest in this address space */
void vt_start(void (*code)(void));  /* guest RIP, RSP, RFLAGS; active; nothing pending */
uint32_t vt_run(void);              /* enter; basic exit reason, or VT_FAIL | error, VT_INVALID */
void vt_next(void);                 /* skip the exiting instruction */
uint32_t vt_run_code(void (*code)(void)); /* vt_start + vt_run */
void vt_ept(void);                  /* identity EPT of 4 GiB: 2 MiB pages, the first of 4 KiB */
extern uint64_t vt_ept_pt[512], vt_ept_pd[2048];
void vt_invept(void);
#define VT_FAIL 0x10000u
#define VT_INVALID 0x20000u

static inline uint64_t rd(uint64_t field)
{
    uint64_t v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
    return v;
}
static inline void wr(uint64_t field, uint64_t v)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(v) : "cc");
}
void vt_set(uint64_t field, uint64_t bits);
void vt_clear(uint64_t field, uint64_t bits);
uint32_t vt_adjust(uint32_t msr, uint32_t want);

/* flags of a VMX instruction: 0 success, 1 VMfailInvalid, 2 VMfailValid */
#define VMX_INSN(text, ...)                                                                       \
    __extension__({                                                                               \
        bool cf_, zf_;                                                                            \
        __asm__ volatile(text : "=@ccc"(cf_), "=@ccz"(zf_) : __VA_ARGS__ : "memory");             \
        (unsigned)(cf_ ? 1 : zf_ ? 2 : 0);                                                        \
    })

static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(n));
    return (uint64_t)d << 32 | a;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}
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
static inline uint64_t rdtsc(void)
{
    uint32_t a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
    return (uint64_t)d << 32 | a;
}
#define READ_CR(n)                                                                                \
    __extension__({                                                                               \
        uint64_t v_;                                                                              \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_));                                        \
        v_;                                                                                       \
    })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")

/* Guest code: a naked function of plain assembly with labels NAME and NAME_next if given. */
#define GUEST(name, text)                                                                         \
    void name(void);                                                                              \
    __asm__(".text\n.global " #name "\n" #name ":\n" text "\nvmcall\n1: jmp 1b\n");

void test_instructions(void);
void test_exits(void);
void test_events(void);
void test_ept(void);
void test_ept_extras(void);
void test_shadowing(void);
void test_apic_virtualization(void);
void test_time(void);
void test_entry(void);
void test_controls(void);
void test_masked_interrupt(void);

#endif
