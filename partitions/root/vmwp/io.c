/*
 * vmwp/io.c: the VM's port and MMIO map: which model answers, interrupt wiring (a line goes to
 * both the PIC and the I/O APIC, IRQ 0 to pin 2), timers.
 *
 * COM2 has a device but no cable. Absent on purpose, reading all ones: COM3, COM4, VGA.
 */
#include "partitions/root/vmwp/vmwp.h"
#include "partitions/root/vmwp/acpi_build.h"

#define COM1       0x3f8
#define COM2       0x2f8
#define PCI_CONFIG 0xcf8
#define PCI_END    0xd00
#define STUB_LIMIT 8

static void io_assert(uint64_t control, uint64_t destination, uint32_t vector)
{
    u_call(SYS_ASSERT, vm.part, control, destination, vector);
}

static void io_deliver(void *ctx, uint64_t rte)
{
    (void)ctx;
    uint64_t control = (rte >> 8 & 7) | (rte >> 15 & 1 ? HV_INTERRUPT_LEVEL : 0) |
                       (rte >> 11 & 1 ? HV_INTERRUPT_LOGICAL : 0);
    io_assert(control, rte >> 56, (uint32_t)rte & 0xff);
}

static void io_pic_check(void)
{
    if (pic_pending(&vm.pic))
        io_assert(HV_INTERRUPT_EXTINT, 0, pic_acknowledge(&vm.pic));
}

static void io_line(void *ctx, unsigned irq, bool high)
{
    (void)ctx;
    ioapic_line(&vm.ioapic, irq == 0 ? 2 : irq, high);
    pic_line(&vm.pic, irq, high);
    io_pic_check();
}

static void io_transmit(void *ctx, uint8_t c)
{
    (void)ctx;
    u_call3(SYS_CON_WRITE, vm.console, (uint64_t)&c, 1);
}

static void io_no_cable(void *ctx, uint8_t c)
{
    (void)ctx;
    (void)c;
}

void io_init(void)
{
    vm.com1 = (struct uart){.irq = 4, .set_line = io_line, .transmit = io_transmit};
    uart_model_init(&vm.com1);
    vm.com2 = (struct uart){.irq = 3, .set_line = io_line, .transmit = io_no_cable};
    uart_model_init(&vm.com2);
    i8042_init(&vm.i8042);
    pic_init(&vm.pic);
    pit_init(&vm.pit);
    rtc_init(&vm.rtc, (uint64_t)u_call0(SYS_WALL));
    vm.ioapic.deliver = io_deliver;
    ioapic_init(&vm.ioapic);
}

static uint8_t io_in_byte(uint16_t port)
{
    switch (port) {
    case 0x20:
    case 0x21:
    case 0xa0:
    case 0xa1:
    case 0x4d0:
    case 0x4d1:
        return pic_in(&vm.pic, port);
    case 0x40 ... 0x43:
    case 0x61:
        return pit_in(&vm.pit, port, u_now());
    case 0x60:
    case 0x64:
        return i8042_in(&vm.i8042, port);
    case 0x70:
    case 0x71:
        return rtc_in(&vm.rtc, port, u_now());
    case COM1 ... COM1 + 7:
        return uart_in(&vm.com1, port - COM1);
    case COM2 ... COM2 + 7:
        return uart_in(&vm.com2, port - COM2);
    case 0xcf9:
        return 0;
    default:
        return 0xff;
    }
}

static void io_out_byte(uint16_t port, uint8_t v)
{
    switch (port) {
    case 0x20:
    case 0x21:
    case 0xa0:
    case 0xa1:
    case 0x4d0:
    case 0x4d1:
        pic_out(&vm.pic, port, v);
        io_pic_check();
        break;
    case 0x40 ... 0x43:
    case 0x61:
        pit_out(&vm.pit, port, v, u_now());
        break;
    case 0x60:
    case 0x64:
        if (!i8042_out(&vm.i8042, port, v))
            vm_end(RT_END_RESET, 0);
        break;
    case 0x70:
    case 0x71:
        rtc_out(&vm.rtc, port, v);
        break;
    case 0xf4:
        vm_end(RT_END_DEBUG_EXIT, v);
    case COM1 ... COM1 + 7:
        uart_out(&vm.com1, port - COM1, v);
        break;
    case COM2 ... COM2 + 7:
        uart_out(&vm.com2, port - COM2, v);
        break;
    case 0xcf9:
        if (v & 4)
            vm_end(RT_END_RESET, 0);
        break;
    default:
        break;
    }
}

uint32_t io_in(uint16_t port, unsigned size)
{
    if (port >= PM_BASE && port + size <= PM_END)
        return pm_in(&vm.pm, port, size, u_now());
    if (port >= PCI_CONFIG && port < PCI_END && (port != 0xcf9 || size > 1))
        return pci_in(&vm.pci, port, size);
    uint32_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint32_t)io_in_byte((uint16_t)(port + i)) << (8 * i);
    return v;
}

void io_out(uint16_t port, unsigned size, uint32_t v)
{
    if (port >= PM_BASE && port + size <= PM_END) {
        if (pm_out(&vm.pm, port, size, v) == PM_S5)
            vm_end(RT_END_POWEROFF, 0);
        return;
    }
    if (port >= PCI_CONFIG && port < PCI_END && (port != 0xcf9 || size > 1)) {
        pci_out(&vm.pci, port, size, v);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        io_out_byte((uint16_t)(port + i), (uint8_t)(v >> (8 * i)));
}

/* The PIT matters only while somebody would see its interrupt. */
static bool io_pit_seen(void)
{
    return !ioapic_masked(&vm.ioapic, 2) || (vm.pic.half[0].ready && !(vm.pic.half[0].imr & 1));
}

uint64_t io_deadline(void)
{
    return io_pit_seen() ? pit_next(&vm.pit) : RT_NEVER;
}

void io_timers(void)
{
    if (io_pit_seen() && pit_take_edge(&vm.pit, u_now())) {
        io_line(0, 0, true);
        io_line(0, 0, false);
    }
}

bool mmio_access(uint64_t gpa, unsigned size, bool write, uint64_t *value)
{
    if (gpa >= VM_IOAPIC_GPA && gpa < VM_IOAPIC_GPA + 0x1000) {
        if (write)
            ioapic_mmio_write(&vm.ioapic, gpa - VM_IOAPIC_GPA, (uint32_t)*value);
        else
            *value = ioapic_mmio_read(&vm.ioapic, gpa - VM_IOAPIC_GPA);
        return true;
    }
    static unsigned said;
    if (said++ < STUB_LIMIT)
        u_log("STUB: %s of %u bytes at %lx, where nothing is", write ? "write" : "read", size, gpa);
    if (!write)
        *value = ~0ull;
    return true;
}
