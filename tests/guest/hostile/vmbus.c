/*
 * A child that does to VMBus what it should not: messages of any bytes and of bytes that nearly
 * make sense, rings with other indexes and packets than it agreed to, signals for channels it has
 * not, and honest steps in between that make the others matter. That the root and the neighbours
 * are unharmed is for the caller to see. Links with bus.c here.
 */
#include "tests/guest/hostile/bus.h"

#define STEPS    30000u
#define CHANNELS 8u
#define RINGS    6u /* pages of a channel's rings */

void ch_main(uint32_t start_info);

static uint8_t ring[CHANNELS][RINGS][VMBUS_RING_PAGE] __attribute__((aligned(4096)));
static unsigned posted, refused;

static void post(void *ctx, const void *msg, uint32_t size)
{
    (void)ctx;
    const uint32_t connection = below(8) ? VMBUS_CONNECTION : VMBUS_CONNECTION_OLD;
    const uint32_t type = below(50) ? VMBUS_MESSAGE_TYPE : (uint32_t)below(1u << 31);
    posted++;
    refused += bus_post(connection, type, msg, size) != 0;
}

/* ---- steps ---- */
static void any_message(void)
{
    uint8_t m[VMBUS_MESSAGE_MAX];
    const uint32_t size = (uint32_t)below(sizeof(m) + 1);
    for (uint32_t i = 0; i < size; i++)
        m[i] = (uint8_t)below(256);
    if (size && below(4))
        m[0] = (uint8_t)below(26);
    for (uint32_t i = 1; i < 4 && i < size; i++)
        m[i] = 0;
    post(0, m, size);
}

/* Words that a server may take for its own. */
static void near_message(void)
{
    uint32_t m[VMBUS_MESSAGE_MAX / 4] = {(uint32_t)below(25), 0};
    for (unsigned i = 2; i < 10; i++) {
        const uint32_t word[] = {
            (uint32_t)below(CHANNELS),       VMBUS_CLIENT_GPADL + (uint32_t)below(64),
            (uint32_t)below(4096),           (uint32_t)below(16) << 16 | 16,
            UINT32_MAX - (uint32_t)below(3), 0};
        m[i] = word[below(6)];
    }
    if (m[0] == VMBUS_MSG_UNLOAD && below(20))
        m[0] = VMBUS_MSG_GPADL_HEADER;
    post(0, m, sizeof(m));
}

static struct vmbus_client_channel *one_of(void)
{
    return &bus_client.channel[below(CHANNELS)];
}

static void open_channel(void)
{
    struct vmbus_client_channel *ch = one_of();
    struct vmbus_page page[RINGS];
    if (ch->state != VMBUS_C_OFFERED && ch->state != VMBUS_C_REFUSED)
        return;
    for (unsigned i = 0; i < RINGS; i++)
        page[i] = (struct vmbus_page){(uint64_t)ring[ch - bus_client.channel][i],
                                      ring[ch - bus_client.channel][i]};
    vmbus_client_open(&bus_client, ch, page, RINGS, 3, 0);
}

static void spoil_ring(void)
{
    uint8_t(*r)[VMBUS_RING_PAGE] = ring[below(CHANNELS)];
    uint32_t *word = (uint32_t *)r[below(RINGS)] + (below(2) ? below(18) : below(1024));
    const uint32_t value[] = {0,
                              8,
                              (uint32_t)below(8192),
                              (uint32_t)below(8192) & ~7u,
                              UINT32_MAX,
                              (uint32_t)bus_random()};
    *word = value[below(6)];
}

static void send_packet(void)
{
    struct vmbus_client_channel *ch = one_of();
    uint64_t data[64];
    const uint32_t length = (uint32_t)below(sizeof(data));
    for (unsigned i = 0; i < 64; i++)
        data[i] = below(3) ? below(8192) : bus_random();
    if (ch->state != VMBUS_C_OPEN)
        return;
    if (below(3))
        vmbus_client_send(&bus_client, ch, bus_random(), (uint16_t)below(2), data, length);
    else
        vmbus_client_send_gpa(&bus_client, ch, bus_random(), data, length & ~7u, (uint32_t)below(4),
                              data, 16);
}

static void close_channel(void)
{
    struct vmbus_client_channel *ch = one_of();
    if (ch->state == VMBUS_C_RESCINDED)
        vmbus_client_release(&bus_client, ch);
    else if (ch->state != VMBUS_C_NONE)
        vmbus_client_close(&bus_client, ch);
}

static void step(void)
{
    uint8_t buffer[1024];
    struct vmbus_client_channel *ch = one_of();
    switch (below(12)) {
    case 0:
        any_message();
        break;
    case 1:
        near_message();
        break;
    case 2:
    case 3:
        open_channel();
        break;
    case 4:
    case 5:
        spoil_ring();
        break;
    case 6:
        send_packet();
        break;
    case 7:
        bus_signal(VMBUS_EVENT_CONNECTION + (uint32_t)below(CHANNELS + 2));
        break;
    case 8:
        if (ch->page[0])
            vmbus_client_receive(&bus_client, ch, buffer, sizeof(buffer));
        break;
    case 9:
        close_channel();
        break;
    case 10:
        if (bus_client.version && below(100))
            break;
        vmbus_client_connect(&bus_client, below(4) ? VMBUS_VERSION_IRON : VMBUS_VERSION_WIN8);
        bus_take_messages();
        vmbus_client_request_offers(&bus_client);
        break;
    default:
        if (below(50)) /* now and then they pile up */
            bus_take_messages();
        break;
    }
}

void ch_main(uint32_t start_info)
{
    char text[] = "hostile: ??????? messages, some were refused\n";
    (void)start_info;
    bus_start(post);
    for (unsigned i = 0; i < STEPS; i++)
        step();
    for (unsigned i = 0, n = posted; i < 7; i++, n /= 10)
        text[15 - i] = (char)('0' + n % 10);
    ch_put(text);
    ch_outb(0xf4, refused == posted);
    for (;;)
        __asm__ volatile("cli; hlt");
}
