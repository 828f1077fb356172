/*
 * abi/acpi.h: ACPI table layouts (ACPI 6.5 chapter 5.2), the fixed hardware registers (4.8) and
 * the few AML bytes (chapter 20) that building or scanning a small DSDT takes.
 *
 * All structures are packed and little-endian; every table's bytes sum up to 0 modulo 256.
 */
#ifndef ABI_ACPI_H
#define ABI_ACPI_H

#include <stdint.h>

#define ACPI_RSDP_SIG      "RSD PTR "
#define ACPI_RSDP_AREA     0xe0000u /* searched on 16-byte boundaries up to 0xfffff */
#define ACPI_RSDP_AREA_END 0x100000u

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision; /* 2 */
    uint32_t rsdt;
    uint32_t length; /* 36 */
    uint64_t xsdt;
    uint8_t ext_checksum; /* of all 36 bytes */
    uint8_t reserved[3];
} __attribute__((packed));

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));

/* Generic address structure */
struct acpi_gas {
    uint8_t space; /* ACPI_SPACE_* */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access_size; /* 0 undefined, 1 byte, 2 word, 3 dword, 4 qword */
    uint64_t address;
} __attribute__((packed));

#define ACPI_SPACE_MEMORY     0
#define ACPI_SPACE_IO         1
#define ACPI_SPACE_PCI_CONFIG 2

/* FADT ("FACP"), revision 6 */
struct acpi_fadt {
    struct acpi_header h;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t reserved0;
    uint8_t preferred_pm_profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable;
    uint8_t acpi_disable;
    uint8_t s4bios_req;
    uint8_t pstate_cnt;
    uint32_t pm1a_evt_blk;
    uint32_t pm1b_evt_blk;
    uint32_t pm1a_cnt_blk;
    uint32_t pm1b_cnt_blk;
    uint32_t pm2_cnt_blk;
    uint32_t pm_tmr_blk;
    uint32_t gpe0_blk;
    uint32_t gpe1_blk;
    uint8_t pm1_evt_len;
    uint8_t pm1_cnt_len;
    uint8_t pm2_cnt_len;
    uint8_t pm_tmr_len;
    uint8_t gpe0_blk_len;
    uint8_t gpe1_blk_len;
    uint8_t gpe1_base;
    uint8_t cst_cnt;
    uint16_t p_lvl2_lat;
    uint16_t p_lvl3_lat;
    uint16_t flush_size;
    uint16_t flush_stride;
    uint8_t duty_offset;
    uint8_t duty_width;
    uint8_t day_alrm;
    uint8_t mon_alrm;
    uint8_t century;
    uint16_t iapc_boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    struct acpi_gas reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_revision;
    uint64_t x_firmware_ctrl;
    uint64_t x_dsdt;
    struct acpi_gas x_pm1a_evt_blk;
    struct acpi_gas x_pm1b_evt_blk;
    struct acpi_gas x_pm1a_cnt_blk;
    struct acpi_gas x_pm1b_cnt_blk;
    struct acpi_gas x_pm2_cnt_blk;
    struct acpi_gas x_pm_tmr_blk;
    struct acpi_gas x_gpe0_blk;
    struct acpi_gas x_gpe1_blk;
    struct acpi_gas sleep_control;
    struct acpi_gas sleep_status;
    uint64_t hypervisor_id;
} __attribute__((packed));

/* FADT iapc_boot_arch */
#define ACPI_BOOT_LEGACY_DEVICES (1u << 0)
#define ACPI_BOOT_8042           (1u << 1)
#define ACPI_BOOT_NO_VGA         (1u << 2)
#define ACPI_BOOT_NO_MSI         (1u << 3)
#define ACPI_BOOT_NO_ASPM        (1u << 4)
#define ACPI_BOOT_NO_CMOS_RTC    (1u << 5)

/* FADT flags */
#define ACPI_F_WBINVD        (1u << 0)
#define ACPI_F_PROC_C1       (1u << 2)
#define ACPI_F_PWR_BUTTON    (1u << 4) /* set: no fixed power button */
#define ACPI_F_SLP_BUTTON    (1u << 5)
#define ACPI_F_FIX_RTC       (1u << 6)
#define ACPI_F_TMR_VAL_EXT   (1u << 8) /* 32-bit PM timer */
#define ACPI_F_RESET_REG_SUP (1u << 10)
#define ACPI_F_APIC_PHYSICAL (1u << 19)
#define ACPI_F_HW_REDUCED    (1u << 20)

#define ACPI_RESET_CF9 6 /* value for port 0xcf9: hard reset */

struct acpi_facs {
    char signature[4]; /* "FACS", 64-byte aligned, no checksum */
    uint32_t length;   /* 64 */
    uint32_t hardware_signature;
    uint32_t waking_vector;
    uint32_t global_lock;
    uint32_t flags;
    uint64_t x_waking_vector;
    uint8_t version;
    uint8_t reserved[31];
} __attribute__((packed));

/* MADT ("APIC") */
struct acpi_madt {
    struct acpi_header h;
    uint32_t lapic_addr;
    uint32_t flags; /* bit 0: 8259 pair present */
} __attribute__((packed));
#define ACPI_MADT_PCAT 1u

struct acpi_madt_entry {
    uint8_t type;
    uint8_t length;
} __attribute__((packed));

#define ACPI_MADT_LAPIC      0
#define ACPI_MADT_IOAPIC     1
#define ACPI_MADT_ISO        2
#define ACPI_MADT_LAPIC_NMI  4
#define ACPI_MADT_LAPIC_ADDR 5
#define ACPI_MADT_X2APIC     9
#define ACPI_MADT_X2APIC_NMI 10

struct acpi_madt_lapic {
    struct acpi_madt_entry e; /* 0, 8 */
    uint8_t uid;
    uint8_t apic_id;
    uint32_t flags; /* bit 0 enabled, bit 1 online capable */
} __attribute__((packed));

struct acpi_madt_ioapic {
    struct acpi_madt_entry e; /* 1, 12 */
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t gsi_base;
} __attribute__((packed));

struct acpi_madt_iso {
    struct acpi_madt_entry e; /* 2, 10 */
    uint8_t bus;              /* 0 = ISA */
    uint8_t source;
    uint32_t gsi;
    uint16_t flags; /* [1:0] polarity 1 high 3 low, [3:2] trigger 1 edge 3 level */
} __attribute__((packed));

struct acpi_madt_lapic_nmi {
    struct acpi_madt_entry e; /* 4, 6 */
    uint8_t uid;              /* 0xff = all */
    uint16_t flags;
    uint8_t lint;
} __attribute__((packed));

struct acpi_madt_x2apic {
    struct acpi_madt_entry e; /* 9, 16 */
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t uid;
} __attribute__((packed));

/* MCFG (PCI Firmware 3.x 4.1.2) */
struct acpi_mcfg_entry {
    uint64_t base;
    uint16_t segment;
    uint8_t bus_start;
    uint8_t bus_end;
    uint32_t reserved;
} __attribute__((packed));

struct acpi_mcfg {
    struct acpi_header h;
    uint64_t reserved;
    struct acpi_mcfg_entry entry[];
} __attribute__((packed));

/* HPET (IA-PC HPET 1.0a 3.2.4) */
struct acpi_hpet {
    struct acpi_header h;
    uint32_t event_timer_block_id;
    struct acpi_gas address;
    uint8_t number;
    uint16_t min_tick;
    uint8_t page_protection;
} __attribute__((packed));

/* DMAR (VT-d 8) */
struct acpi_dmar {
    struct acpi_header h;
    uint8_t host_address_width; /* bits, less 1 */
    uint8_t flags;
    uint8_t reserved[10];
} __attribute__((packed));
#define ACPI_DMAR_INTR_REMAP (1u << 0)

struct acpi_dmar_drhd {
    uint16_t type; /* 0 */
    uint16_t length;
    uint8_t flags;
    uint8_t reserved;
    uint16_t segment;
    uint64_t registers;
} __attribute__((packed));
#define ACPI_DRHD_ALL (1u << 0) /* all functions of the segment */

struct acpi_dmar_scope {
    uint8_t type;
    uint8_t length;
    uint16_t reserved;
    uint8_t id;
    uint8_t bus, device, function;
} __attribute__((packed));
#define ACPI_SCOPE_IOAPIC 3
#define ACPI_SCOPE_HPET   4

/* Fixed hardware registers */
#define ACPI_PM1_TMR            (1u << 0) /* PM1 status and enable */
#define ACPI_PM1_GBL            (1u << 5)
#define ACPI_PM1_PWRBTN         (1u << 8)
#define ACPI_PM1_SLPBTN         (1u << 9)
#define ACPI_PM1_RTC            (1u << 10)
#define ACPI_PM1_WAK            (1u << 15)
#define ACPI_PM1C_SCI_EN        (1u << 0) /* PM1 control */
#define ACPI_PM1C_SLP_TYP_SHIFT 10
#define ACPI_PM1C_SLP_TYP       (7u << 10)
#define ACPI_PM1C_SLP_EN        (1u << 13)
#define ACPI_PM_TIMER_HZ        3579545u

/* AML encoding */
#define AML_ZERO               0x00
#define AML_ONE                0x01
#define AML_NAME               0x08
#define AML_BYTE               0x0a
#define AML_WORD               0x0b
#define AML_DWORD              0x0c
#define AML_STRING             0x0d
#define AML_QWORD              0x0e
#define AML_SCOPE              0x10
#define AML_BUFFER             0x11
#define AML_PACKAGE            0x12
#define AML_METHOD             0x14
#define AML_DUAL_NAME          0x2e
#define AML_EXT                0x5b
#define AML_EXT_DEVICE         0x82
#define AML_EXT_PROCESSOR      0x83
#define AML_LOCAL0             0x60
#define AML_ARG0               0x68
#define AML_STORE              0x70
#define AML_RETURN             0xa4
#define AML_SUBTRACT           0x74
#define AML_SHIFT_LEFT         0x79
#define AML_AND                0x7b
#define AML_OR                 0x7d
#define AML_FIND_SET_RIGHT_BIT 0x82
#define AML_CREATE_WORD_FIELD  0x8b
#define AML_IF                 0xa0
#define AML_ELSE               0xa1
#define AML_LNOT               0x92
#define AML_EXT_REGION         0x80
#define AML_EXT_FIELD          0x81
#define AML_ONES               0xff

_Static_assert(sizeof(struct acpi_rsdp) == 36, "rsdp");
_Static_assert(sizeof(struct acpi_header) == 36, "header");
_Static_assert(sizeof(struct acpi_gas) == 12, "gas");
_Static_assert(sizeof(struct acpi_fadt) == 276, "fadt");
_Static_assert(sizeof(struct acpi_facs) == 64, "facs");
_Static_assert(sizeof(struct acpi_madt) == 44, "madt");
_Static_assert(sizeof(struct acpi_madt_x2apic) == 16, "x2apic");
_Static_assert(sizeof(struct acpi_hpet) == 56, "hpet");

#endif
