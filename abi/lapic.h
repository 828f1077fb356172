/*
 * abi/lapic.h: local APIC registers (SDM 3A 11), xAPIC offsets; x2APIC MSR = 0x800 + offset / 16.
 * I/O APIC registers (82093AA datasheet 3.1). Constants only.
 */
#ifndef ABI_LAPIC_H
#define ABI_LAPIC_H

#define LAPIC_BASE          0xfee00000u
#define LAPIC_ID            0x020
#define LAPIC_VERSION       0x030
#define LAPIC_TPR           0x080
#define LAPIC_APR           0x090
#define LAPIC_PPR           0x0a0
#define LAPIC_EOI           0x0b0
#define LAPIC_LDR           0x0d0
#define LAPIC_DFR           0x0e0
#define LAPIC_SVR           0x0f0
#define LAPIC_ISR           0x100 /* eight registers, 16 bytes apart */
#define LAPIC_TMR           0x180
#define LAPIC_IRR           0x200
#define LAPIC_ESR           0x280
#define LAPIC_LVT_CMCI      0x2f0
#define LAPIC_ICR           0x300
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_PERF      0x340
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0
#define LAPIC_SELF_IPI      0x3f0 /* x2APIC only */

#define LAPIC_SVR_ENABLE    (1u << 8)
#define LAPIC_SVR_FOCUS_OFF (1u << 9)
#define LAPIC_SVR_EOI_OFF   (1u << 12)

/* LVT and ICR */
#define LAPIC_VECTOR          0xffu
#define LAPIC_DELIVERY_SHIFT  8
#define LAPIC_DELIVERY        (7u << 8)
#define LAPIC_DM_FIXED        0
#define LAPIC_DM_LOWEST       1
#define LAPIC_DM_SMI          2
#define LAPIC_DM_NMI          4
#define LAPIC_DM_INIT         5
#define LAPIC_DM_STARTUP      6
#define LAPIC_DM_EXTINT       7
#define LAPIC_LOGICAL         (1u << 11)
#define LAPIC_PENDING         (1u << 12)
#define LAPIC_POLARITY        (1u << 13)
#define LAPIC_REMOTE_IRR      (1u << 14)
#define LAPIC_ASSERT          (1u << 14) /* ICR */
#define LAPIC_TRIGGER_LEVEL   (1u << 15)
#define LAPIC_MASKED          (1u << 16)
#define LAPIC_TIMER_PERIODIC  (1u << 17)
#define LAPIC_TIMER_DEADLINE  (2u << 17)
#define LAPIC_TIMER_MODE      (3u << 17)
#define LAPIC_SHORTHAND_SHIFT 18
#define LAPIC_SH_NONE         0
#define LAPIC_SH_SELF         1
#define LAPIC_SH_ALL          2
#define LAPIC_SH_OTHERS       3

/* ESR */
#define LAPIC_ESR_SEND_ILLEGAL (1u << 5)
#define LAPIC_ESR_RECV_ILLEGAL (1u << 6)
#define LAPIC_ESR_REGISTER     (1u << 7)

/* I/O APIC */
#define IOAPIC_BASE            0xfec00000u
#define IOAPIC_REGSEL          0x00
#define IOAPIC_WINDOW          0x10
#define IOAPIC_EOI             0x40 /* version 0x20 and later */
#define IOAPIC_REG_ID          0x00
#define IOAPIC_REG_VERSION     0x01
#define IOAPIC_REG_ARB         0x02
#define IOAPIC_REG_TABLE       0x10
#define IOAPIC_PINS            24
#define IOAPIC_ENTRY_EXT_SHIFT 48 /* destination, and below it its extension */
#define IOAPIC_MSI_EXT_SHIFT   4  /* where both go in the address of the message */

#endif
