/* tests/guest/sys/test_paging.c: error codes, A and D, NX, WP, SMEP, SMAP, PCID, sizes, reserved
 * bits. */
#include "st.h"

#define VA 0x7f0000000000ull /* PML4 slot 254 */
#define FRAME0 0x2000000ull
static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096))),
    pt[512] __attribute__((aligned(4096)));

ASM(p_read, "mov (%rdi), %rax")
ASM(p_write, "movq $0x55, (%rdi)")
ASM(p_rmw, "addq $1, (%rdi)")
ASM(p_exec, "sub $8, %rsp\n call *%rdi\n add $8, %rsp")
ASM(p_stac_read, ".byte 0x0f, 0x01, 0xcb\n mov (%rdi), %rax\n .byte 0x0f, 0x01, 0xca")
ASM(p_cross, "mov 0xffc(%rdi), %rax")
ASM(p_cross_write, "movabs $0x1111111122222222, %rax\n mov %rax, 0xffc(%rdi)")
ASM(p_push, "mov %rsp, %rbx\n lea 8(%rdi), %rsp\n push %rax\n mov %rbx, %rsp")
ASM(p_lgdt, "sgdt (%rdi)")

static void *map(unsigned n, uint64_t flags)
{
    pt[n] = (FRAME0 + n * 4096) | flags;
    const uint64_t va = VA + n * 4096;
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
    return (void *)va;
}

static void setup(void)
{
    boot_pml4[254] = (uintptr_t)pdpt | 7;
    pdpt[0] = (uintptr_t)pd | 7;
    pd[0] = (uintptr_t)pt | 7;
    for (unsigned i = 0; i < 16; i++)
        *(uint8_t *)(FRAME0 + i * 4096) = 0xc3; /* RET */
}

static void error_codes(void)
{
    st_case("page-fault error codes and CR2 at CPL 0");
    TRAP(st_catch(p_read, map(0, 0)), EXC_PF, 0);
    EQ(st_trap.cr2, VA);
    TRAP(st_catch(p_write, map(0, 0)), EXC_PF, PFE_W);
    TRAP(st_catch(p_rmw, map(0, 0)), EXC_PF, PFE_W);
    TRAP(st_catch(p_write, map(0, 1)), EXC_PF, PFE_W | PFE_P);
    TRAP(st_catch(p_exec, map(0, 0)), EXC_PF, PFE_I);
    TRAP(st_catch(p_exec, map(0, 3 | PTE_NX)), EXC_PF, PFE_I | PFE_P);
    st_gate(EXC_PF, st_idt[2 * EXC_PF] | 1ull << 32, st_idt[2 * EXC_PF + 1]); /* IST1 */
    TRAP(st_catch(p_push, map(0, 1)), EXC_PF, PFE_W | PFE_P);
    EQ(st_trap.rsp, VA + 8);
    st_trap_gate(EXC_PF);
    st_case("page-fault error codes at CPL 3");
    TRAP(st_catch_user(p_read, map(0, 3)), EXC_PF, PFE_U | PFE_P);
    TRAP(st_catch_user(p_write, map(0, 5)), EXC_PF, PFE_U | PFE_P | PFE_W);
    TRAP(st_catch_user(p_exec, map(0, 7 | PTE_NX)), EXC_PF, PFE_U | PFE_P | PFE_I);
    EQ(st_catch_user(p_exec, map(0, 7)), NO_TRAP);
    st_case("an access across pages faults at the page that is missing");
    map(0, 3), map(1, 0);
    TRAP(st_catch(p_cross, (void *)VA), EXC_PF, 0);
    EQ(st_trap.cr2, VA + 4096);
    *(uint32_t *)(FRAME0 + 0xffc) = 7;
    TRAP(st_catch(p_cross_write, (void *)VA), EXC_PF, PFE_W);
    EQ(*(uint32_t *)(FRAME0 + 0xffc), 7);
    st_case("reserved bits");
    TRAP(st_catch(p_read, map(0, 3 | 1ull << 51)), EXC_PF, PFE_RSVD | PFE_P);
    pd[1] = 0x2000000 | 0x83 | 1ull << 13; /* 2 MiB page with bit 13 */
    TRAP(st_catch(p_read, (void *)(VA + 0x200000)), EXC_PF, PFE_RSVD | PFE_P);
    pd[1] = 0;
}

static void accessed_dirty(void)
{
    st_case("accessed and dirty bits");
    map(0, 3);
    pd[0] &= ~PTE_A, pdpt[0] &= ~PTE_A;
    WRITE_CR(3, READ_CR(3));
    st_catch(p_read, (void *)VA);
    EQ(pt[0] & (PTE_A | PTE_D), PTE_A);
    EQ(pd[0] & PTE_A, PTE_A);
    EQ(pdpt[0] & PTE_A, PTE_A);
    st_catch(p_write, (void *)VA);
    EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
    st_case("a write that faults sets no dirty bit");
    map(0, 1);
    st_catch(p_write, (void *)VA);
    EQ(pt[0] & PTE_D, 0);
    st_case("the clean page is walked again for the first write");
    map(2, 3);
    st_catch(p_read, (void *)(VA + 0x2000));
    st_catch(p_rmw, (void *)(VA + 0x2000));
    EQ(pt[2] & PTE_D, PTE_D);
}

static void large(void)
{
    st_case("2 MiB and 1 GiB pages");
    pd[1] = 0x2000000 | 0x83;
    *(uint64_t *)0x2000010 = 0xabcdef;
    EQ(*(volatile uint64_t *)(VA + 0x200010), 0xabcdef);
    CHECK(pd[1] & PTE_A);
    *(volatile uint64_t *)(VA + 0x200018) = 5;
    CHECK(pd[1] & PTE_D);
    EQ(*(uint64_t *)0x2000018, 5);
    uint32_t r[4];
    cpuid(0x80000001, 0, r);
    if (r[3] & 1u << 26) {
        pdpt[1] = 0x83;
        EQ(*(volatile uint64_t *)(VA + 0x40000000 + 0x2000010), 0xabcdef);
        CHECK(pdpt[1] & PTE_A);
        pdpt[1] = 0;
    }
    pd[1] = 0;
    WRITE_CR(3, READ_CR(3));
}

static void write_protect(void)
{
    st_case("WP off lets CPL 0 write read-only pages");
    map(0, 5);
    WRITE_CR(0, READ_CR(0) & ~(uint64_t)CR0_WP);
    EQ(st_catch(p_write, (void *)VA), NO_TRAP);
    CHECK(pt[0] & PTE_D);
    WRITE_CR(0, READ_CR(0) | CR0_WP);
    TRAP(st_catch(p_write, (void *)VA), EXC_PF, PFE_W | PFE_P);
    *(uint8_t *)FRAME0 = 0xc3;
}

static void smep_smap(void)
{
    uint32_t r[4];
    cpuid(7, 0, r);
    boot_pml4[0] &= ~PTE_U; /* the test's own code and stack become supervisor pages */
    WRITE_CR(3, READ_CR(3));
    st_case("SMEP");
    if (!(r[1] & 1u << 7)) {
        st_skip("not announced");
    } else {
        map(0, 7);
        EQ(st_catch(p_exec, (void *)VA), NO_TRAP);
        WRITE_CR(4, READ_CR(4) | CR4_SMEP);
        TRAP(st_catch(p_exec, (void *)VA), EXC_PF, PFE_I | PFE_P);
        WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_SMEP);
    }
    st_case("SMAP with AC and with implicit supervisor accesses");
    if (!(r[1] & 1u << 20)) {
        st_skip("not announced");
        return;
    }
    void *const supervisor = map(1, 3), *const user = map(0, 7);
    WRITE_CR(4, READ_CR(4) | CR4_SMAP);
    TRAP(st_catch(p_read, user), EXC_PF, PFE_P);
    TRAP(st_catch(p_write, user), EXC_PF, PFE_P | PFE_W);
    EQ(st_catch(p_stac_read, user), NO_TRAP);
    TRAP(st_catch(p_read, user), EXC_PF, PFE_P);
    EQ(st_catch(p_read, supervisor), NO_TRAP);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_SMAP);
}

static void global_pcid(void)
{
    uint32_t r[4];
    boot_pml4[0] |= PTE_U;
    cpuid(1, 0, r);
    st_case("global pages survive a CR3 write, others do not");
    WRITE_CR(4, READ_CR(4) | CR4_PGE);
    map(3, 3 | PTE_G), map(4, 3);
    *(volatile uint8_t *)(VA + 0x3000), *(volatile uint8_t *)(VA + 0x4000);
    pt[4] = 0;
    WRITE_CR(3, READ_CR(3));
    EQ(st_catch(p_read, (void *)(VA + 0x4000)), EXC_PF);
    pt[3] = 0;
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_PGE);
    EQ(st_catch(p_read, (void *)(VA + 0x3000)), EXC_PF);
    st_case("PCIDs keep address spaces apart");
    if (!(r[2] & 1u << 17)) {
        st_skip("not announced");
        return;
    }
    static uint64_t other[512] __attribute__((aligned(4096)));
    for (unsigned i = 0; i < 512; i++)
        other[i] = boot_pml4[i];
    const uint64_t old = READ_CR(3);
    WRITE_CR(4, READ_CR(4) | CR4_PCIDE);
    map(5, 3);
    *(volatile uint64_t *)(FRAME0 + 0x5000) = 0x11c3;
    EQ(*(volatile uint64_t *)(VA + 0x5000), 0x11c3);
    other[254] = 0;
    WRITE_CR(3, (uintptr_t)other | 5);
    EQ(st_catch(p_read, (void *)(VA + 0x5000)), EXC_PF);
    WRITE_CR(3, old | 1ull << 63);
    EQ(READ_CR(3), old);
    EQ(*(volatile uint64_t *)(VA + 0x5000), 0x11c3);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_PCIDE);
}

void test_paging(void)
{
    setup();
    error_codes();
    accessed_dirty();
    large();
    write_protect();
    smep_smap();
    global_pcid();
}
