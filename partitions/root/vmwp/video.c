/*
 * vmwp/video.c: the synthetic video device's model (svideo.h) on its channel. Its memory is
 * allocated when the guest has said where it wants it; what the guest draws is copied to the
 * machine's display for as long as no other VM has that (sysabi.h, SCREEN).
 *
 * Not modelled: memory that moves to another place while the VM runs.
 */
#include "partitions/root/vmwp/video.h"
#include "partitions/root/vmwp/acpi_build.h"
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/svideo.h"
#include "partitions/root/vmwp/vmwp.h"
#include "abi/synthetic.h"

#define VRAM_ALIGN    0x200000u
#define PRESET_WIDTH  1024u
#define PRESET_HEIGHT 768u

static struct svideo video;
static uint64_t vram_gpa; /* 0: none yet */
static uint8_t *shown;    /* the machine's display; 0: not ours */

static bool send(void *ctx, const void *data, uint32_t size)
{
    return chan_send(ctx, data, size);
}

static bool is_free(uint64_t gpa)
{
    const bool low = gpa >= VM_LOW_MMIO && gpa <= VM_IOAPIC_GPA - SVIDEO_VRAM;
    const bool high = gpa >= VM_HIGH_MMIO &&
                      gpa - VM_HIGH_MMIO <= VM_HIGH_MMIO_SIZE - SVIDEO_VRAM &&
                      VM_4G + vm.high <= VM_HIGH_MMIO;
    return (low || high) && gpa % VRAM_ALIGN == 0;
}

static bool vram(void *ctx, uint64_t gpa)
{
    (void)ctx;
    if (gpa == vram_gpa)
        return true;
    if (vram_gpa || !is_free(gpa)) {
        u_log("video: no memory at %lx: %s", gpa,
              vram_gpa ? "it is elsewhere already" : "not a free range of whole 2 MiB");
        return false;
    }
    if (u_call3(SYS_PART_MEMORY, vm.part, gpa, SVIDEO_VRAM) < 0) {
        u_log("video: no memory");
        return false;
    }
    vram_gpa = gpa;
    return true;
}

static void copy(const struct svideo_screen *s, struct svideo_rect r)
{
    const uint8_t *from = (const uint8_t *)(RT_GUEST_BASE + vram_gpa) + s->offset;
    for (uint32_t y = r.top; y < r.bottom; y++)
        memcpy(shown + ((uint64_t)y * s->width + r.left) * SVIDEO_PIXEL,
               from + (uint64_t)y * s->pitch + r.left * SVIDEO_PIXEL,
               (r.right - r.left) * SVIDEO_PIXEL);
}

/* Takes the machine's display, if there is one and no other VM has it, and shows all. */
static bool show(const struct svideo_screen *s)
{
    const int64_t at = u_call2(SYS_SCREEN, s->width, s->height);
    shown = at > 0 ? (uint8_t *)at : 0;
    if (!shown)
        return false;
    u_log("video: %ux%u, on the machine's display", s->width, s->height);
    copy(s, (struct svideo_rect){0, 0, s->width, s->height});
    return true;
}

static void situation(void *ctx, const struct svideo_screen *s)
{
    (void)ctx;
    if (!s->active) {
        u_call2(SYS_SCREEN, 0, 0);
        shown = 0;
    } else if (!show(s)) {
        u_log("video: %ux%u", s->width, s->height);
    }
}

static void draw(void *ctx, const struct svideo_screen *s, struct svideo_rect r)
{
    (void)ctx;
    if (shown)
        copy(s, r);
    else
        show(s); /* the VM that had the display may be gone */
}

static void reset(void *ctx)
{
    (void)ctx;
    svideo_reset(&video);
}

static void packet(void *ctx, const uint8_t *data, uint32_t size)
{
    (void)ctx;
    svideo_receive(&video, data, size);
}

bool video_offer(void)
{
    static const struct vmbus_guid class_id = VMBUS_CLASS_VIDEO, instance_id = VMBUS_VIDEO_INSTANCE;
    static struct chan c = {.opened = reset, .closed = reset, .packet = packet};
    video = (struct svideo){
        .send = send, .vram = vram, .situation = situation, .dirt = draw, .ctx = &c};
    return chan_offer(&c, &class_id, &instance_id, VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE,
                      SVIDEO_VRAM_MIB);
}

void video_size(uint32_t *width, uint32_t *height)
{
    *width = video.screen.active ? video.screen.width : PRESET_WIDTH;
    *height = video.screen.active ? video.screen.height : PRESET_HEIGHT;
}
