/*
 * vmwp/ics.c: the VM's integration components on their channels (ic.h), and what is done with them:
 * shutting the guest down when VMMS says so or when the definition's stop-after= has passed.
 */
#include "partitions/root/vmwp/ics.h"
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/ic.h"
#include "partitions/root/vmwp/vmwp.h"

#define ASK_AGAIN_NS 100000000ull

static const struct ic_class *const classes[RT_ICS] = {[RT_IC_HEARTBEAT] = &ic_heartbeat,
                                                       [RT_IC_SHUTDOWN] = &ic_shutdown,
                                                       [RT_IC_TIME_SYNC] = &ic_time_sync,
                                                       [RT_IC_KVP] = &ic_kvp};
_Static_assert(KVP_ITEMS == RT_KVP_ITEMS && KVP_KEY == RT_KVP_KEY && KVP_TEXT == RT_KVP_VALUE,
               "the worker's items are those of the message");

static struct ic ics[RT_ICS];
static struct kvp kvp = {.host_key = "VirtualMachineName"};
static struct chan channel[RT_ICS];
static uint64_t stop_due = RT_NEVER; /* ask the guest then */
static bool stop_restarts;
static bool is_paused;

static bool ics_send(void *ctx, struct ic *ic, const void *data, uint32_t size)
{
    (void)ctx;
    return chan_send(&channel[ic - ics], data, size);
}

static void ics_opened(void *ctx)
{
    ic_opened(ctx);
}

static void ics_closed(void *ctx)
{
    ic_closed(ctx);
}

static void ics_packet(void *ctx, const uint8_t *data, uint32_t size)
{
    ic_receive(ctx, data, size, u_now());
}

static void ics_say(void *ctx, struct ic *ic, const char *text)
{
    (void)ctx;
    u_log("%s: %s", ic->class->name, text);
}

static void ics_clock(void *ctx, uint64_t *wall, uint64_t *reference)
{
    (void)ctx;
    *reference = (uint64_t)u_call1(SYS_REFERENCE_TIME, vm.part);
    *wall = ((uint64_t)u_call0(SYS_WALL) + VMBUS_TIME_1601) * 10000000 + u_now() / 100;
}

/* VMMS hears what has changed. */
static void ics_publish(void)
{
    static uint32_t published[RT_ICS]; /* RT_IC_NO_CONTACT */
    for (uint32_t i = 0; i < RT_ICS; i++) {
        const struct rt_vm_ic news = {i, ics[i].state == IC_FAILED  ? RT_IC_FAILED
                                         : ics[i].lost              ? RT_IC_LOST
                                         : ics[i].state == IC_READY ? RT_IC_OK
                                                                    : RT_IC_NO_CONTACT};
        if (news.status != published[i] && !u_send(U_PARENT, RT_MSG_VM_IC, &news, sizeof(news)))
            published[i] = news.status;
    }
    for (uint32_t i = 0; i < KVP_ITEMS; i++) {
        struct rt_vm_kvp news = {.index = i};
        if (!kvp.item[i].fresh)
            continue;
        memcpy(news.key, kvp.item[i].key, sizeof(news.key));
        memcpy(news.value, kvp.item[i].value, sizeof(news.value));
        kvp.item[i].fresh = u_send(U_PARENT, RT_MSG_VM_KVP, &news, sizeof(news)) != 0;
    }
}

bool ics_init(void)
{
    rt_strcpy(kvp.host_value, vm.name, sizeof(kvp.host_value));
    for (unsigned i = 0; i < RT_ICS; i++) {
        ics[i] = (struct ic){.class = classes[i],
                             .send = ics_send,
                             .say = ics_say,
                             .clock = ics_clock,
                             .kvp = &kvp,
                             .due = IC_NEVER};
        channel[i] = (struct chan){
            .opened = ics_opened, .closed = ics_closed, .packet = ics_packet, .ctx = &ics[i]};
        if (!chan_offer(&channel[i], &classes[i]->class_id, &classes[i]->instance_id,
                        VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE, 0))
            return false;
    }
    if (vm.stop_after)
        stop_due = u_now() + vm.stop_after;
    return true;
}

void ics_stop(bool restart)
{
    stop_restarts = restart;
    if (ic_shutdown_request(&ics[RT_IC_SHUTDOWN], restart))
        return;
    u_log("shutdown: the guest can't be asked: it has not opened the channel");
}

void ics_pause(bool paused)
{
    is_paused = paused;
    for (unsigned i = 0; i < RT_ICS && !paused; i++) {
        ics[i].answers = ics[i].asked;
        if (ics[i].due != IC_NEVER)
            ics[i].due = u_now();
    }
}

void ics_timers(void)
{
    if (is_paused)
        return;
    for (unsigned i = 0; i < RT_ICS; i++)
        ic_tick(&ics[i], u_now());
    ics_publish();
    if (stop_due > u_now())
        return;
    /* The guest may not be so far yet; then again and again. */
    stop_due = ic_shutdown_request(&ics[RT_IC_SHUTDOWN], stop_restarts) ? RT_NEVER
                                                                        : u_now() + ASK_AGAIN_NS;
}

uint64_t ics_deadline(void)
{
    uint64_t t = stop_due;
    if (is_paused)
        return RT_NEVER;
    for (unsigned i = 0; i < RT_ICS; i++)
        if (ics[i].due < t)
            t = ics[i].due;
    return t;
}

void ics_report(void)
{
    if (ics[RT_IC_HEARTBEAT].sequence)
        u_log("heartbeat: %lu answer%s", ics[RT_IC_HEARTBEAT].sequence,
              ics[RT_IC_HEARTBEAT].sequence == 1 ? "" : "s");
}
