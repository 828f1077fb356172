/*
 * vmwp/svideo.c: synthetic video (abi/synthetic.h): versions 3.2 and 3.5, one screen of 32 bits a
 * pixel, whose changes the guest reports as rectangles.
 *
 * Not modelled: EDID (zeros), other depths, the guest's pointer (it draws one itself).
 */
#include "partitions/root/vmwp/svideo.h"
#include "partitions/root/lib/rt_lib.h"
#include "abi/synthetic.h"

#define DEPTH 32u

static const struct {
    uint16_t width, height;
} resolutions[] = {{640, 480},  {800, 600},   {1024, 768}, {1152, 864}, {1280, 720},
                   {1280, 800}, {1280, 1024}, {1440, 900}, {1600, 900}, {1920, 1080}};
#define PRESET 2u

static struct synth_head head(uint32_t type, uint32_t size)
{
    size -= sizeof(struct vmbus_pipe);
    return (struct synth_head){{VMBUS_PIPE_DATA, size}, type, size};
}

void svideo_reset(struct svideo *v)
{
    v->agreed = v->located = false;
    v->screen.active = false;
    v->situation(v->ctx, &v->screen);
}

static void negotiate(struct svideo *v, const uint8_t *data, uint32_t size)
{
    struct synth_video_version m;
    if (size < sizeof(m))
        return;
    memcpy(&m, data, sizeof(m));
    const bool good = m.version == SYNTH_VIDEO_3_2 || m.version == SYNTH_VIDEO_3_5;
    const struct synth_video_version_response answer = {
        head(SYNTH_VIDEO_VERSION_RESPONSE, sizeof(answer)), m.version, good, 1};
    svideo_reset(v);
    v->agreed = v->send(v->ctx, &answer, sizeof(answer)) && good;
}

static void list_resolutions(struct svideo *v)
{
    struct synth_video_resolutions m = {.h = head(SYNTH_VIDEO_RESOLUTION_RESPONSE, sizeof(m)),
                                        .count = RT_COUNT(resolutions),
                                        .preset = PRESET};
    _Static_assert(RT_COUNT(resolutions) <= SYNTH_VIDEO_RESOLUTIONS, "they fit");
    memcpy(m.list, resolutions, sizeof(resolutions));
    v->send(v->ctx, &m, sizeof(m));
}

static void acknowledge(struct svideo *v, uint32_t type, uint64_t context)
{
    const struct synth_video_ack m = {head(type, sizeof(m)), context};
    v->send(v->ctx, &m, sizeof(m));
}

static void locate(struct svideo *v, const uint8_t *data, uint32_t size)
{
    const struct synth_video_features wanted = {
        .h = head(SYNTH_VIDEO_FEATURES, sizeof(wanted)), .dirt = 1, .situation = 1};
    struct synth_video_vram m;
    if (size < sizeof(m))
        return;
    memcpy(&m, data, sizeof(m));
    v->located = m.has_gpa && v->vram(v->ctx, m.gpa);
    if (!v->located)
        return; /* the guest's driver gives up after a time */
    acknowledge(v, SYNTH_VIDEO_VRAM_ACK, m.context);
    v->send(v->ctx, &wanted, sizeof(wanted));
}

static bool is_possible(const struct synth_video_situation *m)
{
    return m->depth == DEPTH && m->width && m->width <= SVIDEO_MAX_WIDTH && m->height &&
           m->height <= SVIDEO_MAX_HEIGHT && m->pitch >= m->width * SVIDEO_PIXEL &&
           m->pitch <= SVIDEO_VRAM && m->offset <= SVIDEO_VRAM &&
           (uint64_t)m->pitch * (m->height - 1) + m->width * SVIDEO_PIXEL <=
               SVIDEO_VRAM - m->offset;
}

static void situation(struct svideo *v, const uint8_t *data, uint32_t size)
{
    struct synth_video_situation m;
    if (size < sizeof(m))
        return;
    memcpy(&m, data, sizeof(m));
    v->screen = (struct svideo_screen){.active = false};
    if (m.outputs == 1 && m.active && is_possible(&m))
        v->screen = (struct svideo_screen){true, m.offset, m.width, m.height, m.pitch};
    v->situation(v->ctx, &v->screen);
    acknowledge(v, SYNTH_VIDEO_SITUATION_ACK, m.context);
}

static uint32_t clamp(int32_t n, uint32_t most)
{
    return n < 0 ? 0 : (uint32_t)n < most ? (uint32_t)n : most;
}

static void dirt(struct svideo *v, const uint8_t *data, uint32_t size)
{
    struct synth_video_dirt m;
    if (size < sizeof(m) || !v->screen.active)
        return;
    memcpy(&m, data, sizeof(m));
    for (unsigned i = 0;
         i < m.count && size - sizeof(m) >= (i + 1) * sizeof(struct synth_video_rect); i++) {
        struct synth_video_rect r;
        memcpy(&r, data + sizeof(m) + i * sizeof(r), sizeof(r));
        const struct svideo_rect in = {
            clamp(r.left, v->screen.width), clamp(r.top, v->screen.height),
            clamp(r.right, v->screen.width), clamp(r.bottom, v->screen.height)};
        if (in.left < in.right && in.top < in.bottom)
            v->dirt(v->ctx, &v->screen, in);
    }
}

void svideo_receive(struct svideo *v, const uint8_t *data, uint32_t size)
{
    struct synth_head h;
    if (size < sizeof(h))
        return;
    memcpy(&h, data, sizeof(h));
    if (h.type == SYNTH_VIDEO_VERSION_REQUEST)
        negotiate(v, data, size);
    else if (!v->agreed)
        return;
    else if (h.type == SYNTH_VIDEO_RESOLUTION_REQUEST)
        list_resolutions(v);
    else if (h.type == SYNTH_VIDEO_VRAM)
        locate(v, data, size);
    else if (h.type == SYNTH_VIDEO_SITUATION && v->located)
        situation(v, data, size);
    else if (h.type == SYNTH_VIDEO_DIRT)
        dirt(v, data, size);
}
