/*
 * abi/virtio.h: virtio 1.2: status and feature bits (2.1, 2.2, 6), split virtqueues (2.7), the
 * modern PCI transport (4.1), the network (5.1), block (5.2), console (5.3) and entropy (5.4)
 * devices.
 */
#ifndef ABI_VIRTIO_H
#define ABI_VIRTIO_H

#include <stdint.h>

#define VIRTIO_PCI_VENDOR      0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040 /* + device id */
#define VIRTIO_ID_NET          1
#define VIRTIO_ID_BLOCK        2
#define VIRTIO_ID_CONSOLE      3
#define VIRTIO_ID_ENTROPY      4

/* device_status */
#define VIRTIO_S_ACKNOWLEDGE 1
#define VIRTIO_S_DRIVER      2
#define VIRTIO_S_DRIVER_OK   4
#define VIRTIO_S_FEATURES_OK 8
#define VIRTIO_S_NEEDS_RESET 64
#define VIRTIO_S_FAILED      128

/* Device-independent features */
#define VIRTIO_F_RING_INDIRECT   (1ull << 28)
#define VIRTIO_F_RING_EVENT_IDX  (1ull << 29)
#define VIRTIO_F_VERSION_1       (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33) /* addresses are device addresses, behind an IOMMU */

/* PCI transport: vendor capability */
struct virtio_pci_cap {
    uint8_t cap_vndr; /* PCI_CAP_VENDOR */
    uint8_t cap_next;
    uint8_t cap_len;
    uint8_t cfg_type; /* VIRTIO_PCI_CAP_* */
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    uint32_t offset;
    uint32_t length;
};
#define VIRTIO_PCI_CAP_COMMON  1
#define VIRTIO_PCI_CAP_NOTIFY  2 /* followed by u32 notify_off_multiplier */
#define VIRTIO_PCI_CAP_ISR     3
#define VIRTIO_PCI_CAP_DEVICE  4
#define VIRTIO_PCI_CAP_PCI_CFG 5

struct virtio_pci_common {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_msix_vector;
    uint16_t num_queues;
    uint8_t device_status;
    uint8_t config_generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_msix_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_off;
    uint32_t queue_desc_lo;
    uint32_t queue_desc_hi;
    uint32_t queue_driver_lo; /* available ring */
    uint32_t queue_driver_hi;
    uint32_t queue_device_lo; /* used ring */
    uint32_t queue_device_hi;
};
#define VIRTIO_MSI_NO_VECTOR 0xffff
#define VIRTIO_ISR_QUEUE     1
#define VIRTIO_ISR_CONFIG    2

/* Split virtqueue */
struct virtq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
#define VIRTQ_DESC_NEXT     1
#define VIRTQ_DESC_WRITE    2
#define VIRTQ_DESC_INDIRECT 4

struct virtq_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};
#define VIRTQ_AVAIL_NO_INTERRUPT 1

struct virtq_used_elem {
    uint32_t id;
    uint32_t len;
};

struct virtq_used {
    uint16_t flags;
    uint16_t idx;
    struct virtq_used_elem ring[];
};
#define VIRTQ_USED_NO_NOTIFY 1

/* Console: queues 0/1 receive/transmit of port 0, 2/3 control receive/transmit, then
 * 2 + 2n and 3 + 2n of port n >= 1. */
#define VIRTIO_CONSOLE_F_SIZE        (1ull << 0)
#define VIRTIO_CONSOLE_F_MULTIPORT   (1ull << 1)
#define VIRTIO_CONSOLE_F_EMERG_WRITE (1ull << 2)

struct virtio_console_config {
    uint16_t cols;
    uint16_t rows;
    uint32_t max_nr_ports;
    uint32_t emerg_wr;
};

struct virtio_console_control {
    uint32_t id; /* port */
    uint16_t event;
    uint16_t value;
};
#define VIRTIO_CONSOLE_DEVICE_READY  0
#define VIRTIO_CONSOLE_DEVICE_ADD    1
#define VIRTIO_CONSOLE_DEVICE_REMOVE 2
#define VIRTIO_CONSOLE_PORT_READY    3
#define VIRTIO_CONSOLE_CONSOLE_PORT  4
#define VIRTIO_CONSOLE_RESIZE        5
#define VIRTIO_CONSOLE_PORT_OPEN     6
#define VIRTIO_CONSOLE_PORT_NAME     7 /* followed by the name, not terminated */

/* Network: queues 0 receive, 1 transmit, 2 control */
#define VIRTIO_NET_F_CSUM          (1ull << 0) /* the device fills in checksums */
#define VIRTIO_NET_F_GUEST_CSUM    (1ull << 1)
#define VIRTIO_NET_F_MTU           (1ull << 3)
#define VIRTIO_NET_F_MAC           (1ull << 5)
#define VIRTIO_NET_F_GUEST_TSO4    (1ull << 7)
#define VIRTIO_NET_F_GUEST_TSO6    (1ull << 8)
#define VIRTIO_NET_F_HOST_TSO4     (1ull << 11)
#define VIRTIO_NET_F_HOST_TSO6     (1ull << 12)
#define VIRTIO_NET_F_HOST_ECN      (1ull << 13)
#define VIRTIO_NET_F_MRG_RXBUF     (1ull << 15)
#define VIRTIO_NET_F_STATUS        (1ull << 16)
#define VIRTIO_NET_F_CTRL_VQ       (1ull << 17)
#define VIRTIO_NET_F_CTRL_RX       (1ull << 18)
#define VIRTIO_NET_F_CTRL_VLAN     (1ull << 19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA (1ull << 20)
#define VIRTIO_NET_F_CTRL_MAC_ADDR (1ull << 23)

struct virtio_net_config {
    uint8_t mac[6];
    uint16_t status;
    uint16_t max_virtqueue_pairs;
    uint16_t mtu;
};
#define VIRTIO_NET_S_LINK_UP 1

struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2
#define VIRTIO_NET_HDR_GSO_NONE     0
#define VIRTIO_NET_HDR_GSO_TCPV4    1
#define VIRTIO_NET_HDR_GSO_TCPV6    4
#define VIRTIO_NET_HDR_GSO_ECN      0x80

/* Control: class, command, data; the device answers with one byte */
#define VIRTIO_NET_OK                 0
#define VIRTIO_NET_ERR                1
#define VIRTIO_NET_CTRL_RX            0
#define VIRTIO_NET_CTRL_RX_PROMISC    0
#define VIRTIO_NET_CTRL_RX_ALLMULTI   1
#define VIRTIO_NET_CTRL_RX_ALLUNI     2
#define VIRTIO_NET_CTRL_RX_NOMULTI    3
#define VIRTIO_NET_CTRL_RX_NOUNI      4
#define VIRTIO_NET_CTRL_RX_NOBCAST    5
#define VIRTIO_NET_CTRL_RX_COUNT      6
#define VIRTIO_NET_CTRL_MAC           1
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0
#define VIRTIO_NET_CTRL_MAC_ADDR_SET  1
#define VIRTIO_NET_CTRL_VLAN          2
#define VIRTIO_NET_CTRL_VLAN_ADD      0
#define VIRTIO_NET_CTRL_VLAN_DEL      1

/* Block: one queue; a request is a header, data, and one byte of status */
#define VIRTIO_BLK_F_SEG_MAX      (1ull << 2)
#define VIRTIO_BLK_F_RO           (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE     (1ull << 6)
#define VIRTIO_BLK_F_FLUSH        (1ull << 9)
#define VIRTIO_BLK_F_DISCARD      (1ull << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES (1ull << 14)

struct virtio_blk_config {
    uint64_t capacity; /* sectors of 512 bytes, as everywhere here */
    uint32_t size_max;
    uint32_t seg_max;
    uint16_t cylinders;
    uint8_t heads;
    uint8_t sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp;
    uint8_t alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback;
    uint8_t unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors;
    uint32_t max_discard_seg;
    uint32_t discard_sector_alignment;
    uint32_t max_write_zeroes_sectors;
    uint32_t max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap;
    uint8_t unused1[3];
    uint32_t max_secure_erase_sectors;
    uint32_t max_secure_erase_seg;
    uint32_t secure_erase_sector_alignment;
};

struct virtio_blk_req {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
#define VIRTIO_BLK_T_IN           0
#define VIRTIO_BLK_T_OUT          1
#define VIRTIO_BLK_T_FLUSH        4
#define VIRTIO_BLK_T_GET_ID       8
#define VIRTIO_BLK_T_DISCARD      11
#define VIRTIO_BLK_T_WRITE_ZEROES 13
#define VIRTIO_BLK_ID_BYTES       20

struct virtio_blk_range { /* of DISCARD and WRITE_ZEROES */
    uint64_t sector;
    uint32_t num_sectors;
    uint32_t flags;
};
#define VIRTIO_BLK_RANGE_UNMAP 1

#define VIRTIO_BLK_S_OK     0
#define VIRTIO_BLK_S_IOERR  1
#define VIRTIO_BLK_S_UNSUPP 2

_Static_assert(sizeof(struct virtio_blk_config) == 72, "virtio_blk_config");
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio_net_hdr");
_Static_assert(sizeof(struct virtio_net_config) == 12, "virtio_net_config");
_Static_assert(sizeof(struct virtio_pci_common) == 56, "virtio common");
_Static_assert(sizeof(struct virtq_desc) == 16, "virtq_desc");

#endif
