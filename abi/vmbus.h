/*
 * abi/vmbus.h: VMBus: control messages between a guest and its host, ring buffers, packets, and the
 * class GUIDs of devices. There is no specification by the vendor; names and layouts are those of
 * the published Linux drivers (include/linux/hyperv.h, drivers/hv/hyperv_vmbus.h), protocol
 * versions 2.4 to 5.3.
 *
 * Constants and memory layouts only. Everything is little-endian.
 */
#ifndef ABI_VMBUS_H
#define ABI_VMBUS_H

#include <stdint.h>

#define VMBUS_ABI_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

/* In memory order: the first three fields little-endian, the last eight bytes as written. */
struct vmbus_guid {
    uint8_t b[16];
};
VMBUS_ABI_SIZE(vmbus_guid, 16);
#define VMBUS_GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                \
    {                                                                                      \
        {                                                                                  \
            (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, (b)&0xff,     \
                (b) >> 8 & 0xff, (c)&0xff, (c) >> 8 & 0xff, d0, d1, d2, d3, d4, d5, d6, d7 \
        }                                                                                  \
    }

/* ---- connections and SINT ---- */
#define VMBUS_SINT             2u
#define VMBUS_CONNECTION_OLD   1u /* messages of a guest that speaks a version below 5.0 */
#define VMBUS_CONNECTION       4u /* and from 5.0 on */
#define VMBUS_MESSAGE_TYPE     1u /* HvCallPostMessage's message type, both directions */
#define VMBUS_MESSAGE_MAX      240u
#define VMBUS_RELID_MAX        2047u
#define VMBUS_TARGET_VP_NONE   0xffffffffu /* no interrupts for the channel */
#define VMBUS_EVENT_CONNECTION 0x2000u     /* + relid: connection id of a channel's events */

/* ---- versions: major << 16 | minor ---- */
#define VMBUS_VERSION_WS2008 0x0000000du
#define VMBUS_VERSION_WIN7   0x00010001u
#define VMBUS_VERSION_WIN8   0x00020004u
#define VMBUS_VERSION_WIN8_1 0x00030000u
#define VMBUS_VERSION_WIN10  0x00040000u
#define VMBUS_VERSION_RS3    0x00040001u
#define VMBUS_VERSION_5_0    0x00050000u
#define VMBUS_VERSION_RS4    0x00050001u
#define VMBUS_VERSION_RS5    0x00050002u
#define VMBUS_VERSION_IRON   0x00050003u

/* ---- control messages ---- */
enum vmbus_msg_type {
    VMBUS_MSG_OFFER_CHANNEL = 1,
    VMBUS_MSG_RESCIND_CHANNEL_OFFER = 2,
    VMBUS_MSG_REQUEST_OFFERS = 3,
    VMBUS_MSG_ALL_OFFERS_DELIVERED = 4,
    VMBUS_MSG_OPEN_CHANNEL = 5,
    VMBUS_MSG_OPEN_CHANNEL_RESULT = 6,
    VMBUS_MSG_CLOSE_CHANNEL = 7,
    VMBUS_MSG_GPADL_HEADER = 8,
    VMBUS_MSG_GPADL_BODY = 9,
    VMBUS_MSG_GPADL_CREATED = 10,
    VMBUS_MSG_GPADL_TEARDOWN = 11,
    VMBUS_MSG_GPADL_TORNDOWN = 12,
    VMBUS_MSG_RELID_RELEASED = 13,
    VMBUS_MSG_INITIATE_CONTACT = 14,
    VMBUS_MSG_VERSION_RESPONSE = 15,
    VMBUS_MSG_UNLOAD = 16,
    VMBUS_MSG_UNLOAD_RESPONSE = 17,
    VMBUS_MSG_TL_CONNECT_REQUEST = 21,
    VMBUS_MSG_MODIFY_CHANNEL = 22,
    VMBUS_MSG_TL_CONNECT_RESULT = 23,
    VMBUS_MSG_MODIFY_CHANNEL_RESPONSE = 24,
};

struct vmbus_msg {
    uint32_t type;
    uint32_t rsvd;
};
VMBUS_ABI_SIZE(vmbus_msg, 8);

struct vmbus_msg_offer {
    struct vmbus_msg h;
    struct vmbus_guid class_id;
    struct vmbus_guid instance_id;
    uint64_t rsvd[2];
    uint16_t flags; /* VMBUS_OFFER_* */
    uint16_t mmio_megabytes;
    uint8_t user[120];
    uint16_t sub_index; /* 0: primary channel */
    uint16_t rsvd2;
    uint32_t relid;
    uint8_t monitor_id;
    uint8_t monitor_allocated;
    uint16_t dedicated_interrupt;
    uint32_t connection;
} __attribute__((packed));
VMBUS_ABI_SIZE(vmbus_msg_offer, 196);
#define VMBUS_OFFER_ENUMERATE      0x0001u
#define VMBUS_OFFER_NAMED_PIPE     0x0010u
#define VMBUS_PIPE_MESSAGES        4u /* of a pipe: the first byte of the user data */
#define VMBUS_OFFER_TLNPI_PROVIDER 0x2000u

/* RESCIND_CHANNEL_OFFER, CLOSE_CHANNEL, RELID_RELEASED */
struct vmbus_msg_relid {
    struct vmbus_msg h;
    uint32_t relid;
};
VMBUS_ABI_SIZE(vmbus_msg_relid, 12);

struct vmbus_msg_open {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t open_id;
    uint32_t gpadl;
    uint32_t target_vp;
    uint32_t downstream_page; /* where the host-to-guest ring starts */
    uint8_t user[120];
};
VMBUS_ABI_SIZE(vmbus_msg_open, 148);

struct vmbus_msg_open_result {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t open_id;
    uint32_t status; /* 0: open */
};
VMBUS_ABI_SIZE(vmbus_msg_open_result, 20);

struct vmbus_gpa_range {
    uint32_t byte_count;
    uint32_t byte_offset;
    /* page numbers follow, 8 bytes each */
};
VMBUS_ABI_SIZE(vmbus_gpa_range, 8);

struct vmbus_msg_gpadl_header {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t gpadl;
    uint16_t range_bytes; /* of ranges and their page numbers, all messages together */
    uint16_t range_count;
    struct vmbus_gpa_range range;
    /* up to 26 page numbers follow */
};
VMBUS_ABI_SIZE(vmbus_msg_gpadl_header, 28);

struct vmbus_msg_gpadl_body {
    struct vmbus_msg h;
    uint32_t number; /* Linux leaves it 0 */
    uint32_t gpadl;
    /* up to 28 page numbers follow */
};
VMBUS_ABI_SIZE(vmbus_msg_gpadl_body, 16);

struct vmbus_msg_gpadl_created {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t gpadl;
    uint32_t status; /* 0: created */
};
VMBUS_ABI_SIZE(vmbus_msg_gpadl_created, 20);

struct vmbus_msg_gpadl_teardown {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t gpadl;
};
VMBUS_ABI_SIZE(vmbus_msg_gpadl_teardown, 16);

struct vmbus_msg_gpadl_torndown {
    struct vmbus_msg h;
    uint32_t gpadl;
};
VMBUS_ABI_SIZE(vmbus_msg_gpadl_torndown, 12);

struct vmbus_msg_contact {
    struct vmbus_msg h;
    uint32_t version;
    uint32_t target_vp;
    union {
        uint64_t interrupt_page; /* before 5.0 */
        struct {
            uint8_t sint;
            uint8_t vtl;
            uint16_t rsvd;
            uint32_t features;
        };
    };
    uint64_t monitor_page[2]; /* host to guest, guest to host */
};
VMBUS_ABI_SIZE(vmbus_msg_contact, 40);

struct vmbus_msg_version {
    struct vmbus_msg h;
    uint8_t supported;
    uint8_t state; /* 0: connected */
    uint16_t rsvd;
    uint32_t connection; /* for messages from now on (5.0 and later); older: the version */
};
VMBUS_ABI_SIZE(vmbus_msg_version, 16);

struct vmbus_msg_modify {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t target_vp;
};
VMBUS_ABI_SIZE(vmbus_msg_modify, 16);

struct vmbus_msg_modify_response {
    struct vmbus_msg h;
    uint32_t relid;
    uint32_t status;
};
VMBUS_ABI_SIZE(vmbus_msg_modify_response, 16);

struct vmbus_msg_tl_connect {
    struct vmbus_msg h;
    struct vmbus_guid endpoint;
    struct vmbus_guid service;
};
VMBUS_ABI_SIZE(vmbus_msg_tl_connect, 40);

struct vmbus_msg_tl_result {
    struct vmbus_msg h;
    struct vmbus_guid endpoint;
    struct vmbus_guid service;
    uint32_t status;
};
VMBUS_ABI_SIZE(vmbus_msg_tl_result, 44);

/* NTSTATUS values that messages carry */
#define VMBUS_NT_SUCCESS            0x00000000u
#define VMBUS_NT_UNSUCCESSFUL       0xc0000001u
#define VMBUS_NT_INVALID_PARAMETER  0xc000000du
#define VMBUS_NT_NO_RESOURCES       0xc000009au
#define VMBUS_NT_CONNECTION_REFUSED 0xc0000236u

/* ---- rings: a control page, then the data ---- */
struct vmbus_ring_control {
    uint32_t write_index; /* bytes from the start of the data; the producer's */
    uint32_t read_index;  /* the consumer's */
    uint32_t interrupt_mask;
    uint32_t pending_send_size; /* the producer waits for so many free bytes */
    uint32_t rsvd[12];
    uint32_t features;
};
#define VMBUS_RING_PAGE           4096u
#define VMBUS_RING_F_PENDING_SEND 1u
#define VMBUS_RING_TRAILER        8u /* write index of the packet's start in the high half */

/* ---- packets ---- */
struct vmbus_desc {
    uint16_t type;    /* VMBUS_PKT_* */
    uint16_t offset8; /* of the data, in 8 bytes */
    uint16_t length8; /* of descriptor and data, in 8 bytes */
    uint16_t flags;
    uint64_t id;
};
VMBUS_ABI_SIZE(vmbus_desc, 16);
#define VMBUS_PKT_INBAND       0x6u
#define VMBUS_PKT_XFER_PAGES   0x7u
#define VMBUS_PKT_GPA_DIRECT   0x9u
#define VMBUS_PKT_COMPLETION   0xbu
#define VMBUS_PKT_F_COMPLETION 1u /* a completion packet is wanted */

struct vmbus_gpa_direct {
    struct vmbus_desc d;
    uint32_t rsvd;
    uint32_t range_count;
    /* ranges: struct vmbus_gpa_range, page numbers */
};
VMBUS_ABI_SIZE(vmbus_gpa_direct, 24);

struct vmbus_xfer_range {
    uint32_t byte_count;
    uint32_t byte_offset;
};
VMBUS_ABI_SIZE(vmbus_xfer_range, 8);

struct vmbus_xfer_pages {
    struct vmbus_desc d;
    uint16_t set;
    uint8_t sender_owns;
    uint8_t rsvd;
    uint32_t range_count;
    /* ranges: struct vmbus_xfer_range */
};
VMBUS_ABI_SIZE(vmbus_xfer_pages, 24);

/* ---- device classes ---- */
#define VMBUS_CLASS_SCSI \
    VMBUS_GUID(0xba6163d9, 0x04a1, 0x4d29, 0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f)
#define VMBUS_CLASS_NIC \
    VMBUS_GUID(0xf8615163, 0xdf3e, 0x46c5, 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e)
#define VMBUS_CLASS_KEYBOARD \
    VMBUS_GUID(0xf912ad6d, 0x2b17, 0x48ea, 0xbd, 0x65, 0xf9, 0x27, 0xa6, 0x1c, 0x76, 0x84)
#define VMBUS_KEYBOARD_INSTANCE \
    VMBUS_GUID(0xd34b2567, 0xb9b6, 0x42b9, 0x87, 0x78, 0x0a, 0x4e, 0xc0, 0xb9, 0x55, 0xbf)
#define VMBUS_CLASS_HEARTBEAT \
    VMBUS_GUID(0x57164f39, 0x9115, 0x4e78, 0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d)
#define VMBUS_CLASS_SHUTDOWN \
    VMBUS_GUID(0x0e0b6031, 0x5213, 0x4934, 0x81, 0x8b, 0x38, 0xd9, 0x0c, 0xed, 0x39, 0xdb)
#define VMBUS_CLASS_TIME_SYNC \
    VMBUS_GUID(0x9527e630, 0xd0ae, 0x497b, 0xad, 0xce, 0xe8, 0x0a, 0xb0, 0x17, 0x5c, 0xaf)
#define VMBUS_CLASS_KVP \
    VMBUS_GUID(0xa9a0f4e7, 0x5a45, 0x4d96, 0xb8, 0x27, 0x8a, 0x84, 0x1e, 0x8c, 0x03, 0xe6)

/* ---- keyboard: messages without pipe header ---- */
#define VMBUS_KBD_REQUEST  1u
#define VMBUS_KBD_RESPONSE 2u
#define VMBUS_KBD_KEY      3u
#define VMBUS_KBD_VERSION  0x00010000u
struct vmbus_kbd_request {
    uint32_t type;
    uint32_t version;
};
VMBUS_ABI_SIZE(vmbus_kbd_request, 8);
struct vmbus_kbd_response {
    uint32_t type;
    uint32_t status;
};
VMBUS_ABI_SIZE(vmbus_kbd_response, 8);
#define VMBUS_KBD_ACCEPTED 1u
struct vmbus_kbd_key {
    uint32_t type;
    uint16_t code; /* make code of set 1 */
    uint16_t rsvd;
    uint32_t flags; /* VMBUS_KBD_F_* */
};
VMBUS_ABI_SIZE(vmbus_kbd_key, 12);
#define VMBUS_KBD_F_UNICODE 1u
#define VMBUS_KBD_F_BREAK   2u
#define VMBUS_KBD_F_E0      4u
#define VMBUS_KBD_F_E1      8u

/* ---- integration components: pipe header, IC header, body ---- */
struct vmbus_pipe {
    uint32_t type; /* 1: data */
    uint32_t size;
};
VMBUS_ABI_SIZE(vmbus_pipe, 8);
#define VMBUS_PIPE_DATA 1u

struct vmbus_ic_version {
    uint16_t major;
    uint16_t minor;
};
VMBUS_ABI_SIZE(vmbus_ic_version, 4);

struct vmbus_ic {
    struct vmbus_ic_version framework;
    uint16_t type; /* VMBUS_IC_* */
    struct vmbus_ic_version message;
    uint16_t size; /* of the body */
    uint32_t status;
    uint8_t transaction;
    uint8_t flags;
    uint8_t rsvd[2];
};
VMBUS_ABI_SIZE(vmbus_ic, 20);
#define VMBUS_IC_NEGOTIATE     0u
#define VMBUS_IC_HEARTBEAT     1u
#define VMBUS_IC_KVP           2u
#define VMBUS_IC_SHUTDOWN      3u
#define VMBUS_IC_TIME_SYNC     4u
#define VMBUS_IC_VSS           5u
#define VMBUS_IC_F_TRANSACTION 1u
#define VMBUS_IC_F_REQUEST     2u
#define VMBUS_IC_F_RESPONSE    4u
#define VMBUS_IC_S_OK          0u
#define VMBUS_IC_S_FAIL        0x80004005u
#define VMBUS_IC_S_BAD_ARG     0x80070057u
#define VMBUS_IC_S_NO_MORE     0x80070103u

/* Type 0: followed by the framework versions, then the message versions */
struct vmbus_ic_negotiate {
    uint16_t frameworks;
    uint16_t messages;
    uint32_t rsvd;
};
VMBUS_ABI_SIZE(vmbus_ic_negotiate, 8);

struct vmbus_ic_heartbeat {
    uint64_t sequence;
    uint32_t state; /* of the guest's applications; 0 unknown, 1 healthy */
    uint32_t rsvd[7];
};
VMBUS_ABI_SIZE(vmbus_ic_heartbeat, 40);

struct vmbus_ic_shutdown {
    uint32_t reason;
    uint32_t timeout; /* seconds */
    uint32_t flags;   /* VMBUS_SHUTDOWN_* */
    uint8_t text[2048];
};
VMBUS_ABI_SIZE(vmbus_ic_shutdown, 2060);
#define VMBUS_SHUTDOWN_FORCE   1u
#define VMBUS_SHUTDOWN_RESTART 2u
#define VMBUS_SHUTDOWN_REASON  0x80000000u /* planned */

/* Versions 1 and 3 */
struct vmbus_ic_time {
    uint64_t parent_time; /* 100 ns since 1601 */
    uint64_t child_time;
    uint64_t round_trip;
    uint8_t flags; /* VMBUS_TIME_* */
    uint8_t rsvd[7];
};
VMBUS_ABI_SIZE(vmbus_ic_time, 32);

/* Version 4 */
struct vmbus_ic_time_ref {
    uint64_t parent_time;    /* 100 ns since 1601 */
    uint64_t reference_time; /* of the partition, when parent_time was read */
    uint8_t flags;
    uint8_t leap;
    uint8_t stratum;
    uint8_t rsvd[5];
};
VMBUS_ABI_SIZE(vmbus_ic_time_ref, 24);
/* Key-value exchange: the header, then what the operation has */
struct vmbus_kvp_header {
    uint8_t operation; /* VMBUS_KVP_* */
    uint8_t pool;
    uint16_t rsvd;
};
VMBUS_ABI_SIZE(vmbus_kvp_header, 4);
#define VMBUS_KVP_GET              0u
#define VMBUS_KVP_SET              1u
#define VMBUS_KVP_DELETE           2u
#define VMBUS_KVP_ENUMERATE        3u
#define VMBUS_KVP_POOL_AUTO        2u /* what the guest says about itself */
#define VMBUS_KVP_POOL_AUTO_EXTERN 3u /* what the host tells the guest */

struct vmbus_kvp_value {
    uint32_t type;      /* VMBUS_KVP_STRING: UTF-16 with a terminating zero */
    uint32_t key_bytes; /* of both with it */
    uint32_t value_bytes;
    uint8_t key[512];
    uint8_t value[2048];
};
VMBUS_ABI_SIZE(vmbus_kvp_value, 2572);
#define VMBUS_KVP_STRING 1u

struct vmbus_kvp_set {
    struct vmbus_kvp_header h;
    struct vmbus_kvp_value v;
};
VMBUS_ABI_SIZE(vmbus_kvp_set, 2576);

struct vmbus_kvp_enumerate {
    struct vmbus_kvp_header h;
    uint32_t index;
    struct vmbus_kvp_value v; /* the answer */
};
VMBUS_ABI_SIZE(vmbus_kvp_enumerate, 2580);

#define VMBUS_TIME_PROBE  0u
#define VMBUS_TIME_SYNC   1u
#define VMBUS_TIME_SAMPLE 2u
#define VMBUS_TIME_1601   11644473600ull /* seconds from 1601 to 1970 */

#endif
