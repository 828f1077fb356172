/*
 * vid/bus.c: the VMBus servers' way to the hypervisor and back.
 *
 * Children reach us by ports on SINT 2 of VP 0: per partition one message port (connections 1 and 4
 * of the child), per channel one event port with an event flag of its own, slot * 256 + relid. The
 * other way it is HvCallPostMessageDirect and HvCallSignalEventDirect. The interrupt only wakes the
 * thread; a message stays in its slot until the thread has handled it, so a child that floods us
 * fills its own port (TLFS 11.4) and nothing here.
 *
 * Not modelled: relids above 255, other VPs of the root.
 */
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid_int.h"
#include "partitions/root/winhv/winhv.h"

#define BUS_RELIDS     256u
#define BUS_PORT       0x10000u /* + slot */
#define BUS_EVENT_PORT 0x20000u /* + slot * BUS_RELIDS + relid: the event flag */
#define BUS_MESSAGES   64u      /* handled before others have their turn */
#define BUS_RETRY_NS   1000000ull
#define BUS_RETRY_SLOW 100000000ull
_Static_assert(VID_PARTITIONS *BUS_RELIDS <= HV_EVENT_FLAGS_PER_SINT, "an event flag per channel");

static struct part *bus_part[VID_PARTITIONS];
static struct thread *bus_waiter;
static bool bus_work; /* something came since the thread looked */
static bool bus_has_thread;

static void bus_wake(void *ctx)
{
    (void)ctx;
    bus_work = true;
    if (bus_waiter)
        sched_wake(bus_waiter);
}

void bus_init(void)
{
    trap_handle_auto_eoi(VEC_VMBUS, bus_wake);
    wrmsr(HV_MSR_SINT0 + VMBUS_SINT, VEC_VMBUS | HV_SINT_AUTO_EOI);
}

/* ---- what the server needs ---- */
static uint64_t bus_ram_pa(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got)
{
    return vid_gpa_to_pa(ctx, gpa, want, got);
}

static void *bus_ram(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got)
{
    uint64_t pa = vid_gpa_to_pa(ctx, gpa, want, got);
    return pa ? phys_to_virt(pa) : 0;
}

static bool bus_post(void *ctx, uint32_t vp, const void *msg, uint32_t size)
{
    struct part *p = ctx;
    uint16_t status = winhv_post_message_direct(p->id, vp, VMBUS_SINT, VMBUS_MESSAGE_TYPE, msg,
                                                size);
    return status != HV_STATUS_INSUFFICIENT_BUFFERS && status != HV_STATUS_INSUFFICIENT_MEMORY;
}

static void bus_signal(void *ctx, uint32_t vp, uint32_t relid)
{
    struct part *p = ctx;
    winhv_signal_event_direct(p->id, vp, VMBUS_SINT, (uint16_t)relid);
}

static uint32_t bus_flag(const struct part *p, uint32_t relid)
{
    return p->slot * BUS_RELIDS + relid;
}

static bool bus_connect(void *ctx, uint32_t relid)
{
    struct part *p = ctx;
    uint32_t flag = bus_flag(p, relid);
    const struct hv_port_info info = {.type = HV_PORT_TYPE_EVENT,
                                      .sint = VMBUS_SINT,
                                      .base_flag = (uint16_t)flag,
                                      .flag_count = 1};
    if (winhv_create_port(BUS_EVENT_PORT + flag, p->id, &info))
        return false;
    if (!winhv_connect_port(p->id, VMBUS_EVENT_CONNECTION + relid, BUS_EVENT_PORT + flag,
                            HV_PORT_TYPE_EVENT))
        return true;
    winhv_delete_port(BUS_EVENT_PORT + flag);
    return false;
}

static void bus_disconnect(void *ctx, uint32_t relid)
{
    winhv_delete_port(BUS_EVENT_PORT + bus_flag(ctx, relid)); /* its connection goes with it */
}

static void bus_log(void *ctx, uint32_t relid, const char *text)
{
    const struct part *p = ctx;
    if (relid)
        rt_log("vmbus: %s: channel %u: %s", p->name, relid, text);
    else
        rt_log("vmbus: %s: %s", p->name, text);
}

/* ---- the thread ---- */
static bool bus_take_messages(void)
{
    struct hv_message *m = &winhv_messages[VMBUS_SINT];
    unsigned n = 0;
    for (; n < BUS_MESSAGES && *(volatile uint32_t *)&m->type != HV_MSG_NONE; n++) {
        uint64_t slot = m->sender - BUS_PORT;
        if (slot < VID_PARTITIONS && bus_part[slot])
            vmbus_server_message(bus_part[slot]->bus, m->payload, m->size);
        winhv_message_done(VMBUS_SINT);
    }
    return n == BUS_MESSAGES;
}

static void bus_take_events(void)
{
    for (unsigned word = 0; word < HV_EVENT_FLAGS_PER_SINT / 64; word++) {
        uint64_t *flags = &winhv_events[VMBUS_SINT][word];
        if (!*(volatile uint64_t *)flags)
            continue;
        uint64_t bits = __atomic_exchange_n(flags, 0, __ATOMIC_SEQ_CST);
        for (; bits; bits &= bits - 1) {
            unsigned flag = word * 64 + (unsigned)__builtin_ctzll(bits);
            struct part *p = bus_part[flag / BUS_RELIDS];
            if (p)
                vmbus_server_event(p->bus, flag % BUS_RELIDS);
        }
    }
}

/* One round over all servers; the greatest need. */
static enum vmbus_todo bus_round(void)
{
    enum vmbus_todo todo = bus_take_messages() ? VMBUS_AGAIN : VMBUS_IDLE;
    bus_take_events();
    for (unsigned i = 0; i < VID_PARTITIONS; i++) {
        enum vmbus_todo one = bus_part[i] ? vmbus_server_run(bus_part[i]->bus) : VMBUS_IDLE;
        if (one == VMBUS_AGAIN || (one == VMBUS_LATER && todo == VMBUS_IDLE))
            todo = one;
    }
    return todo;
}

static void bus_thread(void *arg)
{
    uint64_t delay = BUS_RETRY_NS;
    (void)arg;
    for (;;) {
        bus_work = false;
        enum vmbus_todo todo = bus_round();
        if (todo == VMBUS_AGAIN) {
            sched_yield();
            irq_on();
            __asm__ volatile("nop");
            irq_off();
        } else if (!bus_work && todo == VMBUS_IDLE) {
            delay = BUS_RETRY_NS;
            sched_wait(&bus_waiter, RT_NEVER);
        } else if (!bus_work) {
            sched_wait(&bus_waiter, time_now() + delay);
            delay = delay < BUS_RETRY_SLOW ? delay * 2 : delay;
        }
    }
}

/* ---- start and stop ---- */
static bool bus_message_port(struct part *p)
{
    const struct hv_port_info info = {.type = HV_PORT_TYPE_MESSAGE, .sint = VMBUS_SINT};
    uint32_t port = BUS_PORT + p->slot;
    if (winhv_create_port(port, p->id, &info))
        return false;
    if (!winhv_connect_port(p->id, VMBUS_CONNECTION_OLD, port, HV_PORT_TYPE_MESSAGE) &&
        !winhv_connect_port(p->id, VMBUS_CONNECTION, port, HV_PORT_TYPE_MESSAGE))
        return true;
    winhv_delete_port(port);
    return false;
}

int64_t bus_start(struct part *p, struct queue *queue)
{
    static struct vmbus_host host = {.ram = bus_ram,
                                     .ram_pa = bus_ram_pa,
                                     .post = bus_post,
                                     .signal = bus_signal,
                                     .connect = bus_connect,
                                     .disconnect = bus_disconnect,
                                     .alloc = kmalloc,
                                     .free = kfree,
                                     .log = bus_log,
                                     .wake = bus_wake,
                                     .relid_max = BUS_RELIDS - 1};
    if (p->bus)
        return -RT_EINVAL;
    if (!bus_has_thread && !sched_new("vmbus", 0, bus_thread, 0))
        return -RT_ENOMEM;
    bus_has_thread = true;
    host.vps = p->vps;
    struct vmbus_server *s = vmbus_server_new(&host, p);
    if (!s || !bus_message_port(p)) {
        if (s)
            vmbus_server_free(s);
        return -RT_ENOMEM;
    }
    p->bus = s;
    p->bus_queue = queue;
    queue_ref(queue);
    bus_part[p->slot] = p;
    return 0;
}

void bus_stop(struct part *p)
{
    if (!p->bus)
        return;
    winhv_delete_port(BUS_PORT + p->slot);
    bus_part[p->slot] = 0;
    vmbus_server_free(p->bus);
    p->bus = 0;
    queue_unref(p->bus_queue);
}

struct vmbus_server *bus_server(struct part *p)
{
    return p->bus;
}
