/*
 * The xAPIC page: accesses exit as EPT violations, and the instruction is decoded here.
 * MOV r/m32,r32 (89), MOV r32,r/m32 (8B), MOV r/m32,imm32 (C7), MOV EAX,moffs (A1, A3), TEST
 * (85, F7 /0), AND/OR (81) are what compilers and kernels use on it.
 * Not modelled: other instructions on the APIC page (#GP), 16-bit addressing.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/vmx/hv_vmx.h"

struct insn {
    uint8_t opcode, rex, reg, length;
    uint32_t imm;
    bool prefix_16;
};

/* Length of ModRM, SIB and displacement at b. */
static uint32_t modrm_length(const uint8_t *b, bool long_mode)
{
    const uint8_t mod = b[0] >> 6, rm = b[0] & 7;
    uint32_t n = 1;
    if (mod == 3)
        return 0;
    if (rm == 4)
        n++;
    if (mod == 1)
        n += 1;
    else if (mod == 2)
        n += 4;
    else if (rm == 5 || (rm == 4 && (b[1] & 7) == 5))
        n += 4;
    (void)long_mode;
    return n;
}

static bool decode(const uint8_t *b, uint32_t avail, bool long_mode, struct insn *in)
{
    uint32_t i = 0;
    memset(in, 0, sizeof(*in));
    for (; i < avail; i++) {
        const uint8_t c = b[i];
        if (long_mode && (c & 0xf0) == 0x40) {
            in->rex = c;
            i++;
            break;
        }
        if (c == 0x66)
            in->prefix_16 = true;
        else if (c != 0x2e && c != 0x36 && c != 0x3e && c != 0x26 && c != 0x64 && c != 0x65 &&
                 c != 0xf0)
            break;
    }
    if (i + 12 > avail + 8 || i >= avail || in->prefix_16)
        return false;
    in->opcode = b[i++];
    if (in->opcode == 0xa1 || in->opcode == 0xa3) {
        in->length = (uint8_t)(i + (long_mode ? 8 : 4));
        return in->length <= avail;
    }
    uint32_t n = modrm_length(b + i, long_mode);
    if (!n || i + n > avail)
        return false;
    in->reg = (b[i] >> 3 & 7) | (in->rex & 4 ? 8 : 0);
    i += n;
    if (in->opcode == 0xc7 || in->opcode == 0x81 || (in->opcode == 0xf7 && !(in->reg & 7))) {
        if (i + 4 > avail)
            return false;
        memcpy(&in->imm, b + i, 4);
        i += 4;
    } else if (in->opcode != 0x89 && in->opcode != 0x8b && in->opcode != 0x85) {
        return false;
    }
    in->length = (uint8_t)i;
    return true;
}

static uint32_t gpr32(const struct hv_vp *vp, uint32_t reg)
{
    return (uint32_t)vp->gpr[reg];
}

static void set_gpr32(struct hv_vp *vp, uint32_t reg, uint32_t value)
{
    vp->gpr[reg] = value;
    if (reg == HV_RSP)
        vp->dirty_rsp = true;
}

static void logic_flags(struct hv_vp *vp, uint32_t result)
{
    uint64_t f = vp->rflags & ~(uint64_t)FL_ARITH;
    f |= result ? 0 : FL_ZF;
    f |= result >> 31 ? FL_SF : 0;
    f |= __builtin_parity(result & 0xff) ? 0 : FL_PF;
    vp->rflags = f;
    vp->dirty_rflags = true;
}

static bool execute(struct hv_vp *vp, uint32_t reg, const struct insn *in)
{
    uint32_t value;
    switch (in->opcode) {
    case 0x89:
        return hv_vlapic_write(vp, reg, gpr32(vp, in->reg));
    case 0xa3:
        return hv_vlapic_write(vp, reg, gpr32(vp, HV_RAX));
    case 0xc7:
        return hv_vlapic_write(vp, reg, in->imm);
    default:
        break;
    }
    if (!hv_vlapic_read(vp, reg, &value))
        return false;
    switch (in->opcode) {
    case 0x8b:
        set_gpr32(vp, in->reg, value);
        return true;
    case 0xa1:
        set_gpr32(vp, HV_RAX, value);
        return true;
    case 0x85:
        logic_flags(vp, value & gpr32(vp, in->reg));
        return true;
    case 0xf7:
        logic_flags(vp, value & in->imm);
        return true;
    default:
        break; /* 81: OR /1, AND /4 */
    }
    if ((in->reg & 7) == 1)
        value |= in->imm;
    else if ((in->reg & 7) == 4)
        value &= in->imm;
    else
        return false;
    logic_flags(vp, value);
    return hv_vlapic_write(vp, reg, value);
}

bool hv_vlapic_mmio(struct hv_vp *vp, uint64_t gpa, uint64_t qual)
{
    if ((vp->apic.base & EPT_ADDR_MASK) != (gpa & EPT_ADDR_MASK) ||
        !(vp->apic.base & APIC_BASE_EN) || hv_vlapic_x2apic(vp))
        return false;
    uint8_t code[15];
    struct insn in;
    const uint32_t epoch = vp->epoch;
    const uint32_t n = hv_fetch_code(vp, code, sizeof(code));
    const bool long_mode = (vp->regs.efer & EFER_LMA) && (vp->regs.seg[SEG_CS].attributes & SA_L);
    if ((qual & VMX_QUAL_EPT_FETCH) || !decode(code, n, long_mode, &in) ||
        !execute(vp, (uint32_t)(gpa & 0xff0) >> 4, &in)) {
        hv_log_sin(vp->partition, "STUB access to the APIC page at %lx by RIP %lx", gpa, vp->rip);
        hv_vp_gp(vp);
        return true;
    }
    if (vp->epoch == epoch) /* else it sent INIT to itself */
        hv_vp_set_rip(vp, vp->rip + in.length);
    return true;
}
