/*
 * abi/synthetic.h: the protocols of the synthetic mouse and of synthetic video on VMBus, as Linux'
 * drivers speak them (drivers/hid/hid-hyperv.c, drivers/gpu/drm/hyperv). All little-endian and
 * packed. Every message stands behind a pipe header (abi/vmbus.h).
 */
#ifndef ABI_SYNTHETIC_H
#define ABI_SYNTHETIC_H

#include "abi/vmbus.h"

#define SYNTH_PACKED __attribute__((packed))

struct synth_head {
    struct vmbus_pipe pipe;
    uint32_t type;
    uint32_t size; /* mouse: of what follows; video: with these 8 bytes */
};
VMBUS_ABI_SIZE(synth_head, 16);

/* ---- mouse: a HID device behind a channel ---- */
#define VMBUS_CLASS_MOUSE \
    VMBUS_GUID(0xcfa8b69e, 0x5b4a, 0x4cc0, 0xb9, 0x8b, 0x8b, 0xa1, 0xa1, 0xf3, 0xf9, 0x5a)
#define VMBUS_MOUSE_INSTANCE \
    VMBUS_GUID(0x58f75a6d, 0xd949, 0x4320, 0x99, 0xe1, 0xa2, 0xa2, 0x57, 0x6d, 0x58, 0x1c)

#define SYNTH_MOUSE_REQUEST  0u /* of the guest: struct synth_mouse_request */
#define SYNTH_MOUSE_RESPONSE 1u
#define SYNTH_MOUSE_DEVICE   2u /* struct synth_mouse_device, then the report descriptor */
#define SYNTH_MOUSE_ACK      3u /* of the guest, for the device */
#define SYNTH_MOUSE_REPORT   4u /* followed by a HID report */
#define SYNTH_MOUSE_VERSION  0x00020000u

struct synth_mouse_request {
    struct synth_head h;
    uint32_t version;
};
VMBUS_ABI_SIZE(synth_mouse_request, 20);

struct synth_mouse_response {
    struct synth_head h;
    uint32_t version;
    uint8_t approved;
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_mouse_response, 21);

struct synth_mouse_device {
    struct synth_head h;
    uint32_t info_size; /* 32: from here to the descriptor */
    uint16_t vendor, product, version;
    uint16_t rsvd[11];
    /* HID 1.11 6.2.1 */
    uint8_t length, descriptor_type;
    uint16_t hid_version;
    uint8_t country, descriptors;
    uint8_t report_type;
    uint16_t report_length;
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_mouse_device, 57);

/* ---- video ---- */
#define VMBUS_CLASS_VIDEO \
    VMBUS_GUID(0xda0a7802, 0xe377, 0x4aac, 0x8e, 0x77, 0x05, 0x58, 0xeb, 0x10, 0x73, 0xf8)
#define VMBUS_VIDEO_INSTANCE \
    VMBUS_GUID(0x5620e0c7, 0x8062, 0x4dce, 0xae, 0xb7, 0x52, 0x0c, 0x7e, 0xf7, 0x61, 0x71)

#define SYNTH_VIDEO_VERSION_REQUEST     1u
#define SYNTH_VIDEO_VERSION_RESPONSE    2u
#define SYNTH_VIDEO_VRAM                3u
#define SYNTH_VIDEO_VRAM_ACK            4u
#define SYNTH_VIDEO_SITUATION           5u
#define SYNTH_VIDEO_SITUATION_ACK       6u
#define SYNTH_VIDEO_POINTER_POSITION    7u
#define SYNTH_VIDEO_POINTER_SHAPE       8u
#define SYNTH_VIDEO_FEATURES            9u /* of the host */
#define SYNTH_VIDEO_DIRT                10u
#define SYNTH_VIDEO_RESOLUTION_REQUEST  13u
#define SYNTH_VIDEO_RESOLUTION_RESPONSE 14u

/* Minor version in the high half */
#define SYNTH_VIDEO_3_2 0x00020003u
#define SYNTH_VIDEO_3_5 0x00050003u /* adds resolutions */

struct synth_video_version {
    struct synth_head h;
    uint32_t version;
};
VMBUS_ABI_SIZE(synth_video_version, 20);

struct synth_video_version_response {
    struct synth_head h;
    uint32_t version;
    uint8_t accepted;
    uint8_t outputs; /* at most so many screens */
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_video_version_response, 22);

#define SYNTH_VIDEO_RESOLUTIONS 64u
struct synth_video_resolutions {
    struct synth_head h;
    uint8_t edid[128];
    uint8_t count, preset; /* which of them is the preset */
    uint8_t standard;
    struct {
        uint16_t width, height;
    } list[SYNTH_VIDEO_RESOLUTIONS];
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_video_resolutions, 403);

struct synth_video_vram {
    struct synth_head h;
    uint64_t context;
    uint8_t has_gpa;
    uint64_t gpa;
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_video_vram, 33);

struct synth_video_ack { /* of VRAM and of the situation */
    struct synth_head h;
    uint64_t context;
};
VMBUS_ABI_SIZE(synth_video_ack, 24);

struct synth_video_situation {
    struct synth_head h;
    uint64_t context;
    uint8_t outputs; /* 1 follows */
    uint8_t active;
    uint32_t offset; /* in VRAM, bytes */
    uint8_t depth;   /* bits of a pixel */
    uint32_t width, height;
    uint32_t pitch; /* bytes from line to line */
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_video_situation, 43);

struct synth_video_features {
    struct synth_head h;
    uint8_t dirt, pointer_position, pointer_shape, situation; /* 1: wanted */
};
VMBUS_ABI_SIZE(synth_video_features, 20);

struct synth_video_dirt {
    struct synth_head h;
    uint8_t output, count;
} SYNTH_PACKED;
VMBUS_ABI_SIZE(synth_video_dirt, 18);
struct synth_video_rect { /* count of them follow; right and bottom are outside */
    int32_t left, top, right, bottom;
};
VMBUS_ABI_SIZE(synth_video_rect, 16);

#endif
