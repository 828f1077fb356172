/*
 * cpu/vmx/state.h: segment fields of the guest-state area by register, for entry and exit.
 * GUEST_SEG(SEG_x, prefix): a row per segment register of the guest-state area.
 */
#define GUEST_SEGS                                                                                \
    GUEST_SEG(SEG_ES, es)                                                                         \
    GUEST_SEG(SEG_CS, cs)                                                                         \
    GUEST_SEG(SEG_SS, ss)                                                                         \
    GUEST_SEG(SEG_DS, ds)                                                                         \
    GUEST_SEG(SEG_FS, fs)                                                                         \
    GUEST_SEG(SEG_GS, gs)                                                                         \
    GUEST_SEG(SEG_LDTR, ldtr)                                                                     \
    GUEST_SEG(SEG_TR, tr)

/* CR0 bits that VM entries and exits leave alone: ET, CD, NW, 28:19, 17, 15:6 (SDM 3C 27.3.2.1) */
#define VMX_CR0_KEEP 0x7ffaffd0ull
