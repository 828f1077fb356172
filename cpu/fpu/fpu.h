/*
 * cpu/fpu/fpu.h: what the rest of the processor needs from the floating-point unit.
 *
 * The instructions themselves are reached through the table (cpu/isa/x87.def, sse.def).
 */
#ifndef CPU_FPU_FPU_H
#define CPU_FPU_FPU_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK    0xffffu /* bits that may be set: DAZ is supported */

/* FNINIT: the state after it; registers keep their contents. */
void fpu_init(struct fpu *f);
/* Reset of everything, registers too (power-on, INIT leaves it alone: SDM 3A table 10-1). */
void fpu_reset(struct cpu *c);

/* Report a pending unmasked x87 exception: #MF when CR0.NE is set. Otherwise FERR#, and the
 * processor waits for an interrupt in front of this instruction; returns with IGNNE#. */
void fpu_pending(struct cpu *c);

/* FXSAVE images and the legacy region of XSAVE (SDM 1 10.5.1, 13.4.1). */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FCS = 12,
    FX_FDP = 16,
    FX_FDS = 20,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,
    FX_XMM = 160,
    FX_SIZE = 512
};
/* Bytes 0-23 and 32-159; wide: 64-bit FIP and FDP (REX.W). Other bytes are left alone. */
void fpu_save_x87(const struct cpu *c, uint8_t *image, bool wide);
void fpu_load_x87(struct cpu *c, const uint8_t *image, bool wide);
/* Bytes 160-415: XMM0-7, and XMM8-15 in 64-bit mode. */
void fpu_save_xmm(const struct cpu *c, uint8_t *image);
void fpu_load_xmm(struct cpu *c, const uint8_t *image);

/* x87 full tag word (SDM 1 8.1.7), by physical register. */
uint16_t fpu_full_tags(const struct fpu *f);

/* Host floating point for common cases of SSE arithmetic (fast.h): same results, off for tests. */
extern bool fpu_use_host;

#endif
