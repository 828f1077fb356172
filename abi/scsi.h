/*
 * abi/scsi.h: SCSI: operation codes, status and sense of SPC-4, SBC-3 and MMC-5, as disks and DVD
 * drives use them.
 */
#ifndef ABI_SCSI_H
#define ABI_SCSI_H

/* Peripheral device types (SPC-4 6.4.2) */
enum scsi_type {
    SCSI_TYPE_DISK = 0x00,
    SCSI_TYPE_DVD = 0x05,
};

enum scsi_opcode {
    SCSI_TEST_UNIT_READY = 0x00,
    SCSI_REQUEST_SENSE = 0x03,
    SCSI_READ_6 = 0x08,
    SCSI_WRITE_6 = 0x0a,
    SCSI_INQUIRY = 0x12,
    SCSI_MODE_SENSE_6 = 0x1a,
    SCSI_START_STOP_UNIT = 0x1b,
    SCSI_PREVENT_ALLOW = 0x1e,
    SCSI_READ_CAPACITY_10 = 0x25,
    SCSI_READ_10 = 0x28,
    SCSI_WRITE_10 = 0x2a,
    SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
    SCSI_WRITE_SAME_10 = 0x41,
    SCSI_UNMAP = 0x42,
    SCSI_READ_TOC = 0x43,
    SCSI_GET_CONFIGURATION = 0x46,
    SCSI_GET_EVENT_STATUS = 0x4a,
    SCSI_READ_DISC_INFORMATION = 0x51,
    SCSI_MODE_SENSE_10 = 0x5a,
    SCSI_READ_16 = 0x88,
    SCSI_WRITE_16 = 0x8a,
    SCSI_SYNCHRONIZE_CACHE_16 = 0x91,
    SCSI_WRITE_SAME_16 = 0x93,
    SCSI_SERVICE_ACTION_IN_16 = 0x9e,
    SCSI_REPORT_LUNS = 0xa0,
    SCSI_READ_12 = 0xa8,
    SCSI_WRITE_12 = 0xaa,
};
#define SCSI_SA_READ_CAPACITY_16 0x10

/* Status (SAM-5 5.3) */
#define SCSI_GOOD            0x00
#define SCSI_CHECK_CONDITION 0x02
#define SCSI_BUSY            0x08

/* Sense keys (SPC-4 4.5.6) */
enum scsi_sense_key {
    SCSI_KEY_NONE = 0x0,
    SCSI_KEY_NOT_READY = 0x2,
    SCSI_KEY_MEDIUM = 0x3,
    SCSI_KEY_HARDWARE = 0x4,
    SCSI_KEY_ILLEGAL = 0x5,
    SCSI_KEY_PROTECT = 0x7,
    SCSI_KEY_ABORTED = 0xb,
};

/* Additional sense: code << 8 | qualifier (SPC-4 annex D) */
enum scsi_additional_sense {
    SCSI_ASC_NONE = 0x0000,
    SCSI_ASC_WRITE_ERROR = 0x0c00,
    SCSI_ASC_READ_ERROR = 0x1100,
    SCSI_ASC_PARAMETER_LENGTH = 0x1a00,
    SCSI_ASC_OPCODE = 0x2000,
    SCSI_ASC_LBA = 0x2100,
    SCSI_ASC_CDB_FIELD = 0x2400,
    SCSI_ASC_NO_UNIT = 0x2500,
    SCSI_ASC_PARAMETER_FIELD = 0x2600,
    SCSI_ASC_WRITE_PROTECTED = 0x2700,
    SCSI_ASC_SAVING = 0x3900,
    SCSI_ASC_TARGET_FAILURE = 0x4400,
};

/* Vital product data pages (SPC-4 7.8, SBC-3 6.5) */
#define SCSI_VPD_SUPPORTED       0x00
#define SCSI_VPD_SERIAL          0x80
#define SCSI_VPD_IDENTIFICATION  0x83
#define SCSI_VPD_LIMITS          0xb0
#define SCSI_VPD_CHARACTERISTICS 0xb1
#define SCSI_VPD_PROVISIONING    0xb2

/* Mode pages (SPC-4 7.5, SBC-3 6.4) */
#define SCSI_PAGE_CACHING 0x08
#define SCSI_PAGE_CONTROL 0x0a
#define SCSI_PAGE_DVD     0x2a /* capabilities (MMC-3 6.3.11) */
#define SCSI_PAGE_ALL     0x3f

#endif
