/*
 * vmwp/ic_kvp.c: key-value exchange. The guest's daemon is told the VM's name (pool 3), then asked
 * for what it says of itself (pool 2: names, versions, addresses), again every 30 seconds; a line
 * is logged for each item that is new. One request at a time; a guest without daemon answers none.
 *
 * Not modelled: pools 0, 1 and 4, setting the guest's addresses, values that are no strings,
 * characters beyond ASCII.
 */
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/ic.h"

#define AGAIN_NS (30 * IC_SECOND)

/* ---- UTF-16 ---- */
static uint32_t widen(uint8_t *to, const char *text)
{
    uint32_t n = 0;
    do {
        to[n++] = (uint8_t)*text;
        to[n++] = 0;
    } while (*text++);
    return n;
}

static void narrow(char *to, size_t room, const uint8_t *from, uint32_t size)
{
    size_t n = 0;
    for (uint32_t i = 0; i + 1 < size && n + 1 < room; i += 2) {
        const uint32_t c = from[i] | (uint32_t)from[i + 1] << 8;
        if (!c)
            break;
        to[n++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    to[n] = 0;
}

/* ---- requests ---- */
static void next(struct ic *ic)
{
    struct kvp *k = ic->kvp;
    union {
        struct vmbus_kvp_set set;
        struct vmbus_kvp_enumerate enumerate;
    } m;
    uint32_t size = sizeof(m.enumerate);
    memset(&m, 0, sizeof(m));
    if (!k->told) {
        size = sizeof(m.set);
        m.set.h.operation = VMBUS_KVP_SET;
        m.set.h.pool = VMBUS_KVP_POOL_AUTO_EXTERN;
        m.set.v.type = VMBUS_KVP_STRING;
        m.set.v.key_bytes = widen(m.set.v.key, k->host_key);
        m.set.v.value_bytes = widen(m.set.v.value, k->host_value);
    } else {
        m.enumerate.h.operation = VMBUS_KVP_ENUMERATE;
        m.enumerate.h.pool = VMBUS_KVP_POOL_AUTO;
        m.enumerate.index = k->index;
    }
    k->waiting = ic_request(ic, &m, size);
}

static void kvp_start(struct ic *ic, uint64_t now)
{
    ic->kvp->index = 0;
    ic->due = now + AGAIN_NS;
    next(ic);
}

static void kvp_ready(struct ic *ic, uint64_t now)
{
    ic->kvp->told = ic->kvp->waiting = false;
    kvp_start(ic, now);
}

static void kvp_tick(struct ic *ic, uint64_t now)
{
    ic->due = now + AGAIN_NS;
    if (!ic->kvp->waiting)
        kvp_start(ic, now);
}

/* ---- answers ---- */
static void learn(struct ic *ic, const struct vmbus_kvp_value *v)
{
    struct kvp_item *item = &ic->kvp->item[ic->kvp->index];
    struct kvp_item fresh;
    char line[200];
    if (v->type != VMBUS_KVP_STRING || v->key_bytes > sizeof(v->key) ||
        v->value_bytes > sizeof(v->value))
        return;
    memset(&fresh, 0, sizeof(fresh));
    narrow(fresh.key, sizeof(fresh.key), v->key, v->key_bytes);
    narrow(fresh.value, sizeof(fresh.value), v->value, v->value_bytes);
    if (!strcmp(item->key, fresh.key) && !strcmp(item->value, fresh.value))
        return;
    fresh.fresh = true;
    *item = fresh;
    if (!fresh.value[0])
        return;
    rt_format(line, sizeof(line), "%s is %s", fresh.key, fresh.value);
    ic->say(ic->ctx, ic, line);
}

static void kvp_answer(struct ic *ic, const struct vmbus_ic *h, const uint8_t *body, uint32_t size)
{
    struct kvp *k = ic->kvp;
    struct vmbus_kvp_enumerate m;
    if (!k->waiting)
        return;
    k->waiting = false;
    if (!k->told) {
        k->told = true; /* or the guest has no place for it */
        next(ic);
        return;
    }
    if (h->status || size < sizeof(m))
        return; /* no more items, or no daemon: at the next tick from the start */
    memcpy(&m, body, sizeof(m));
    learn(ic, &m.v);
    if (++k->index < KVP_ITEMS)
        next(ic);
}

static const struct vmbus_ic_version kvp_versions[] = {{4, 0}, {3, 0}, {1, 0}};

const struct ic_class ic_kvp = {.name = "kvp",
                                .class_id = VMBUS_CLASS_KVP,
                                .instance_id = VMBUS_GUID(0x242ff919, 0x07db, 0x4180, 0x9c, 0x2e,
                                                          0xb8, 0x6c, 0xb6, 0x8c, 0x8c, 0x55),
                                .type = VMBUS_IC_KVP,
                                .versions = kvp_versions,
                                .version_count = RT_COUNT(kvp_versions),
                                .ready = kvp_ready,
                                .answer = kvp_answer,
                                .tick = kvp_tick};
