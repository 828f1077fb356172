/*
 * Unit tests of the gdb stub, over a real socket, against a fake machine of two LPs: the test
 * defines the machine_* functions that debug/ calls.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/trace.h"
#include "cpu/cpu.h"
#include "debug/gdb.h"
#include "debug/gdb_regs.h"
#include "debug/trace_writer.h"
#include "machine/machine.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

struct machine {
    struct cpu *lp[2];
    struct ram *ram;
    struct trace trace;
    unsigned break_lp;
};

static struct machine machine;
static struct gdb *gdb;
static int client = -1;
static char socket_path[64], reply[40000];

unsigned machine_lp_count(const struct machine *m)
{
    (void)m;
    return 2;
}
struct cpu *machine_lp(struct machine *m, unsigned i)
{
    return m->lp[i];
}
struct ram *machine_ram(struct machine *m)
{
    return m->ram;
}
struct trace *machine_trace(struct machine *m)
{
    return &m->trace;
}
uint64_t machine_icount(const struct machine *m)
{
    (void)m;
    return 1234;
}
uint64_t machine_now_ns(const struct machine *m)
{
    (void)m;
    return 5678;
}
uint64_t machine_hash(const struct machine *m)
{
    (void)m;
    return 0xabcdef;
}
struct input *machine_input(struct machine *m)
{
    (void)m;
    return NULL;
}
struct vtd *machine_iommu(const struct machine *m)
{
    (void)m;
    return NULL;
}
struct vga *machine_vga(const struct machine *m)
{
    (void)m;
    return NULL;
}
unsigned machine_break_lp(const struct machine *m)
{
    return m->break_lp;
}

static void setup(void)
{
    struct err err;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    machine.ram = ram_new(1 << 20);
    for (unsigned i = 0; i < 2; i++) {
        machine.lp[i] = calloc(1, sizeof(struct cpu));
        machine.lp[i]->index = i;
        machine.lp[i]->ram = machine.ram;
        machine.lp[i]->mmu = mmu_new(machine.lp[i]);
        machine.lp[i]->mode = MODE_CODE32 | MODE_FLAT | MODE_PROT;
        machine.lp[i]->cr0 = CR0_PE;
        machine.lp[i]->eflags = 2;
        machine.lp[i]->rip = 0x1000 + i;
    }
    snprintf(socket_path, sizeof(socket_path), "/tmp/vitrine-test-%d", (int)getpid());
    char where[80];
    snprintf(where, sizeof(where), "unix:%s", socket_path);
    gdb = gdb_new(&machine, where, &err);
    ck_assert_ptr_nonnull(gdb);
    ck_assert(!gdb_is_stopped(gdb));
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(addr.sun_path, socket_path);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
    gdb_poll(gdb, 1000);
    ck_assert(gdb_has_client(gdb));
    ck_assert(gdb_is_stopped(gdb));
}

static void teardown(void)
{
    close(client);
    gdb_free(gdb);
    for (unsigned i = 0; i < 2; i++)
        mmu_free(machine.lp[i]->mmu), free(machine.lp[i]);
    ram_free(machine.ram);
}

static void send_packet(const char *data, size_t len)
{
    static char out[20000];
    unsigned sum = 0;
    size_t n = 0;

    out[n++] = '$';
    for (size_t i = 0; i < len; i++) {
        sum += (unsigned char)data[i];
        out[n++] = data[i];
    }
    n += (size_t)sprintf(out + n, "#%02x", sum & 0xff);
    ck_assert_int_eq(write(client, out, n), (ssize_t)n);
    gdb_poll(gdb, 1000);
}

/* All that the stub has sent, "" when nothing. */
static const char *receive(void)
{
    const ssize_t n = recv(client, reply, sizeof(reply) - 1, MSG_DONTWAIT);

    reply[n > 0 ? n : 0] = 0;
    return reply;
}

/* The payload of the answer to a packet. */
static const char *ask(const char *packet)
{
    send_packet(packet, strlen(packet));
    receive();
    char *dollar = strchr(reply, '$'), *hash = dollar ? strrchr(dollar, '#') : NULL;
    if (!hash)
        return "";
    *hash = 0;
    return dollar + 1;
}

START_TEST(packets_are_acknowledged_until_no_ack_mode)
{
    send_packet("?", 1);
    ck_assert_int_eq(receive()[0], '+');
    ck_assert_str_eq(ask("QStartNoAckMode"), "OK");
    send_packet("?", 1);
    ck_assert_int_eq(receive()[0], '$');
}
END_TEST

START_TEST(a_wrong_checksum_is_refused)
{
    ck_assert_int_eq(write(client, "$?#00", 5), 5);
    gdb_poll(gdb, 1000);
    ck_assert_str_eq(receive(), "-");
}
END_TEST

START_TEST(registers_are_read_and_written_in_the_described_widths)
{
    unsigned bytes = 0;

    for (unsigned i = 0; i < gdb_reg_count(); i++)
        bytes += gdb_reg_size(i);
    machine.lp[0]->r[R_AX] = 0x1122334455667788ull;
    const char *all = ask("g");
    ck_assert_uint_eq(strlen(all), 2 * bytes);
    ck_assert_int_eq(strncmp(all, "8877665544332211", 16), 0);
    ck_assert_str_eq(ask("p10"), "0010000000000000"); /* rip */
    ck_assert_str_eq(ask("P1=0100000000000000"), "OK");
    ck_assert_uint_eq(machine.lp[0]->r[R_BX], 1);
    ck_assert_str_eq(ask("p999"), "E14");
    ck_assert_str_eq(ask("P1=zz"), "E14");
}
END_TEST

START_TEST(writing_all_registers_back_changes_nothing)
{
    machine.lp[0]->xmm[3].q[1] = 0x123456789abcdefull;
    machine.lp[0]->xmm[9].q[3] = 0xfedcba9876543210ull;
    machine.lp[0]->fpu.st[2] = (struct f80){0x8000000000000000ull, 0x3fff};
    machine.lp[0]->cr3 = 0x5000;
    struct cpu before;
    memcpy(&before, machine.lp[0], sizeof(before));
    char packet[4096];
    snprintf(packet, sizeof(packet), "G%s", ask("g"));
    ck_assert_str_eq(ask(packet), "OK");
    ck_assert_int_eq(memcmp(&before, machine.lp[0], sizeof(before)), 0);
}
END_TEST

START_TEST(memory_is_read_and_written_as_text_and_binary)
{
    ck_assert_str_eq(ask("M2000,4:deadbeef"), "OK");
    ck_assert_str_eq(ask("m2000,4"), "deadbeef");
    send_packet("X2004,3:a}\x03z", 12); /* an escaped '#' */
    ck_assert_ptr_nonnull(strstr(receive(), "$OK#"));
    ck_assert_str_eq(ask("m2000,7"), "deadbeef61237a");
    ck_assert_str_eq(ask("X2000,0:"), "OK");
    ck_assert_str_eq(ask("ma0000,4"), "E14"); /* no RAM there */
    ck_assert_str_eq(ask("m9fffe,8"), "0000");
    ck_assert_str_eq(ask("M2000,8:00"), "E22");
}
END_TEST

START_TEST(breakpoints_reach_every_processor_sorted)
{
    ck_assert_str_eq(ask("Z0,3000,1"), "OK");
    ck_assert_str_eq(ask("Z0,3000,1"), "OK");
    ck_assert_str_eq(ask("Z1,2000,1"), "OK");
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(machine.lp[i]->dbg.bp_count, 2);
        ck_assert_uint_eq(machine.lp[i]->dbg.bp[0], 0x2000);
        ck_assert(machine.lp[i]->attn & ATTN_DEBUG);
    }
    ck_assert_str_eq(ask("z0,3000,1"), "OK");
    ck_assert_str_eq(ask("z1,2000,1"), "OK");
    ck_assert_uint_eq(machine.lp[0]->dbg.bp_count, 0);
    ck_assert(!(machine.lp[0]->attn & ATTN_DEBUG));
    ck_assert_str_eq(ask("Z7,0,0"), "");
}
END_TEST

START_TEST(a_breakpoint_stop_names_thread_and_reason)
{
    ask("qSupported:swbreak+;hwbreak+");
    ask("Z0,1001,1");
    send_packet("vCont;c", 7);
    ck_assert(!gdb_is_stopped(gdb));
    receive();
    machine.break_lp = 1;
    machine.lp[1]->dbg.hit_kind = 1;
    gdb_report_break(gdb);
    ck_assert(gdb_is_stopped(gdb));
    ck_assert_ptr_nonnull(strstr(receive(), "T05thread:2;swbreak:;"));
    ck_assert_str_eq(ask("qC"), "QC2");
}
END_TEST

START_TEST(a_step_stops_and_a_range_goes_on_inside_it)
{
    send_packet("vCont;s:1;c", 11);
    ck_assert(machine.lp[0]->dbg.step);
    machine.break_lp = 0;
    machine.lp[0]->dbg.hit_kind = 3;
    machine.lp[0]->rip = 0x1005;
    gdb_report_break(gdb);
    ck_assert(!machine.lp[0]->dbg.step);
    ck_assert(gdb_is_stopped(gdb));
    receive();
    send_packet("vCont;r1000,1010:1", 18);
    ck_assert(!gdb_is_stopped(gdb));
    machine.lp[0]->dbg.hit_kind = 3;
    gdb_report_break(gdb);
    ck_assert(!gdb_is_stopped(gdb));
    machine.lp[0]->rip = 0x1010;
    machine.lp[0]->dbg.hit_kind = 3;
    gdb_report_break(gdb);
    ck_assert(gdb_is_stopped(gdb));
}
END_TEST

START_TEST(a_watchpoint_stop_gives_the_address)
{
    ask("Z2,4000,8");
    ck_assert_uint_eq(machine.lp[1]->dbg.watch_count, 1);
    ck_assert_uint_eq(machine.lp[1]->dbg.watch[0].access, 2);
    send_packet("c", 1);
    receive();
    machine.break_lp = 0;
    machine.lp[0]->dbg.hit_kind = 2;
    machine.lp[0]->dbg.hit_la = 0x4004;
    gdb_report_break(gdb);
    ck_assert_ptr_nonnull(strstr(receive(), "watch:4004;"));
}
END_TEST

START_TEST(the_interrupt_byte_stops_a_running_machine)
{
    send_packet("c", 1);
    receive();
    ck_assert_int_eq(write(client, "\x03", 1), 1);
    gdb_poll(gdb, 1000);
    ck_assert(gdb_is_stopped(gdb));
    ck_assert_ptr_nonnull(strstr(receive(), "T02"));
}
END_TEST

START_TEST(the_target_description_comes_in_windows)
{
    char xml[30000] = "", packet[80];
    size_t n = 0;

    for (;;) {
        snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,400", n);
        const char *part = ask(packet);
        strcpy(xml + n, part + 1);
        n += strlen(part + 1);
        if (*part == 'l')
            break;
        ck_assert_int_eq(*part, 'm');
    }
    ck_assert_str_eq(xml, gdb_target_xml());
    ck_assert_ptr_nonnull(strstr(xml, "org.gnu.gdb.i386.core"));
    ck_assert_ptr_nonnull(strstr(xml, "org.gnu.gdb.i386.avx"));
    ck_assert_ptr_nonnull(strstr(xml, "</target>"));
}
END_TEST

START_TEST(monitor_commands_answer_with_console_output)
{
    send_packet("qRcmd,68617368", 14); /* hash */
    const char *all = receive();
    ck_assert_ptr_nonnull(strstr(all, "$O73746174652d68617368")); /* state-hash */
    ck_assert_ptr_nonnull(strstr(all, "$OK#"));
    send_packet("qRcmd,6e6f6e65", 14); /* none */
    ck_assert_ptr_nonnull(strstr(receive(), "$OK#"));
}
END_TEST

START_TEST(threads_are_listed_and_checked)
{
    ck_assert_str_eq(ask("qfThreadInfo"), "m1,2");
    ck_assert_str_eq(ask("qsThreadInfo"), "l");
    ck_assert_str_eq(ask("T2"), "OK");
    ck_assert_str_eq(ask("T3"), "E22");
    ck_assert_str_eq(ask("Hg2"), "OK");
    ck_assert_str_eq(ask("p10"), "0110000000000000");
    ck_assert_str_eq(ask("Hg9"), "E22");
}
END_TEST

START_TEST(detaching_takes_breakpoints_away_and_lets_run)
{
    ask("Z0,3000,1");
    send_packet("D", 1);
    ck_assert(!gdb_is_stopped(gdb));
    ck_assert(!gdb_has_client(gdb));
    ck_assert_uint_eq(machine.lp[0]->dbg.bp_count, 0);
}
END_TEST

START_TEST(random_packets_do_no_harm)
{
    static const char letters[] = "?gGpPmMXHTscZzvqQ0123456789abcdef,:;=-$#}\x03\n";
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        char data[48];
        size_t n = 0;
        const size_t len = 1 + rand_r(&seed) % 40;
        for (; n < len; n++)
            data[n] = letters[rand_r(&seed) % (sizeof(letters) - 1)];
        if (strchr("kD}", data[0])) /* kill and detach, plain or escaped */
            continue;
        send_packet(data, n);
        receive();
        if (!gdb_is_stopped(gdb))
            gdb_report_stop(gdb, 2);
        receive();
    }
    ck_assert(gdb_has_client(gdb));
}
END_TEST

START_TEST(globs_match_points_and_groups)
{
    ck_assert(trace_glob_match("vmx:*", "vmx:exit"));
    ck_assert(trace_glob_match("vmx", "vmx:exit"));
    ck_assert(trace_glob_match("*:eoi", "apic:eoi"));
    ck_assert(!trace_glob_match("vm", "vmx:exit"));
    ck_assert(!trace_glob_match("cpu:*", "vmx:exit"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gdb");
    TCase *tc = tcase_create("gdb");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, packets_are_acknowledged_until_no_ack_mode);
    tcase_add_test(tc, a_wrong_checksum_is_refused);
    tcase_add_test(tc, registers_are_read_and_written_in_the_described_widths);
    tcase_add_test(tc, writing_all_registers_back_changes_nothing);
    tcase_add_test(tc, memory_is_read_and_written_as_text_and_binary);
    tcase_add_test(tc, breakpoints_reach_every_processor_sorted);
    tcase_add_test(tc, a_breakpoint_stop_names_thread_and_reason);
    tcase_add_test(tc, a_step_stops_and_a_range_goes_on_inside_it);
    tcase_add_test(tc, a_watchpoint_stop_gives_the_address);
    tcase_add_test(tc, the_interrupt_byte_stops_a_running_machine);
    tcase_add_test(tc, the_target_description_comes_in_windows);
    tcase_add_test(tc, monitor_commands_answer_with_console_output);
    tcase_add_test(tc, threads_are_listed_and_checked);
    tcase_add_test(tc, detaching_takes_breakpoints_away_and_lets_run);
    tcase_add_test(tc, random_packets_do_no_harm);
    tcase_add_test(tc, globs_match_points_and_groups);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
