/*
 * vmwp/keyboard.c: the synthetic keyboard's model (skbd.h) on its channel.
 */
#include "partitions/root/vmwp/keyboard.h"
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/skbd.h"
#include "partitions/root/vmwp/vmwp.h"

static struct skbd keyboard;

static bool send(void *ctx, const void *data, uint32_t size)
{
    return chan_send(ctx, data, size);
}

static void reset(void *ctx)
{
    (void)ctx;
    skbd_reset(&keyboard);
}

static void writable(void *ctx)
{
    (void)ctx;
    skbd_flush(&keyboard);
}

static void packet(void *ctx, const uint8_t *data, uint32_t size)
{
    (void)ctx;
    skbd_receive(&keyboard, data, size);
}

bool keyboard_offer(void)
{
    static const struct vmbus_guid class_id = VMBUS_CLASS_KEYBOARD,
                                   instance_id = VMBUS_KEYBOARD_INSTANCE;
    static struct chan c = {
        .opened = reset, .closed = reset, .writable = writable, .packet = packet};
    keyboard.send = send;
    keyboard.ctx = &c;
    return chan_offer(&c, &class_id, &instance_id, VMBUS_OFFER_ENUMERATE, 0);
}

void keyboard_keys(const struct rt_msg *m)
{
    const bool all = m->type == RT_MSG_VM_TYPE ? skbd_type(&keyboard, m->data, m->length)
                                               : skbd_scancodes(&keyboard, m->data, m->length);
    if (!all)
        u_log("keyboard: keys are lost: %s",
              keyboard.ready ? "the guest does not take them" : "the guest has no driver for it");
}
