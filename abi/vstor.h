/*
 * abi/vstor.h: the storage protocol on VMBus channels: what a guest's SCSI driver and its host say
 * to each other. There is no specification by the vendor; the layout is that of the published Linux
 * driver (drivers/scsi/storvsc_drv.c), protocol versions 5.1 to 6.2.
 */
#ifndef ABI_VSTOR_H
#define ABI_VSTOR_H

#include <stdint.h>

enum vstor_op {
    VSTOR_COMPLETE_IO = 1,
    VSTOR_REMOVE_DEVICE = 2,
    VSTOR_EXECUTE_SRB = 3,
    VSTOR_RESET_LUN = 4,
    VSTOR_RESET_ADAPTER = 5,
    VSTOR_RESET_BUS = 6,
    VSTOR_BEGIN_INITIALIZATION = 7,
    VSTOR_END_INITIALIZATION = 8,
    VSTOR_QUERY_PROTOCOL_VERSION = 9,
    VSTOR_QUERY_PROPERTIES = 10,
    VSTOR_ENUMERATE_BUS = 11,
    VSTOR_FCHBA_DATA = 12,
    VSTOR_CREATE_SUB_CHANNELS = 13,
    VSTOR_EVENT_NOTIFICATION = 14,
};

#define VSTOR_VERSION_WIN8_1 0x0501u
#define VSTOR_VERSION_WIN10  0x0600u
#define VSTOR_VERSION_6_2    0x0602u

#define VSTOR_CDB_MAX   16u
#define VSTOR_SENSE_MAX 20u

struct vstor_srb {
    uint16_t length;
    uint8_t srb_status; /* VSTOR_SRB_* */
    uint8_t scsi_status;
    uint8_t port, path, target, lun;
    uint8_t cdb_length;
    uint8_t sense_length;
    uint8_t direction; /* VSTOR_DATA_* */
    uint8_t rsvd;
    uint32_t transfer; /* bytes: of the buffer; in the answer, moved */
    union {
        uint8_t cdb[VSTOR_CDB_MAX];
        uint8_t sense[VSTOR_SENSE_MAX];
    };
    uint16_t rsvd2;
    uint8_t queue_tag, queue_action;
    uint32_t flags; /* VSTOR_F_* */
    uint32_t timeout;
    uint32_t sort_key;
};
_Static_assert(sizeof(struct vstor_srb) == 52, "vstor_srb");
#define VSTOR_DATA_OUT  0u
#define VSTOR_DATA_IN   1u
#define VSTOR_DATA_NONE 2u

#define VSTOR_F_NO_AUTOSENSE 0x20u

#define VSTOR_SRB_SUCCESS         0x01u
#define VSTOR_SRB_ABORTED         0x02u
#define VSTOR_SRB_ERROR           0x04u
#define VSTOR_SRB_INVALID_REQUEST 0x06u
#define VSTOR_SRB_INVALID_LUN     0x20u
#define VSTOR_SRB_AUTOSENSE       0x80u /* with an error: sense is valid */

struct vstor_properties {
    uint32_t rsvd;
    uint16_t sub_channels; /* at most */
    uint16_t rsvd2;
    uint32_t flags;        /* VSTOR_MULTI_CHANNEL */
    uint32_t max_transfer; /* bytes of one request, whole pages */
    uint64_t rsvd3;
} __attribute__((packed));
#define VSTOR_MULTI_CHANNEL 1u

/* Packets of the guest, and the answers: completions with op VSTOR_COMPLETE_IO, always in full */
struct vstor_packet {
    uint32_t op;
    uint32_t flags;
    uint32_t status; /* NTSTATUS */
    union {
        struct vstor_srb srb;
        uint16_t version[2]; /* major << 8 | minor, revision */
        uint16_t sub_channels;
        struct vstor_properties properties;
    };
};
_Static_assert(sizeof(struct vstor_packet) == 64, "vstor_packet");

/* NTSTATUS values that answers carry */
#define VSTOR_NT_REVISION_MISMATCH    0xc0000059u
#define VSTOR_NT_NOT_SUPPORTED        0xc00000bbu
#define VSTOR_NT_INVALID_DEVICE_STATE 0xc0000184u

#endif
