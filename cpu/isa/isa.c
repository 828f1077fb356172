/*
 * The instruction table, assembled from the five lists of rows (format: cpu/isa/isa.h).
 * Operands that are absent are written NONE; attributes and flag masks 0 when empty.
 */
#include "cpu/isa/isa.h"

#include "abi/x86.h"

/* Every semantic function has one signature; declaring one twice is harmless. */
#define INSN(map, opcode, prefix, modrm, name, o1, o2, o3, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#define VEX(map, opcode, pp, l, w, modrm, name, o1, o2, o3, o4, feat, attrs, sem) op_fn op_##sem;
#define VEXF(map, opcode, pp, l, w, modrm, name, o1, o2, o3, o4, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#include "cpu/isa/rows.def"
#undef INSN
#undef VEX
#undef VEXF

#define INSN(map_, opcode_, prefix_, modrm_, name_, o1, o2, o3, feat, attrs_, flr, flw, flu, s) \
    {.mnemonic = name_,                                                                         \
     .sem = op_##s,                                                                             \
     .sem_name = #s,                                                                            \
     .modrm = MR_##modrm_,                                                                      \
     .attrs = attrs_,                                                                           \
     .fl_read = flr,                                                                            \
     .fl_written = flw,                                                                         \
     .fl_undefined = flu,                                                                       \
     .map = MAP_##map_,                                                                         \
     .opcode = opcode_,                                                                         \
     .prefix = PX_##prefix_,                                                                    \
     .feature = F_##feat,                                                                       \
     .op = {OP_##o1, OP_##o2, OP_##o3}},
#define VEXF(map_, opcode_, pp, l, w, modrm_, name_, o1, o2, o3, o4, feat, attrs_, flr, flw, flu, \
             s)                                                                                   \
    {.mnemonic = name_,                                                                           \
     .sem = op_##s,                                                                               \
     .sem_name = #s,                                                                              \
     .modrm = MR_##modrm_,                                                                        \
     .attrs = attrs_,                                                                             \
     .fl_read = flr,                                                                              \
     .fl_written = flw,                                                                           \
     .fl_undefined = flu,                                                                         \
     .map = MAP_##map_,                                                                           \
     .opcode = opcode_,                                                                           \
     .prefix = PX_##pp,                                                                           \
     .feature = F_##feat,                                                                         \
     .vex = VX_##l | VX_##w,                                                                      \
     .op = {OP_##o1, OP_##o2, OP_##o3, OP_##o4}},
#define VEX(map, opcode, pp, l, w, modrm, name, o1, o2, o3, o4, feat, attrs, sem) \
    VEXF(map, opcode, pp, l, w, modrm, name, o1, o2, o3, o4, feat, attrs, 0, 0, 0, sem)
const struct isa_row isa_rows[] = {
#include "cpu/isa/rows.def"
};
#undef INSN
#undef VEX
#undef VEXF

const unsigned isa_row_count = sizeof(isa_rows) / sizeof(isa_rows[0]);

bool isa_is_branch(const struct isa_row *r)
{
    static const uint8_t one[] = {0x9a, 0xc2, 0xc3, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xe0,
                                  0xe1, 0xe2, 0xe3, 0xe8, 0xe9, 0xea, 0xeb, 0xf1, 0x70};
    static const uint8_t two[] = {0x05, 0x07, 0x34, 0x35, 0x80};
    if (r->map == MAP_1 && r->opcode == 0xff) /* groups 2-5: CALL and JMP */
        return (r->attrs & A_END) != 0;
    const uint8_t *list = r->map == MAP_1 ? one : two;
    const unsigned n = r->map == MAP_1 ? sizeof one : r->map == MAP_0F ? sizeof two : 0;
    for (unsigned k = 0; k < n; k++) {
        if (list[k] == r->opcode)
            return true;
    }
    return false;
}
