/*
 * Integration components of the root's worker: the host's bytes against recorded ones, guests that
 * answer well, badly and not at all.
 */
#include <string.h>

#include "tests/lib/suite.h"

#include "partitions/root/vmwp/ic.c"
#include "partitions/root/vmwp/ic_heartbeat.c"
#include "partitions/root/vmwp/ic_kvp.c"
#include "partitions/root/vmwp/ic_shutdown.c"
#include "partitions/root/vmwp/ic_time.c"
#include "partitions/root/lib/text.c"

static struct {
    uint8_t data[4096];
    uint32_t size;
    unsigned sent;
    bool full;
    char said[64];
    unsigned lines;
} seen;

static bool take(void *ctx, struct ic *ic, const void *data, uint32_t size)
{
    (void)ctx;
    (void)ic;
    if (seen.full)
        return false;
    memcpy(seen.data, data, size);
    seen.size = size;
    seen.sent++;
    return true;
}

static void say(void *ctx, struct ic *ic, const char *text)
{
    (void)ctx;
    (void)ic;
    strncpy(seen.said, text, sizeof(seen.said) - 1);
    seen.lines++;
}

static void clock_now(void *ctx, uint64_t *wall, uint64_t *reference)
{
    (void)ctx;
    *wall = 0x1122334455667788;
    *reference = 0x99;
}

static struct ic fresh(const struct ic_class *class)
{
    memset(&seen, 0, sizeof(seen));
    return (struct ic){
        .class = class, .send = take, .say = say, .clock = clock_now, .due = IC_NEVER};
}

/* The guest returns the host's message, as Linux does: the same buffer, flags changed. */
static void answer_with(struct ic *ic, const void *body, uint32_t size, uint32_t status,
                        uint64_t now)
{
    uint8_t packet[4096];
    struct vmbus_ic h;
    memcpy(packet, seen.data, seen.size);
    memcpy(&h, packet + 8, sizeof(h));
    h.flags = VMBUS_IC_F_TRANSACTION | VMBUS_IC_F_RESPONSE;
    h.status = status;
    memcpy(packet + 8, &h, sizeof(h));
    memcpy(packet + IC_PACKET, body, size);
    ic_receive(ic, packet, seen.size, now);
}

static void agree(struct ic *ic, uint16_t major, uint16_t minor, uint64_t now)
{
    const uint16_t choice[] = {1, 1, 0, 0, 3, 0, major, minor};
    ic_opened(ic);
    ck_assert_uint_eq(ic->state, IC_NEGOTIATING);
    answer_with(ic, choice, sizeof(choice), 0, now);
}

START_TEST(the_first_message_offers_all_versions)
{
    static const uint8_t wanted[] = {
        1, 0, 0, 0, 0x34, 0, 0, 0,                            /* pipe: 52 bytes of data */
        0, 0, 0, 0, 0,    0, 0, 0, 0, 0, 0x20, 0,             /* negotiate, body of 32 */
        0, 0, 0, 0, 0,    3, 0, 0,                            /* status, transaction, request */
        2, 0, 4, 0, 0,    0, 0, 0,                            /* 2 frameworks, 4 message versions */
        3, 0, 0, 0, 1,    0, 0, 0,                            /* 3.0, 1.0 */
        3, 0, 2, 0, 3,    0, 1, 0, 3, 0, 0,    0, 1, 0, 0, 0, /* 3.2, 3.1, 3.0, 1.0 */
    };
    struct ic ic = fresh(&ic_shutdown);
    ic_opened(&ic);
    ck_assert_uint_eq(seen.size, sizeof(wanted));
    ck_assert_mem_eq(seen.data, wanted, sizeof(wanted));
}
END_TEST

START_TEST(the_guests_choice_must_be_one_of_the_offered)
{
    static const uint16_t bad[][8] = {
        {0, 0, 0, 0, 3, 0, 3, 2}, {1, 2, 0, 0, 3, 0, 3, 2}, {1, 1, 0, 0, 2, 0, 3, 2},
        {1, 1, 0, 0, 3, 0, 3, 3}, {1, 1, 0, 0, 3, 1, 3, 2},
    };
    for (unsigned i = 0; i < 5; i++) {
        struct ic ic = fresh(&ic_shutdown);
        ic_opened(&ic);
        answer_with(&ic, bad[i], 16, 0, 0);
        ck_assert_uint_eq(ic.state, IC_FAILED);
        ck_assert_uint_eq(seen.lines, 1);
        ck_assert(!ic_shutdown_request(&ic, false));
        ic_receive(&ic, seen.data, 3, 0);
        ck_assert_uint_eq(seen.lines, 1);
        agree(&ic, 3, 2, 0); /* opened anew it may do better */
        ck_assert_uint_eq(ic.state, IC_READY);
    }
}
END_TEST

START_TEST(a_guest_that_never_agrees_is_not_complained_about_for_ever)
{
    static const uint16_t none[8] = {0};
    struct ic ic = fresh(&ic_kvp);
    for (unsigned i = 0; i < 100; i++) {
        ic_opened(&ic);
        answer_with(&ic, none, 16, 0, 0);
        ck_assert_uint_eq(ic.state, IC_FAILED);
    }
    ck_assert_uint_eq(seen.lines, 4);
}
END_TEST

START_TEST(short_and_foreign_messages_do_no_harm)
{
    for (uint32_t size = 0; size < 80; size++) {
        struct ic ic = fresh(&ic_heartbeat);
        uint8_t data[80];
        memset(data, 0xff, sizeof(data));
        ic_receive(&ic, data, size, 0); /* closed */
        ck_assert_uint_eq(ic.state, IC_CLOSED);
        ic_opened(&ic);
        ic_receive(&ic, data, size, 0);
        ck_assert(ic.state == IC_FAILED || ic.state == IC_NEGOTIATING);
        agree(&ic, 3, 0, 0);
        ic_receive(&ic, data, size, 0);
        ck_assert(ic.state == IC_FAILED || ic.state == IC_READY);
    }
}
END_TEST

START_TEST(heartbeats_go_every_two_seconds_and_count)
{
    struct ic ic = fresh(&ic_heartbeat);
    struct vmbus_ic_heartbeat b;
    agree(&ic, 3, 0, 0);
    for (uint64_t n = 0; n < 5; n++) {
        const uint64_t now = n * 2 * IC_SECOND;
        ic_tick(&ic, now + (n ? 0 : 1));
        ck_assert_uint_eq(seen.sent, n + 2);
        ck_assert_uint_eq(ic.due, now + 2 * IC_SECOND);
        memcpy(&b, seen.data + IC_PACKET, sizeof(b));
        ck_assert_uint_eq(b.sequence, n);
        b.sequence++;
        answer_with(&ic, &b, sizeof(b), 0, now);
        ck_assert_uint_eq(ic.sequence, n + 1);
        ic_tick(&ic, now + 2 * IC_SECOND - 1);
        ck_assert_uint_eq(seen.sent, n + 2);
    }
    ck_assert_str_eq(seen.said, "the guest answers");
    ck_assert_uint_eq(seen.lines, 1);
    ic_closed(&ic);
    ck_assert_uint_eq(ic.due, IC_NEVER);
    ck_assert(ic.lost);
    agree(&ic, 3, 0, 0);
    ck_assert(!ic.lost);
    ic_closed(&ic); /* before it has answered */
    ck_assert(!ic.lost);
}
END_TEST

START_TEST(a_guest_without_pulse_is_lost_once_and_found_again)
{
    struct ic ic = fresh(&ic_heartbeat);
    struct vmbus_ic_heartbeat b = {.sequence = 1};
    agree(&ic, 3, 0, 0);
    answer_with(&ic, &b, sizeof(b), 0, 0);
    for (uint64_t n = 1; n < 10; n++)
        ic_tick(&ic, n * 2 * IC_SECOND);
    ck_assert_str_eq(seen.said, "the guest does not answer");
    ck_assert_uint_eq(seen.lines, 2);
    b.sequence = 7; /* not the next number: no answer */
    answer_with(&ic, &b, sizeof(b), 0, 0);
    ck_assert_uint_eq(seen.lines, 2);
    b.sequence = 2;
    answer_with(&ic, &b, sizeof(b), VMBUS_IC_S_FAIL, 0);
    ck_assert_uint_eq(seen.lines, 2);
    answer_with(&ic, &b, sizeof(b), 0, 0);
    ck_assert_str_eq(seen.said, "the guest answers again");
    ck_assert_uint_eq(ic.sequence, 2);
    seen.full = true; /* it reads nothing any more */
    ic_tick(&ic, 30 * IC_SECOND);
    ck_assert_str_eq(seen.said, "the guest does not answer");
}
END_TEST

START_TEST(shutdown_is_asked_in_full_length)
{
    struct ic ic = fresh(&ic_shutdown);
    struct vmbus_ic_shutdown m;
    ck_assert(!ic_shutdown_request(&ic, false));
    agree(&ic, 3, 2, 0);
    ck_assert(ic_shutdown_request(&ic, false));
    ck_assert_uint_eq(seen.size, IC_PACKET + 2060);
    memcpy(&m, seen.data + IC_PACKET, sizeof(m));
    ck_assert_uint_eq(m.reason, 0x80000000);
    ck_assert_uint_eq(m.flags, VMBUS_SHUTDOWN_FORCE);
    ck_assert(ic_shutdown_request(&ic, true));
    memcpy(&m, seen.data + IC_PACKET, sizeof(m));
    ck_assert_uint_eq(m.flags, VMBUS_SHUTDOWN_FORCE | VMBUS_SHUTDOWN_RESTART);
    answer_with(&ic, &m, 0, 0, 0);
    ck_assert_str_eq(seen.said, "the guest shuts down");
    answer_with(&ic, &m, 0, VMBUS_IC_S_FAIL, 0);
    ck_assert_str_eq(seen.said, "the guest refuses");
    seen.full = true;
    ck_assert(!ic_shutdown_request(&ic, false));
}
END_TEST

START_TEST(time_is_set_once_then_sampled)
{
    struct ic ic = fresh(&ic_time_sync);
    struct vmbus_ic_time_ref m;
    agree(&ic, 4, 0, 5);
    ck_assert_uint_eq(seen.size, IC_PACKET + 24);
    memcpy(&m, seen.data + IC_PACKET, sizeof(m));
    ck_assert_uint_eq(m.parent_time, 0x1122334455667788);
    ck_assert_uint_eq(m.reference_time, 0x99);
    ck_assert_uint_eq(m.flags, VMBUS_TIME_SYNC);
    ck_assert_uint_eq(ic.due, 5 + 10 * IC_SECOND);
    ic_tick(&ic, ic.due);
    memcpy(&m, seen.data + IC_PACKET, sizeof(m));
    ck_assert_uint_eq(m.flags, VMBUS_TIME_SAMPLE);
    struct vmbus_ic_time old;
    ic_closed(&ic);
    agree(&ic, 3, 0, 0);
    ck_assert_uint_eq(seen.size, IC_PACKET + 32);
    memcpy(&old, seen.data + IC_PACKET, sizeof(old));
    ck_assert_uint_eq(old.flags, VMBUS_TIME_SYNC);
}
END_TEST

static struct ic with_kvp(struct kvp *k)
{
    struct ic ic = fresh(&ic_kvp);
    *k = (struct kvp){.host_key = "VirtualMachineName", .host_value = "a"};
    ic.kvp = k;
    agree(&ic, 4, 0, 0);
    return ic;
}

/* The guest's answer to ENUMERATE: ASCII as UTF-16. */
static void item_of(struct vmbus_kvp_enumerate *m, const char *key, const char *value)
{
    memset(m, 0, sizeof(*m));
    m->v.type = VMBUS_KVP_STRING;
    m->v.key_bytes = widen(m->v.key, key);
    m->v.value_bytes = widen(m->v.value, value);
}

START_TEST(kvp_tells_the_name_then_asks_item_by_item)
{
    struct kvp k;
    struct ic ic = with_kvp(&k);
    struct vmbus_kvp_set set;
    struct vmbus_kvp_enumerate m;
    ck_assert_uint_eq(seen.size, IC_PACKET + 2576);
    memcpy(&set, seen.data + IC_PACKET, sizeof(set));
    ck_assert_uint_eq(set.h.operation, VMBUS_KVP_SET);
    ck_assert_uint_eq(set.h.pool, 3);
    ck_assert_uint_eq(set.v.key_bytes, 38);
    ck_assert_uint_eq(set.v.value_bytes, 4);
    ck_assert_mem_eq(set.v.value, "a\0\0\0", 4);
    answer_with(&ic, &set, sizeof(set), 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        memcpy(&m, seen.data + IC_PACKET, sizeof(m));
        ck_assert_uint_eq(m.h.operation, VMBUS_KVP_ENUMERATE);
        ck_assert_uint_eq(m.h.pool, 2);
        ck_assert_uint_eq(m.index, i);
        item_of(&m, "OSName", i == 1 ? "" : "Debian");
        answer_with(&ic, &m, sizeof(m), 0, 0);
    }
    ck_assert_str_eq(seen.said, "OSName is Debian");
    ck_assert_uint_eq(seen.lines, 2);
    const unsigned sent = seen.sent;
    answer_with(&ic, &m, sizeof(m), VMBUS_IC_S_NO_MORE, 0);
    ck_assert_uint_eq(seen.sent, sent);
    ic_tick(&ic, 30 * IC_SECOND); /* from the start, without the name */
    memcpy(&m, seen.data + IC_PACKET, sizeof(m));
    ck_assert_uint_eq(m.h.operation, VMBUS_KVP_ENUMERATE);
    ck_assert_uint_eq(m.index, 0);
    item_of(&m, "OSName", "Debian");
    answer_with(&ic, &m, sizeof(m), 0, 0);
    ck_assert_uint_eq(seen.lines, 2); /* nothing new */
}
END_TEST

START_TEST(kvp_survives_a_daemon_that_lies)
{
    struct kvp k;
    struct ic ic = with_kvp(&k);
    struct vmbus_kvp_enumerate m;
    answer_with(&ic, &m, 0, VMBUS_IC_S_FAIL, 0); /* it does not want the name */
    ck_assert(k.told);
    for (unsigned i = 0; i < KVP_ITEMS; i++) {
        memset(&m, 0xff, sizeof(m));
        m.v.type = i & 1 ? 1 : 4;
        m.v.key_bytes = i & 2 ? 512 : UINT32_MAX;
        m.v.value_bytes = i & 4 ? 2048 : 2049;
        answer_with(&ic, &m, sizeof(m), 0, 0);
    }
    ck_assert_uint_eq(seen.lines, 2); /* those of indexes 7 and 15 */
    ck_assert_uint_eq(k.item[7].value[0], '?');
    ck_assert_uint_eq(strlen(k.item[7].value), KVP_TEXT - 1);
    const unsigned sent = seen.sent;
    answer_with(&ic, &m, sizeof(m), 0, 0); /* to a question nobody asked */
    ck_assert_uint_eq(seen.sent, sent);
    ic_tick(&ic, 30 * IC_SECOND);
    ck_assert_uint_eq(seen.sent, sent + 1);
    ic_tick(&ic, 60 * IC_SECOND); /* no answer: not asked twice */
    ck_assert_uint_eq(seen.sent, sent + 1);
}
END_TEST

SUITE("rt_ic", the_first_message_offers_all_versions, the_guests_choice_must_be_one_of_the_offered,
      a_guest_that_never_agrees_is_not_complained_about_for_ever,
      short_and_foreign_messages_do_no_harm, heartbeats_go_every_two_seconds_and_count,
      a_guest_without_pulse_is_lost_once_and_found_again, shutdown_is_asked_in_full_length,
      time_is_set_once_then_sampled, kvp_tells_the_name_then_asks_item_by_item,
      kvp_survives_a_daemon_that_lies)
