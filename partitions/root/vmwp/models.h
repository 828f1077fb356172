/*
 * vmwp/models.h: the legacy devices of a VM as pure models: no system calls, no clock of their
 * own. Time is handed in as nanoseconds; interrupt lines and bytes go out through callbacks.
 */
#ifndef RT_MODELS_H
#define RT_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void vdev_line(void *ctx, unsigned line, bool high);

/* ---- uart.c: 16550A ---- */
#define UART_RX_ROOM 4096u
struct uart {
    /* wiring */
    unsigned irq;
    vdev_line *set_line;
    void (*transmit)(void *ctx, uint8_t c);
    void *ctx;
    /* state */
    uint8_t ier, lcr, mcr, scr, dll, dlm;
    bool fifo, thr_pending, overrun, line;
    unsigned rx_head, rx_count;
    uint8_t rx[UART_RX_ROOM];
};
void uart_model_init(struct uart *u);
uint8_t uart_in(struct uart *u, unsigned reg);
void uart_out(struct uart *u, unsigned reg, uint8_t v);
size_t uart_receive(struct uart *u, const uint8_t *data, size_t n); /* bytes taken */

/* ---- pic.c: 8259A pair ---- */
struct pic_half {
    uint8_t irr, isr, imr, base, elcr, lines;
    uint8_t init_step; /* 0 = none, then the ICW expected */
    bool icw4, auto_eoi, read_isr, ready;
};
struct pic {
    struct pic_half half[2];
};
void pic_init(struct pic *p);
uint8_t pic_in(struct pic *p, uint16_t port);
void pic_out(struct pic *p, uint16_t port, uint8_t v);
void pic_line(struct pic *p, unsigned irq, bool high);
bool pic_pending(const struct pic *p);
uint8_t pic_acknowledge(struct pic *p);

/* ---- pit.c: 8254 and port 0x61 ---- */
struct pit_channel {
    uint8_t mode, access;
    bool bcd, gate, null_count, write_high, read_high, latched, status_latched;
    uint8_t write_low, status_latch;
    uint16_t latch;
    uint32_t reload; /* 1 to 65536; 0 = not programmed */
    uint64_t start;  /* ns */
};
struct pit {
    struct pit_channel ch[3];
    uint8_t port61;
    uint64_t irq_done; /* edges of channel 0 delivered since its start */
};
void pit_init(struct pit *p);
uint8_t pit_in(struct pit *p, uint16_t port, uint64_t now);
void pit_out(struct pit *p, uint16_t port, uint8_t v, uint64_t now);
uint64_t pit_next(const struct pit *p);          /* time of channel 0's next edge, ~0 = none */
bool pit_take_edge(struct pit *p, uint64_t now); /* true: raise IRQ 0 once */

/* ---- rtc.c: MC146818 ---- */
struct rtc {
    uint8_t index;
    uint8_t ram[128];
    uint64_t epoch; /* seconds since 1970 at time 0 */
};
void rtc_init(struct rtc *r, uint64_t epoch);
uint8_t rtc_in(struct rtc *r, uint16_t port, uint64_t now);
void rtc_out(struct rtc *r, uint16_t port, uint8_t v);

/* ---- ioapic.c ---- */
#define IOAPIC_PINS 24u
struct ioapic {
    void (*deliver)(void *ctx, uint64_t rte);
    void *ctx;
    uint32_t id, select;
    uint64_t rte[IOAPIC_PINS];
    uint32_t lines;
};
void ioapic_init(struct ioapic *a);
uint32_t ioapic_mmio_read(struct ioapic *a, uint64_t offset);
void ioapic_mmio_write(struct ioapic *a, uint64_t offset, uint32_t v);
void ioapic_line(struct ioapic *a, unsigned pin, bool high);
void ioapic_eoi(struct ioapic *a, uint8_t vector);
bool ioapic_masked(const struct ioapic *a, unsigned pin);

/* ---- pm.c: ACPI fixed hardware ---- */
#define PM_BASE       0x600u
#define PM1A_EVT      (PM_BASE + 0)
#define PM1A_CNT      (PM_BASE + 4)
#define PM_TIMER      (PM_BASE + 8)
#define PM_END        (PM_BASE + 12)
#define PM_SLP_TYP_S5 5u
struct pm {
    uint16_t status, enable, control;
};
enum pm_action { PM_NOTHING, PM_S5 };
uint32_t pm_in(struct pm *p, uint16_t port, unsigned size, uint64_t now);
enum pm_action pm_out(struct pm *p, uint16_t port, unsigned size, uint32_t v);

/* ---- i8042.c: PS/2 controller without devices ---- */
struct i8042 {
    uint8_t status, output, command_byte;
    uint8_t pending; /* command that waits for its byte, 0: none */
};
void i8042_init(struct i8042 *k);
uint8_t i8042_in(struct i8042 *k, uint16_t port);
bool i8042_out(struct i8042 *k, uint16_t port, uint8_t v); /* false: resets the VM */

/* ---- pci.c: configuration space without devices, ports 0xcf8 to 0xcff ---- */
struct pci {
    uint32_t address;
};
uint32_t pci_in(const struct pci *p, uint16_t port, unsigned size);
void pci_out(struct pci *p, uint16_t port, unsigned size, uint32_t v);

/* ---- mov.c: decoder of MOV forms for MMIO ---- */
struct mov_insn {
    unsigned length;
    unsigned size; /* of the memory operand, bytes */
    bool write;
    bool immediate;
    uint64_t value;    /* of the immediate */
    unsigned reg;      /* register operand, 0 to 15 */
    bool high_byte;    /* AH, CH, DH, BH: reg is 0 to 3 */
    unsigned reg_size; /* bytes written to reg by a read */
    bool sign_extend;
};
bool mov_decode(const uint8_t *bytes, unsigned n, bool is_64, struct mov_insn *out);
/* The register's value after a read of `value`. */
uint64_t mov_result(const struct mov_insn *m, uint64_t old, uint64_t value);

#endif
