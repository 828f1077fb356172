/*
 * gdb's view of a logical processor's registers, both ways, and the target description.
 *
 * Writes to control registers and selectors take effect as they stand, without the checks of the
 * MOV instructions; translations and the mode are recomputed. A selector write does not reload the
 * descriptor: gdb users patch bases by the *_base registers.
 *
 * The upper halves of the YMM registers are there with every processor model, zero without AVX.
 */
#include "debug/gdb_regs.h"

#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "mmu/mmu.h"

enum reg_kind {
    KIND_GPR,
    KIND_RIP,
    KIND_FLAGS,
    KIND_SEGSEL,
    KIND_SEGBASE,
    KIND_ST,
    KIND_FCTRL,
    KIND_FSTAT,
    KIND_FTAG,
    KIND_FISEG,
    KIND_FIOFF,
    KIND_FOSEG,
    KIND_FOOFF,
    KIND_FOP,
    KIND_XMM,
    KIND_YMMH,
    KIND_MXCSR,
    KIND_FIELD,
    KIND_CONTROL,
    KIND_CR8,
    KIND_APICBASE,
};

struct reg_row {
    const char *name;
    uint16_t bits;
    uint8_t kind;
    size_t index;
};

static const struct reg_row rows[] = {
#define GDB_FEATURE(name)
#define GDB_REG(name, bits, type, group, kind, index) {name, bits, KIND_##kind, index},
#include "debug/gdb_regs.def"
#undef GDB_REG
#undef GDB_FEATURE
};

#define REG_COUNT (sizeof(rows) / sizeof(rows[0]))

unsigned gdb_reg_count(void)
{
    return REG_COUNT;
}

unsigned gdb_reg_size(unsigned reg)
{
    return rows[reg].bits / 8;
}

const char *gdb_reg_name(unsigned reg)
{
    return rows[reg].name;
}

/* Physical x87 register behind ST(i). */
static struct f80 *st_slot(struct cpu *c, size_t i)
{
    return &c->fpu.st[((c->fpu.sw >> 11) + i) & 7];
}

/* Full tag word from the abridged one (SDM 1 8.1.7): 0 valid, 1 zero, 2 special, 3 empty. */
static uint16_t full_tags(const struct fpu *f)
{
    uint16_t tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        const struct f80 *v = &f->st[i];
        const unsigned exponent = v->se & 0x7fff;
        unsigned tag = 0;
        if (!(f->valid >> i & 1))
            tag = 3;
        else if (exponent == 0 && v->sig == 0)
            tag = 1;
        else if (exponent == 0 || exponent == 0x7fff || !(v->sig >> 63))
            tag = 2;
        tags |= (uint16_t)(tag << (2 * i));
    }
    return tags;
}

static void set_full_tags(struct fpu *f, uint64_t tags)
{
    f->valid = 0;
    for (unsigned i = 0; i < 8; i++)
        f->valid |= (uint8_t)((tags >> (2 * i) & 3) != 3) << i;
}

static uint64_t get_control(const struct cpu *c, size_t index)
{
    switch (index) {
    case 0:
        return c->cr0;
    case 3:
        return c->cr3;
    case 4:
        return c->cr4;
    default:
        return c->efer;
    }
}

static uint64_t get_apic_base(const struct cpu *c)
{
    uint64_t value = 0;

    if (c->apic_ops && c->apic_ops->msr_read)
        c->apic_ops->msr_read(c->apic, MSR_APIC_BASE, &value);
    return value;
}

static uint64_t get_u64(struct cpu *c, const struct reg_row *r)
{
    uint64_t value = 0;

    switch (r->kind) {
    case KIND_GPR:
        return c->r[r->index];
    case KIND_RIP:
        return c->rip;
    case KIND_FLAGS:
        return cpu_rflags(c);
    case KIND_SEGSEL:
        return c->seg[r->index].sel;
    case KIND_SEGBASE:
        return c->seg[r->index].base;
    case KIND_FCTRL:
        return c->fpu.cw;
    case KIND_FSTAT:
        return c->fpu.sw;
    case KIND_FTAG:
        return full_tags(&c->fpu);
    case KIND_FISEG:
        return c->fpu.cs;
    case KIND_FIOFF:
        return c->fpu.ip;
    case KIND_FOSEG:
        return c->fpu.ds;
    case KIND_FOOFF:
        return c->fpu.dp;
    case KIND_FOP:
        return c->fpu.op;
    case KIND_MXCSR:
        return c->fpu.mxcsr;
    case KIND_FIELD:
        memcpy(&value, (const char *)c + r->index, r->bits / 8);
        return value;
    case KIND_CONTROL:
        return get_control(c, r->index);
    case KIND_CR8:
        return c->apic_ops && c->apic_ops->get_cr8 ? c->apic_ops->get_cr8(c->apic) : 0;
    case KIND_APICBASE:
        return get_apic_base(c);
    default:
        return 0;
    }
}

static uint64_t *vector_half(struct cpu *c, const struct reg_row *r)
{
    return &c->xmm[r->index].q[r->kind == KIND_YMMH ? 2 : 0];
}

void gdb_reg_read(struct cpu *c, unsigned reg, uint8_t *bytes)
{
    const struct reg_row *r = &rows[reg];

    if (r->kind == KIND_ST) {
        const struct f80 *v = st_slot(c, r->index);
        for (unsigned i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(v->sig >> (8 * i));
        bytes[8] = (uint8_t)v->se;
        bytes[9] = (uint8_t)(v->se >> 8);
        return;
    }
    if (r->kind == KIND_XMM || r->kind == KIND_YMMH) {
        const uint64_t *half = vector_half(c, r);
        for (unsigned i = 0; i < 16; i++)
            bytes[i] = (uint8_t)(half[i / 8] >> (8 * (i % 8)));
        return;
    }
    const uint64_t value = get_u64(c, r);
    for (unsigned i = 0; i < r->bits / 8u; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static void set_control(struct cpu *c, size_t index, uint64_t value)
{
    if (index == 0)
        c->cr0 = value;
    else if (index == 3)
        c->cr3 = value;
    else if (index == 4)
        c->cr4 = value;
    else
        c->efer = value;
    mmu_flush_all(c);
    cpu_update_mode(c);
}

static bool set_fpu(struct cpu *c, const struct reg_row *r, uint64_t value)
{
    switch (r->kind) {
    case KIND_FCTRL:
        c->fpu.cw = (uint16_t)value;
        return true;
    case KIND_FSTAT:
        c->fpu.sw = (uint16_t)value;
        return true;
    case KIND_FTAG:
        set_full_tags(&c->fpu, value);
        return true;
    case KIND_FISEG:
        c->fpu.cs = (uint16_t)value;
        return true;
    case KIND_FIOFF:
        c->fpu.ip = value;
        return true;
    case KIND_FOSEG:
        c->fpu.ds = (uint16_t)value;
        return true;
    case KIND_FOOFF:
        c->fpu.dp = value;
        return true;
    case KIND_FOP:
        c->fpu.op = (uint16_t)value & 0x7ff;
        return true;
    case KIND_MXCSR:
        c->fpu.mxcsr = (uint32_t)value & 0xffff;
        return true;
    default:
        return false;
    }
}

static bool set_u64(struct cpu *c, const struct reg_row *r, uint64_t value)
{
    switch (r->kind) {
    case KIND_GPR:
        c->r[r->index] = value;
        return true;
    case KIND_RIP:
        c->rip = value;
        return true;
    case KIND_FLAGS:
        cpu_set_rflags(c, (cpu_rflags(c) & ~0xffffffffull) | (value & 0x3f7fd7) | FL_FIXED1);
        return true;
    case KIND_SEGSEL:
        c->seg[r->index].sel = (uint16_t)value;
        return true;
    case KIND_SEGBASE:
        c->seg[r->index].base = value;
        cpu_update_mode(c);
        return true;
    case KIND_FIELD:
        memcpy((char *)c + r->index, &value, r->bits / 8);
        return true;
    case KIND_CONTROL:
        set_control(c, r->index, value);
        return true;
    case KIND_CR8:
        if (!c->apic_ops || !c->apic_ops->set_cr8)
            return false;
        c->apic_ops->set_cr8(c->apic, value & 15);
        return true;
    default:
        return set_fpu(c, r, value);
    }
}

bool gdb_reg_write(struct cpu *c, unsigned reg, const uint8_t *bytes)
{
    const struct reg_row *r = &rows[reg];
    uint64_t value = 0;

    if (r->kind == KIND_XMM || r->kind == KIND_YMMH) {
        uint64_t *half = vector_half(c, r);
        memset(half, 0, 16);
        for (unsigned i = 0; i < 16; i++)
            half[i / 8] |= (uint64_t)bytes[i] << (8 * (i % 8));
        return true;
    }
    for (unsigned i = 0; i < 8 && i < r->bits / 8u; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    if (r->kind == KIND_ST) {
        struct f80 *v = st_slot(c, r->index);
        v->sig = value;
        v->se = (uint16_t)(bytes[8] | bytes[9] << 8);
        return true;
    }
    /* gdb writes all registers back with G: leave alone what does not change. */
    if (get_u64(c, r) == value)
        return true;
    return set_u64(c, r, value);
}

static const char xml_head[] = "<?xml version=\"1.0\"?>\n"
                               "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                               "<target>\n<architecture>i386:x86-64</architecture>\n";

/* Types that a feature must define before its registers use them. */
static const char xml_core_types[] =
    "<flags id=\"i386_eflags\" size=\"4\">\n"
    "<field name=\"\" start=\"22\" end=\"31\"/>\n"
    "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>\n"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>\n"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>\n"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>\n"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>\n"
    "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>\n"
    "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>\n"
    "<field name=\"VIF\" start=\"19\" end=\"19\"/><field name=\"VIP\" start=\"20\" end=\"20\"/>\n"
    "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>\n";

static const char xml_sse_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>\n"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>\n"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>\n"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>\n"
    "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/>\n"
    "<field name=\"DE\" start=\"1\" end=\"1\"/><field name=\"ZE\" start=\"2\" end=\"2\"/>\n"
    "<field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>\n"
    "<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/>\n"
    "<field name=\"IM\" start=\"7\" end=\"7\"/><field name=\"DM\" start=\"8\" end=\"8\"/>\n"
    "<field name=\"ZM\" start=\"9\" end=\"9\"/><field name=\"OM\" start=\"10\" end=\"10\"/>\n"
    "<field name=\"UM\" start=\"11\" end=\"11\"/><field name=\"PM\" start=\"12\" end=\"12\"/>\n"
    "<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>\n";

static const char *feature_types(const char *feature)
{
    if (strstr(feature, ".core"))
        return xml_core_types;
    return strstr(feature, ".sse") ? xml_sse_types : "";
}

struct xml {
    char text[24576];
    size_t len;
    bool in_feature;
};

static void xml_add(struct xml *x, const char *text)
{
    const size_t n = strlen(text);

    if (x->len + n + 1 <= sizeof(x->text)) {
        memcpy(x->text + x->len, text, n + 1);
        x->len += n;
    }
}

static void xml_feature(struct xml *x, const char *name)
{
    char line[128];

    if (x->in_feature)
        xml_add(x, "</feature>\n");
    x->in_feature = true;
    snprintf(line, sizeof(line), "<feature name=\"%s\">\n", name);
    xml_add(x, line);
    xml_add(x, feature_types(name));
}

static void xml_reg(struct xml *x, const char *name, unsigned bits, const char *type,
                    const char *group)
{
    char line[192];

    snprintf(line, sizeof(line), "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\"/>\n",
             name, bits, type, group);
    xml_add(x, line);
}

const char *gdb_target_xml(void)
{
    static struct xml x;

    if (x.len)
        return x.text;
    xml_add(&x, xml_head);
#define GDB_FEATURE(name)                             xml_feature(&x, name);
#define GDB_REG(name, bits, type, group, kind, index) xml_reg(&x, name, bits, type, group);
#include "debug/gdb_regs.def"
#undef GDB_REG
#undef GDB_FEATURE
    xml_add(&x, "</feature>\n</target>\n");
    return x.text;
}
