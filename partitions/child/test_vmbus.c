/*
 * VMBus, with the client of vmbus/client: the child connects, finds the heartbeat component, opens
 * its channel, agrees on versions, answers one heartbeat, and leaves. Under a root without VMBus,
 * which has no port for our messages, there is nothing to check.
 */
#include "partitions/child/ch.h"
#include "vmbus/client/client.h"

#define V_VMBUS    (CH_VECTOR + 0x10)
#define RING_PAGES 4u /* two for each direction */
#define TRIES      1000u

static struct hv_message messages[HV_SINT_COUNT] __attribute__((aligned(4096)));
static uint64_t events[512] __attribute__((aligned(4096)));
static uint8_t ring[RING_PAGES][VMBUS_RING_PAGE] __attribute__((aligned(4096)));
static struct vmbus_client client;
static bool absent;

static void post(void *ctx, const void *msg, uint32_t size)
{
    struct hv_in_post_message *in = (void *)ch_in;
    uint64_t status = HV_STATUS_INSUFFICIENT_BUFFERS;
    (void)ctx;
    *in = (struct hv_in_post_message){
        .connection = VMBUS_CONNECTION, .type = VMBUS_MESSAGE_TYPE, .size = size};
    memcpy(in->payload, msg, size);
    for (unsigned i = 0; i < TRIES && status == HV_STATUS_INSUFFICIENT_BUFFERS; i++)
        status = ch_hypercall(HVCALL_POST_MESSAGE, (uint64_t)ch_in, 0);
    absent = status == HV_STATUS_INVALID_CONNECTION_ID;
}

static void signal_host(void *ctx, uint32_t connection)
{
    (void)ctx;
    ch_hypercall(HVCALL_SIGNAL_EVENT | HV_HC_FAST, connection, 0);
}

static void take_messages(void)
{
    struct hv_message *m = &messages[VMBUS_SINT];
    while (*(volatile uint32_t *)&m->type != HV_MSG_NONE) {
        vmbus_client_message(&client, m->payload, m->size);
        *(volatile uint32_t *)&m->type = HV_MSG_NONE;
        __sync_synchronize();
        if (*(volatile uint8_t *)&m->flags & HV_MESSAGE_FLAG_PENDING)
            ch_wrmsr(HV_MSR_EOM, 0);
    }
}

static bool connected(void)
{
    return client.answered;
}

static bool offered(void)
{
    return client.all_offers;
}

static struct vmbus_client_channel *beat; /* the heartbeat's channel */

static bool settled(void)
{
    return beat->state == VMBUS_C_OPEN || beat->state == VMBUS_C_REFUSED;
}

static bool torn_down(void)
{
    return client.torndown == beat->gpadl;
}

static bool unloaded(void)
{
    return client.unloaded;
}

/* Messages until the condition holds, or nothing comes for a second. */
static bool wait_for(bool (*condition)(void))
{
    for (;;) {
        const unsigned before = ch_interrupts(V_VMBUS);
        take_messages();
        if (condition())
            return true;
        if (!ch_wait(V_VMBUS, before + 1))
            return false;
    }
}

/* ---- the heartbeat component's protocol ---- */
struct ic_packet {
    struct vmbus_desc d;
    struct vmbus_pipe pipe;
    struct vmbus_ic h;
    uint8_t body[204];
};

static bool receive(struct ic_packet *p)
{
    for (unsigned i = 0; i < 4; i++) {
        const unsigned before = ch_interrupts(V_VMBUS);
        const int n = vmbus_client_receive(&client, beat, p, sizeof(*p));
        __atomic_fetch_and(&events[VMBUS_SINT * 32 + beat->offer.relid / 64],
                           ~(1ull << beat->offer.relid % 64), __ATOMIC_SEQ_CST);
        if (n > 0)
            return n >= (int)(sizeof(*p) - sizeof(p->body)) && p->pipe.type == VMBUS_PIPE_DATA;
        ch_wait(V_VMBUS, before + 1);
    }
    return false;
}

static bool answer(struct ic_packet *p)
{
    p->h.flags = VMBUS_IC_F_TRANSACTION | VMBUS_IC_F_RESPONSE;
    return !vmbus_client_send(&client, beat, 0, 0, &p->pipe,
                              (uint32_t)sizeof(p->pipe) + p->pipe.size);
}

static void test_heartbeat(void)
{
    static const uint16_t choice[] = {1, 1, 0, 0, 3, 0, 3, 0}; /* one of each: 3.0 and 3.0 */
    struct ic_packet p;
    struct vmbus_ic_heartbeat b;
    memset(&p, 0, sizeof(p));
    ch_check("heartbeat offers versions", receive(&p) && p.h.type == VMBUS_IC_NEGOTIATE, "packet");
    memcpy(p.body, choice, sizeof(choice));
    ch_check("answer fits into the ring", answer(&p), "no room");
    ch_check("heartbeat comes", receive(&p) && p.h.type == VMBUS_IC_HEARTBEAT, "packet");
    memcpy(&b, p.body, sizeof(b));
    b.sequence++;
    memcpy(p.body, &b, sizeof(b));
    ch_check("heartbeat is answered", answer(&p), "no room");
}

static void test_channel(void)
{
    struct vmbus_page page[RING_PAGES];
    for (unsigned i = 0; i < RING_PAGES; i++)
        page[i] = (struct vmbus_page){(uint64_t)ring[i], ring[i]};
    vmbus_client_open(&client, beat, page, RING_PAGES, 2, VMBUS_TARGET_VP_NONE - 1);
    ch_check("open for a VP that is not there is refused",
             wait_for(settled) && beat->state == VMBUS_C_REFUSED, "open");
    beat->state = VMBUS_C_OFFERED;
    vmbus_client_open(&client, beat, page, RING_PAGES, 2, 0);
    ch_check("channel opens", wait_for(settled) && beat->state == VMBUS_C_OPEN, "refused");
    if (beat->state == VMBUS_C_OPEN)
        test_heartbeat();
    vmbus_client_close(&client, beat);
    ch_check("GPADL is torn down", wait_for(torn_down), "silence");
}

void ch_test_vmbus(void)
{
    static const struct vmbus_client_host host = {post, signal_host};
    static const struct vmbus_guid heartbeat = VMBUS_CLASS_HEARTBEAT;
    const struct vmbus_msg unload = {VMBUS_MSG_UNLOAD, 0};
    vmbus_client_init(&client, &host, 0);
    ch_wrmsr(HV_MSR_SIMP, (uint64_t)messages | HV_MSR_ENABLE);
    ch_wrmsr(HV_MSR_SIEFP, (uint64_t)events | HV_MSR_ENABLE);
    ch_wrmsr(HV_MSR_SINT0 + VMBUS_SINT, V_VMBUS);
    ch_wrmsr(HV_MSR_SCONTROL, HV_MSR_ENABLE);
    vmbus_client_connect(&client, VMBUS_VERSION_IRON + 0x10000);
    if (absent)
        return;
    ch_check("VMBus 6.3 is refused", wait_for(connected) && !client.version, "answer");
    vmbus_client_connect(&client, VMBUS_VERSION_IRON);
    ch_check("VMBus 5.3 is agreed on", wait_for(connected) && client.version, "answer");
    vmbus_client_request_offers(&client);
    ch_check("offers arrive", wait_for(offered), "silence");
    beat = vmbus_client_find(&client, &heartbeat, 0);
    ch_check("heartbeat is offered", beat != 0, "no offer");
    if (beat)
        test_channel();
    post(0, &unload, sizeof(unload));
    ch_check("UNLOAD is answered", wait_for(unloaded), "silence");
}
