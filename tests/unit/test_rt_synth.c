/* The synthetic mouse and screen of the root's worker against a guest's messages, good and bad. */
#include <string.h>

#include "tests/lib/suite.h"

#define head mouse_head
#include "partitions/root/vmwp/smouse.c"
#undef head
#include "partitions/root/vmwp/svideo.c"

static struct {
    uint8_t packet[16][512];
    uint32_t size[16];
    unsigned packets, room;
    uint64_t gpa;
    struct svideo_screen screen;
    struct svideo_rect rect[8];
    unsigned rects;
} seen;

static bool take(void *ctx, const void *data, uint32_t size)
{
    (void)ctx;
    if (!seen.room)
        return false;
    seen.room--;
    const unsigned at = seen.packets++ % 16;
    ck_assert_uint_le(size, sizeof(seen.packet[0]));
    memcpy(seen.packet[at], data, size);
    seen.size[at] = size;
    return true;
}

static struct synth_head head_of(unsigned packet)
{
    struct synth_head h;
    memcpy(&h, seen.packet[packet], sizeof(h));
    ck_assert_uint_eq(h.pipe.type, VMBUS_PIPE_DATA);
    ck_assert_uint_eq(h.pipe.size, seen.size[packet] - sizeof(h.pipe));
    return h;
}

/* ---- mouse ---- */

static void say_mouse(struct smouse *m, uint32_t type, uint32_t version)
{
    const struct synth_mouse_request r = {{{VMBUS_PIPE_DATA, 12}, type, 4}, version};
    smouse_receive(m, (const uint8_t *)&r, sizeof(r));
}

static void start_mouse(struct smouse *m, uint32_t version)
{
    memset(&seen, 0, sizeof(seen));
    memset(m, 0, sizeof(*m));
    seen.room = 1000;
    m->send = take;
    say_mouse(m, SYNTH_MOUSE_REQUEST, version);
}

START_TEST(mouse_introduces_itself)
{
    static struct smouse m;
    struct synth_mouse_device d;
    start_mouse(&m, SYNTH_MOUSE_VERSION);
    ck_assert_uint_eq(seen.packets, 2);
    ck_assert_uint_eq(head_of(0).type, SYNTH_MOUSE_RESPONSE);
    ck_assert_uint_eq(seen.packet[0][20], 1);
    ck_assert_uint_eq(head_of(1).type, SYNTH_MOUSE_DEVICE);
    memcpy(&d, seen.packet[1], sizeof(d));
    ck_assert_uint_eq(d.info_size, 32);
    ck_assert_uint_eq(d.length, 9);
    ck_assert_uint_eq(d.report_length, seen.size[1] - sizeof(d));
    ck_assert_uint_eq(seen.packet[1][sizeof(d) + 14], 0x29);
    ck_assert(!smouse_report(&m, (struct smouse_report){1, 2, 0}));
    say_mouse(&m, SYNTH_MOUSE_ACK, 0);
    ck_assert(smouse_report(&m, (struct smouse_report){0x1234, 0x5678, 3}));
    const uint8_t report[] = {3, 0x34, 0x12, 0x78, 0x56, 0};
    ck_assert_uint_eq(head_of(2).type, SYNTH_MOUSE_REPORT);
    ck_assert_uint_eq(head_of(2).size, sizeof(report));
    ck_assert_mem_eq(seen.packet[2] + sizeof(struct synth_head), report, sizeof(report));
}
END_TEST

START_TEST(mouse_refuses_other_versions)
{
    static struct smouse m;
    start_mouse(&m, 0x00030000);
    ck_assert_uint_eq(seen.packets, 1);
    ck_assert_uint_eq(seen.packet[0][20], 0);
    say_mouse(&m, SYNTH_MOUSE_ACK, 0);
    ck_assert(!smouse_report(&m, (struct smouse_report){0, 0, 0}));
}
END_TEST

START_TEST(mouse_reports_wait_for_room)
{
    static struct smouse m;
    start_mouse(&m, SYNTH_MOUSE_VERSION);
    say_mouse(&m, SYNTH_MOUSE_ACK, 0);
    seen.room = 0;
    for (unsigned i = 0; i < SMOUSE_QUEUE; i++)
        ck_assert(smouse_report(&m, (struct smouse_report){(uint16_t)i, 0, 0}));
    ck_assert(!smouse_report(&m, (struct smouse_report){0, 0, 0}));
    seen.room = 1000;
    smouse_flush(&m);
    ck_assert_uint_eq(seen.packets, 2 + SMOUSE_QUEUE);
    ck_assert_uint_eq(seen.packet[(seen.packets - 1) % 16][17], SMOUSE_QUEUE - 1);
}
END_TEST

/* ---- screen ---- */

static bool give_vram(void *ctx, uint64_t gpa)
{
    (void)ctx;
    seen.gpa = gpa;
    return gpa != 1;
}

static void see_situation(void *ctx, const struct svideo_screen *s)
{
    (void)ctx;
    seen.screen = *s;
}

static void see_dirt(void *ctx, const struct svideo_screen *s, struct svideo_rect r)
{
    (void)ctx;
    ck_assert(r.left < r.right && r.right <= s->width && r.top < r.bottom && r.bottom <= s->height);
    seen.rect[seen.rects++ % 8] = r;
}

#define SAY(v, m) svideo_receive(v, (const uint8_t *)&(m), sizeof(m))

static void start_video(struct svideo *v, uint32_t version)
{
    const struct synth_video_version m = {{{VMBUS_PIPE_DATA, 12}, SYNTH_VIDEO_VERSION_REQUEST, 12},
                                          version};
    memset(&seen, 0, sizeof(seen));
    seen.room = 1000;
    *v = (struct svideo){
        .send = take, .vram = give_vram, .situation = see_situation, .dirt = see_dirt};
    SAY(v, m);
}

static void locate_at(struct svideo *v, uint64_t gpa)
{
    const struct synth_video_vram m = {{{VMBUS_PIPE_DATA, 25}, SYNTH_VIDEO_VRAM, 25}, 77, 1, gpa};
    SAY(v, m);
}

static struct synth_video_situation mode(uint32_t width, uint32_t height)
{
    return (struct synth_video_situation){{{VMBUS_PIPE_DATA, 35}, SYNTH_VIDEO_SITUATION, 35},
                                          5,
                                          1,
                                          1,
                                          0,
                                          32,
                                          width,
                                          height,
                                          4 * width};
}

START_TEST(screen_is_negotiated)
{
    static struct svideo v;
    const struct synth_head list = {{VMBUS_PIPE_DATA, 9}, SYNTH_VIDEO_RESOLUTION_REQUEST, 9};
    struct synth_video_resolutions r;
    start_video(&v, SYNTH_VIDEO_3_5);
    ck_assert_uint_eq(head_of(0).type, SYNTH_VIDEO_VERSION_RESPONSE);
    ck_assert_uint_eq(head_of(0).size, seen.size[0] - 8);
    ck_assert_uint_eq(seen.packet[0][20], 1);
    SAY(&v, list);
    memcpy(&r, seen.packet[1], sizeof(r));
    ck_assert_uint_eq(r.list[r.preset].width, 1024);
    ck_assert_uint_eq(r.list[r.preset].height, 768);
    for (unsigned i = 0; i < r.count; i++)
        ck_assert_uint_le(r.list[i].width * r.list[i].height * SVIDEO_PIXEL, SVIDEO_VRAM);
    locate_at(&v, 0xf8000000);
    ck_assert_uint_eq(seen.gpa, 0xf8000000);
    ck_assert_uint_eq(head_of(2).type, SYNTH_VIDEO_VRAM_ACK);
    ck_assert_uint_eq(seen.packet[2][16], 77);
    ck_assert_uint_eq(head_of(3).type, SYNTH_VIDEO_FEATURES);
    const struct synth_video_situation m = mode(800, 600);
    SAY(&v, m);
    ck_assert_uint_eq(head_of(4).type, SYNTH_VIDEO_SITUATION_ACK);
    ck_assert(seen.screen.active && seen.screen.width == 800 && seen.screen.height == 600);
    svideo_reset(&v);
    ck_assert(!seen.screen.active);
}
END_TEST

START_TEST(screen_refuses_what_it_can_not)
{
    static struct svideo v;
    start_video(&v, 0x00010002);
    ck_assert_uint_eq(seen.packet[0][20], 0);
    locate_at(&v, 0xf8000000);
    ck_assert_uint_eq(seen.packets, 1);
    start_video(&v, SYNTH_VIDEO_3_2);
    const struct synth_video_situation early = mode(800, 600);
    SAY(&v, early); /* without memory */
    ck_assert(!seen.screen.active);
    locate_at(&v, 1);
    ck_assert_uint_eq(seen.packets, 1);
}
END_TEST

START_TEST(screens_lie_inside_of_their_memory)
{
    static struct svideo v;
    struct synth_video_situation bad[9];
    for (unsigned i = 0; i < 9; i++)
        bad[i] = mode(1024, 768);
    bad[0].depth = 16;
    bad[1].width = 0;
    bad[2].height = 0xffffffff;
    bad[3].width = 0x40000000; /* whose lines have 0 bytes in 32 bits */
    bad[3].pitch = 0;
    bad[4].pitch = 4095;
    bad[5].pitch = 0xfffffffc;
    bad[6].offset = SVIDEO_VRAM - 1024 * 768 * 4 + 1;
    bad[7].offset = 0xffffffff;
    bad[8].outputs = 2;
    start_video(&v, SYNTH_VIDEO_3_5);
    locate_at(&v, 0xf8000000);
    for (unsigned i = 0; i < 9; i++) {
        SAY(&v, bad[i]);
        ck_assert_msg(!seen.screen.active, "case %u", i);
    }
    bad[6].offset--;
    SAY(&v, bad[6]);
    ck_assert(seen.screen.active);
}
END_TEST

START_TEST(dirt_is_cut_to_the_screen)
{
    static struct svideo v;
    struct {
        struct synth_video_dirt d;
        struct synth_video_rect r[3];
    } SYNTH_PACKED m = {{{{VMBUS_PIPE_DATA, 58}, SYNTH_VIDEO_DIRT, 58}, 0, 255},
                        {{-5, -1, 10, 20}, {700, 500, 900, 0x7fffffff}, {5, 5, 5, 9}}};
    const struct synth_video_situation on = mode(800, 600);
    start_video(&v, SYNTH_VIDEO_3_5);
    locate_at(&v, 0xf8000000);
    SAY(&v, m); /* before there is a screen */
    ck_assert_uint_eq(seen.rects, 0);
    SAY(&v, on);
    SAY(&v, m); /* says 255, has three, one of them empty */
    ck_assert_uint_eq(seen.rects, 2);
    ck_assert(seen.rect[0].left == 0 && seen.rect[0].top == 0 && seen.rect[0].right == 10);
    ck_assert(seen.rect[1].right == 800 && seen.rect[1].bottom == 600);
}
END_TEST

START_TEST(bytes_of_any_kind_do_no_harm)
{
    static struct smouse m;
    static struct svideo v;
    uint8_t data[96];
    uint32_t x = 1;
    for (unsigned round = 0; round < 20000; round++) {
        start_mouse(&m, SYNTH_MOUSE_VERSION);
        start_video(&v, SYNTH_VIDEO_3_5);
        locate_at(&v, 0xf8000000);
        for (unsigned i = 0; i < sizeof(data); i++)
            data[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24) & (round & 1 ? 0xff : 0x07);
        data[8] %= 16;
        data[9] = data[10] = data[11] = 0;
        for (uint32_t n = 0; n <= sizeof(data); n += 1 + (x >> 28)) {
            svideo_receive(&v, data, n);
            smouse_receive(&m, data, n);
        }
    }
}
END_TEST

SUITE("rt_synth", mouse_introduces_itself, mouse_refuses_other_versions,
      mouse_reports_wait_for_room, screen_is_negotiated, screen_refuses_what_it_can_not,
      screens_lie_inside_of_their_memory, dirt_is_cut_to_the_screen, bytes_of_any_kind_do_no_harm)
