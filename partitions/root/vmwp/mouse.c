/*
 * vmwp/mouse.c: the synthetic mouse's model (smouse.h) on its channel.
 */
#include "partitions/root/vmwp/mouse.h"
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/smouse.h"
#include "partitions/root/vmwp/video.h"
#include "partitions/root/vmwp/vmwp.h"
#include "abi/synthetic.h"

static struct smouse mouse;

static bool send(void *ctx, const void *data, uint32_t size)
{
    return chan_send(ctx, data, size);
}

static void reset(void *ctx)
{
    (void)ctx;
    smouse_reset(&mouse);
}

static void writable(void *ctx)
{
    (void)ctx;
    smouse_flush(&mouse);
}

static void packet(void *ctx, const uint8_t *data, uint32_t size)
{
    (void)ctx;
    smouse_receive(&mouse, data, size);
}

bool mouse_offer(void)
{
    static const struct vmbus_guid class_id = VMBUS_CLASS_MOUSE, instance_id = VMBUS_MOUSE_INSTANCE;
    static struct chan c = {
        .opened = reset, .closed = reset, .writable = writable, .packet = packet};
    mouse.send = send;
    mouse.ctx = &c;
    return chan_offer(&c, &class_id, &instance_id, VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE,
                      0);
}

/* Of a pixel: the position that the guest scales back to that pixel. */
static uint16_t scale(uint32_t at, uint32_t pixels)
{
    if (pixels < 2 || !at)
        return 0;
    return (uint16_t)(at < pixels ? (at * SMOUSE_MAX + pixels - 2) / (pixels - 1) : SMOUSE_MAX);
}

void mouse_moved(const struct rt_msg *m)
{
    struct rt_vm_mouse to;
    uint32_t width, height;
    memcpy(&to, m->data, sizeof(to));
    video_size(&width, &height);
    struct smouse_report r = {scale(to.x, width), scale(to.y, height), 0};
    bool heard = smouse_report(&mouse, r);
    if (to.button >= 1 && to.button <= SMOUSE_BUTTONS) {
        r.buttons = (uint8_t)(1u << (to.button - 1));
        heard &= smouse_report(&mouse, r);
        r.buttons = 0;
        heard &= smouse_report(&mouse, r);
    }
    if (!heard)
        u_log("mouse: %s", mouse.ready ? "the guest does not take what it says"
                                       : "the guest has no driver for it");
}
