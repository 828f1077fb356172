/*
 * vmwp/ic_shutdown.c: asks the guest to shut itself down in an orderly way, and to power off or to
 * restart then. It acknowledges, and the VM ends or resets when it is done.
 *
 * Not modelled: hibernation.
 */
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/ic.h"

#define TIMEOUT_SECONDS 300u

bool ic_shutdown_request(struct ic *ic, bool restart)
{
    struct vmbus_ic_shutdown m;
    memset(&m, 0, sizeof(m));
    m.reason = VMBUS_SHUTDOWN_REASON;
    m.timeout = TIMEOUT_SECONDS;
    m.flags = VMBUS_SHUTDOWN_FORCE | (restart ? VMBUS_SHUTDOWN_RESTART : 0);
    return ic_request(ic, &m, sizeof(m));
}

static void shutdown_answer(struct ic *ic, const struct vmbus_ic *h, const uint8_t *body,
                            uint32_t size)
{
    (void)body;
    (void)size;
    ic->say(ic->ctx, ic, h->status ? "the guest refuses" : "the guest shuts down");
}

static const struct vmbus_ic_version shutdown_versions[] = {{3, 2}, {3, 1}, {3, 0}, {1, 0}};

const struct ic_class ic_shutdown = {.name = "shutdown",
                                     .class_id = VMBUS_CLASS_SHUTDOWN,
                                     .instance_id = VMBUS_GUID(0xb6650ff7, 0x33bc, 0x4840, 0x80,
                                                               0x48, 0xe0, 0x67, 0x67, 0x86, 0xf3,
                                                               0x93),
                                     .type = VMBUS_IC_SHUTDOWN,
                                     .versions = shutdown_versions,
                                     .version_count = RT_COUNT(shutdown_versions),
                                     .answer = shutdown_answer};
