/*
 * vmwp/ic_heartbeat.c: a request every two seconds, which the guest returns with the sequence
 * number one higher. Two without an answer: the guest is lost, until it answers again.
 *
 * Not modelled: the state of the guest's applications.
 */
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/ic.h"

#define BEAT_NS (2 * IC_SECOND)

static void beat(struct ic *ic, uint64_t now)
{
    const struct vmbus_ic_heartbeat b = {.sequence = ic->sequence, .state = 1};
    const bool sent = ic_request(ic, &b, sizeof(b));
    if ((ic->asked > ic->answers + 2 || !sent) && !ic->lost) {
        ic->lost = true;
        ic->say(ic->ctx, ic, "the guest does not answer");
    }
    ic->due = now + BEAT_NS;
}

static void heartbeat_answer(struct ic *ic, const struct vmbus_ic *h, const uint8_t *body,
                             uint32_t size)
{
    uint64_t sequence = 0;
    memcpy(&sequence, body, size < sizeof(sequence) ? size : sizeof(sequence));
    if (h->status || size < sizeof(sequence) || sequence != ic->sequence + 1)
        return;
    if (!ic->sequence)
        ic->say(ic->ctx, ic, "the guest answers");
    else if (ic->lost)
        ic->say(ic->ctx, ic, "the guest answers again");
    ic->sequence = sequence;
    ic->answers = ic->asked;
    ic->lost = false;
}

static const struct vmbus_ic_version heartbeat_versions[] = {{3, 0}, {1, 0}};

const struct ic_class ic_heartbeat = {.name = "heartbeat",
                                      .class_id = VMBUS_CLASS_HEARTBEAT,
                                      .instance_id = VMBUS_GUID(0xfd149e91, 0x82e0, 0x4a7d, 0xaf,
                                                                0xa6, 0x2a, 0x41, 0x66, 0xcb, 0xd7,
                                                                0xc0),
                                      .type = VMBUS_IC_HEARTBEAT,
                                      .versions = heartbeat_versions,
                                      .version_count = RT_COUNT(heartbeat_versions),
                                      .ready = beat,
                                      .answer = heartbeat_answer,
                                      .tick = beat};
