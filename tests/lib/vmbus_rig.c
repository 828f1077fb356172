/* tests/lib/vmbus_rig.c: see vmbus_rig.h. */
#include "tests/lib/vmbus_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned allocated; /* blocks of the server */

static void *take(size_t bytes)
{
    allocated++;
    return calloc(1, bytes);
}

static void give(void *p)
{
    allocated -= p != NULL;
    free(p);
}

uint8_t *vmbus_rig_ram(struct vmbus_rig *r, uint64_t gpa)
{
    return r->block[gpa / VMBUS_RIG_BLOCK] + gpa % VMBUS_RIG_BLOCK;
}

static void *ram(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got)
{
    if (gpa >= VMBUS_RIG_RAM)
        return NULL;
    const uint64_t left = VMBUS_RIG_BLOCK - gpa % VMBUS_RIG_BLOCK;
    *got = want < left ? want : left;
    return vmbus_rig_ram(ctx, gpa);
}

static uint64_t ram_pa(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got)
{
    return ram(ctx, gpa, want, got) ? gpa + 0x100000000ull : 0;
}

static bool post(void *ctx, uint32_t vp, const void *msg, uint32_t size)
{
    struct vmbus_rig *r = ctx;
    if (!r->slots || r->down_count == VMBUS_RIG_FIFO || size > VMBUS_MESSAGE_MAX)
        return false;
    r->slots--;
    r->message_vp = vp;
    r->down[r->down_count].size = size;
    memcpy(r->down[r->down_count++].data, msg, size);
    return true;
}

static void signal_guest(void *ctx, uint32_t vp, uint32_t relid)
{
    struct vmbus_rig *r = ctx;
    r->signals[relid]++;
    r->signal_vp = vp;
}

static bool connect(void *ctx, uint32_t relid)
{
    ((struct vmbus_rig *)ctx)->connected[relid] = true;
    return true;
}

static void disconnect(void *ctx, uint32_t relid)
{
    ((struct vmbus_rig *)ctx)->connected[relid] = false;
}

static void log_line(void *ctx, uint32_t relid, const char *text)
{
    struct vmbus_rig *r = ctx;
    r->logs++;
    snprintf(r->last_log, sizeof(r->last_log), "%u: %s", relid, text);
}

static void wake(void *ctx)
{
    ((struct vmbus_rig *)ctx)->wakes++;
}

/* ---- the guest's side ---- */
void vmbus_rig_message(struct vmbus_rig *r, const void *msg, uint32_t size)
{
    if (r->up_count == VMBUS_RIG_FIFO || size > VMBUS_MESSAGE_MAX)
        return;
    r->up[r->up_count].size = size;
    memcpy(r->up[r->up_count++].data, msg, size);
}

static void client_post(void *ctx, const void *msg, uint32_t size)
{
    vmbus_rig_message(ctx, msg, size);
}

static void client_signal(void *ctx, uint32_t connection)
{
    ((struct vmbus_rig *)ctx)->pending[connection - VMBUS_EVENT_CONNECTION] = true;
}

struct vmbus_rig *vmbus_rig_new(void)
{
    static const struct vmbus_host host = {.ram = ram,
                                           .ram_pa = ram_pa,
                                           .post = post,
                                           .signal = signal_guest,
                                           .connect = connect,
                                           .disconnect = disconnect,
                                           .alloc = take,
                                           .free = give,
                                           .log = log_line,
                                           .wake = wake,
                                           .vps = VMBUS_RIG_VPS,
                                           .relid_max = 63};
    static const struct vmbus_client_host client = {client_post, client_signal};
    struct vmbus_rig *r = calloc(1, sizeof(*r));
    r->block[0] = calloc(1, VMBUS_RIG_BLOCK);
    r->block[1] = calloc(1, VMBUS_RIG_BLOCK);
    r->up = calloc(VMBUS_RIG_FIFO, sizeof(*r->up));
    r->down = calloc(VMBUS_RIG_FIFO, sizeof(*r->down));
    r->slots = VMBUS_RIG_FIFO;
    allocated = 0;
    r->server = vmbus_server_new(&host, r);
    vmbus_client_init(&r->client, &client, r);
    return r;
}

void vmbus_rig_free(struct vmbus_rig *r)
{
    if (r->server)
        vmbus_server_free(r->server);
    if (allocated) {
        fprintf(stderr, "the server leaves %u blocks\n", allocated);
        abort();
    }
    free(r->block[0]);
    free(r->block[1]);
    free(r->up);
    free(r->down);
    free(r);
}

static bool pump_up(struct vmbus_rig *r)
{
    bool moved = false;
    for (unsigned i = 0; i < r->up_count; i++, moved = true)
        vmbus_server_message(r->server, r->up[i].data, r->up[i].size);
    r->up_count = 0;
    for (uint32_t i = 0; i < 64; i++) {
        if (!r->pending[i])
            continue;
        r->pending[i] = false;
        moved = true;
        vmbus_server_event(r->server, i);
    }
    return moved;
}

void vmbus_rig_pump(struct vmbus_rig *r)
{
    for (unsigned turn = 0; turn < 100000; turn++) {
        bool moved = pump_up(r);
        moved |= vmbus_server_run(r->server) == VMBUS_AGAIN;
        for (unsigned i = 0; i < r->down_count && !r->client_off; i++, moved = true)
            vmbus_client_message(&r->client, r->down[i].data, r->down[i].size);
        if (!r->client_off)
            r->down_count = 0;
        if (!moved && !r->up_count)
            return;
    }
}

void vmbus_rig_pages(struct vmbus_rig *r, struct vmbus_page *page, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const uint32_t k = r->next_page++ % (VMBUS_RIG_RAM / VMBUS_RING_PAGE);
        /* downwards in one block, upwards in the other */
        const uint64_t gpa = k & 1 ? VMBUS_RIG_BLOCK + k / 2 * 4096ull
                                   : VMBUS_RIG_BLOCK - (k / 2 + 1) * 4096ull;
        page[i] = (struct vmbus_page){gpa, vmbus_rig_ram(r, gpa)};
    }
}
