/*
 * abi/pci.h: PCI configuration space (PCI Local Bus 3.0 chapter 6), MSI-X (6.8.2) and the two
 * ways to reach it: ports CF8/CFC (3.2.2.3.2) and ECAM (PCI Express Base 7.2.2).
 */
#ifndef ABI_PCI_H
#define ABI_PCI_H

#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA    0xcfc
#define PCI_CONFIG_ENABLE  (1u << 31)

/* Offset inside the ECAM window, or with bit 31 the CF8 value for reg < 256. */
#define PCI_ECAM(bus, dev, fn, reg) \
    (((uint32_t)(bus) << 20) | ((uint32_t)(dev) << 15) | ((uint32_t)(fn) << 12) | (reg))
#define PCI_CF8(bus, dev, fn, reg)                                           \
    (PCI_CONFIG_ENABLE | ((uint32_t)(bus) << 16) | ((uint32_t)(dev) << 11) | \
     ((uint32_t)(fn) << 8) | ((reg)&0xfcu))

/* Header, types 0 and 1 */
#define PCI_VENDOR_ID     0x00
#define PCI_DEVICE_ID     0x02
#define PCI_COMMAND       0x04
#define PCI_STATUS        0x06
#define PCI_REVISION      0x08
#define PCI_CLASS_PROG    0x09
#define PCI_SUBCLASS      0x0a
#define PCI_CLASS         0x0b
#define PCI_CACHE_LINE    0x0c
#define PCI_LATENCY       0x0d
#define PCI_HEADER_TYPE   0x0e
#define PCI_BAR0          0x10
#define PCI_SUBSYS_VENDOR 0x2c
#define PCI_SUBSYS_ID     0x2e
#define PCI_ROM           0x30
#define PCI_CAP_PTR       0x34
#define PCI_INT_LINE      0x3c
#define PCI_INT_PIN       0x3d

#define PCI_CMD_IO           (1u << 0)
#define PCI_CMD_MEMORY       (1u << 1)
#define PCI_CMD_MASTER       (1u << 2)
#define PCI_CMD_INTX_DISABLE (1u << 10)
#define PCI_STS_INTX         (1u << 3)
#define PCI_STS_CAP_LIST     (1u << 4)
#define PCI_HEADER_MULTI     0x80u

#define PCI_BAR_IO       1u
#define PCI_BAR_TYPE_64  (2u << 1)
#define PCI_BAR_TYPE     (3u << 1)
#define PCI_BAR_PREFETCH (1u << 3)
#define PCI_BAR_MEM_MASK 0xfffffff0u
#define PCI_BAR_IO_MASK  0xfffffffcu
#define PCI_ROM_ENABLE   1u
#define PCI_ROM_MASK     0xfffff800u

/* Capabilities */
#define PCI_CAP_PM      0x01
#define PCI_CAP_MSI     0x05
#define PCI_CAP_VENDOR  0x09
#define PCI_CAP_EXPRESS 0x10
#define PCI_CAP_MSIX    0x11

/* MSI-X capability: control @2, table offset/BIR @4, PBA offset/BIR @8; entries of 16 bytes */
#define PCI_MSIX_CTRL         2
#define PCI_MSIX_TABLE        4
#define PCI_MSIX_PBA          8
#define PCI_MSIX_CTRL_SIZE    0x7ffu
#define PCI_MSIX_CTRL_MASK    (1u << 14)
#define PCI_MSIX_CTRL_ENABLE  (1u << 15)
#define PCI_MSIX_BIR          7u
#define PCI_MSIX_ENTRY_SIZE   16
#define PCI_MSIX_ENTRY_MASKED 1u

/* MSI capability (6.8.1) with 64-bit address and per-vector masks: control @2, address @4 and @8,
 * data @12, mask @16, pending @20 */
#define PCI_MSI_CTRL        2
#define PCI_MSI_ADDR        4
#define PCI_MSI_ADDR_HI     8
#define PCI_MSI_DATA        12
#define PCI_MSI_MASK        16
#define PCI_MSI_PENDING     20
#define PCI_MSI_LEN         24
#define PCI_MSI_CTRL_ENABLE (1u << 0)
#define PCI_MSI_CTRL_MMC    1 /* shift: log2 of the vectors that the function could use */
#define PCI_MSI_CTRL_MME    4 /* shift: log2 of those that it may use */
#define PCI_MSI_CTRL_64     (1u << 7)
#define PCI_MSI_CTRL_MASKS  (1u << 8)

/* MSI address and data (SDM 3A 11.11) */
#define MSI_ADDR_BASE           0xfee00000u
#define MSI_ADDR_DEST_SHIFT     12
#define MSI_ADDR_REDIR_HINT     (1u << 3)
#define MSI_ADDR_LOGICAL        (1u << 2)
#define MSI_DATA_VECTOR         0xffu
#define MSI_DATA_DELIVERY_SHIFT 8
#define MSI_DATA_ASSERT         (1u << 14)
#define MSI_DATA_LEVEL          (1u << 15)

#endif
