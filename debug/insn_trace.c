/*
 * Disassembly: lengths come from our decoder, operands from Capstone. Where Capstone rejects an
 * encoding or disagrees about its length, the line has the bytes and our table's mnemonic.
 *
 * Not modelled: symbols.
 */
#include "debug/insn_trace.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/decode/decode.h"
#include "mmu/mmu.h"

/* One handle per code size, opened at first use. */
static csh handle_for(const struct cpu *c)
{
    static csh handles[3];
    static const cs_mode modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    const unsigned n = c->mode & MODE_CODE_MASK;

    if (n > 2)
        return 0;
    if (!handles[n] && cs_open(CS_ARCH_X86, modes[n], &handles[n]) != CS_ERR_OK)
        handles[n] = 0;
    return handles[n];
}

static unsigned read_bytes(const struct cpu *c, uint64_t la, uint8_t *bytes)
{
    const unsigned in_page = 4096 - (la & 4095);
    unsigned len = in_page < 15 ? in_page : 15;

    if (!mmu_peek_read(c, la, bytes, len))
        return 0;
    if (len < 15 && mmu_peek_read(c, la + len, bytes + len, 15 - len))
        len = 15;
    return len;
}

void insn_at(const struct cpu *c, uint64_t la, struct insn_text *out)
{
    const unsigned have = read_bytes(c, la, out->bytes);
    const csh handle = handle_for(c);
    struct insn ours;
    cs_insn *insn;

    out->len = 0;
    if (!have) {
        strcpy(out->text, "(not mapped)");
        return;
    }
    if (decode(&ours, out->bytes, have, la & 4095, c->mode, c->features) != DECODE_OK) {
        out->len = have;
        strcpy(out->text, "(continues on a page that is not mapped)");
        return;
    }
    const struct isa_row *row = insn_row(&ours);
    out->len = ours.len ? ours.len : 1;
    snprintf(out->text, sizeof(out->text), "%s", row ? row->mnemonic : "(undefined)");
    if (!row || !handle || cs_disasm(handle, out->bytes, have, la, 1, &insn) != 1)
        return;
    if (insn->size == ours.len)
        snprintf(out->text, sizeof(out->text), "%s%s%.80s", insn->mnemonic,
                 *insn->op_str ? " " : "", insn->op_str);
    cs_free(insn, 1);
}

void insn_at_rip(const struct cpu *c, struct insn_text *out)
{
    uint64_t la = c->rip + (cpu_code64(c) ? 0 : c->seg[SEG_CS].base);

    if (!cpu_code64(c))
        la = (uint32_t)la;
    insn_at(c, la, out);
}
