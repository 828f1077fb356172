/*
 * tests/guest/peer: a multiboot guest that talks to another one over virtio-net, without
 * interrupts, on bare hardware. The one whose address ends in an odd byte calls: 100 frames, each
 * after the answer to the last one, then a farewell. The other sends back what it gets with each
 * byte incremented. Both leave by the debug-exit port: 0, or the number of the step that failed.
 */
#include <stdint.h>

#include "abi/pci.h"
#include "abi/virtio.h"

#define SIZE   8u
#define ROUNDS 100u
#define BYE    0xeeu
#define LENGTH 200u

static struct {
    struct virtq_desc desc[SIZE];
    struct {
        uint16_t flags, idx, ring[SIZE], event;
    } avail;
    _Alignas(4) struct {
        uint16_t flags, idx;
        struct virtq_used_elem ring[SIZE];
        uint16_t event;
    } used;
    uint16_t seen;
} queue[2] __attribute__((aligned(4096)));

static struct {
    struct virtio_net_hdr hdr;
    uint8_t frame[1600];
} __attribute__((aligned(2048))) in[SIZE], out;

static volatile struct virtio_pci_common *common;
static volatile uint8_t *device;
static volatile uint16_t *notify;

static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static void leave(uint32_t value)
{
    outl(0xf4, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void expect(int good, uint32_t step)
{
    if (!good)
        leave(step);
}

static uint32_t cfg(unsigned dev, unsigned reg)
{
    outl(PCI_CONFIG_ADDRESS, PCI_CF8(0, dev, 0, reg));
    return inl(PCI_CONFIG_DATA) >> 8 * (reg & 3);
}

static void find_card(void)
{
    unsigned dev = 0;
    while (dev < 32 && cfg(dev, 0) != ((uint32_t)(VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_NET) << 16 |
                                       VIRTIO_PCI_VENDOR))
        dev++;
    expect(dev < 32, 10);
    outl(PCI_CONFIG_ADDRESS, PCI_CF8(0, dev, 0, PCI_COMMAND));
    outl(PCI_CONFIG_DATA, PCI_CMD_MEMORY | PCI_CMD_MASTER);
    for (unsigned at = cfg(dev, PCI_CAP_PTR) & 0xff; at; at = cfg(dev, at) >> 8 & 0xff) {
        if ((cfg(dev, at) & 0xff) != PCI_CAP_VENDOR)
            continue;
        const unsigned bar = cfg(dev, at + 4) & 0xff;
        uint8_t *const where = (uint8_t *)(uintptr_t)((cfg(dev, PCI_BAR0 + 4 * bar) & ~15u) +
                                                      cfg(dev, at + 8));
        switch (cfg(dev, at) >> 24) {
        case VIRTIO_PCI_CAP_COMMON:
            common = (volatile struct virtio_pci_common *)where;
            break;
        case VIRTIO_PCI_CAP_NOTIFY:
            notify = (volatile uint16_t *)where;
            break;
        case VIRTIO_PCI_CAP_DEVICE:
            device = where;
            break;
        default:
            break;
        }
    }
    expect(common && notify && device, 11);
}

static void offer(unsigned q, unsigned n)
{
    queue[q].avail.ring[queue[q].avail.idx % SIZE] = (uint16_t)n;
    __asm__ volatile("" : : : "memory");
    queue[q].avail.idx++;
    __asm__ volatile("" : : : "memory");
    notify[2 * q] = (uint16_t)q;
}

static void start(void)
{
    common->device_status = 0;
    common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;
    common->driver_feature_select = 0;
    common->driver_feature = VIRTIO_NET_F_MAC;
    common->driver_feature_select = 1;
    common->driver_feature = 1; /* VERSION_1 */
    common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK;
    expect(common->device_status & VIRTIO_S_FEATURES_OK, 12);
    for (unsigned q = 0; q < 2; q++) {
        common->queue_select = (uint16_t)q;
        common->queue_size = SIZE;
        common->queue_desc_lo = (uint32_t)(uintptr_t)queue[q].desc;
        common->queue_driver_lo = (uint32_t)(uintptr_t)&queue[q].avail;
        common->queue_device_lo = (uint32_t)(uintptr_t)&queue[q].used;
        common->queue_enable = 1;
    }
    common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK |
                            VIRTIO_S_DRIVER_OK;
    for (unsigned i = 0; i < SIZE; i++) {
        queue[0].desc[i] = (struct virtq_desc){(uint32_t)(uintptr_t)&in[i], sizeof in[i],
                                               VIRTQ_DESC_WRITE, 0};
        offer(0, i);
    }
    queue[1].desc[0] = (struct virtq_desc){(uint32_t)(uintptr_t)&out, 12 + LENGTH, 0, 0};
}

/* The next frame; its buffer is offered again by the next call. */
static const uint8_t *receive(void)
{
    static int last = -1;
    if (last >= 0)
        offer(0, (unsigned)last);
    while (*(volatile uint16_t *)&queue[0].used.idx == queue[0].seen)
        __asm__ volatile("pause" : : : "memory");
    const struct virtq_used_elem e = queue[0].used.ring[queue[0].seen++ % SIZE];
    expect(e.len == 12 + LENGTH, 13);
    last = (int)e.id;
    return in[e.id].frame;
}

static void send(void)
{
    offer(1, 0);
    while (*(volatile uint16_t *)&queue[1].used.idx == queue[1].seen)
        __asm__ volatile("pause" : : : "memory");
    queue[1].seen++;
}

void peer_main(void)
{
    find_card();
    start();
    const int calls = device[5] & 1;
    for (unsigned i = 0; i < 6; i++) {
        out.frame[i] = 0xff;
        out.frame[6 + i] = device[i];
    }
    out.frame[12] = 0x88;
    out.frame[13] = 0xb5;
    for (volatile unsigned wait = 0; wait < 100000 && calls; wait++) /* the other comes up */
        ;
    for (unsigned round = 0; calls && round < ROUNDS; round++) {
        for (unsigned i = 14; i < LENGTH; i++)
            out.frame[i] = (uint8_t)(round * 3 + i);
        out.frame[14] = 1;
        send();
        const uint8_t *const f = receive();
        for (unsigned i = 15; i < LENGTH; i++)
            expect(f[i] == (uint8_t)(round * 3 + i + 1), 20);
    }
    while (!calls) {
        const uint8_t *const f = receive();
        if (f[14] == BYE)
            leave(0);
        for (unsigned i = 14; i < LENGTH; i++)
            out.frame[i] = (uint8_t)(f[i] + 1);
        send();
    }
    out.frame[14] = BYE;
    send();
    leave(0);
}

/* The header lies in the first 8 KiB of the file, as multiboot wants it. */
__asm__(".section .text\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".global _start\n"
        "_start: movl $stack_top, %esp\n"
        "call peer_main\n"
        ".section .bss\n"
        ".skip 16384\n"
        "stack_top:\n"
        ".section .text\n");
