/*
 * vmwp/ic_time.c: tells the guest the time: once to set its clock, then a sample every ten seconds
 * for it to follow. Version 4 says at which reference time of the partition it was so.
 *
 * Not modelled: leap seconds, a stratum of our own.
 */
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/ic.h"

#define SAMPLE_NS (10 * IC_SECOND)
#define STRATUM   2

static void sample(struct ic *ic, uint64_t now)
{
    uint64_t wall, reference;
    const uint8_t flags = ic->synced ? VMBUS_TIME_SAMPLE : VMBUS_TIME_SYNC;
    bool sent;
    ic->clock(ic->ctx, &wall, &reference);
    if (ic->version.major >= 4) {
        const struct vmbus_ic_time_ref m = {
            .parent_time = wall, .reference_time = reference, .flags = flags, .stratum = STRATUM};
        sent = ic_request(ic, &m, sizeof(m));
    } else {
        const struct vmbus_ic_time m = {.parent_time = wall, .flags = flags};
        sent = ic_request(ic, &m, sizeof(m));
    }
    ic->synced |= sent;
    ic->due = now + SAMPLE_NS;
}

static const struct vmbus_ic_version time_versions[] = {{4, 0}, {3, 0}, {1, 0}};

const struct ic_class ic_time_sync = {.name = "time sync",
                                      .class_id = VMBUS_CLASS_TIME_SYNC,
                                      .instance_id = VMBUS_GUID(0x2dd1ce17, 0x079e, 0x403c, 0xb3,
                                                                0x52, 0xa1, 0x92, 0x1e, 0xe2, 0x07,
                                                                0xee),
                                      .type = VMBUS_IC_TIME_SYNC,
                                      .versions = time_versions,
                                      .version_count = RT_COUNT(time_versions),
                                      .ready = sample,
                                      .tick = sample};
