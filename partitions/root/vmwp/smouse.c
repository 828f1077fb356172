/*
 * vmwp/smouse.c: synthetic mouse (abi/synthetic.h; HID 1.11): protocol version 2.0, a device with
 * absolute coordinates, five buttons and a wheel that never turns.
 */
#include "partitions/root/vmwp/smouse.h"
#include "partitions/root/lib/rt_lib.h"
#include "abi/synthetic.h"

#define HID_DESCRIPTOR        0x21u
#define HID_REPORT_DESCRIPTOR 0x22u
#define HID_VERSION           0x0101u
#define HID_DESCRIPTOR_SIZE   9u
#define INFO_SIZE             32u
#define VENDOR                0x045eu
#define PRODUCT               0x0621u

/* HID 1.11 6.2.2. Linux' driver writes 29h to byte 14, which is what stands there. */
static const uint8_t report_descriptor[] = {
    0x05, 0x01,                         /* usage page: generic desktop */
    0x09, 0x02, 0xa1, 0x01,             /* usage: mouse; collection: application */
    0x09, 0x01, 0xa1, 0x00,             /* usage: pointer; collection: physical */
    0x05, 0x09, 0x19, 0x01, 0x29, 0x05, /* buttons 1 to 5 */
    0x15, 0x00, 0x25, 0x01, 0x95, 0x05, 0x75, 0x01, 0x81, 0x02,       /* a bit each */
    0x95, 0x01, 0x75, 0x03, 0x81, 0x03,                               /* three bits of nothing */
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,                               /* X and Y */
    0x15, 0x00, 0x26, 0xff, 0x7f, 0x95, 0x02, 0x75, 0x10, 0x81, 0x02, /* absolute, 16 bits */
    0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x95, 0x01, 0x75, 0x08, 0x81, 0x06, /* wheel */
    0xc0, 0xc0,
};

struct report {
    struct synth_head h;
    uint8_t buttons;
    uint16_t x, y;
    int8_t wheel;
} SYNTH_PACKED;
#define REPORT_SIZE (sizeof(struct report) - sizeof(struct synth_head))

static struct synth_head head(uint32_t type, uint32_t size)
{
    return (struct synth_head){
        {VMBUS_PIPE_DATA, (uint32_t)(sizeof(struct synth_head) - sizeof(struct vmbus_pipe)) + size},
        type,
        size};
}

void smouse_reset(struct smouse *m)
{
    m->agreed = m->ready = false;
    m->head = m->count = 0;
}

void smouse_flush(struct smouse *m)
{
    while (m->count) {
        const struct smouse_report *r = &m->queue[m->head];
        const struct report p = {head(SYNTH_MOUSE_REPORT, REPORT_SIZE), r->buttons, r->x, r->y, 0};
        if (!m->send(m->ctx, &p, sizeof(p)))
            return;
        m->head = (m->head + 1) % SMOUSE_QUEUE;
        m->count--;
    }
}

static bool introduce(struct smouse *m)
{
    struct {
        struct synth_mouse_device d;
        uint8_t report[sizeof(report_descriptor)];
    } SYNTH_PACKED p = {.d = {.h = head(SYNTH_MOUSE_DEVICE, sizeof(p) - sizeof(struct synth_head)),
                              .info_size = INFO_SIZE,
                              .vendor = VENDOR,
                              .product = PRODUCT,
                              .length = HID_DESCRIPTOR_SIZE,
                              .descriptor_type = HID_DESCRIPTOR,
                              .hid_version = HID_VERSION,
                              .descriptors = 1,
                              .report_type = HID_REPORT_DESCRIPTOR,
                              .report_length = sizeof(report_descriptor)}};
    memcpy(p.report, report_descriptor, sizeof(report_descriptor));
    return m->send(m->ctx, &p, sizeof(p));
}

static void agree(struct smouse *m, uint32_t version)
{
    const bool good = version == SYNTH_MOUSE_VERSION;
    const struct synth_mouse_response answer = {
        head(SYNTH_MOUSE_RESPONSE, sizeof(answer) - sizeof(answer.h)), version, good};
    smouse_reset(m);
    m->agreed = m->send(m->ctx, &answer, sizeof(answer)) && good && introduce(m);
}

void smouse_receive(struct smouse *m, const uint8_t *data, uint32_t size)
{
    struct synth_mouse_request r = {.version = 0};
    if (size < sizeof(r.h))
        return;
    memcpy(&r, data, size < sizeof(r) ? size : sizeof(r));
    if (r.h.type == SYNTH_MOUSE_REQUEST && size >= sizeof(r))
        agree(m, r.version);
    else if (r.h.type == SYNTH_MOUSE_ACK)
        m->ready = m->agreed;
}

bool smouse_report(struct smouse *m, struct smouse_report r)
{
    if (!m->ready || m->count == SMOUSE_QUEUE)
        return false;
    m->queue[(m->head + m->count++) % SMOUSE_QUEUE] = r;
    smouse_flush(m);
    return true;
}
