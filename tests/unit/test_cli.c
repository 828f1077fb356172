/* Unit tests of the command line: values, options, VM specifications, consoles, keys. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/console.h"
#include "frontends/cli/images.h"
#include "frontends/cli/net.h"
#include "frontends/cli/options.h"
#include "frontends/cli/term.h"

static struct options o;
static struct err err;

static int parse(char command, const char *line)
{
    static char words[1024];
    char *argv[32], *save = NULL;
    int argc = 0;

    snprintf(words, sizeof(words), "%s", line);
    for (char *p = strtok_r(words, " ", &save); p; p = strtok_r(NULL, " ", &save))
        argv[argc++] = p;
    err_clear(&err);
    return options_parse(&o, command, argc, argv, &err);
}

START_TEST(sizes_take_units_and_mean_mib_when_bare)
{
    uint64_t v;
    ck_assert_int_eq(value_parse_size("512", &v), 0);
    ck_assert_uint_eq(v, 512ull << 20);
    ck_assert_int_eq(value_parse_size("1.5G", &v), 0);
    ck_assert_uint_eq(v, 1536ull << 20);
    ck_assert_int_eq(value_parse_size("64KiB", &v), 0);
    ck_assert_uint_eq(v, 65536);
    ck_assert_int_lt(value_parse_size("", &v), 0);
    ck_assert_int_lt(value_parse_size("-1", &v), 0);
    ck_assert_int_lt(value_parse_size("12Q", &v), 0);
    ck_assert_int_lt(value_parse_size("99999999T", &v), 0);
    ck_assert_int_lt(value_parse_size("inf", &v), 0);
    ck_assert_int_lt(value_parse_size("nan", &v), 0);
}
END_TEST

START_TEST(durations_and_counts_take_units)
{
    uint64_t v;
    ck_assert_int_eq(value_parse_duration("90s", &v), 0);
    ck_assert_uint_eq(v, 90000000000ull);
    ck_assert_int_eq(value_parse_duration("250ms", &v), 0);
    ck_assert_uint_eq(v, 250000000ull);
    ck_assert_int_eq(value_parse_count("1.5e9", &v), 0);
    ck_assert_uint_eq(v, 1500000000ull);
    ck_assert_int_eq(value_parse_count("0x100", &v), 0);
    ck_assert_uint_eq(v, 256);
    ck_assert_int_lt(value_parse_count("many", &v), 0);
}
END_TEST

START_TEST(options_are_taken_in_all_spellings)
{
    ck_assert_int_eq(parse('r', "--memory=512M --smp 2 -m 1G -S --gdb --until login:"), 0);
    ck_assert_uint_eq(opt_number(&o, OPT_ID_MEMORY), 1ull << 30);
    ck_assert_uint_eq(opt_number(&o, OPT_ID_SMP), 2);
    ck_assert_ptr_nonnull(opt_text(&o, OPT_ID_FREEZE));
    ck_assert_str_eq(opt_text(&o, OPT_ID_GDB), "1234");
    ck_assert_str_eq(opt_text(&o, OPT_ID_UNTIL), "login:");
}
END_TEST

START_TEST(qemu_spellings_are_taken)
{
    ck_assert_int_eq(parse('r', "-kernel k -initrd i -append a=b -m 256 -smp 2 -nographic -s -S "
                                "-no-reboot -cpu host"),
                     0);
    ck_assert_str_eq(opt_text(&o, OPT_ID_KERNEL), "k");
    ck_assert_str_eq(opt_text(&o, OPT_ID_INITRD), "i");
    ck_assert_str_eq(opt_text(&o, OPT_ID_APPEND), "a=b");
    ck_assert_uint_eq(opt_number(&o, OPT_ID_MEMORY), 256ull << 20);
    ck_assert_str_eq(opt_text(&o, OPT_ID_GDB), "1234");
    ck_assert_uint_eq(o.arg_count, 0);
    ck_assert_int_lt(parse('r', "-device virtio-net-pci"), 0);
    ck_assert_str_eq(err.id, "E-CLI-007");
}
END_TEST

START_TEST(an_unknown_option_offers_the_nearest)
{
    ck_assert_int_lt(parse('r', "--memroy=5"), 0);
    ck_assert_str_eq(err.id, "E-CLI-001");
    ck_assert_ptr_nonnull(strstr(err.hint, "--memory"));
    ck_assert_int_lt(parse('r', "-o machine.memroy=512"), 0);
    ck_assert_ptr_nonnull(strstr(err.hint, "machine.memory"));
}
END_TEST

START_TEST(values_out_of_range_or_form_are_refused)
{
    static const char *const bad[] = {
        "--smp=0", "--smp=17", "--smp=two",    "--memory=1k", "--timeout=soon",  "--on-panic=dance",
        "--smp",   "--memory", "--bare=maybe", "--kernel=",   "--memory=900000T"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(parse('r', bad[i]) < 0, "%s was taken", bad[i]);
        ck_assert_msg(strncmp(err.id, "E-CLI-", 6) == 0, "%s: %s", bad[i], err.id);
    }
}
END_TEST

START_TEST(dotted_keys_reach_every_option)
{
    ck_assert_int_eq(parse('r', "-o machine.cpus=3 -o trace.points=vmx:* -o t.json"), 0);
    ck_assert_uint_eq(opt_number(&o, OPT_ID_SMP), 3);
    ck_assert_str_eq(opt_text(&o, OPT_ID_TRACE), "vmx:*");
    ck_assert_str_eq(opt_text(&o, OPT_ID_OUTPUT), "t.json");
}
END_TEST

START_TEST(a_machine_file_is_read_line_by_line)
{
    char good[] = "# comment\n\nmachine.memory = 1G\n  machine.cpus=2  \n";
    char bad[] = "machine.memory = 1G\nmachine.cpux = 2\n";
    parse('r', "");
    ck_assert_int_eq(options_parse_file(&o, "f", good, &err), 0);
    ck_assert_uint_eq(opt_number(&o, OPT_ID_SMP), 2);
    ck_assert_int_lt(options_parse_file(&o, "f", bad, &err), 0);
    char text[512];
    ck_assert_ptr_nonnull(strstr(err_format(&err, text, sizeof(text)), "f:2"));
}
END_TEST

START_TEST(every_option_has_a_unique_name_and_key)
{
    for (unsigned i = 0; i < OPT_ID_COUNT; i++) {
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(opt_rows[i].name, opt_rows[j].name);
            ck_assert_str_ne(opt_rows[i].key, opt_rows[j].key);
            ck_assert(!opt_rows[i].letter || opt_rows[i].letter != opt_rows[j].letter);
        }
        ck_assert_ptr_nonnull(opt_group_title(i));
    }
}
END_TEST

START_TEST(a_vm_specification_keeps_quoted_commas)
{
    struct vm_spec vm;
    ck_assert_int_eq(vm_spec_parse(&vm,
                                   "name=a,memory=64M,cpus=2,kernel=k,initrd=i,"
                                   "append='console=ttyS0,115200 x'",
                                   0, &err),
                     0);
    ck_assert_str_eq(vm.name, "a");
    ck_assert_uint_eq(vm.memory, 64ull << 20);
    ck_assert_uint_eq(vm.cpus, 2);
    ck_assert_str_eq(vm.append, "console=ttyS0,115200 x");
    vm_spec_free(&vm);
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=a,,b", 2, &err), 0);
    ck_assert_str_eq(vm.kernel, "a,b");
    ck_assert_str_eq(vm.name, "vm3");
    vm_spec_free(&vm);
}
END_TEST

START_TEST(a_vm_has_up_to_16_disks)
{
    char text[256] = "kernel=k,disk='a,b'";
    struct vm_spec vm;
    for (unsigned i = 1; i < 16; i++)
        strcat(text, ",disk=d");
    ck_assert_int_eq(vm_spec_parse(&vm, text, 0, &err), 0);
    ck_assert_uint_eq(vm.disks, 16);
    ck_assert_str_eq(vm.disk[0], "a,b");
    ck_assert_str_eq(vm.disk[15], "d");
    ck_assert(!vm.is_dvd[15]);
    vm_spec_free(&vm);
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=k,disk=d,dvd=e.iso", 0, &err), 0);
    ck_assert(vm.disks == 2 && !vm.is_dvd[0] && vm.is_dvd[1]);
    ck_assert_str_eq(vm.disk[1], "e.iso");
    vm_spec_free(&vm);
    strcat(text, ",disk=d");
    err_clear(&err);
    ck_assert(vm_spec_parse(&vm, text, 0, &err) < 0 && err_is_set(&err));
    vm_spec_free(&vm);
}
END_TEST

START_TEST(a_vm_has_a_card_on_the_switch)
{
    struct vm_spec vm;
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=k,net=switch,mac=2:0:0:0:0:a,vlan=7", 0, &err), 0);
    ck_assert(vm.net && !vm.net_user && vm.has_mac);
    ck_assert_mem_eq(vm.mac, "\2\0\0\0\0\x0a", 6);
    ck_assert_uint_eq(vm.vlan, 7);
    vm_spec_free(&vm);
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=k,net=switch,vlan=trunk", 0, &err), 0);
    ck_assert_uint_eq(vm.vlan, 4095);
    vm_spec_free(&vm);
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=k,net=user", 0, &err), 0);
    ck_assert(vm.net && vm.net_user && !vm.has_mac && !vm.vlan);
    vm_spec_free(&vm);
    ck_assert_int_eq(vm_spec_parse(&vm, "kernel=k,net=none", 0, &err), 0);
    ck_assert(!vm.net && !vm.net_user);
    vm_spec_free(&vm);
}
END_TEST

START_TEST(a_bad_vm_specification_is_refused)
{
    static const char *const bad[] = {"",
                                      "name=a",
                                      "kernel=",
                                      "kernel=k,cpus=0",
                                      "kernel=k,cpus=99",
                                      "kernel=k,memory=1k",
                                      "kernel=k,name=a b",
                                      "kernel=k,kernl=x",
                                      "kernel=k,append='x",
                                      "kernel=k,disk=",
                                      "kernel=k,dvd=",
                                      "kernel=k,net=nat",
                                      "kernel=k,net=switch,vlan=0",
                                      "kernel=k,net=switch,vlan=4095",
                                      "kernel=k,net=switch,mac=01:0:0:0:0:1",
                                      "kernel=k,mac=2:0:0:0:0:1",
                                      "kernel=k,net=none,vlan=2",
                                      "k",
                                      "kernel=k,name=",
                                      "kernel=k,append=a\"b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vm_spec vm;
        err_clear(&err);
        ck_assert_msg(vm_spec_parse(&vm, bad[i], 0, &err) < 0, "'%s' was taken", bad[i]);
        ck_assert(err_is_set(&err));
        vm_spec_free(&vm);
    }
}
END_TEST

START_TEST(repeatable_options_are_kept_apart)
{
    ck_assert_int_eq(parse('r', "--net none --vm kernel=a --net hub:x --vm kernel=b"), 0);
    ck_assert_str_eq(opt_list(&o, OPT_ID_NET, 0), "none");
    ck_assert_str_eq(opt_list(&o, OPT_ID_NET, 1), "hub:x");
    ck_assert_ptr_null(opt_list(&o, OPT_ID_NET, 2));
    ck_assert_str_eq(opt_list(&o, OPT_ID_VM, 1), "kernel=b");
    ck_assert_ptr_null(opt_list(&o, OPT_ID_FORWARD, 0));
}
END_TEST

START_TEST(forwarded_ports_are_parsed)
{
    struct net_forward f;
    ck_assert_int_eq(net_parse_forward(&f, "tcp:2222:22", &err), 0);
    ck_assert(!f.udp && f.host_port == 2222 && f.guest_port == 22);
    ck_assert_mem_eq(&f.host_addr, "\x7f\0\0\1", 4);
    ck_assert_int_eq(net_parse_forward(&f, "udp:10.1.2.3:53:5353", &err), 0);
    ck_assert(f.udp && f.host_port == 53 && f.guest_port == 5353);
    ck_assert_mem_eq(&f.host_addr, "\x0a\1\2\3", 4);
    ck_assert_int_eq(net_parse_forward(&f, "tcp::2222-:22", &err), 0); /* as QEMU spells it */
    ck_assert(f.host_port == 2222 && f.guest_port == 22);
    ck_assert_int_eq(net_parse_forward(&f, "2222:22", &err), 0);
    static const char *const bad[] = {"",
                                      "tcp:",
                                      "tcp:22",
                                      "tcp:0:22",
                                      "tcp:22:0",
                                      "tcp:99999:22",
                                      "tcp:22:65536",
                                      "icmp:22:22",
                                      "tcp:a:22:22",
                                      "tcp:22:22:",
                                      "tcp:1.2.3:2:2",
                                      "tcp:-1:22"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err_clear(&err);
        ck_assert_msg(net_parse_forward(&f, bad[i], &err) < 0, "'%s' was taken", bad[i]);
        ck_assert_str_eq(err.id, "E-CLI-002");
    }
}
END_TEST

START_TEST(networks_become_cards)
{
    static struct net n;
    static struct net_hubs hubs;
    ck_assert_int_eq(parse('r', "--net none,mac=02:0:0:0:0:9,mtu=1400 --net hub:a --net hub:a"), 0);
    ck_assert_int_eq(net_open(&n, &hubs, 0, &o, false, &err), 0);
    ck_assert_uint_eq(n.count, 3);
    ck_assert_ptr_null(n.card[0].backend);
    ck_assert_mem_eq(n.card[0].mac, "\2\0\0\0\0\x09", 6);
    ck_assert_uint_eq(n.card[0].mtu, 1400);
    ck_assert(n.card[1].backend && n.card[2].backend && hubs.hub[0].hub && !hubs.hub[1].hub);
    ck_assert_uint_ne(n.card[1].mac[5], n.card[2].mac[5]);
    ck_assert(!n.has_outside);
    net_close(&n);
    net_free_hubs(&hubs);
    static const char *const bad[] = {"--net nat",
                                      "--net hub:",
                                      "--net none,mac=1:2:3",
                                      "--net none,mac=01:0:0:0:0:1",
                                      "--net none,mac=0:0:0:0:0:0",
                                      "--net none,mtu=9000",
                                      "--net none,mtoo=1400",
                                      "--net none,forward=tcp:1:1",
                                      "--net none --forward tcp:2222:22",
                                      "--forward tcp:2222:22",
                                      "--pcap /tmp/x.pcap",
                                      "--net none --pcap /nonexistent/x.pcap",
                                      "--net none,pcap="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(parse('r', bad[i]), 0);
        ck_assert_msg(net_open(&n, &hubs, 0, &o, false, &err) < 0, "'%s' was taken", bad[i]);
        ck_assert(err_is_set(&err));
        net_close(&n);
        net_free_hubs(&hubs);
    }
}
END_TEST

START_TEST(machines_share_hubs_and_differ_in_addresses)
{
    static struct net a, b;
    static struct net_hubs hubs;
    ck_assert_int_eq(parse('r', "--net hub:lan"), 0);
    ck_assert_int_eq(net_open(&a, &hubs, 0, &o, false, &err), 0);
    ck_assert_int_eq(net_open(&b, &hubs, 1, &o, false, &err), 0);
    ck_assert(hubs.hub[0].hub && !hubs.hub[1].hub);
    ck_assert(a.card[0].backend != b.card[0].backend);
    ck_assert_mem_eq(a.card[0].mac, "\x52\x56\x54\0\0\1", 6);
    ck_assert_mem_eq(b.card[0].mac, "\x52\x56\x54\0\1\1", 6);
    net_close(&a);
    net_close(&b);
    net_free_hubs(&hubs);
}
END_TEST

START_TEST(files_are_known_by_their_content)
{
    static uint8_t bz[0x400];
    memcpy(bz + 0x202, "HdrS", 4);
    ck_assert_int_eq(image_kind_of(bz, sizeof(bz)), IMAGE_BZIMAGE);
    ck_assert_int_eq(image_kind_of((const uint8_t *)"\177ELFxxxx", 8), IMAGE_ELF);
    ck_assert_int_eq(image_kind_of((const uint8_t *)"070701", 6), IMAGE_CPIO);
    ck_assert_int_eq(image_kind_of((const uint8_t *)"QFI\xfb", 4), IMAGE_DISK);
    ck_assert_int_eq(image_kind_of((const uint8_t *)"a = b\n", 6), IMAGE_TEXT);
    ck_assert_int_eq(image_kind_of((const uint8_t *)"\x01\x02", 2), IMAGE_UNKNOWN);
}
END_TEST

START_TEST(a_text_is_found_across_pieces_and_false_starts)
{
    static const char stream[] = "aabaabaaab-aabaab";
    struct matcher m;
    unsigned hits = 0;
    matcher_init(&m, "aabaaab");
    for (const char *p = stream; *p; p++)
        hits += matcher_feed(&m, *p);
    ck_assert_uint_eq(hits, 1);
}
END_TEST

START_TEST(consoles_see_until_and_panic_texts)
{
    struct consoles *cs = calloc(1, sizeof(*cs));
    FILE *out = tmpfile();
    consoles_init(cs, CONSOLE_SHOW_ALL, out, NULL);
    cs->until_text = "login:";
    consoles_add(cs, "console/vm.a", false);
    consoles_add(cs, "console/vm.b", false);
    ck_assert_str_eq(cs->c[0].label, "a");
    ck_assert(!consoles_output(cs, "console/vm.a", "host log", 8));
    ck_assert(!consoles_output(cs, "console/vm.b", "in:\n", 4));
    ck_assert(consoles_output(cs, "console/vm.a", "in:\n", 4));
    ck_assert(cs->until_seen);
    static const char panic[] = "Kernel panic - not syncing: x\n";
    ck_assert(consoles_output(cs, "console/vm.b", panic, sizeof(panic) - 1));
    ck_assert(cs->panic_seen && !cs->panic_ended);
    char text[256] = "";
    rewind(out);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, out), 0);
    ck_assert_ptr_nonnull(strstr(text, "[b] in:\n[a] host login:\n"));
    fclose(out);
    free(cs);
}
END_TEST

START_TEST(ctrl_a_is_an_escape_with_a_way_to_send_itself)
{
    struct term_escape esc = {false};
    enum term_command command;
    uint8_t out;
    ck_assert(term_escape_feed(&esc, 'x', &out, &command));
    ck_assert(!term_escape_feed(&esc, 1, &out, &command));
    ck_assert(!term_escape_feed(&esc, 'x', &out, &command));
    ck_assert_int_eq(command, TERM_EXIT);
    ck_assert(!term_escape_feed(&esc, 1, &out, &command));
    ck_assert(term_escape_feed(&esc, 'a', &out, &command));
    ck_assert_int_eq(out, 1);
    ck_assert_int_eq(command, TERM_NONE);
}
END_TEST

START_TEST(an_archive_has_aligned_entries_and_a_trailer)
{
    struct cpio c;
    cpio_init(&c);
    cpio_add_dir(&c, "etc", 0755);
    cpio_add_file(&c, "etc/x", 0644, "hello", 5);
    ck_assert_int_eq(cpio_finish(&c), 0);
    ck_assert_uint_eq(c.size % 512, 0);
    ck_assert_int_eq(memcmp(c.data, "070701", 6), 0);
    ck_assert_int_eq(memcmp(c.data + 110, "etc", 4), 0);
    ck_assert_int_eq(memcmp(c.data + 116, "070701", 6), 0); /* 110 + 4, aligned to 4 */
    ck_assert_int_eq(memcmp(c.data + 116 + 116, "hello", 5), 0);
    cpio_free(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tc = tcase_create("cli");

    tcase_add_test(tc, sizes_take_units_and_mean_mib_when_bare);
    tcase_add_test(tc, durations_and_counts_take_units);
    tcase_add_test(tc, options_are_taken_in_all_spellings);
    tcase_add_test(tc, qemu_spellings_are_taken);
    tcase_add_test(tc, an_unknown_option_offers_the_nearest);
    tcase_add_test(tc, values_out_of_range_or_form_are_refused);
    tcase_add_test(tc, dotted_keys_reach_every_option);
    tcase_add_test(tc, a_machine_file_is_read_line_by_line);
    tcase_add_test(tc, every_option_has_a_unique_name_and_key);
    tcase_add_test(tc, a_vm_specification_keeps_quoted_commas);
    tcase_add_test(tc, a_vm_has_up_to_16_disks);
    tcase_add_test(tc, a_vm_has_a_card_on_the_switch);
    tcase_add_test(tc, a_bad_vm_specification_is_refused);
    tcase_add_test(tc, repeatable_options_are_kept_apart);
    tcase_add_test(tc, forwarded_ports_are_parsed);
    tcase_add_test(tc, networks_become_cards);
    tcase_add_test(tc, machines_share_hubs_and_differ_in_addresses);
    tcase_add_test(tc, files_are_known_by_their_content);
    tcase_add_test(tc, a_text_is_found_across_pieces_and_false_starts);
    tcase_add_test(tc, consoles_see_until_and_panic_texts);
    tcase_add_test(tc, ctrl_a_is_an_escape_with_a_way_to_send_itself);
    tcase_add_test(tc, an_archive_has_aligned_entries_and_a_trailer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
