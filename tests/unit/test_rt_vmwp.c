/* Unit tests of a worker's pure parts: device models, MOV decoder, ACPI tables. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partitions/root/vmwp/uart.c"
#include "partitions/root/vmwp/pic.c"
#include "partitions/root/vmwp/pit.c"
#undef NS
#include "partitions/root/vmwp/rtc.c"
#include "partitions/root/vmwp/ioapic.c"
#include "partitions/root/vmwp/pm.c"
#include "partitions/root/vmwp/i8042.c"
#include "partitions/root/vmwp/pci.c"
#include "partitions/root/vmwp/mov.c"
#include "partitions/root/vmwp/acpi_build.c"
#include "partitions/root/vmwp/dsdt.c"

static unsigned edges, sent;
static bool level;
static char text[16];

static void line(void *ctx, unsigned irq, bool high)
{
    (void)ctx;
    ck_assert_uint_eq(irq, 4);
    edges += high && !level;
    level = high;
}

static void transmit(void *ctx, uint8_t c)
{
    (void)ctx;
    text[sent++ % sizeof(text)] = (char)c;
}

static struct uart new_uart(void)
{
    struct uart u = {.irq = 4, .set_line = line, .transmit = transmit};
    edges = sent = 0;
    level = false;
    uart_model_init(&u);
    return u;
}

START_TEST(uart_sends_and_interrupts_for_an_empty_transmitter)
{
    struct uart u = new_uart();
    uart_out(&u, 0, 'x');
    ck_assert_uint_eq(sent, 1);
    ck_assert_int_eq(text[0], 'x');
    ck_assert_uint_eq(uart_in(&u, 5), 0x60);
    uart_out(&u, 4, 0x08); /* OUT2 */
    ck_assert(!level);
    uart_out(&u, 1, 0x02);
    ck_assert(level);
    ck_assert_uint_eq(uart_in(&u, 2), 0x02);
    ck_assert(!level); /* reading the cause clears it */
    ck_assert_uint_eq(uart_in(&u, 2), 0x01);
    uart_out(&u, 0, 'y');
    ck_assert_uint_eq(edges, 2);
}
END_TEST

START_TEST(uart_receives_in_order_and_looks_like_a_16550a)
{
    struct uart u = new_uart();
    uart_out(&u, 2, 0x01);
    ck_assert_uint_eq(uart_in(&u, 2) & 0xc0, 0xc0);
    uart_out(&u, 4, 0x08);
    uart_out(&u, 1, 0x01);
    ck_assert_uint_eq(uart_receive(&u, (const uint8_t *)"ab", 2), 2);
    ck_assert(level);
    ck_assert_uint_eq(uart_in(&u, 2) & 0x0f, 0x04);
    ck_assert_uint_eq(uart_in(&u, 0), 'a');
    ck_assert(level);
    ck_assert_uint_eq(uart_in(&u, 0), 'b');
    ck_assert(!level);
    ck_assert_uint_eq(uart_in(&u, 5) & 1, 0);
    uart_out(&u, 4, 0x1a); /* loop back: RTS and OUT2 come back as CTS and DCD */
    ck_assert_uint_eq(uart_in(&u, 6) & 0xf0, 0x90);
    uart_out(&u, 3, 0x83);
    uart_out(&u, 0, 0x34);
    ck_assert_uint_eq(uart_in(&u, 0), 0x34);
}
END_TEST

static void pic_setup(struct pic *p)
{
    static const uint8_t icw[2][4] = {{0x11, 0x20, 4, 1}, {0x11, 0x28, 2, 1}};
    pic_init(p);
    for (unsigned h = 0; h < 2; h++) {
        const uint16_t port = h ? 0xa0 : 0x20;
        pic_out(p, port, icw[h][0]);
        for (unsigned i = 1; i < 4; i++)
            pic_out(p, port + 1, icw[h][i]);
    }
}

START_TEST(pic_serves_the_highest_request_and_cascades)
{
    struct pic p;
    pic_setup(&p);
    pic_line(&p, 12, true);
    pic_line(&p, 4, true);
    ck_assert(pic_pending(&p));
    ck_assert_uint_eq(pic_acknowledge(&p), 0x2c); /* IR2 before IR4 */
    ck_assert(!pic_pending(&p));
    pic_out(&p, 0xa0, 0x20);
    pic_out(&p, 0x20, 0x20);
    ck_assert_uint_eq(pic_acknowledge(&p), 0x24);
    pic_out(&p, 0x20, 0x20);
    ck_assert(!pic_pending(&p));
    pic_line(&p, 4, true); /* no edge */
    ck_assert(!pic_pending(&p));
    pic_out(&p, 0x21, 0xfb);
    ck_assert_uint_eq(pic_in(&p, 0x21), 0xfb);
    pic_line(&p, 0, true);
    ck_assert(!pic_pending(&p));
}
END_TEST

START_TEST(pit_counts_down_and_ticks_at_its_rate)
{
    struct pit p;
    pit_init(&p);
    pit_out(&p, 0x43, 0x34, 0); /* channel 0, mode 2 */
    pit_out(&p, 0x40, 0xa9, 0);
    ck_assert_uint_eq(pit_next(&p), ~0ull);
    pit_out(&p, 0x40, 0x04, 0); /* 1193 */
    const uint64_t next = pit_next(&p);
    ck_assert_uint_ge(next, 999000);
    ck_assert_uint_le(next, 1000000);
    ck_assert(!pit_take_edge(&p, next - 1));
    ck_assert(pit_take_edge(&p, next));
    ck_assert(!pit_take_edge(&p, next));
    ck_assert(pit_take_edge(&p, next * 10)); /* late ones are one */
    ck_assert(!pit_take_edge(&p, next * 10));
    pit_out(&p, 0x43, 0x00, 500000); /* latch */
    const unsigned low = pit_in(&p, 0x40, 0), count = low | (unsigned)pit_in(&p, 0x40, 0) << 8;
    ck_assert_uint_ge(count, 595);
    ck_assert_uint_le(count, 598);
}
END_TEST

START_TEST(pit_channel_2_shows_its_end_at_port_61)
{
    struct pit p;
    pit_init(&p);
    pit_out(&p, 0x61, 0x01, 0);
    pit_out(&p, 0x43, 0xb0, 0); /* channel 2, mode 0 */
    pit_out(&p, 0x42, 0xff, 0);
    pit_out(&p, 0x42, 0xff, 0);
    ck_assert_uint_eq(pit_in(&p, 0x61, 1000000) & 0x20, 0);
    ck_assert_uint_eq(pit_in(&p, 0x61, 55000000) & 0x20, 0x20);
}
END_TEST

START_TEST(rtc_tells_the_date)
{
    struct rtc r;
    rtc_init(&r, 1709210096); /* 2024-02-29 12:34:56 UTC, a Thursday */
    static const uint8_t want[][2] = {{0, 0x57}, {2, 0x34}, {4, 0x12}, {6, 5},
                                      {7, 0x29}, {8, 0x02}, {9, 0x24}, {0x32, 0x20}};
    for (unsigned i = 0; i < RT_COUNT(want); i++) {
        rtc_out(&r, 0x70, want[i][0]);
        ck_assert_uint_eq(rtc_in(&r, 0x71, 1000000000), want[i][1]);
    }
    rtc_out(&r, 0x70, 0x0d);
    ck_assert_uint_eq(rtc_in(&r, 0x71, 0), 0x80);
}
END_TEST

static unsigned delivered;

static void deliver(void *ctx, uint64_t rte)
{
    (void)ctx;
    ck_assert_uint_eq((uint8_t)rte, 0x31);
    delivered++;
}

static void route(struct ioapic *a, unsigned pin, uint32_t low)
{
    ioapic_mmio_write(a, 0, 0x10 + 2 * pin);
    ioapic_mmio_write(a, 0x10, low);
}

START_TEST(ioapic_delivers_edges_once_and_levels_until_eoi)
{
    struct ioapic a = {.deliver = deliver};
    ioapic_init(&a);
    delivered = 0;
    ioapic_mmio_write(&a, 0, 1);
    ck_assert_uint_eq(ioapic_mmio_read(&a, 0x10), 0x170011);
    ioapic_line(&a, 4, true);
    ck_assert_uint_eq(delivered, 0);
    ioapic_line(&a, 4, false);
    route(&a, 4, 0x31);
    ioapic_line(&a, 4, true);
    ioapic_line(&a, 4, true);
    ck_assert_uint_eq(delivered, 1);
    route(&a, 9, 0x8031);
    ioapic_line(&a, 9, true);
    ck_assert_uint_eq(delivered, 2);
    ioapic_eoi(&a, 0x31); /* still asserted */
    ck_assert_uint_eq(delivered, 3);
    ioapic_line(&a, 9, false);
    ioapic_eoi(&a, 0x31);
    ck_assert_uint_eq(delivered, 3);
}
END_TEST

START_TEST(pm_counts_and_knows_s5)
{
    struct pm p = {0};
    ck_assert_uint_eq(pm_in(&p, PM_TIMER, 4, 1000000000), 3579545);
    ck_assert_uint_eq(pm_in(&p, PM1A_CNT, 2, 0), 1);
    ck_assert_int_eq(pm_out(&p, PM1A_CNT, 2, 5 << 10), PM_NOTHING);
    ck_assert_int_eq(pm_out(&p, PM1A_CNT, 2, 5 << 10 | 1 << 13), PM_S5);
    ck_assert_int_eq(pm_out(&p, PM1A_EVT, 4, 0x01200000), PM_NOTHING);
    ck_assert_uint_eq(pm_in(&p, PM1A_EVT + 2, 2, 0), 0x0120);
}
END_TEST

struct mov_case {
    uint8_t bytes[12];
    unsigned length, size, reg;
    bool write;
};

START_TEST(mov_forms_are_decoded_with_their_length)
{
    static const struct mov_case cases[] = {
        {{0x89, 0x07}, 2, 4, 0, true},                                /* mov [rdi], eax */
        {{0x8b, 0x47, 0x10}, 3, 4, 0, false},                         /* mov eax, [rdi+16] */
        {{0x44, 0x89, 0x80, 0, 0xd0, 0x5f, 0xff}, 7, 4, 8, true},     /* mov [rax-...], r8d */
        {{0x66, 0x8b, 0x0c, 0x25, 0, 0, 0xc0, 0xfe}, 8, 2, 1, false}, /* mov cx, [abs] */
        {{0xc7, 0x40, 0x10, 1, 2, 3, 4}, 7, 4, 0, true},              /* mov dword [rax+16], imm */
        {{0x0f, 0xb6, 0x06}, 3, 1, 0, false},                         /* movzx eax, byte [rsi] */
        {{0x48, 0x8b, 0x05, 0, 0, 0, 0}, 7, 8, 0, false},             /* mov rax, [rip] */
        {{0x88, 0x26}, 2, 1, 0, true},                                /* mov [rsi], ah */
        {{0xa3, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 4, 0, true},              /* mov [moffs], eax */
    };
    for (unsigned i = 0; i < RT_COUNT(cases); i++) {
        struct mov_insn m;
        ck_assert_msg(mov_decode(cases[i].bytes, 12, true, &m), "case %u", i);
        ck_assert_uint_eq(m.length, cases[i].length);
        ck_assert_uint_eq(m.size, cases[i].size);
        ck_assert_uint_eq(m.reg, cases[i].reg);
        ck_assert_int_eq(m.write, cases[i].write);
        for (unsigned n = 0; n < m.length; n++) {
            struct mov_insn cut;
            ck_assert_msg(!mov_decode(cases[i].bytes, n, true, &cut), "case %u cut at %u", i, n);
        }
    }
}
END_TEST

START_TEST(mov_results_follow_the_register_width)
{
    struct mov_insn m = {.size = 1, .reg_size = 1};
    ck_assert_uint_eq(mov_result(&m, 0x1122334455667788, 0xffaa), 0x11223344556677aa);
    m.high_byte = true;
    ck_assert_uint_eq(mov_result(&m, 0x1122334455667788, 0xaa), 0x112233445566aa88);
    m = (struct mov_insn){.size = 4, .reg_size = 4};
    ck_assert_uint_eq(mov_result(&m, ~0ull, 0x80000000), 0x80000000);
    m = (struct mov_insn){.size = 1, .reg_size = 8, .sign_extend = true};
    ck_assert_uint_eq(mov_result(&m, 0, 0x80), 0xffffffffffffff80);
}
END_TEST

START_TEST(mov_refuses_other_instructions)
{
    static const uint8_t no[][4] = {{0x01, 0x07}, {0x8b, 0xc7}, {0xf3, 0xa4}, {0x0f, 0xa2}};
    for (unsigned i = 0; i < RT_COUNT(no); i++) {
        struct mov_insn m;
        ck_assert(!mov_decode(no[i], 4, true, &m));
    }
}
END_TEST

static uint8_t sum(const uint8_t *p, unsigned n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

/* With ACPI_DUMP=DIR in the environment the DSDT is written there, for check_acpi.sh. */
START_TEST(the_dsdt_has_vmbus_below_the_module_that_owns_the_memory)
{
    static uint8_t area[ACPI_AREA_SIZE];
    const char *dir = getenv("ACPI_DUMP");
    unsigned length[2];
    for (unsigned i = 0; i < 2; i++) {
        acpi_build(area, 1, i ? VM_HIGH_MMIO + 1 : 64 << 20);
        const struct acpi_header *d = (const void *)(area + AT_DSDT);
        length[i] = d->length;
        ck_assert_uint_lt(d->length, AT_MADT - AT_DSDT);
        ck_assert_ptr_nonnull(memmem(d, d->length, "VMBS", 4));
        ck_assert_ptr_nonnull(memmem(d, d->length, "\x0dVMBus", 7));
        char path[512];
        snprintf(path, sizeof(path), "%s/CHILD%u.dat", dir ? dir : ".", i);
        FILE *f = dir ? fopen(path, "wb") : NULL;
        if (f) {
            fwrite(d, 1, d->length, f);
            fclose(f);
        }
    }
    ck_assert_uint_eq(length[0], length[1] + 46); /* RAM up there: no high window */
}
END_TEST

START_TEST(acpi_tables_sum_to_zero_and_name_every_processor)
{
    static uint8_t area[ACPI_AREA_SIZE];
    for (unsigned cpus = 1; cpus <= 8; cpus++) {
        acpi_build(area, cpus, 64 << 20);
        const struct acpi_rsdp *r = (const void *)area;
        ck_assert_uint_eq(sum(area, 20), 0);
        ck_assert_uint_eq(sum(area, 36), 0);
        const struct acpi_header *x = (const void *)(area + (r->xsdt - ACPI_AREA_GPA));
        ck_assert_uint_eq(sum((const void *)x, x->length), 0);
        unsigned lapics = 0;
        for (unsigned i = 0; i < (x->length - sizeof(*x)) / 8; i++) {
            uint64_t pa;
            memcpy(&pa, (const uint8_t *)(x + 1) + 8 * i, 8);
            const struct acpi_header *h = (const void *)(area + (pa - ACPI_AREA_GPA));
            ck_assert_uint_eq(sum((const void *)h, h->length), 0);
            if (memcmp(h->signature, "APIC", 4))
                continue;
            const uint8_t *p = (const uint8_t *)h + sizeof(struct acpi_madt);
            for (; p < (const uint8_t *)h + h->length; p += p[1])
                lapics += p[0] == ACPI_MADT_LAPIC;
        }
        ck_assert_uint_eq(lapics, cpus);
    }
}
END_TEST

START_TEST(i8042_without_devices_tests_itself_and_resets)
{
    struct i8042 k;
    i8042_init(&k);
    ck_assert_uint_eq(i8042_in(&k, 0x64), 0x10);
    ck_assert(i8042_out(&k, 0x64, 0xaa));
    ck_assert_uint_eq(i8042_in(&k, 0x64), 0x1d);
    ck_assert_uint_eq(i8042_in(&k, 0x60), 0x55);
    ck_assert_uint_eq(i8042_in(&k, 0x64), 0x1c);
    ck_assert(i8042_out(&k, 0x64, 0x60) && i8042_out(&k, 0x60, 0x65));
    ck_assert_uint_eq(i8042_in(&k, 0x64) & 1, 0);
    ck_assert(i8042_out(&k, 0x64, 0x20));
    ck_assert_uint_eq(i8042_in(&k, 0x60), 0x65);
    ck_assert(i8042_out(&k, 0x64, 0xab)); /* keyboard port: works */
    ck_assert_uint_eq(i8042_in(&k, 0x60), 0);
    ck_assert(i8042_out(&k, 0x60, 0xff)); /* reset of a keyboard that is not there */
    ck_assert_uint_eq(i8042_in(&k, 0x64) & 0x41, 0x41);
    ck_assert_uint_eq(i8042_in(&k, 0x60), 0xfe);
    ck_assert_uint_eq(i8042_in(&k, 0x64) & 0x41, 0);
    ck_assert(i8042_out(&k, 0x64, 0xff));
    ck_assert(!i8042_out(&k, 0x64, 0xfe));
    ck_assert(i8042_out(&k, 0x64, 0xd1) && i8042_out(&k, 0x60, 0xdf));
    ck_assert(i8042_out(&k, 0x64, 0xd1) && !i8042_out(&k, 0x60, 0xde));
}
END_TEST

START_TEST(pci_space_is_empty_but_its_address_is_kept)
{
    struct pci p = {0};
    pci_out(&p, 0xcf8, 4, 0xffffffff);
    ck_assert_uint_eq(pci_in(&p, 0xcf8, 4), 0x80fffffc);
    ck_assert_uint_eq(pci_in(&p, 0xcf8, 1), 0xff);
    pci_out(&p, 0xcf8, 2, 0);
    pci_out(&p, 0xcfc, 4, 0);
    ck_assert_uint_eq(pci_in(&p, 0xcf8, 4), 0x80fffffc);
    ck_assert_uint_eq(pci_in(&p, 0xcfc, 4), 0xffffffff);
    ck_assert_uint_eq(pci_in(&p, 0xcfe, 2), 0xffff);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rt_vmwp");
    TCase *tc = tcase_create("rt_vmwp");
    tcase_add_test(tc, uart_sends_and_interrupts_for_an_empty_transmitter);
    tcase_add_test(tc, uart_receives_in_order_and_looks_like_a_16550a);
    tcase_add_test(tc, pic_serves_the_highest_request_and_cascades);
    tcase_add_test(tc, pit_counts_down_and_ticks_at_its_rate);
    tcase_add_test(tc, pit_channel_2_shows_its_end_at_port_61);
    tcase_add_test(tc, rtc_tells_the_date);
    tcase_add_test(tc, ioapic_delivers_edges_once_and_levels_until_eoi);
    tcase_add_test(tc, pm_counts_and_knows_s5);
    tcase_add_test(tc, i8042_without_devices_tests_itself_and_resets);
    tcase_add_test(tc, pci_space_is_empty_but_its_address_is_kept);
    tcase_add_test(tc, mov_forms_are_decoded_with_their_length);
    tcase_add_test(tc, mov_results_follow_the_register_width);
    tcase_add_test(tc, mov_refuses_other_instructions);
    tcase_add_test(tc, the_dsdt_has_vmbus_below_the_module_that_owns_the_memory);
    tcase_add_test(tc, acpi_tables_sum_to_zero_and_name_every_processor);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
