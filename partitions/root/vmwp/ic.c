/*
 * vmwp/ic.c: what all integration components share: negotiation and message headers
 * (abi/vmbus.h; Linux drivers/hv/channel_mgmt.c: vmbus_prep_negotiate_resp).
 */
#include "partitions/root/vmwp/ic.h"
#include "partitions/root/lib/rt_lib.h"

#define VERSIONS_MAX  8u
#define FAILURES_SAID 4u

static const struct vmbus_ic_version frameworks[] = {{3, 0}, {1, 0}};

static bool ic_send(struct ic *ic, uint16_t type, const void *body, uint32_t size)
{
    uint8_t packet[IC_PACKET + IC_BODY_MAX];
    const struct vmbus_pipe pipe = {VMBUS_PIPE_DATA, (uint32_t)sizeof(struct vmbus_ic) + size};
    const struct vmbus_ic h = {.framework = ic->framework,
                               .type = type,
                               .message = ic->version,
                               .size = (uint16_t)size,
                               .transaction = ic->transaction++,
                               .flags = VMBUS_IC_F_TRANSACTION | VMBUS_IC_F_REQUEST};
    memcpy(packet, &pipe, sizeof(pipe));
    memcpy(packet + sizeof(pipe), &h, sizeof(h));
    memcpy(packet + IC_PACKET, body, size);
    return ic->send(ic->ctx, ic, packet, (uint32_t)IC_PACKET + size);
}

void ic_opened(struct ic *ic)
{
    uint8_t body[sizeof(struct vmbus_ic_negotiate) +
                 sizeof(struct vmbus_ic_version) * (RT_COUNT(frameworks) + VERSIONS_MAX)];
    const struct vmbus_ic_negotiate n = {RT_COUNT(frameworks), (uint16_t)ic->class->version_count,
                                         0};
    uint8_t *p = body;
    memcpy(p, &n, sizeof(n));
    p += sizeof(n);
    memcpy(p, frameworks, sizeof(frameworks));
    p += sizeof(frameworks);
    memcpy(p, ic->class->versions, n.messages * sizeof(struct vmbus_ic_version));
    p += n.messages * sizeof(struct vmbus_ic_version);
    ic->framework = ic->version = (struct vmbus_ic_version){0, 0};
    ic->due = IC_NEVER;
    ic->asked = ic->answers = ic->sequence = 0;
    ic->lost = ic->synced = false;
    ic->state = IC_NEGOTIATING;
    if (!ic_send(ic, VMBUS_IC_NEGOTIATE, body, (uint32_t)(p - body)))
        ic->state = IC_FAILED;
}

void ic_closed(struct ic *ic)
{
    ic->state = IC_CLOSED;
    ic->due = IC_NEVER;
    ic->lost = ic->sequence != 0; /* e.g. Linux leaves VMBus when it panics */
}

static void ic_fail(struct ic *ic, const char *why)
{
    ic->state = IC_FAILED;
    ic->due = IC_NEVER;
    if (ic->failures++ < FAILURES_SAID)
        ic->say(ic->ctx, ic, why);
}

static bool is_one_of(struct vmbus_ic_version v, const struct vmbus_ic_version *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].major == v.major && list[i].minor == v.minor)
            return true;
    return false;
}

static void negotiated(struct ic *ic, const uint8_t *body, uint32_t size, uint64_t now)
{
    struct {
        struct vmbus_ic_negotiate n;
        struct vmbus_ic_version framework, version;
    } answer;
    if (size < sizeof(answer)) {
        ic_fail(ic, "the guest's choice of versions is too short");
        return;
    }
    memcpy(&answer, body, sizeof(answer));
    if (answer.n.frameworks != 1 || answer.n.messages != 1) {
        ic_fail(ic, "the guest knows none of the versions");
        return;
    }
    if (!is_one_of(answer.framework, frameworks, RT_COUNT(frameworks)) ||
        !is_one_of(answer.version, ic->class->versions, ic->class->version_count)) {
        ic_fail(ic, "the guest chose a version that was not offered");
        return;
    }
    ic->framework = answer.framework;
    ic->version = answer.version;
    ic->state = IC_READY;
    if (ic->class->ready)
        ic->class->ready(ic, now);
}

void ic_receive(struct ic *ic, const uint8_t *data, uint32_t size, uint64_t now)
{
    struct vmbus_ic h;
    if (size < IC_PACKET) {
        if (ic->state == IC_NEGOTIATING || ic->state == IC_READY)
            ic_fail(ic, "a message without header");
        return;
    }
    memcpy(&h, data + sizeof(struct vmbus_pipe), sizeof(h));
    const uint8_t *body = data + IC_PACKET;
    size -= (uint32_t)IC_PACKET;
    if (size > h.size)
        size = h.size;
    if (!(h.flags & VMBUS_IC_F_RESPONSE))
        return; /* guests ask nothing */
    if (ic->state == IC_NEGOTIATING && h.type == VMBUS_IC_NEGOTIATE) {
        negotiated(ic, body, size, now);
    } else if (ic->state == IC_READY && h.type == ic->class->type) {
        if (ic->class->answer)
            ic->class->answer(ic, &h, body, size);
    }
}

bool ic_request(struct ic *ic, const void *body, uint32_t size)
{
    if (ic->state != IC_READY || !ic_send(ic, ic->class->type, body, size))
        return false;
    ic->asked++;
    return true;
}

void ic_tick(struct ic *ic, uint64_t now)
{
    if (ic->due > now)
        return;
    ic->due = IC_NEVER;
    if (ic->state == IC_READY && ic->class->tick)
        ic->class->tick(ic, now);
}
