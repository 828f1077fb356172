/*
 * The decoded VMCS: field table, lookup by encoding, region image (SDM 3C 25.2, 25.11.2; 3D B).
 *
 * VMREAD and VMWRITE are the hottest VMX instructions (20 and more for each exit of a typical
 * hypervisor), so lookup is one load from a dense table.
 */
#include "cpu/vmx/vmcs.h"

#include <stddef.h>
#include <string.h>

#define WIDTH_SIZE_U16 2
#define WIDTH_SIZE_U32 4
#define WIDTH_SIZE_U64 8
#define WIDTH_SIZE_NAT 8
#define WIDTH_NAT_U16  false
#define WIDTH_NAT_U32  false
#define WIDTH_NAT_U64  false
#define WIDTH_NAT_NAT  true
#define ACCESS_RO_RW   false
#define ACCESS_RO_RO   true

const struct vmcs_field_info vmcs_fields[] = {
#define VMCS_FIELD(member, NAME, enc, width, access, group, help) \
    {#member,                                                     \
     help,                                                        \
     enc,                                                         \
     offsetof(struct vmcs, member),                               \
     WIDTH_SIZE_##width,                                          \
     WIDTH_NAT_##width,                                           \
     ACCESS_RO_##access,                                          \
     VMCS_GROUP_##group},
#include "abi/vmcs.def"
#undef VMCS_FIELD
};
const unsigned vmcs_field_count = sizeof vmcs_fields / sizeof vmcs_fields[0];

enum vmcs_row {
#define VMCS_FIELD(member, NAME, enc, width, access, group, help) ROW_##NAME,
#include "abi/vmcs.def"
#undef VMCS_FIELD
};

/* Encodings fold into width (2 bits), type (2), index (6): index 0-63 is all we have. */
#define KEY(e) (VMCS_ENC_WIDTH(e) << 8 | VMCS_ENC_TYPE(e) << 6 | (VMCS_ENC_INDEX(e) & 63))
static const uint8_t row_of_key[1024] = {
#define VMCS_FIELD(member, NAME, enc, width, access, group, help) [KEY(enc)] = ROW_##NAME + 1,
#include "abi/vmcs.def"
#undef VMCS_FIELD
};

const struct vmcs_field_info *vmcs_find(uint64_t encoding)
{
    if (encoding & ~(uint64_t)0x6c7f) /* bits 63:15 and 12 are reserved; index below 64 */
        return NULL;
    const unsigned row = row_of_key[KEY(encoding)];
    if (row == 0)
        return NULL;
    if ((encoding & VMCS_ENC_HIGH) && VMCS_ENC_WIDTH(encoding) != 1)
        return NULL;
    return &vmcs_fields[row - 1];
}

uint64_t vmcs_get(const struct vmcs *v, const struct vmcs_field_info *f)
{
    const char *p = (const char *)v + f->offset;
    switch (f->size) {
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

void vmcs_set(struct vmcs *v, const struct vmcs_field_info *f, uint64_t value)
{
    char *p = (char *)v + f->offset;
    switch (f->size) {
    case 2:
        *(uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(uint64_t *)p = value;
        break;
    }
}

uint64_t vmcs_part(uint64_t encoding, uint64_t value)
{
    return encoding & VMCS_ENC_HIGH ? value >> 32 : value;
}

uint64_t vmcs_merge(const struct vmcs_field_info *f, uint64_t encoding, uint64_t old,
                    uint64_t value, unsigned size)
{
    if (encoding & VMCS_ENC_HIGH)
        return (uint32_t)old | value << 32;
    if (f->size == 8 && !f->natural && size == 4) /* low half of a 64-bit field */
        return value | (old & ~(uint64_t)UINT32_MAX);
    return f->size < 8 ? value & ((1ull << (8 * f->size)) - 1) : value;
}

unsigned vmcs_image_offset(const struct vmcs_field_info *f)
{
    return VMCS_IMAGE_FIELDS + 8 * (unsigned)(f - vmcs_fields);
}

unsigned vmcs_dirties(const struct vmcs_field_info *f)
{
    static const uint8_t by_group[] = {
        [VMCS_GROUP_CTL_EXEC] = VMX_CG_EXEC,   [VMCS_GROUP_CTL_EXIT] = VMX_CG_EXIT,
        [VMCS_GROUP_CTL_ENTRY] = VMX_CG_ENTRY, [VMCS_GROUP_INFO] = 0,
        [VMCS_GROUP_GSEG] = VMX_CG_GSEG,       [VMCS_GROUP_GREG] = VMX_CG_GREG,
        [VMCS_GROUP_GNON] = VMX_CG_GNON,       [VMCS_GROUP_HOST] = VMX_CG_HOST,
    };
    switch (f->encoding) { /* fields that rules of other groups read too, or no rule at all */
    case VMCS_PIN_CTL:
    case VMCS_PROC_CTL:
    case VMCS_PROC2_CTL:
        return VMX_CG_EXEC | VMX_CG_EXIT | VMX_CG_ENTRY | VMX_CG_GREG | VMX_CG_GSEG | VMX_CG_GNON;
    case VMCS_TSC_OFFSET:
    case VMCS_XSS_EXIT_BITMAP:
    case VMCS_EPTP_INDEX:
    case VMCS_PML_INDEX:
    case VMCS_GUEST_INTR_STATUS:
    case VMCS_EOI_EXIT0:
    case VMCS_EOI_EXIT1:
    case VMCS_EOI_EXIT2:
    case VMCS_EOI_EXIT3:
    case VMCS_EXCEPTION_BITMAP:
    case VMCS_PF_EC_MASK:
    case VMCS_PF_EC_MATCH:
    case VMCS_CR0_MASK:
    case VMCS_CR4_MASK:
    case VMCS_CR0_SHADOW:
    case VMCS_CR4_SHADOW:
    case VMCS_CR3_TARGET0:
    case VMCS_CR3_TARGET1:
    case VMCS_CR3_TARGET2:
    case VMCS_CR3_TARGET3:
    case VMCS_PLE_GAP:
    case VMCS_PLE_WINDOW:
    case VMCS_EXEC_VMCS_PTR:
    case VMCS_GUEST_RSP:
    case VMCS_GUEST_SMBASE:
    case VMCS_GUEST_SYSENTER_CS:
    case VMCS_PREEMPTION_TIMER:
    case VMCS_HOST_SYSENTER_CS:
    case VMCS_HOST_RSP:
        return 0;
    case VMCS_EXIT_CTL:
        return VMX_CG_EXEC | VMX_CG_EXIT | VMX_CG_HOST;
    case VMCS_ENTRY_CTL:
        return VMX_CG_ENTRY | VMX_CG_HOST | VMX_CG_GUEST;
    case VMCS_ENTRY_INTR_INFO:
        return VMX_CG_ENTRY | VMX_CG_GRIP | VMX_CG_GNON;
    case VMCS_GUEST_CR0:
        return VMX_CG_ENTRY | VMX_CG_GUEST;
    case VMCS_GUEST_CR4:
        return VMX_CG_GREG | VMX_CG_GNON;
    case VMCS_GUEST_DEBUGCTL:
        return VMX_CG_GREG | VMX_CG_GNON;
    case VMCS_GUEST_RIP:
        return VMX_CG_GRIP;
    case VMCS_GUEST_RFLAGS:
        return VMX_CG_GRIP | VMX_CG_GSEG | VMX_CG_GNON;
    case VMCS_GUEST_CS_AR:
        return VMX_CG_GSEG | VMX_CG_GRIP;
    case VMCS_GUEST_SS_AR:
        return VMX_CG_GSEG | VMX_CG_GNON;
    default:
        return by_group[f->group];
    }
}

/* Each field takes 8 bytes of the image, in table order: one layout for 32- and 64-bit hosts. */
_Static_assert(VMCS_IMAGE_FIELDS + 8 * (sizeof vmcs_fields / sizeof vmcs_fields[0]) <=
                   VMCS_REGION_SIZE,
               "the fields fit the region");

void vmcs_decode(struct vmcs *v, const uint8_t *region)
{
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        uint64_t value = 0;
        for (unsigned b = 0; b < vmcs_fields[i].size; b++)
            value |= (uint64_t)region[VMCS_IMAGE_FIELDS + 8 * i + b] << (8 * b);
        vmcs_set(v, &vmcs_fields[i], value);
    }
}

void vmcs_encode(const struct vmcs *v, uint8_t *region)
{
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const uint64_t value = vmcs_get(v, &vmcs_fields[i]);
        for (unsigned b = 0; b < 8; b++)
            region[VMCS_IMAGE_FIELDS + 8 * i + b] = (uint8_t)(value >> (8 * b));
    }
}
