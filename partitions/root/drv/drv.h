/*
 * drv/drv.h: the root's drivers: COM1, PCI configuration space, NVMe, virtio-net,
 * virtio-console, and the named consoles made of them.
 */
#ifndef RT_DRV_H
#define RT_DRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* ---- uart.c ---- */
void uart_init(void);
void uart_write(const char *text, size_t n); /* polled, adds CR before LF */
void uart_listen(void (*input)(uint8_t c));

/* ---- pci.c ---- */
struct pci_device {
    uint8_t bus, dev, fn;
};
bool pci_find(uint16_t vendor, uint16_t device, struct pci_device *out);
/* class: base class, subclass, programming interface, a byte each */
bool pci_find_class(uint32_t class, struct pci_device *out);
uint32_t pci_read32(const struct pci_device *d, unsigned reg);
uint16_t pci_read16(const struct pci_device *d, unsigned reg);
uint8_t pci_read8(const struct pci_device *d, unsigned reg);
void pci_write32(const struct pci_device *d, unsigned reg, uint32_t v);
void pci_write16(const struct pci_device *d, unsigned reg, uint16_t v);
unsigned pci_next_cap(const struct pci_device *d, unsigned id, unsigned after); /* 0: no more */
uint64_t pci_bar(const struct pci_device *d, unsigned bar);
/* Delivers MSI-X table entry 0 to `vector`; false when the device has no MSI-X. */
bool pci_msix(const struct pci_device *d, unsigned vector);

/* ---- nvme.c ---- */
struct blk_device;
#define NVME_DISKS 32u
void nvme_init(void);
struct blk_device *nvme_disk(uint32_t nsid); /* 0: no such namespace */
void nvme_selftest(void);                    /* reads from each disk; a failure is a panic */

/* ---- vnet.c ---- */
struct net_port;
struct net_port *vnet_init(void); /* the card as a port for the switch; 0: there is none */

/* ---- screen.c ---- */
struct proc;
void screen_init(void);
/* Sets the mode and maps the picture, width * 4 bytes a line, to the process at RT_SCREEN_BASE; or
 * an error: there is none, another process has it, it is too large. 0, 0: leave. */
int64_t screen_show(struct proc *p, uint64_t width, uint64_t height);
void screen_leave(const struct proc *p); /* which may not have it */

/* ---- vcons.c ---- */
#define VCONS_PORTS 16
bool vcons_init(void);            /* false: no such device */
int vcons_port(const char *name); /* -1: no such port */
/* Gives data to the device; false when it has no buffer free. */
bool vcons_write(int port, const char *text, size_t n);
bool vcons_idle(int port); /* everything written has been consumed */

/* ---- con.c ---- */
struct con;
void con_init(void);
/* Finds or makes the console of that name ("root", "vm.NAME"); input goes to q as messages. */
struct con *con_open(const char *name, struct queue *q);
void con_close(struct con *c);
void con_write(struct con *c, const char *text, size_t n);
void con_input(int port, const uint8_t *data, size_t n); /* called by vcons.c */
void con_flush_all(void);

#endif
