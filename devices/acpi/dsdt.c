/*
 * devices/acpi/dsdt.c: what ACPI cannot find out by itself: the PCI root with its windows, legacy
 * devices, processors, S3, S5. Interrupt routing is in routing.c.
 */
#include "abi/acpi.h"
#include "devices/acpi/aml.h"
#include "devices/chipset/chipset.h"
#include "devices/pci/pci.h"

static void device(struct aml *a, const char *name, const char *hid, unsigned uid)
{
    aml_device(a, name);
    aml_name(a, "_HID");
    aml_eisaid(a, hid);
    aml_name(a, "_UID");
    aml_integer(a, uid);
}

static void resources(struct aml *a)
{
    aml_name(a, "_CRS");
    aml_buffer(a);
}

static void end_resources(struct aml *a)
{
    aml_res_end(a);
    aml_close(a);
}

static void pci_root(struct aml *a, const struct acpi_config *cfg)
{
    device(a, "PCI0", "PNP0A08", 0);
    aml_name(a, "_CID");
    aml_eisaid(a, "PNP0A03");
    aml_name(a, "_BBN");
    aml_integer(a, 0);
    aml_name(a, "_SEG");
    aml_integer(a, 0);
    resources(a);
    aml_res_bus(a, 0, 255);
    aml_res_io(a, 0xcf8, 8);
    aml_res_window_io(a, 0, 0xcf7);
    aml_res_window_io(a, 0xd00, 0xffff);
    aml_res_window32(a, PCI_MMIO_BASE, PCI_MMIO_END - 1);
    const uint64_t high = (cfg->ram_end + PCI_MMIO64_SIZE - 1) & ~(PCI_MMIO64_SIZE - 1);
    aml_res_window64(a, high, high + PCI_MMIO64_SIZE - 1);
    end_resources(a);
    acpi_pci_routing(a);
    aml_close(a);
    /* Motherboard resources: the ECAM window, as the PCI Firmware specification wants, and all that
     * the LPC bridge decodes at PMBASE: a smaller range would conflict with it. */
    device(a, "MBRD", "PNP0C02", 0);
    resources(a);
    aml_res_memory32(a, PCI_ECAM_BASE, PCI_ECAM_SIZE);
    aml_res_io(a, PM_BASE, PM_SIZE);
    end_resources(a);
    aml_close(a);
}

static void legacy(struct aml *a)
{
    static const struct {
        const char *name, *hid;
        uint16_t port;
        uint8_t len, irq, uid;
    } d[] = {
        {"COM1", "PNP0501", 0x3f8, 8, 4, 1}, {"COM2", "PNP0501", 0x2f8, 8, 3, 2},
        {"RTC_", "PNP0B00", 0x70, 2, 8, 0},  {"TIMR", "PNP0100", 0x40, 4, 0, 0},
        {"PIC_", "PNP0000", 0x20, 2, 2, 0},
    };
    for (unsigned i = 0; i < sizeof d / sizeof d[0]; i++) {
        device(a, d[i].name, d[i].hid, d[i].uid);
        resources(a);
        aml_res_io(a, d[i].port, d[i].len);
        aml_res_irq(a, d[i].irq);
        end_resources(a);
        aml_close(a);
    }
    device(a, "HPET", "PNP0103", 0);
    resources(a);
    aml_res_memory32(a, HPET_BASE, 0x400);
    end_resources(a);
    aml_close(a);
}

/* The panic port: data only, no interrupt. */
static void panic_port(struct aml *a)
{
    aml_device(a, "PEVT");
    aml_name(a, "_HID");
    aml_string(a, "QEMU0001");
    resources(a);
    aml_res_io(a, PVPANIC_PORT, 1);
    end_resources(a);
    aml_close(a);
}

/* Keyboard and mouse on one controller. */
static void ps2(struct aml *a)
{
    device(a, "KBD_", "PNP0303", 0);
    resources(a);
    aml_res_io(a, 0x60, 1);
    aml_res_io(a, 0x64, 1);
    aml_res_irq(a, 1);
    end_resources(a);
    aml_close(a);
    device(a, "MOU_", "PNP0F13", 0);
    resources(a);
    aml_res_irq(a, 12);
    end_resources(a);
    aml_close(a);
}

static void processors(struct aml *a, unsigned cpus)
{
    for (unsigned i = 0; i < cpus; i++) {
        const char name[5] = {'C', 'P', 'U', "0123456789ABCDEF"[i & 15], 0};
        aml_device(a, name);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        aml_name(a, "_UID");
        aml_integer(a, i);
        aml_close(a);
    }
}

static void sleep_state(struct aml *a, const char *name, unsigned type)
{
    aml_name(a, name);
    aml_package(a, 4);
    aml_integer(a, type);
    aml_integer(a, type);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_close(a);
}

void acpi_dsdt(struct aml *a, const struct acpi_config *cfg)
{
    acpi_pic_mode(a);
    aml_scope(a, "\\_SB_");
    pci_root(a, cfg);
    acpi_link_devices(a);
    legacy(a);
    panic_port(a);
    if (cfg->boot_arch & ACPI_BOOT_8042)
        ps2(a);
    processors(a, cfg->cpus);
    aml_close(a);
    sleep_state(a, "\\_S3_", PM_SLP_TYP_S3);
    sleep_state(a, "\\_S5_", PM_SLP_TYP_S5);
}
