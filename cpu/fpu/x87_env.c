/*
 * cpu/fpu/x87_env.c: control, status, environment and whole-state instructions of the x87.
 *
 * SDM 1 8.1.9-8.1.10 (environment formats), 8.3.11, 10.5 (FXSAVE); SDM 3A 2.5 (NE), 9.2.
 * Not modelled: CPUs that save FCS and FDS as zero (CPUID.7.EBX[13]).
 */
#include "cpu/fpu/fpu.h"
#include "cpu/fpu/sse.h"
#include "cpu/fpu/x87.h"

#define CW_INIT   0x037fu
#define CW_BITS   0x1f7fu /* bits that exist; bit 6 reads as 1 */
#define CW_FIXED1 0x40u

void fpu_init(struct fpu *f)
{
    f->cw = CW_INIT;
    f->sw = 0;
    f->valid = 0;
    f->op = f->cs = f->ds = 0;
    f->ip = f->dp = 0;
}

void fpu_reset(struct cpu *c)
{
    memset(&c->fpu, 0, sizeof c->fpu);
    memset(c->xmm, 0, sizeof c->xmm);
    c->fpu.cw = 0x40;
    c->fpu.valid = 0xff; /* tag word 5555: zeros */
    c->fpu.mxcsr = MXCSR_DEFAULT;
}

void fpu_pending(struct cpu *c)
{
    if (c->cr0 & CR0_NE)
        cpu_fault_noerr(c, EXC_MF);
    if (c->ignne)
        return;
    if (!c->ferr) {
        c->ferr = true;
        irq_set(&c->ferr_line, 1);
    }
    if (c->ignne) /* the line was never let go since the program said so */
        return;
    c->rip = cpu_rip(c);
    c->activity = CPU_HALTED;
    cpu_leave(c, false);
}

/* The exception summary may have gone: FERR# follows it. */
static void es_changed(struct cpu *c)
{
    if (c->ferr && !(c->fpu.sw & SW_ES)) {
        c->ferr = false;
        irq_set(&c->ferr_line, 0);
    }
}

static uint16_t cw_value(unsigned v)
{
    return (uint16_t)((v & CW_BITS) | CW_FIXED1);
}

/* ---- control and status ---------------------------------------------------------------------- */

void op_fldcw(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    f->cw = cw_value(mem_ld16(c, insn_la(c, i, 2, ACC_R)));
    x87_update_es(f);
    es_changed(c);
}

void op_fnstcw(struct cpu *c, const struct insn *i)
{
    fpu_check_x87(c);
    mem_st16(c, insn_la(c, i, 2, ACC_W), c->fpu.cw);
}

void op_fnstsw(struct cpu *c, const struct insn *i)
{
    fpu_check_x87(c);
    mem_st16(c, insn_la(c, i, 2, ACC_W), c->fpu.sw);
}

void op_fnstsw_ax(struct cpu *c, const struct insn *i)
{
    (void)i;
    fpu_check_x87(c);
    reg_set(c, R_AX, 2, c->fpu.sw);
}

void op_fnclex(struct cpu *c, const struct insn *i)
{
    (void)i;
    fpu_check_x87(c);
    c->fpu.sw &= (uint16_t) ~(FX_ALL | SW_SF | SW_ES | SW_B);
    es_changed(c);
}

void op_fninit(struct cpu *c, const struct insn *i)
{
    (void)i;
    fpu_check_x87(c);
    fpu_init(&c->fpu);
    es_changed(c);
}

void op_fnsetpm(struct cpu *c, const struct insn *i)
{
    (void)i; /* FNENI, FNDISI, FNSETPM: 8087 and 287 only, no effect since */
    fpu_check_x87(c);
}

void op_fwait(struct cpu *c, const struct insn *i)
{
    (void)i;
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        cpu_fault_noerr(c, EXC_NM);
    if (c->fpu.sw & SW_ES)
        fpu_pending(c);
}

/* ---- environment ----------------------------------------------------------------------------- */

uint16_t fpu_full_tags(const struct fpu *f)
{
    unsigned tags = 0;
    for (int n = 7; n >= 0; n--) {
        unsigned t = 3;
        if (f->valid >> n & 1) {
            const unsigned exp = f->st[n].se & 0x7fff;
            if (exp == 0)
                t = f->st[n].sig == 0 ? 1 : 2;
            else
                t = exp == 0x7fff || !(f->st[n].sig >> 63) ? 2 : 0;
        }
        tags = tags << 2 | t;
    }
    return (uint16_t)tags;
}

static void set_full_tags(struct fpu *f, unsigned tags)
{
    f->valid = 0;
    for (unsigned n = 0; n < 8; n++)
        f->valid |= (uint8_t)(((tags >> 2 * n & 3) != 3) << n);
}

static bool real_format(const struct cpu *c)
{
    return cpu_real(c) || cpu_vm86(c);
}

/* The 14- or 28-byte image; returns its length. */
static unsigned env_image(const struct cpu *c, const struct insn *i, uint8_t *img)
{
    const struct fpu *f = &c->fpu;
    const bool wide = i->osize != 2;
    uint32_t w[7] = {f->cw, f->sw, fpu_full_tags(f), 0, 0, 0, 0};
    const uint32_t high = wide ? 0xffff0000u : 0;
    w[0] |= high;
    w[1] |= high;
    w[2] |= high;
    if (!real_format(c)) {
        w[3] = (uint32_t)f->ip;
        w[4] = f->cs | (uint32_t)(f->op & 0x7ff) << 16;
        w[5] = (uint32_t)f->dp;
        w[6] = f->ds | high;
    } else {
        const uint32_t ip = (uint32_t)(f->cs * 16 + f->ip), dp = (uint32_t)(f->ds * 16 + f->dp);
        w[3] = (ip & 0xffff) | high;
        w[4] = wide ? (ip >> 16) << 12 | (f->op & 0x7ff) : (ip >> 4 & 0xf000) | (f->op & 0x7ff);
        w[5] = (dp & 0xffff) | high;
        w[6] = wide ? (dp >> 16) << 12 : dp >> 4 & 0xf000;
    }
    for (unsigned k = 0; k < 7; k++) {
        if (wide)
            memcpy(img + 4 * k, &w[k], 4);
        else
            memcpy(img + 2 * k, &w[k], 2);
    }
    return wide ? 28 : 14;
}

static void env_load(struct cpu *c, const struct insn *i, const uint8_t *img)
{
    struct fpu *f = &c->fpu;
    const bool wide = i->osize != 2;
    uint32_t w[7] = {0};
    for (unsigned k = 0; k < 7; k++)
        memcpy(&w[k], img + (wide ? 4 : 2) * k, wide ? 4 : 2);
    f->cw = cw_value(w[0]);
    f->sw = (uint16_t)w[1];
    set_full_tags(f, w[2]);
    if (!real_format(c)) {
        f->ip = w[3];
        f->cs = (uint16_t)w[4];
        if (wide)
            f->op = w[4] >> 16 & 0x7ff;
        f->dp = w[5];
        f->ds = (uint16_t)w[6];
    } else {
        const uint32_t hi = wide ? w[4] >> 12 & 0xffff : w[4] >> 12 & 0xf;
        f->ip = (w[3] & 0xffff) | hi << 16;
        f->op = w[4] & 0x7ff;
        f->dp = (w[5] & 0xffff) | (wide ? w[6] >> 12 & 0xffff : w[6] >> 12 & 0xf) << 16;
        f->cs = f->ds = 0;
    }
    x87_update_es(f);
    es_changed(c);
}

static void mask_all(struct fpu *f)
{
    f->cw |= FX_ALL;
    f->sw &= (uint16_t) ~(SW_ES | SW_B);
}

void op_fnstenv(struct cpu *c, const struct insn *i)
{
    fpu_check_x87(c);
    uint8_t img[28];
    const unsigned n = env_image(c, i, img);
    mmu_st_bytes(c, insn_la(c, i, n, ACC_W), img, n);
    mask_all(&c->fpu);
}

void op_fldenv(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    uint8_t img[28];
    const unsigned n = i->osize == 2 ? 14 : 28;
    mmu_ld_bytes(c, insn_la(c, i, n, ACC_R), img, n);
    env_load(c, i, img);
}

void op_fnsave(struct cpu *c, const struct insn *i)
{
    fpu_check_x87(c);
    struct fpu *f = &c->fpu;
    uint8_t img[108];
    unsigned n = env_image(c, i, img);
    for (unsigned k = 0; k < 8; k++, n += 10) {
        const struct f80 v = x87_get(f, k);
        memcpy(img + n, &v.sig, 8);
        memcpy(img + n + 8, &v.se, 2);
    }
    mmu_st_bytes(c, insn_la(c, i, n, ACC_W), img, n);
    fpu_init(f);
    es_changed(c);
}

void op_frstor(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    uint8_t img[108];
    unsigned n = i->osize == 2 ? 94 : 108;
    mmu_ld_bytes(c, insn_la(c, i, n, ACC_R), img, n);
    env_load(c, i, img);
    n -= 80;
    for (unsigned k = 0; k < 8; k++, n += 10) {
        struct f80 *r = &f->st[x87_phys(f, k)];
        memcpy(&r->sig, img + n, 8);
        memcpy(&r->se, img + n + 8, 2);
    }
}

/* ---- FXSAVE ---------------------------------------------------------------------------------- */

void fpu_save_x87(const struct cpu *c, uint8_t *image, bool wide)
{
    const struct fpu *f = &c->fpu;
    const uint16_t ftw = f->valid;
    memcpy(image + FX_FCW, &f->cw, 2);
    memcpy(image + FX_FSW, &f->sw, 2);
    memcpy(image + FX_FTW, &ftw, 2);
    memcpy(image + FX_FOP, &f->op, 2);
    if (wide) {
        memcpy(image + FX_FIP, &f->ip, 8);
        memcpy(image + FX_FDP, &f->dp, 8);
    } else {
        const uint32_t cs = f->cs, ds = f->ds;
        memcpy(image + FX_FIP, &f->ip, 4);
        memcpy(image + FX_FCS, &cs, 4);
        memcpy(image + FX_FDP, &f->dp, 4);
        memcpy(image + FX_FDS, &ds, 4);
    }
    for (unsigned k = 0; k < 8; k++) {
        const struct f80 v = x87_get(f, k);
        uint8_t *to = image + FX_ST + 16 * k;
        memset(to, 0, 16);
        memcpy(to, &v.sig, 8);
        memcpy(to + 8, &v.se, 2);
    }
}

void fpu_load_x87(struct cpu *c, const uint8_t *image, bool wide)
{
    struct fpu *f = &c->fpu;
    uint16_t cw;
    memcpy(&cw, image + FX_FCW, 2);
    f->cw = cw_value(cw);
    memcpy(&f->sw, image + FX_FSW, 2);
    f->valid = image[FX_FTW];
    memcpy(&f->op, image + FX_FOP, 2);
    f->op &= 0x7ff;
    f->ip = f->dp = 0;
    if (wide) {
        memcpy(&f->ip, image + FX_FIP, 8);
        memcpy(&f->dp, image + FX_FDP, 8);
        f->cs = f->ds = 0;
    } else {
        memcpy(&f->ip, image + FX_FIP, 4);
        memcpy(&f->cs, image + FX_FCS, 2);
        memcpy(&f->dp, image + FX_FDP, 4);
        memcpy(&f->ds, image + FX_FDS, 2);
    }
    for (unsigned k = 0; k < 8; k++) {
        struct f80 *r = &f->st[x87_phys(f, k)];
        memcpy(&r->sig, image + FX_ST + 16 * k, 8);
        memcpy(&r->se, image + FX_ST + 16 * k + 8, 2);
    }
    x87_update_es(f);
    es_changed(c);
}

void fpu_save_xmm(const struct cpu *c, uint8_t *image)
{
    const unsigned n = cpu_code64(c) ? 16 : 8;
    for (unsigned k = 0; k < n; k++)
        memcpy(image + FX_XMM + 16 * k, c->xmm[k].b, 16);
}

void fpu_load_xmm(struct cpu *c, const uint8_t *image)
{
    const unsigned n = cpu_code64(c) ? 16 : 8;
    for (unsigned k = 0; k < n; k++)
        memcpy(c->xmm[k].b, image + FX_XMM + 16 * k, 16);
}

/* FXSAVE checks CR0.EM and TS only; without CR4.OSFXSR the XMM part may be left out: it is kept. */
static uint64_t fx_address(struct cpu *c, const struct insn *i, int access)
{
    fpu_check_x87(c);
    const uint64_t la = insn_la(c, i, FX_SIZE, access);
    if (la & 15)
        cpu_fault(c, EXC_GP, 0);
    return la;
}

void op_fxsave(struct cpu *c, const struct insn *i)
{
    const uint64_t la = fx_address(c, i, ACC_W);
    uint8_t img[FX_SIZE] = {0};
    const uint32_t mask = MXCSR_MASK;
    fpu_save_x87(c, img, i->osize == 8);
    memcpy(img + FX_MXCSR, &c->fpu.mxcsr, 4);
    memcpy(img + FX_MXCSR_MASK, &mask, 4);
    fpu_save_xmm(c, img);
    const unsigned used = cpu_code64(c) ? FX_XMM + 256 : FX_XMM + 128;
    mmu_probe(c, la, FX_SIZE, ACC_W);
    mmu_st_bytes(c, la, img, used); /* the rest is reserved or software's */
}

void op_fxrstor(struct cpu *c, const struct insn *i)
{
    const uint64_t la = fx_address(c, i, ACC_R);
    uint8_t img[FX_SIZE];
    mmu_ld_bytes(c, la, img, FX_SIZE);
    uint32_t mxcsr;
    memcpy(&mxcsr, img + FX_MXCSR, 4);
    if (mxcsr & ~MXCSR_MASK)
        cpu_fault(c, EXC_GP, 0);
    fpu_load_x87(c, img, i->osize == 8);
    c->fpu.mxcsr = mxcsr;
    fpu_load_xmm(c, img);
}

static void load_mxcsr(struct cpu *c, const struct insn *i)
{
    const uint32_t v = mem_ld32(c, insn_la(c, i, 4, ACC_R));
    if (v & ~MXCSR_MASK)
        cpu_fault(c, EXC_GP, 0);
    c->fpu.mxcsr = v;
}

void op_ldmxcsr(struct cpu *c, const struct insn *i)
{
    fpu_check_sse(c);
    load_mxcsr(c, i);
}

void op_vldmxcsr(struct cpu *c, const struct insn *i)
{
    fpu_check_avx(c);
    load_mxcsr(c, i);
}

void op_stmxcsr(struct cpu *c, const struct insn *i)
{
    fpu_check_sse(c);
    mem_st32(c, insn_la(c, i, 4, ACC_W), c->fpu.mxcsr);
}

void op_vstmxcsr(struct cpu *c, const struct insn *i)
{
    fpu_check_avx(c);
    mem_st32(c, insn_la(c, i, 4, ACC_W), c->fpu.mxcsr);
}
