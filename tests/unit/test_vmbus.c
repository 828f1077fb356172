/*
 * VMBus: our server against our client, against recorded bytes of the published protocol, and
 * against guests that lie.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/suite.h"
#include "tests/lib/vmbus_rig.h"

static const struct vmbus_guid class_a = VMBUS_CLASS_HEARTBEAT, class_b = VMBUS_CLASS_SHUTDOWN;

/* A VSP that keeps what it sees, and echoes if told to. */
struct echo {
    struct vmbus_channel *channel;
    unsigned opened, closed, gone, writable, readable, packets;
    uint32_t refuse;
    bool echo, greet;
    struct vmbus_packet last;
    uint8_t data[VMBUS_PACKET_MAX];
    struct vmbus_seg seg[VMBUS_SEGS_MAX];
    int result;
};

static uint32_t on_open(void *vsp, struct vmbus_channel *c, const uint8_t *user)
{
    struct echo *e = vsp;
    (void)user;
    e->opened++;
    if (e->greet)
        vmbus_send(c, VMBUS_PKT_INBAND, 1, 0, "greeting", 8);
    return e->refuse;
}

static void on_packet(void *vsp, struct vmbus_channel *c, const struct vmbus_packet *p)
{
    struct echo *e = vsp;
    e->packets++;
    e->last = *p;
    memcpy(e->data, p->data, p->length);
    for (unsigned i = 0; i < p->segs; i++)
        e->seg[i] = p->seg[i];
    if (e->echo)
        e->result = vmbus_complete(c, p->id, p->data, p->length);
}

static void on_close(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    ((struct echo *)vsp)->closed++;
}

static void on_gone(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    ((struct echo *)vsp)->gone++;
}

static void on_writable(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    ((struct echo *)vsp)->writable++;
}

static void on_readable(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    ((struct echo *)vsp)->readable++;
}

static const struct vmbus_vsp_ops push = {.opened = on_open,
                                          .packet = on_packet,
                                          .closed = on_close,
                                          .writable = on_writable,
                                          .gone = on_gone};
static const struct vmbus_vsp_ops pull = {
    .opened = on_open, .closed = on_close, .readable = on_readable, .gone = on_gone};

static struct vmbus_channel *offer(struct vmbus_rig *r, struct echo *e,
                                   const struct vmbus_guid *class_id,
                                   const struct vmbus_vsp_ops *ops)
{
    struct vmbus_offer o = {.class_id = *class_id, .instance_id = *class_id};
    memset(e, 0, sizeof(*e));
    e->channel = vmbus_offer(r->server, &o, ops, e);
    ck_assert_ptr_nonnull(e->channel);
    return e->channel;
}

static void connect(struct vmbus_rig *r, uint32_t version)
{
    vmbus_client_connect(&r->client, version);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.version, version);
    vmbus_client_request_offers(&r->client);
    vmbus_rig_pump(r);
    ck_assert(r->client.all_offers);
}

static struct vmbus_client_channel *open_pages(struct vmbus_rig *r, unsigned pages,
                                               unsigned downstream)
{
    struct vmbus_client_channel *ch = vmbus_client_find(&r->client, &class_a, 0);
    struct vmbus_page page[VMBUS_CLIENT_RING_PAGES];
    ck_assert_ptr_nonnull(ch);
    vmbus_rig_pages(r, page, pages);
    vmbus_client_open(&r->client, ch, page, pages, downstream, 1);
    vmbus_rig_pump(r);
    return ch;
}

/* Rig with one offer, open, rings of one data page each. */
static struct vmbus_rig *opened(struct echo *e, struct vmbus_client_channel **ch,
                                const struct vmbus_vsp_ops *ops)
{
    struct vmbus_rig *r = vmbus_rig_new();
    offer(r, e, &class_a, ops);
    connect(r, VMBUS_VERSION_IRON);
    *ch = open_pages(r, 4, 2);
    ck_assert_uint_eq((*ch)->state, VMBUS_C_OPEN);
    ck_assert_uint_eq(e->opened, 1);
    return r;
}

/* ---- connection and offers ---- */
START_TEST(every_version_from_2_4_to_5_3_connects_and_no_other)
{
    static const uint32_t good[] = {0x20004, 0x30000, 0x40000, 0x40001,
                                    0x50000, 0x50001, 0x50002, 0x50003};
    static const uint32_t bad[] = {0, 13, 0x10001, 0x20003, 0x50004, 0x60000, 0xffffffff};
    struct vmbus_rig *r = vmbus_rig_new();
    for (unsigned i = 0; i < 8; i++) {
        connect(r, good[i]);
        ck_assert_uint_eq(vmbus_version(r->server), good[i]);
    }
    for (unsigned i = 0; i < 7; i++) {
        vmbus_client_connect(&r->client, bad[i]);
        vmbus_rig_pump(r);
        ck_assert(r->client.answered);
        ck_assert_uint_eq(r->client.version, 0);
        ck_assert_uint_eq(vmbus_version(r->server), 0);
    }
    vmbus_rig_free(r);
}
END_TEST

START_TEST(contact_and_its_answer_are_the_recorded_bytes)
{
    /* as Linux 6.1 sends it for 5.3, target VP 2 */
    static const uint8_t contact[40] = {14, 0, 0, 0, 0, 0, 0, 0, 3, 0, 5, 0, 2, 0, 0, 0, 2};
    static const uint8_t answer[16] = {15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0};
    static const uint8_t requests[8] = {3}, all[8] = {4};
    struct vmbus_rig *r = vmbus_rig_new();
    r->client_off = true;
    vmbus_rig_message(r, contact, sizeof(contact));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->down_count, 1);
    ck_assert_uint_eq(r->down[0].size, sizeof(answer));
    ck_assert_mem_eq(r->down[0].data, answer, sizeof(answer));
    ck_assert_uint_eq(r->message_vp, 2);
    vmbus_rig_message(r, requests, sizeof(requests));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->down_count, 2);
    ck_assert_mem_eq(r->down[1].data, all, sizeof(all));
    vmbus_rig_free(r);
}
END_TEST

START_TEST(an_offer_is_the_recorded_bytes)
{
    uint8_t wanted[196] = {1};
    static const uint8_t guid[16] = {0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e,
                                     0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d};
    struct echo e;
    struct vmbus_rig *r = vmbus_rig_new();
    offer(r, &e, &class_a, &push);
    memcpy(wanted + 8, guid, 16);
    memcpy(wanted + 24, guid, 16);
    wanted[184] = 1; /* relid */
    wanted[190] = 1; /* dedicated interrupt */
    wanted[192] = 1; /* connection 0x2001 */
    wanted[193] = 0x20;
    r->client_off = true;
    vmbus_client_connect(&r->client, VMBUS_VERSION_IRON);
    vmbus_client_request_offers(&r->client);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->down_count, 3);
    ck_assert_uint_eq(r->down[1].size, 196);
    ck_assert_mem_eq(r->down[1].data, wanted, 196);
    ck_assert(r->connected[1]);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(offers_wait_for_the_request_and_come_at_once_later)
{
    struct echo a, b;
    struct vmbus_rig *r = vmbus_rig_new();
    offer(r, &a, &class_a, &push);
    vmbus_client_connect(&r->client, VMBUS_VERSION_IRON);
    vmbus_rig_pump(r);
    ck_assert_ptr_null(vmbus_client_find(&r->client, &class_a, 0));
    vmbus_client_request_offers(&r->client);
    vmbus_rig_pump(r);
    ck_assert_ptr_nonnull(vmbus_client_find(&r->client, &class_a, 0));
    offer(r, &b, &class_b, &push);
    vmbus_rig_pump(r);
    ck_assert_ptr_nonnull(vmbus_client_find(&r->client, &class_b, 0));
    vmbus_rig_free(r);
    ck_assert_uint_eq(a.gone + b.gone, 2);
    ck_assert_uint_eq(a.closed + b.closed, 0);
}
END_TEST

START_TEST(a_rescinded_relid_is_reused_only_after_its_release)
{
    struct echo a, b;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&a, &ch, &push);
    vmbus_rescind(a.channel);
    ck_assert_uint_eq(a.closed, 1);
    ck_assert_uint_eq(a.gone, 0);
    ck_assert_int_eq(vmbus_send(a.channel, VMBUS_PKT_INBAND, 0, 0, "x", 1), VMBUS_ECLOSED);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(ch->state, VMBUS_C_RESCINDED);
    offer(r, &b, &class_b, &push);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(vmbus_relid(b.channel), 2);
    vmbus_client_close(&r->client, ch);
    const uint32_t gpadl = ch->gpadl;
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.torndown, gpadl);
    ck_assert_uint_eq(a.closed, 1);
    vmbus_client_release(&r->client, ch);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(a.gone, 1);
    ck_assert(!r->connected[1]);
    offer(r, &a, &class_a, &push);
    ck_assert_uint_eq(vmbus_relid(a.channel), 1);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(unload_closes_all_and_a_new_contact_finds_the_offers_again)
{
    static const struct vmbus_msg m = {VMBUS_MSG_UNLOAD, 0};
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    vmbus_rig_message(r, &m, sizeof(m));
    vmbus_rig_pump(r);
    ck_assert(r->client.unloaded);
    ck_assert_uint_eq(e.closed, 1);
    ck_assert_uint_eq(e.gone, 0);
    connect(r, VMBUS_VERSION_WIN10);
    ch = open_pages(r, 4, 2);
    ck_assert_uint_eq(ch->state, VMBUS_C_OPEN);
    /* and a guest that was reset says no good-bye */
    connect(r, VMBUS_VERSION_IRON);
    ck_assert_uint_eq(e.closed, 2);
    ck_assert_uint_eq(open_pages(r, 4, 2)->state, VMBUS_C_OPEN);
    vmbus_rig_free(r);
    ck_assert_uint_eq(e.closed, 3);
    ck_assert_uint_eq(e.gone, 1);
}
END_TEST

START_TEST(messages_wait_for_a_slow_guest_in_order)
{
    struct echo e[20];
    struct vmbus_rig *r = vmbus_rig_new();
    for (unsigned i = 0; i < 20; i++)
        offer(r, &e[i], &class_a, &push);
    r->slots = 1;
    vmbus_client_connect(&r->client, VMBUS_VERSION_IRON);
    vmbus_client_request_offers(&r->client);
    vmbus_rig_pump(r);
    ck_assert(r->client.answered);
    ck_assert_uint_eq(vmbus_server_run(r->server), VMBUS_LATER);
    ck_assert_uint_gt(r->wakes, 0);
    for (unsigned i = 0; i < 20; i++) {
        r->slots = 1;
        vmbus_rig_pump(r);
        const struct vmbus_client_channel *ch = vmbus_client_find(&r->client, &class_a, i);
        ck_assert_ptr_nonnull(ch);
        ck_assert_uint_eq(ch->offer.relid, i + 1);
        ck_assert(!r->client.all_offers);
    }
    r->slots = 1;
    vmbus_rig_pump(r);
    ck_assert(r->client.all_offers);
    ck_assert_uint_eq(vmbus_server_run(r->server), VMBUS_IDLE);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(sub_channels_come_with_index_and_go_with_their_primary)
{
    struct echo e, sub;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    const struct vmbus_offer o = {
        .class_id = class_a, .instance_id = class_a, .sub_index = 1, .parent = e.channel};
    memset(&sub, 0, sizeof(sub));
    sub.channel = vmbus_offer(r->server, &o, &push, &sub);
    vmbus_rig_pump(r);
    struct vmbus_client_channel *second = vmbus_client_find(&r->client, &class_a, 1);
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_eq(second->offer.sub_index, 1);
    vmbus_client_close(&r->client, ch);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(second->state, VMBUS_C_RESCINDED);
    vmbus_client_release(&r->client, second);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(sub.gone, 1);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(modify_moves_interrupts_and_is_answered_from_5_3_on)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    struct vmbus_msg_modify m = {{VMBUS_MSG_MODIFY_CHANNEL, 0}, 1, 3};
    vmbus_send(e.channel, VMBUS_PKT_INBAND, 0, 0, "x", 1);
    ck_assert_uint_eq(r->signal_vp, 1);
    vmbus_rig_message(r, &m, sizeof(m));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.modified, 1);
    ck_assert_uint_eq(vmbus_channel_vp(e.channel), 3);
    m.target_vp = VMBUS_RIG_VPS;
    vmbus_rig_message(r, &m, sizeof(m));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.modified, 0);
    ck_assert_uint_eq(vmbus_channel_vp(e.channel), 3);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(socket_connections_are_refused)
{
    struct vmbus_msg_tl_connect m = {.h = {VMBUS_MSG_TL_CONNECT_REQUEST, 0}};
    struct vmbus_rig *r = vmbus_rig_new();
    connect(r, VMBUS_VERSION_IRON);
    vmbus_rig_message(r, &m, sizeof(m));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.tl_status, 0xc0000236);
    vmbus_rig_free(r);
}
END_TEST

/* ---- opening ---- */
START_TEST(what_opened_says_goes_to_the_guest)
{
    struct echo e;
    struct vmbus_rig *r = vmbus_rig_new();
    offer(r, &e, &class_a, &push);
    e.refuse = 0xc000009a;
    connect(r, VMBUS_VERSION_IRON);
    const struct vmbus_client_channel *ch = open_pages(r, 4, 2);
    ck_assert_uint_eq(ch->state, VMBUS_C_REFUSED);
    ck_assert_uint_eq(ch->refused, 0xc000009a);
    ck_assert(!vmbus_is_open(e.channel));
    vmbus_rig_free(r);
    ck_assert_uint_eq(e.closed, 0);
}
END_TEST

START_TEST(a_greeting_in_opened_interrupts_after_the_answer)
{
    struct echo e;
    struct vmbus_rig *r = vmbus_rig_new();
    uint8_t buffer[64];
    offer(r, &e, &class_a, &push);
    e.greet = true;
    connect(r, VMBUS_VERSION_IRON);
    struct vmbus_client_channel *ch = open_pages(r, 4, 2);
    ck_assert_uint_eq(r->signals[1], 1);
    ck_assert_int_eq(vmbus_client_receive(&r->client, ch, buffer, 64), 24);
    ck_assert_mem_eq(buffer + 16, "greeting", 8);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(rings_that_make_no_sense_are_refused)
{
    struct echo e;
    struct vmbus_rig *r = vmbus_rig_new();
    struct vmbus_page page[8];
    offer(r, &e, &class_a, &push);
    connect(r, VMBUS_VERSION_IRON);
    vmbus_rig_pages(r, page, 8);
    const uint32_t g = vmbus_client_gpadl(&r->client, 1, page, 8);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.gpadl_status, 0);
    const struct vmbus_msg_open good = {
        .h = {VMBUS_MSG_OPEN_CHANNEL, 0}, .relid = 1, .gpadl = g, .downstream_page = 4};
    struct vmbus_msg_open m[9];
    for (unsigned i = 0; i < 9; i++)
        m[i] = good;
    m[0].relid = 2;
    m[1].gpadl = g + 1;
    m[2].downstream_page = 0;
    m[3].downstream_page = 1;
    m[4].downstream_page = 7;
    m[5].downstream_page = 8;
    m[6].downstream_page = UINT32_MAX;
    m[7].target_vp = VMBUS_RIG_VPS;
    m[8].relid = UINT32_MAX;
    for (unsigned i = 0; i < 9; i++) {
        vmbus_rig_message(r, &m[i], sizeof(m[i]));
        vmbus_rig_pump(r);
        ck_assert_uint_eq(e.opened, 0);
        ck_assert_uint_eq(r->logs, i + 1);
    }
    /* indexes of a ring that was not empty: within the ring or not at all */
    struct vmbus_ring_control *control = (void *)page[4].va;
    control->write_index = 3 * 4096;
    vmbus_rig_message(r, &good, sizeof(good));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.opened, 0);
    control->write_index = control->read_index = 3 * 4096 - 8;
    vmbus_rig_message(r, &good, sizeof(good));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.opened, 1);
    vmbus_rig_message(r, &good, sizeof(good)); /* and not twice */
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.opened, 1);
    vmbus_rig_free(r);
}
END_TEST

/* ---- GPADLs ---- */
START_TEST(a_gpadl_of_200_pages_is_copied_both_ways)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    struct vmbus_page page[200];
    static uint8_t buffer[200 * 4096];
    vmbus_rig_pages(r, page, 200);
    const uint32_t g = vmbus_client_gpadl(&r->client, 1, page, 200);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.gpadl_status, 0);
    ck_assert_uint_eq(vmbus_gpadl_size(e.channel, g), 200 * 4096);
    for (unsigned i = 0; i < sizeof(buffer); i++)
        buffer[i] = (uint8_t)(i * 7 + i / 4096);
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g, 100, buffer, 199 * 4096, true), 0);
    ck_assert_uint_eq(page[0].va[100], buffer[0]);
    ck_assert_uint_eq(page[5].va[0], buffer[5 * 4096 - 100]);
    static uint8_t back[200 * 4096];
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g, 100, back, 199 * 4096, false), 0);
    ck_assert_mem_eq(back, buffer, 199 * 4096);
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g, 199 * 4096, back, 4097, false), VMBUS_EBAD);
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g, UINT64_MAX, back, 2, false), VMBUS_EBAD);
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g + 1, 0, back, 1, false), VMBUS_EBAD);
    const struct vmbus_msg_gpadl_teardown m = {{VMBUS_MSG_GPADL_TEARDOWN, 0}, 1, g};
    vmbus_rig_message(r, &m, sizeof(m));
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.torndown, g);
    ck_assert_int_eq(vmbus_gpadl_copy(e.channel, g, 0, back, 1, false), VMBUS_EBAD);
    ck_assert_uint_eq(vmbus_gpadl_size(e.channel, g), 0);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(gpadls_that_make_no_sense_are_refused)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    struct {
        struct vmbus_msg_gpadl_header h;
        uint8_t pfn[8];
    } good = {.h = {.h = {VMBUS_MSG_GPADL_HEADER, 0},
                    .relid = 1,
                    .gpadl = 7,
                    .range_bytes = 16,
                    .range_count = 1,
                    .range = {4096, 0}}};
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t hole = i == 7 ? UINT64_MAX : VMBUS_RIG_RAM / 4096;
        r->client.gpadl_status = 0;
        memset(good.pfn, 0, 8);
        good.h.relid = i == 0 ? 9 : 1;
        good.h.range_count = i == 1 ? 2 : i == 2 ? 0 : 1;
        good.h.range.byte_count = i == 3 ? 0 : i == 4 ? UINT32_MAX : 4096;
        good.h.range.byte_offset = i == 5 ? 4096 : 0;
        if (i >= 6)
            memcpy(good.pfn, &hole, 8);
        vmbus_rig_message(r, &good, sizeof(good.h) + 8);
        vmbus_rig_pump(r);
        ck_assert_uint_ne(r->client.gpadl_status, 0);
    }
    memset(good.pfn, 0, 8);
    vmbus_rig_message(r, &good, sizeof(good.h) + 8);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->client.gpadl_status, 0);
    vmbus_rig_message(r, &good, sizeof(good.h) + 8); /* the handle is taken */
    vmbus_rig_pump(r);
    ck_assert_uint_ne(r->client.gpadl_status, 0);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(a_guest_cannot_pile_up_gpadls_for_ever)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    struct vmbus_msg_gpadl_header h = {.h = {VMBUS_MSG_GPADL_HEADER, 0},
                                       .relid = 1,
                                       .range_count = 1,
                                       .range = {16384u * 4096, 0}};
    unsigned refused = 0;
    for (unsigned i = 0; i < 2000; i++) {
        h.gpadl = 100 + i;
        r->client.gpadl_status = 0;
        vmbus_rig_message(r, &h, sizeof(h));
        vmbus_rig_pump(r);
        refused += r->client.gpadl_status != 0;
    }
    ck_assert_uint_eq(refused, 1997); /* three of 64 MiB and the ring */
    ck_assert_uint_le(r->logs, 64);
    vmbus_rig_free(r);
}
END_TEST

/* ---- packets ---- */
START_TEST(packets_of_every_length_go_round_and_round)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    uint8_t out[512], in[512 + 16];
    e.echo = true;
    for (unsigned n = 0; n < 1000; n++) {
        const uint32_t length = n % 500, padded = (length + 7) & ~7u;
        for (unsigned i = 0; i < length; i++)
            out[i] = (uint8_t)(n + i);
        ck_assert_int_eq(vmbus_client_send(&r->client, ch, n, 1, out, length), 0);
        vmbus_rig_pump(r);
        ck_assert_uint_eq(e.packets, n + 1);
        ck_assert_uint_eq(e.last.id, n);
        ck_assert_uint_eq(e.last.flags, VMBUS_PKT_F_COMPLETION);
        ck_assert_uint_eq(e.last.length, padded);
        ck_assert_int_eq(vmbus_client_receive(&r->client, ch, in, sizeof(in)), 16 + (int)padded);
        ck_assert_mem_eq(in + 16, out, length);
        struct vmbus_desc d;
        memcpy(&d, in, sizeof(d));
        ck_assert_uint_eq(d.type, VMBUS_PKT_COMPLETION);
        ck_assert_uint_eq(d.id, n);
        ck_assert_uint_eq(d.flags, 0);
    }
    ck_assert_int_eq(vmbus_client_receive(&r->client, ch, in, sizeof(in)), 0);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(only_the_first_packet_in_an_empty_ring_interrupts)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    uint8_t in[64];
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, i, 0, "12345678", 8), 0);
    ck_assert_uint_eq(r->signals[1], 1);
    while (vmbus_client_receive(&r->client, ch, in, sizeof(in)) > 0)
        ;
    vmbus_ring_mask(&ch->in, true);
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 9, 0, "12345678", 8), 0);
    ck_assert_uint_eq(r->signals[1], 1);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(the_bytes_in_the_ring_are_those_of_the_protocol)
{
    static const uint8_t packet[32] = {6, 0, 2, 0, 3, 0,   1,   0,   0x11, 0,  0,
                                       0, 0, 0, 0, 0, 'a', 'b', 'c', 'd',  'e'};
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0x11, 1, "abcde", 5), 0);
    ck_assert_mem_eq(ch->page[3], packet, 32);
    ck_assert_uint_eq(ch->in.control->write_index, 32);
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0x12, 0, "abcde", 5), 0);
    uint32_t trailer[2];
    memcpy(trailer, ch->page[3] + 32 + 24, 8);
    ck_assert_uint_eq(trailer[0], 0);
    ck_assert_uint_eq(trailer[1], 32); /* where the packet starts */
    const struct vmbus_xfer_range range[2] = {{100, 200}, {300, 400}};
    static const uint8_t pages[] = {
        7, 0,   5, 0, 6, 0,   1, 0, 0x13, 0,    0, 0, 0, 0,    0, 0, 0xfe, 0xca, 0,   0,   2,  0, 0,
        0, 100, 0, 0, 0, 200, 0, 0, 0,    0x2c, 1, 0, 0, 0x90, 1, 0, 0,    'n',  'v', 's', 'p'};
    ck_assert_int_eq(vmbus_send_pages(e.channel, 0xcafe, range, 2, 0x13, 1, "nvsp", 4), 0);
    ck_assert_mem_eq(ch->page[3] + 64, pages, sizeof(pages));
    vmbus_rig_free(r);
}
END_TEST

START_TEST(a_full_ring_says_so_and_calls_when_there_is_room)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    uint8_t in[1024];
    unsigned sent = 0, got = 0;
    int result;
    while (!(result = vmbus_send(e.channel, VMBUS_PKT_INBAND, sent, 0, in, 488)))
        sent++;
    ck_assert_int_eq(result, VMBUS_EFULL);
    ck_assert_uint_eq(sent, 7); /* 8 would leave no byte free */
    ck_assert_uint_eq(ch->in.control->pending_send_size, 512);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.writable, 0);
    while (vmbus_client_receive(&r->client, ch, in, sizeof(in)) > 0)
        got++;
    ck_assert_uint_eq(got, sent);
    ck_assert(r->pending[1]);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.writable, 1);
    ck_assert_uint_eq(ch->in.control->pending_send_size, 0);
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0, 0, in, 488), 0);
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0, 0, in, 4096), VMBUS_ELENGTH);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(a_guest_that_waits_for_room_is_interrupted)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    uint8_t out[1000] = {0};
    vmbus_pause(e.channel, true);
    while (!vmbus_client_send(&r->client, ch, 0, 0, out, sizeof(out)))
        ;
    vmbus_ring_want(&ch->out, 1024);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.packets, 0);
    ck_assert_uint_eq(r->signals[1], 0);
    vmbus_pause(e.channel, false);
    ck_assert_uint_gt(r->wakes, 0);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.packets, 3);
    ck_assert_uint_eq(r->signals[1], 1);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(gpa_ranges_are_flattened_and_merged)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    struct {
        struct vmbus_gpa_range a;
        uint64_t a_pfn[3];
        struct vmbus_gpa_range b;
        uint64_t b_pfn[1];
    } ranges = {{8192 + 100, 3900}, {5, 6, 7}, {50, 10}, {9}};
    e.echo = true;
    ck_assert_int_eq(
        vmbus_client_send_gpa(&r->client, ch, 77, &ranges, sizeof(ranges), 2, "command!", 8), 0);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.packets, 1);
    ck_assert_uint_eq(e.last.type, VMBUS_PKT_GPA_DIRECT);
    ck_assert_mem_eq(e.data, "command!", 8);
    ck_assert_uint_eq(e.last.segs, 2);
    ck_assert_uint_eq(e.last.seg_bytes, 8192 + 150);
    ck_assert_uint_eq(e.seg[0].gpa, 5 * 4096 + 3900);
    ck_assert_uint_eq(e.seg[0].length, 8192 + 100);
    ck_assert_uint_eq(e.seg[1].gpa, 9 * 4096 + 10);
    ck_assert_uint_eq(e.seg[1].length, 50);
    uint8_t buffer[8192 + 150];
    memset(buffer, 0xa5, sizeof(buffer));
    ck_assert_uint_eq(vmbus_seg_copy(e.channel, e.seg, 2, 8292, buffer, 50, true), 50);
    ck_assert_uint_eq(*vmbus_rig_ram(r, 9 * 4096 + 10), 0xa5);
    ck_assert_uint_eq(*vmbus_rig_ram(r, 9 * 4096 + 60), 0);
    ck_assert_uint_eq(*vmbus_rig_ram(r, 5 * 4096 + 3900 + 8291), 0);
    ck_assert_uint_eq(vmbus_seg_copy(e.channel, e.seg, 2, 0, buffer, 10000, false), 8342);
    ck_assert_uint_eq(buffer[8291], 0);
    ck_assert_uint_eq(buffer[8292], 0xa5);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(a_vsp_that_pulls_takes_its_packets_itself)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &pull);
    struct vmbus_packet p;
    ck_assert_int_eq(vmbus_receive(e.channel, &p), 0);
    vmbus_client_send(&r->client, ch, 1, 0, "one-----", 8);
    vmbus_client_send(&r->client, ch, 2, 0, "two-----", 8);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.readable, 1);
    ck_assert_int_eq(vmbus_receive(e.channel, &p), 1);
    ck_assert_mem_eq(p.data, "one-----", 8);
    ck_assert_int_eq(vmbus_receive(e.channel, &p), 1);
    ck_assert_uint_eq(p.id, 2);
    ck_assert_int_eq(vmbus_receive(e.channel, &p), 0);
    vmbus_client_close(&r->client, ch);
    vmbus_rig_pump(r);
    ck_assert_int_eq(vmbus_receive(e.channel, &p), VMBUS_ECLOSED);
    vmbus_rig_free(r);
}
END_TEST

/* ---- guests that lie ---- */

/* What the guest puts into its ring before it signals; each must close this channel and only it. */
static void spoil(struct vmbus_rig *r, struct vmbus_client_channel *ch, int how)
{
    struct vmbus_desc d = {VMBUS_PKT_INBAND, 2, 3, 0, 0};
    struct vmbus_ring_control *control = (void *)ch->page[0];
    const uint32_t ranges[4] = {0, 1, 0xffffffff, 0};
    uint64_t hole[2] = {4096, VMBUS_RIG_RAM / 4096};
    switch (how) {
    case 0:
        d.length8 = 1;
        break;
    case 1:
        d.offset8 = 1;
        break;
    case 2:
        d.offset8 = 4;
        break;
    case 3:
        d.length8 = 0xffff;
        break;
    case 4:
    case 5:
    case 6:
        break;
    case 7:
        vmbus_client_send_gpa(&r->client, ch, 0, &ranges[2], 8, 0xffffffff, 0, 0);
        return;
    case 8:
        vmbus_client_send_gpa(&r->client, ch, 0, hole, 16, 1, 0, 0);
        return;
    case 9:
        hole[0] |= 4096ull << 32;
        vmbus_client_send_gpa(&r->client, ch, 0, hole, 16, 1, 0, 0);
        return;
    case 10:
        hole[1] = 1ull << 52;
        vmbus_client_send_gpa(&r->client, ch, 0, hole, 16, 1, 0, 0);
        return;
    case 11:
        d.type = VMBUS_PKT_GPA_DIRECT;
        break;
    default:
        d.type = VMBUS_PKT_XFER_PAGES;
        d.offset8 = 3;
        break;
    }
    memset(ch->page[1], 0xff, 64);
    memcpy(ch->page[1], &d, sizeof(d));
    control->write_index = how == 4 ? 4096 : how == 5 ? 36 : how == 6 ? 16 : 32;
    r->pending[1] = true;
}

static void spoil_and_look(int how)
{
    struct echo e, other;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = vmbus_rig_new();
    struct vmbus_page page[4];
    offer(r, &e, &class_a, &push);
    offer(r, &other, &class_b, &push);
    connect(r, VMBUS_VERSION_IRON);
    struct vmbus_client_channel *b = vmbus_client_find(&r->client, &class_b, 0);
    vmbus_rig_pages(r, page, 4);
    vmbus_client_open(&r->client, b, page, 4, 2, 0);
    vmbus_rig_pump(r);
    ch = open_pages(r, 4, 2);
    ck_assert_uint_eq(ch->state, VMBUS_C_OPEN);
    spoil(r, ch, how);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->logs, 1);
    ck_assert_uint_eq(e.closed, 1);
    ck_assert_uint_eq(e.packets, 0);
    ck_assert(!vmbus_is_open(e.channel));
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0, 0, "x", 1), VMBUS_ECLOSED);
    vmbus_client_send(&r->client, b, 0, 0, "x", 1);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(other.packets, 1);
    /* closed and opened anew it works again */
    vmbus_client_close(&r->client, ch);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.closed, 1);
    ck_assert_uint_eq(open_pages(r, 4, 2)->state, VMBUS_C_OPEN);
    vmbus_client_send(&r->client, ch, 0, 0, "x", 1);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.packets, 1);
    vmbus_rig_free(r);
}

START_TEST(a_spoilt_ring_closes_its_channel_and_no_other)
{
    for (int how = 0; how < 13; how++)
        spoil_and_look(how);
}
END_TEST

START_TEST(a_bad_read_index_closes_the_channel_outside_of_the_vsp)
{
    struct echo e;
    struct vmbus_client_channel *ch;
    struct vmbus_rig *r = opened(&e, &ch, &push);
    ((struct vmbus_ring_control *)ch->page[2])->read_index = 0x7ffffff8;
    ck_assert_int_eq(vmbus_send(e.channel, VMBUS_PKT_INBAND, 0, 0, "x", 1), VMBUS_ECLOSED);
    ck_assert_uint_eq(e.closed, 0);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(e.closed, 1);
    ck_assert_str_eq(r->last_log, "1: the guest's read index makes no sense");
    vmbus_rig_free(r);
}
END_TEST

START_TEST(messages_that_make_no_sense_cost_a_line_each)
{
    struct vmbus_rig *r = vmbus_rig_new();
    uint8_t m[VMBUS_MESSAGE_MAX] = {0};
    unsigned expected = 0;
    connect(r, VMBUS_VERSION_IRON);
    for (uint32_t type = 0; type < 40; type++) { /* eight bytes suffice for two types only */
        if (type == VMBUS_MSG_UNLOAD || type == VMBUS_MSG_REQUEST_OFFERS)
            continue;
        m[0] = (uint8_t)type;
        vmbus_rig_message(r, m, 8);
        vmbus_rig_pump(r);
        ck_assert_uint_eq(r->logs, ++expected);
    }
    vmbus_rig_message(r, m, 7);
    vmbus_rig_pump(r);
    ck_assert_uint_eq(r->logs, ++expected);
    ck_assert_uint_eq(vmbus_version(r->server), VMBUS_VERSION_IRON);
    vmbus_rig_free(r);
}
END_TEST

START_TEST(a_guest_that_takes_no_messages_loses_them)
{
    struct vmbus_rig *r = vmbus_rig_new();
    static const struct vmbus_msg_gpadl_teardown m = {{VMBUS_MSG_GPADL_TEARDOWN, 0}, 1, 1};
    connect(r, VMBUS_VERSION_IRON);
    r->slots = 0;
    for (unsigned i = 0; i < 10000; i++)
        vmbus_server_message(r->server, &m, sizeof(m));
    ck_assert_uint_eq(vmbus_server_run(r->server), VMBUS_LATER);
    ck_assert_uint_le(r->logs, 64);
    r->slots = VMBUS_RIG_FIFO;
    vmbus_rig_pump(r);
    ck_assert_uint_eq(vmbus_server_run(r->server), VMBUS_IDLE);
    vmbus_rig_free(r);
}
END_TEST

SUITE("vmbus", every_version_from_2_4_to_5_3_connects_and_no_other,
      contact_and_its_answer_are_the_recorded_bytes, an_offer_is_the_recorded_bytes,
      offers_wait_for_the_request_and_come_at_once_later,
      a_rescinded_relid_is_reused_only_after_its_release,
      unload_closes_all_and_a_new_contact_finds_the_offers_again,
      messages_wait_for_a_slow_guest_in_order,
      sub_channels_come_with_index_and_go_with_their_primary,
      modify_moves_interrupts_and_is_answered_from_5_3_on, socket_connections_are_refused,
      what_opened_says_goes_to_the_guest, a_greeting_in_opened_interrupts_after_the_answer,
      rings_that_make_no_sense_are_refused, a_gpadl_of_200_pages_is_copied_both_ways,
      gpadls_that_make_no_sense_are_refused, a_guest_cannot_pile_up_gpadls_for_ever,
      packets_of_every_length_go_round_and_round, only_the_first_packet_in_an_empty_ring_interrupts,
      the_bytes_in_the_ring_are_those_of_the_protocol,
      a_full_ring_says_so_and_calls_when_there_is_room, a_guest_that_waits_for_room_is_interrupted,
      gpa_ranges_are_flattened_and_merged, a_vsp_that_pulls_takes_its_packets_itself,
      a_bad_read_index_closes_the_channel_outside_of_the_vsp,
      messages_that_make_no_sense_cost_a_line_each, a_guest_that_takes_no_messages_loses_them,
      a_spoilt_ring_closes_its_channel_and_no_other)
