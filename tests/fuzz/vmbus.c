/*
 * Fuzz target: a guest that does to its VMBus server what the input says: honest steps by the
 * client, messages of any bytes, anything in the ring pages, signals, and meanwhile a VSP that
 * echoes, offers, rescinds. Afterwards nothing of the server may be left.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/vmbus_rig.h"

#define RING_PAGES 4u
#define CHANNELS   4u

enum {
    OP_MESSAGE,
    OP_TYPED,
    OP_CONNECT,
    OP_OFFERS,
    OP_OPEN,
    OP_SEND,
    OP_SEND_GPA,
    OP_POKE,
    OP_EVENT,
    OP_PUMP,
    OP_HOST,
    OP_CLOSE,
    OP_SLOTS,
    OP_RECEIVE,
    OPS
};

static struct vmbus_channel *channel[CHANNELS];
static bool refuse;

/* ---- the VSP ---- */
static uint32_t opened(void *vsp, struct vmbus_channel *c, const uint8_t *user)
{
    (void)vsp;
    vmbus_send(c, VMBUS_PKT_INBAND, 0, 0, user, 120);
    return refuse;
}

static void packet(void *vsp, struct vmbus_channel *c, const struct vmbus_packet *p)
{
    uint8_t buffer[256];
    (void)vsp;
    if (p->segs) {
        vmbus_seg_copy(c, p->seg, p->segs, 0, buffer, sizeof(buffer), false);
        vmbus_seg_copy(c, p->seg, p->segs, p->seg_bytes / 2, buffer, sizeof(buffer), true);
    }
    for (unsigned i = 0; i < p->ranges; i++)
        vmbus_gpadl_copy(c, p->set, p->range[i].byte_offset, buffer, p->range[i].byte_count & 255,
                         true);
    if (p->id == 0xdead)
        vmbus_fail(c, "told to");
    if (p->flags & VMBUS_PKT_F_COMPLETION)
        vmbus_complete(c, p->id, p->data, p->length);
}

static void closed(void *vsp, struct vmbus_channel *c)
{
    (void)vsp;
    (void)c;
}

static void gone(void *vsp, struct vmbus_channel *c)
{
    (void)vsp;
    for (unsigned i = 0; i < CHANNELS; i++)
        if (channel[i] == c)
            channel[i] = NULL;
}

static const struct vmbus_vsp_ops ops = {
    .opened = opened, .packet = packet, .closed = closed, .gone = gone};
static const struct vmbus_vsp_ops pull_ops = {
    .opened = opened, .readable = closed, .writable = closed, .closed = closed, .gone = gone};

static void make_offer(struct vmbus_rig *r, unsigned i, bool sub)
{
    struct vmbus_offer o = {.class_id = VMBUS_CLASS_SCSI, .instance_id = VMBUS_CLASS_SCSI};
    o.instance_id.b[0] = (uint8_t)i;
    if (sub && channel[0] && i) {
        o.sub_index = (uint16_t)i;
        o.parent = channel[0];
    }
    if (!channel[i])
        channel[i] = vmbus_offer(r->server, &o, i == 3 ? &pull_ops : &ops, NULL);
}

static void host_step(struct vmbus_rig *r, struct fuzz_reader *in)
{
    const unsigned what = (unsigned)fuzz_take(in, 1), i = what / 8 % CHANNELS;
    const struct vmbus_xfer_range range = {(uint32_t)fuzz_take(in, 1), 0};
    struct vmbus_packet p;
    uint8_t buffer[2048] = {0};
    if (what % 8 == 0) {
        make_offer(r, i, what & 0x80);
        return;
    }
    if (!channel[i])
        return;
    switch (what % 8) {
    case 1:
        vmbus_rescind(channel[i]);
        break;
    case 2:
        vmbus_pause(channel[i], what & 0x80);
        break;
    case 3:
        vmbus_fail(channel[i], "told to");
        break;
    case 4:
        vmbus_send(channel[i], VMBUS_PKT_INBAND, 1, 1, buffer, range.byte_count * 8);
        break;
    case 5:
        vmbus_send_pages(channel[i], 1, &range, 1, 2, 1, buffer, 40);
        break;
    case 6:
        vmbus_receive(channel[i], &p);
        break;
    default:
        refuse = what & 0x80;
        break;
    }
}

/* ---- the guest ---- */
static struct vmbus_client_channel *one_of(struct vmbus_rig *r, struct fuzz_reader *in)
{
    return &r->client.channel[fuzz_take(in, 1) % CHANNELS];
}

static bool has_rings(const struct vmbus_client_channel *ch)
{
    return ch->state != VMBUS_C_NONE && ch->page[0];
}

static void message(struct vmbus_rig *r, struct fuzz_reader *in, bool typed)
{
    uint8_t m[255] = {0};
    const uint32_t size = (uint32_t)fuzz_take(in, 1) % (VMBUS_MESSAGE_MAX + 8);
    const uint32_t values[] = {1, 2, VMBUS_CLIENT_GPADL, VMBUS_CLIENT_GPADL + 1};
    unsigned at = 0;
    if (typed) { /* words that mean something, mostly */
        m[0] = (uint8_t)(fuzz_take(in, 1) % 26);
        for (at = 8; at < 28 && at < size; at += 4) {
            const uint8_t v = (uint8_t)fuzz_take(in, 1);
            const uint32_t word = v < 4 ? values[v] : v;
            memcpy(m + at, &word, 4);
        }
    }
    for (; at < size && fuzz_more(in); at++)
        m[at] = (uint8_t)fuzz_take(in, 1);
    vmbus_rig_message(r, m, size);
}

static void open_step(struct vmbus_rig *r, struct fuzz_reader *in)
{
    struct vmbus_client_channel *ch = one_of(r, in);
    struct vmbus_page page[RING_PAGES];
    if (ch->state != VMBUS_C_OFFERED)
        return;
    vmbus_rig_pages(r, page, RING_PAGES);
    vmbus_client_open(&r->client, ch, page, RING_PAGES, 2, (uint32_t)fuzz_take(in, 1) % 5);
}

static void send_step(struct vmbus_rig *r, struct fuzz_reader *in, bool gpa)
{
    uint8_t data[256];
    struct vmbus_client_channel *ch = one_of(r, in);
    const uint32_t n = (uint32_t)fuzz_take(in, 1), id = (uint32_t)fuzz_take(in, 2);
    for (unsigned i = 0; i < n; i++)
        data[i] = (uint8_t)fuzz_take(in, 1);
    if (!has_rings(ch))
        return;
    if (gpa)
        vmbus_client_send_gpa(&r->client, ch, id, data, n & ~7u, 1 + id % 3, data, 8);
    else
        vmbus_client_send(&r->client, ch, id, id & 1, data, n);
}

static void poke(struct vmbus_rig *r, struct fuzz_reader *in)
{
    const struct vmbus_client_channel *ch = one_of(r, in);
    const unsigned page = (unsigned)fuzz_take(in, 1) % RING_PAGES;
    unsigned at = (unsigned)fuzz_take(in, 2) % 4096, n = (unsigned)fuzz_take(in, 1) % 32;
    if (at > 2048)
        at %= 68; /* mostly the control words, or the first packets */
    for (; n && at < 4096; n--, at++) {
        const uint8_t v = (uint8_t)fuzz_take(in, 1);
        if (has_rings(ch))
            ch->page[page][at] = v;
    }
}

static void step(struct vmbus_rig *r, struct fuzz_reader *in)
{
    static const uint32_t versions[] = {VMBUS_VERSION_IRON, VMBUS_VERSION_WIN8, 0x60000};
    uint8_t buffer[4096];
    const unsigned op = (unsigned)fuzz_take(in, 1) % OPS;
    struct vmbus_client_channel *ch;
    switch (op) {
    case OP_MESSAGE:
    case OP_TYPED:
        message(r, in, op == OP_TYPED);
        break;
    case OP_CONNECT:
        vmbus_client_connect(&r->client, versions[fuzz_take(in, 1) % 3]);
        break;
    case OP_OFFERS:
        vmbus_client_request_offers(&r->client);
        break;
    case OP_OPEN:
        open_step(r, in);
        break;
    case OP_SEND:
    case OP_SEND_GPA:
        send_step(r, in, op == OP_SEND_GPA);
        break;
    case OP_POKE:
        poke(r, in);
        break;
    case OP_EVENT:
        r->pending[fuzz_take(in, 1) % 64] = true;
        break;
    case OP_PUMP:
        vmbus_rig_pump(r);
        break;
    case OP_HOST:
        host_step(r, in);
        break;
    case OP_CLOSE:
        ch = one_of(r, in);
        if (ch->state != VMBUS_C_NONE)
            vmbus_client_close(&r->client, ch);
        if (ch->state == VMBUS_C_RESCINDED)
            vmbus_client_release(&r->client, ch);
        break;
    case OP_SLOTS:
        r->slots = (unsigned)fuzz_take(in, 2) % VMBUS_RIG_FIFO;
        break;
    default:
        ch = one_of(r, in);
        if (has_rings(ch))
            vmbus_client_receive(&r->client, ch, buffer, sizeof(buffer));
        break;
    }
}

static void one(const uint8_t *data, size_t len)
{
    struct fuzz_reader in = {data, data + len};
    struct vmbus_rig *r = vmbus_rig_new();
    memset(channel, 0, sizeof(channel));
    refuse = false;
    make_offer(r, 0, false);
    make_offer(r, 3, false);
    while (fuzz_more(&in))
        step(r, &in);
    vmbus_rig_pump(r);
    vmbus_rig_free(r);
}

static size_t seed(unsigned n, uint8_t *to)
{
    static const uint8_t start[] = {OP_CONNECT, 0, OP_PUMP, OP_OFFERS, OP_PUMP, OP_OPEN,
                                    0,          1, OP_OPEN, 1,         0,       OP_PUMP};
    static const uint8_t traffic[] = {
        OP_SEND, 0,  16, 1,       0,          1,  2,       3,       4,           5, 6,  7, 8,
        9,       10, 11, 12,      13,         14, 15,      16,      OP_SEND_GPA, 0, 16, 2, 0,
        0,       16, 0,  0,       0,          0,  0,       0,       5,           0, 0,  0, 0,
        0,       0,  0,  OP_PUMP, OP_RECEIVE, 0,  OP_SEND, 1,       8,           0, 0,  1, 1,
        1,       1,  1,  1,       1,          1,  OP_PUMP, OP_HOST, 6 + 24,      0};
    static const uint8_t end[] = {
        OP_HOST, 8,        0, OP_HOST,  0x90, 0,  OP_PUMP, OP_CLOSE,   0, OP_PUMP, OP_HOST, 1, 0,
        OP_PUMP, OP_CLOSE, 0, OP_TYPED, 16,   16, OP_PUMP, OP_CONNECT, 1, OP_PUMP};
    if (n > 2)
        return 0;
    memcpy(to, start, sizeof(start));
    size_t at = sizeof(start);
    for (unsigned i = 0; i < n * 4; i++, at += sizeof(traffic))
        memcpy(to + at, traffic, sizeof(traffic));
    if (n == 2) {
        memcpy(to + at, end, sizeof(end));
        at += sizeof(end);
    }
    return at;
}

const struct fuzz_target fuzz_vmbus = {
    "vmbus", "a guest's messages and rings for the VMBus server", NULL, one, seed, 512};
