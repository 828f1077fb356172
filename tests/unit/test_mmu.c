/* Translation: paging modes, faults with their error codes, TLB invalidation, contexts, RAM. */
#include <check.h>
#include <stdlib.h>

#include "cpu/vmx/vmx.h"
#include "tests/lib/rig.h"

#define LA 0xffff888000200000ull
#define PA 0x400000ull
#define RW (PTE_P | PTE_W)

static struct rig r;

static void setup(void)
{
    r = rig_new(16 << 20);
    rig_long_mode(&r);
}

static void teardown(void)
{
    rig_free(&r);
}

START_TEST(a_mapped_page_is_read_and_written)
{
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    mem_st64(r.c, LA + 8, 0x1122334455667788ull);
    ck_assert_uint_eq(rig_ld64(&r, PA + 8), 0x1122334455667788ull);
    ck_assert_uint_eq(mem_ld32(r.c, LA + 12), 0x11223344);
}
END_TEST

START_TEST(a_read_sets_accessed_and_a_write_sets_dirty)
{
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    const uint64_t leaf = rig_leaf(&r, r.c->cr3, LA);
    mem_ld8(r.c, LA);
    ck_assert_uint_eq(rig_ld64(&r, leaf) & (PTE_A | PTE_D), PTE_A);
    mem_st8(r.c, LA, 1);
    ck_assert_uint_eq(rig_ld64(&r, leaf) & (PTE_A | PTE_D), PTE_A | PTE_D);
}
END_TEST

START_TEST(a_missing_page_faults_with_error_0_and_a_write_with_2)
{
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, LA + 5)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, 0);
    ck_assert_uint_eq(r.c->fault_addr, LA + 5);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(r.c, LA, 0)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_W);
}
END_TEST

START_TEST(a_read_only_page_is_protected_from_the_supervisor_only_with_wp)
{
    rig_map(&r, r.c->cr3, LA, PA, PTE_P, 12);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(r.c, LA, 0)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_W);
    cr0_set(r.c, r.c->cr0 & ~(uint64_t)CR0_WP);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(r.c, LA, 7)), -1);
    cr0_set(r.c, r.c->cr0 | CR0_WP);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(r.c, LA, 7)), EXC_PF);
}
END_TEST

START_TEST(user_code_reaches_user_pages_only)
{
    rig_map(&r, r.c->cr3, 0x1000, PA, RW | PTE_U, 12);
    rig_map(&r, r.c->cr3, 0x2000, PA, RW, 12);
    rig_set_cpl(&r, 3);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 0x1000)), -1);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 0x2000)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_U);
    ck_assert_int_eq(RIG_TRY(&r, mmu_ld_sys(r.c, 0x2000, 8)), -1);
}
END_TEST

START_TEST(smap_stops_the_supervisor_unless_ac_is_set)
{
    rig_map(&r, r.c->cr3, 0x1000, PA, RW | PTE_U, 12);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 0x1000)), -1);
    cr4_set(r.c, r.c->cr4 | CR4_SMAP);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 0x1000)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P);
    cpu_set_rflags(r.c, cpu_rflags(r.c) | FL_AC);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 0x1000)), -1);
    ck_assert_int_eq(RIG_TRY(&r, mmu_ld_sys(r.c, 0x1000, 1)), EXC_PF);
}
END_TEST

START_TEST(smep_and_nx_stop_fetches)
{
    void *host;
    rig_map(&r, r.c->cr3, 0x1000, PA, RW | PTE_U, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW | PTE_NX, 12);
    ck_assert_int_eq(RIG_TRY(&r, mmu_fetch_page(r.c, 0x1000, &host)), -1);
    ck_assert_ptr_eq(host, ram_host(r.ram, PA));
    cr4_set(r.c, r.c->cr4 | CR4_SMEP);
    ck_assert_int_eq(RIG_TRY(&r, mmu_fetch_page(r.c, 0x1000, &host)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_I);
    ck_assert_int_eq(RIG_TRY(&r, mmu_fetch_page(r.c, LA, &host)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_I);
}
END_TEST

START_TEST(reserved_bits_fault_with_rsvd)
{
    rig_map(&r, r.c->cr3, LA, PA | 1ull << 45, RW, 12);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, LA)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_RSVD);
    rig_map(&r, r.c->cr3, LA + (1 << 21), PA | 1 << 14, RW, 21);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, LA + (1 << 21))), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_RSVD);
}
END_TEST

START_TEST(large_and_huge_pages_map_their_whole_range)
{
    rig_st64(&r, 0x7ff000, 0xabc);
    rig_map(&r, r.c->cr3, LA, 0x600000, RW, 21);
    ck_assert_uint_eq(mem_ld64(r.c, LA + 0x1ff000), 0xabc);
    rig_map(&r, r.c->cr3, 0x40000000, 0, RW, 30);
    ck_assert_uint_eq(mem_ld64(r.c, 0x40000000 + 0x7ff000), 0xabc);
}
END_TEST

START_TEST(invlpg_forgets_a_page_and_every_part_of_a_large_page)
{
    rig_map(&r, r.c->cr3, LA, PA, RW | PTE_G, 12);
    rig_st64(&r, PA, 1);
    rig_st64(&r, PA + 0x1000, 2);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1);
    rig_map(&r, r.c->cr3, LA, PA + 0x1000, RW | PTE_G, 12);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1); /* still cached */
    mmu_invlpg(r.c, LA);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 2);

    const uint64_t big = LA + (1 << 21);
    rig_map(&r, r.c->cr3, big, 0x600000, RW, 21);
    rig_st64(&r, 0x601000, 3);
    rig_st64(&r, 0x801000, 4);
    ck_assert_uint_eq(mem_ld64(r.c, big + 0x1000), 3);
    rig_map(&r, r.c->cr3, big, 0x800000, RW, 21);
    mmu_invlpg(r.c, big + 0x100000);
    ck_assert_uint_eq(mem_ld64(r.c, big + 0x1000), 4);
}
END_TEST

START_TEST(a_cr3_write_keeps_global_pages_and_forgets_the_rest)
{
    rig_map(&r, r.c->cr3, LA, PA, RW | PTE_G, 12);
    rig_map(&r, r.c->cr3, 0x1000, PA, RW, 12);
    rig_st64(&r, PA, 1);
    rig_st64(&r, PA + 0x1000, 2);
    mem_ld64(r.c, LA);
    mem_ld64(r.c, 0x1000);
    rig_map(&r, r.c->cr3, LA, PA + 0x1000, RW | PTE_G, 12);
    rig_map(&r, r.c->cr3, 0x1000, PA + 0x1000, RW, 12);
    cr_write(r.c, 3, r.c->cr3);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 2);
    cr4_set(r.c, r.c->cr4 & ~(uint64_t)CR4_PGE);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 2);
}
END_TEST

START_TEST(pcids_keep_their_translations_across_cr3_writes)
{
    const uint64_t a = r.c->cr3, b = rig_new_table(&r);
    cr_write(r.c, 4, r.c->cr4 | CR4_PCIDE);
    rig_map(&r, a, 0x1000, PA, RW, 12);
    rig_map(&r, b, 0x1000, PA + 0x1000, RW, 12);
    rig_st64(&r, PA, 1);
    rig_st64(&r, PA + 0x1000, 2);
    rig_st64(&r, PA + 0x2000, 3);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 1);
    cr_write(r.c, 3, b | 5);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 2);
    rig_map(&r, a, 0x1000, PA + 0x2000, RW, 12);
    cr_write(r.c, 3, a | 1ull << 63);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 1); /* kept */
    cr_write(r.c, 3, a);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 3); /* flushed */
    mmu_invpcid(r.c, 1, 5, 0);
    rig_map(&r, b, 0x1000, PA, RW, 12);
    cr_write(r.c, 3, b | 5 | 1ull << 63);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1000), 1);
}
END_TEST

START_TEST(ten_thousand_cr3_writes_never_show_a_stale_page)
{
    uint64_t cr3[3];
    for (unsigned n = 0; n < 3; n++) {
        cr3[n] = rig_new_table(&r);
        rig_map(&r, cr3[n], 0x1000, PA + n * 0x1000, RW, 12);
        rig_st64(&r, PA + n * 0x1000, n);
    }
    for (unsigned n = 0; n < 10000; n++) {
        cr_write(r.c, 3, cr3[n % 3]);
        ck_assert_uint_eq(mem_ld64(r.c, 0x1000), n % 3);
    }
}
END_TEST

START_TEST(accesses_that_cross_pages_touch_both_or_none)
{
    rig_map(&r, r.c->cr3, 0x1000, PA, RW, 12);
    rig_map(&r, r.c->cr3, 0x2000, PA + 0x5000, RW, 12);
    mem_st64(r.c, 0x1ffd, 0x0102030405060708ull);
    ck_assert_uint_eq(mem_ld64(r.c, 0x1ffd), 0x0102030405060708ull);
    ck_assert_uint_eq(rig_ld64(&r, PA + 0x5000) & 0xffffffffff, 0x0102030405ull);
    rig_map(&r, r.c->cr3, 0x2000, 0, 0, 12);
    mmu_invlpg(r.c, 0x2000);
    ck_assert_int_eq(RIG_TRY(&r, mem_st64(r.c, 0x1ffd, 0)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_addr, 0x2000);
    ck_assert_uint_eq(rig_ld64(&r, PA + 0xff8) >> 40, 0x060708);
}
END_TEST

/* The upper page is in the TLB, the lower not: neighbours must never share a slot. */
START_TEST(accesses_across_any_power_of_two_reach_both_pages)
{
    rig_map(&r, r.c->cr3, 0, PA + 4096, RW, 12);
    rig_map(&r, r.c->cr3, -4096ull, PA, RW, 12);
    for (unsigned k = 13; k < 47; k++) {
        rig_map(&r, r.c->cr3, (1ull << k) - 4096, PA, RW, 12);
        rig_map(&r, r.c->cr3, 1ull << k, PA + 4096, RW, 12);
    }
    for (unsigned k = 13; k < 48; k++) {
        const uint64_t border = k == 47 ? 0 : 1ull << k;
        ck_assert_uint_ne(tlb_index(border - 1), tlb_index(border));
        mem_st32(r.c, border, 0);
        mem_st32(r.c, border - 2, 0x44332211u + k);
        ck_assert_uint_eq(rig_ld64(&r, PA + 4088) >> 48, 0x2211u + k);
        ck_assert_uint_eq(rig_ld64(&r, PA + 4096) & 0xffffffff, 0x4433);
        mem_ld8(r.c, border);
        ck_assert_uint_eq(mem_ld32(r.c, border - 2), 0x44332211u + k);
    }
}
END_TEST

/* One page is read, the other written, at every distance up to 32 MiB. */
START_TEST(a_copy_never_evicts_its_own_pages)
{
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    for (uint64_t pages = 1; pages <= 8193; pages++) {
        const uint64_t to = LA + pages * 4096;
        rig_map(&r, r.c->cr3, to, PA + 4096, RW, 12);
        for (unsigned warm = 0; warm < 2; warm++) /* the second level may drop one for the other */
            mem_st64(r.c, to, mem_ld64(r.c, LA));
        const uint64_t misses = r.c->st.tlb_miss;
        mem_st64(r.c, to + 8, mem_ld64(r.c, LA + 8));
        ck_assert_msg(r.c->st.tlb_miss == misses, "at a distance of %u pages", (unsigned)pages);
    }
}
END_TEST

START_TEST(a_32_bit_table_with_4_mib_pages_translates)
{
    const uint64_t dir = rig_new_table(&r), table = rig_new_table(&r);
    struct cpu *c = r.c;
    uint32_t e = (uint32_t)table | RW;
    ram_write(r.ram, hpa(dir + 4), &e, 4); /* 4 MiB .. 8 MiB */
    e = (uint32_t)PA | RW;
    ram_write(r.ram, hpa(table + 4 * 3), &e, 4);
    e = 0x400000 | RW | PTE_PS;
    ram_write(r.ram, hpa(dir + 4 * 0x300), &e, 4);
    rig_st64(&r, PA, 77);
    rig_st64(&r, 0x400000 + 0x345678, 78);
    cr0_set(c, CR0_PE | CR0_ET);
    c->efer = 0;
    c->seg[SEG_CS].attr = (c->seg[SEG_CS].attr & ~(uint32_t)SA_L) | SA_DB;
    c->cr3 = dir;
    cr4_set(c, CR4_PSE);
    cr0_set(c, CR0_PE | CR0_PG | CR0_WP | CR0_ET);
    ck_assert_uint_eq(mem_ld32(c, 0x403000), 77);
    ck_assert_uint_eq(mem_ld32(c, 0xc0345678), 78);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld32(c, 0x800000)), EXC_PF);
}
END_TEST

START_TEST(pae_tables_translate_and_bad_pdptes_are_refused)
{
    const uint64_t pd = rig_new_table(&r), pt = rig_new_table(&r), pdpt = rig_new_table(&r);
    struct cpu *c = r.c;
    rig_st64(&r, pdpt + 8, pd | PTE_P);
    rig_st64(&r, pdpt + 16, pd | PTE_P | 1ull << 50);
    rig_st64(&r, pd + 8, pt | RW);
    rig_st64(&r, pt + 8 * 5, PA | RW | PTE_NX);
    rig_st64(&r, PA, 99);
    cr0_set(c, CR0_PE | CR0_ET);
    c->efer = EFER_NXE;
    c->seg[SEG_CS].attr = (c->seg[SEG_CS].attr & ~(uint32_t)SA_L) | SA_DB;
    cr4_set(c, CR4_PAE);
    cr0_set(c, CR0_PE | CR0_WP | CR0_ET);
    c->cr3 = pdpt;
    ck_assert_int_eq(RIG_TRY(&r, cr_write(c, 0, CR0_PE | CR0_PG | CR0_ET)), EXC_GP);
    rig_st64(&r, pdpt + 16, 0);
    ck_assert_int_eq(RIG_TRY(&r, cr_write(c, 0, CR0_PE | CR0_PG | CR0_ET)), -1);
    ck_assert_uint_eq(mem_ld32(c, 0x40205000), 99);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld32(c, 0x80205000)), EXC_PF);
}
END_TEST

START_TEST(a_data_breakpoint_pends_a_trap_and_neighbours_do_not)
{
    rig_map(&r, r.c->cr3, 0x1000, PA, RW, 12);
    mem_st64(r.c, 0x1100, 0);
    r.c->dr[0] = 0x1100;
    r.c->dr[7] = DR7_FIXED1 | 1 | 1 << 16 | 3 << 18; /* 4 bytes, write */
    mmu_watch_changed(r.c);
    mem_st64(r.c, 0x1108, 0);
    mem_ld64(r.c, 0x1100);
    ck_assert_uint_eq(r.c->pending_db, 0);
    mem_st8(r.c, 0x1103, 0);
    ck_assert_uint_eq(r.c->pending_db, DR6_B0);
}
END_TEST

START_TEST(peeking_sets_no_flags_and_raises_nothing)
{
    struct mmu_view v;
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    ck_assert(mmu_peek(r.c, LA + 0x123, &v));
    ck_assert_uint_eq(v.hpa, PA + 0x123);
    ck_assert(!mmu_peek(r.c, LA + 0x1000, &v));
    ck_assert_uint_eq(rig_ld64(&r, rig_leaf(&r, r.c->cr3, LA)) & (PTE_A | PTE_D), 0);
}
END_TEST

/* ---- EPT ---- */

static void ept_map(uint64_t eptp, uint64_t gpa, uint64_t hpa_, uint64_t flags, unsigned shift)
{
    uint64_t table = eptp & EPT_ADDR_MASK;
    for (unsigned s = 39; s > shift; s -= 9) {
        const uint64_t at = table + (gpa >> s & 511) * 8;
        if (!(rig_ld64(&r, at) & 7))
            rig_st64(&r, at, rig_new_table(&r) | 7);
        table = rig_ld64(&r, at) & EPT_ADDR_MASK;
    }
    rig_st64(&r, table + (gpa >> shift & 511) * 8,
             hpa_ | flags | (shift > 12 ? EPT_LEAF : 0) | EPT_MT_WB << EPT_MT_SHIFT);
}

/* Non-root operation with the first 4 MiB mapped one to one, and the page at GPA 400000 free. */
static uint64_t ept_on(uint64_t flags)
{
    const uint64_t eptp = rig_new_table(&r) | EPTP_WALK4 | EPT_MT_WB | flags;
    for (uint64_t at = 0; at < 0x400000; at += 1 << 21)
        ept_map(eptp, at, at, 7, 21);
    r.c->non_root = true;
    r.c->vmx->proc2 = VMX_PROC2_EPT | VMX_PROC2_VPID;
    r.c->vmx->vmcs.eptp = eptp;
    r.c->vmx->vmcs.vpid = 1;
    r.c->vmx->vmcs.exit_ctl = VMX_XCTL_HOST_64;
    cpu_update_mode(r.c);
    return eptp;
}

/* Access that is to leave by a VM exit; returns the exit reason. */
#define EXIT_OF(stmt)                   \
    __extension__({                     \
        r.c->vmx->vmcs.exit_reason = 0; \
        if (setjmp(r.c->leave) == 0) {  \
            stmt;                       \
        }                               \
        r.c->vmx->vmcs.exit_reason;     \
    })

START_TEST(guest_memory_is_reached_through_both_tables)
{
    const uint64_t eptp = ept_on(0);
    ept_map(eptp, PA, 0x800000, 7, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    mem_st64(r.c, LA, 0x55);
    ck_assert_uint_eq(rig_ld64(&r, 0x800000), 0x55);
    ck_assert_uint_eq(rig_ld64(&r, PA), 0);
}
END_TEST

START_TEST(an_unmapped_gpa_exits_with_the_final_bit_and_the_linear_address)
{
    ept_on(0);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    ck_assert_uint_eq(EXIT_OF(mem_st8(r.c, LA + 9, 1)), VMX_EXIT_EPT_VIOLATION);
    const struct vmcs *v = &r.c->vmx->vmcs;
    ck_assert_uint_eq(v->exit_qual,
                      VMX_QUAL_EPT_WRITE | VMX_QUAL_EPT_GLA_VALID | VMX_QUAL_EPT_FINAL |
                          VMX_QUAL_EPT_RW);
    ck_assert_uint_eq(v->guest_phys_addr, PA + 9);
    ck_assert_uint_eq(v->guest_linear_addr, LA + 9);
}
END_TEST

START_TEST(a_page_table_out_of_reach_exits_without_the_final_bit)
{
    struct cpu *c = r.c;
    ept_on(0);
    c->cr3 = 0x500000;
    mmu_cr3_written(c, false);
    ck_assert_uint_eq(EXIT_OF(mem_ld8(c, LA)), VMX_EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(c->vmx->vmcs.exit_qual, VMX_QUAL_EPT_READ | VMX_QUAL_EPT_GLA_VALID);
    ck_assert_uint_eq(c->vmx->vmcs.guest_phys_addr, 0x500000 + (LA >> 39 & 511) * 8);
}
END_TEST

START_TEST(a_read_only_ept_page_reports_what_it_allows)
{
    const uint64_t eptp = ept_on(0);
    ept_map(eptp, PA, 0x800000, EPT_R | EPT_X, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, LA)), -1);
    ck_assert_uint_eq(EXIT_OF(mem_st8(r.c, LA, 1)), VMX_EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(r.c->vmx->vmcs.exit_qual & 0x3f,
                      VMX_QUAL_EPT_WRITE | VMX_QUAL_EPT_R | VMX_QUAL_EPT_X);
}
END_TEST

START_TEST(write_without_read_is_a_misconfiguration)
{
    const uint64_t eptp = ept_on(0);
    ept_map(eptp, PA, 0x800000, EPT_W, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    ck_assert_uint_eq(EXIT_OF(mem_ld8(r.c, LA)), VMX_EXIT_EPT_MISCONFIG);
    ck_assert_uint_eq(r.c->vmx->vmcs.guest_phys_addr, PA);
}
END_TEST

START_TEST(ept_accessed_and_dirty_flags_follow_the_guest)
{
    const uint64_t eptp = ept_on(EPTP_AD);
    ept_map(eptp, PA, 0x800000, 7, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    uint64_t t = eptp & EPT_ADDR_MASK;
    for (unsigned s = 39; s > 12; s -= 9)
        t = rig_ld64(&r, t + (PA >> s & 511) * 8) & EPT_ADDR_MASK;
    const uint64_t leaf = t + (PA >> 12 & 511) * 8;
    mem_ld8(r.c, LA);
    ck_assert_uint_eq(rig_ld64(&r, leaf) & (EPT_A | EPT_D), EPT_A);
    mem_st8(r.c, LA, 1);
    ck_assert_uint_eq(rig_ld64(&r, leaf) & (EPT_A | EPT_D), EPT_A | EPT_D);
}
END_TEST

START_TEST(invept_shows_a_new_mapping_and_vpids_are_kept_apart)
{
    const uint64_t eptp = ept_on(0);
    ept_map(eptp, PA, 0x800000, 7, 12);
    rig_map(&r, r.c->cr3, LA, PA, RW, 12);
    rig_st64(&r, 0x800000, 1);
    rig_st64(&r, 0x900000, 2);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1);
    ept_map(eptp, PA, 0x900000, 7, 12);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1);
    r.c->vmx->vmcs.vpid = 2;
    mmu_update_ctx(r.c);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 2);
    r.c->vmx->vmcs.vpid = 1;
    mmu_update_ctx(r.c);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 1);
    mmu_invept(r.c, true, eptp);
    ck_assert_uint_eq(mem_ld64(r.c, LA), 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mmu");
    TCase *t = tcase_create("translation");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_mapped_page_is_read_and_written);
    tcase_add_test(t, a_read_sets_accessed_and_a_write_sets_dirty);
    tcase_add_test(t, a_missing_page_faults_with_error_0_and_a_write_with_2);
    tcase_add_test(t, a_read_only_page_is_protected_from_the_supervisor_only_with_wp);
    tcase_add_test(t, user_code_reaches_user_pages_only);
    tcase_add_test(t, smap_stops_the_supervisor_unless_ac_is_set);
    tcase_add_test(t, smep_and_nx_stop_fetches);
    tcase_add_test(t, reserved_bits_fault_with_rsvd);
    tcase_add_test(t, large_and_huge_pages_map_their_whole_range);
    tcase_add_test(t, invlpg_forgets_a_page_and_every_part_of_a_large_page);
    tcase_add_test(t, a_cr3_write_keeps_global_pages_and_forgets_the_rest);
    tcase_add_test(t, pcids_keep_their_translations_across_cr3_writes);
    tcase_add_test(t, ten_thousand_cr3_writes_never_show_a_stale_page);
    tcase_add_test(t, accesses_that_cross_pages_touch_both_or_none);
    tcase_add_test(t, accesses_across_any_power_of_two_reach_both_pages);
    tcase_add_test(t, a_copy_never_evicts_its_own_pages);
    tcase_add_test(t, a_32_bit_table_with_4_mib_pages_translates);
    tcase_add_test(t, pae_tables_translate_and_bad_pdptes_are_refused);
    tcase_add_test(t, a_data_breakpoint_pends_a_trap_and_neighbours_do_not);
    tcase_add_test(t, peeking_sets_no_flags_and_raises_nothing);
    suite_add_tcase(s, t);
    t = tcase_create("ept");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, guest_memory_is_reached_through_both_tables);
    tcase_add_test(t, an_unmapped_gpa_exits_with_the_final_bit_and_the_linear_address);
    tcase_add_test(t, a_page_table_out_of_reach_exits_without_the_final_bit);
    tcase_add_test(t, a_read_only_ept_page_reports_what_it_allows);
    tcase_add_test(t, write_without_read_is_a_misconfiguration);
    tcase_add_test(t, ept_accessed_and_dirty_flags_follow_the_guest);
    tcase_add_test(t, invept_shows_a_new_mapping_and_vpids_are_kept_apart);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
