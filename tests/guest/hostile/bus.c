/*
 * tests/guest/hostile/bus.c: VMBus for hostile children (bus.h).
 */
#include "tests/guest/hostile/bus.h"

#define OS_ID 0x8100000000010000ull

void ch_ap_main(void);

struct vmbus_client bus_client;
static struct hv_message messages[HV_SINT_COUNT] __attribute__((aligned(4096)));
static uint64_t events[512] __attribute__((aligned(4096)));
static struct hv_in_post_message input __attribute__((aligned(4096)));
static uint64_t seed = 88172645463325252ull;

uint64_t bus_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

uint64_t below(uint64_t n)
{
    return bus_random() % n;
}

void ch_ap_main(void)
{
}

static uint64_t vmcall(uint64_t control, uint64_t in)
{
    uint64_t result;
    register uint64_t r8 __asm__("r8") = 0;
    __asm__ volatile("vmcall"
                     : "=a"(result), "+c"(control), "+d"(in), "+r"(r8)
                     :
                     : "memory", "r9", "r10", "r11", "cc");
    return result;
}

uint64_t bus_post(uint32_t connection, uint32_t type, const void *msg, uint32_t size)
{
    input = (struct hv_in_post_message){.connection = connection, .type = type, .size = size};
    memcpy(input.payload, msg, size);
    return vmcall(HVCALL_POST_MESSAGE, (uint64_t)&input);
}

void bus_signal(uint32_t connection)
{
    vmcall(HVCALL_SIGNAL_EVENT | HV_HC_FAST, connection);
}

static void signal_host(void *ctx, uint32_t connection)
{
    (void)ctx;
    bus_signal(connection);
}

void bus_take_messages(void)
{
    struct hv_message *m = &messages[VMBUS_SINT];
    while (*(volatile uint32_t *)&m->type != HV_MSG_NONE) {
        vmbus_client_message(&bus_client, m->payload, m->size);
        *(volatile uint32_t *)&m->type = HV_MSG_NONE;
        __sync_synchronize();
        ch_wrmsr(HV_MSR_EOM, 0);
    }
}

void bus_start(void (*post)(void *ctx, const void *msg, uint32_t size))
{
    static struct vmbus_client_host host;
    host = (struct vmbus_client_host){post, signal_host};
    ch_trap_init();
    vmbus_client_init(&bus_client, &host, 0);
    ch_wrmsr(HV_MSR_GUEST_OS_ID, OS_ID);
    ch_wrmsr(HV_MSR_SIMP, (uint64_t)messages | HV_MSR_ENABLE);
    ch_wrmsr(HV_MSR_SIEFP, (uint64_t)events | HV_MSR_ENABLE);
    ch_wrmsr(HV_MSR_SCONTROL, HV_MSR_ENABLE);
}
