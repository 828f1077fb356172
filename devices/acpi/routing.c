/*
 * devices/acpi/routing.c: PCI interrupt routing in the DSDT (ACPI 6.4 6.2.13, 5.8.1): with I/O
 * APICs every PIRQ has a pin of its own; with the 8259 pair a PIRQ is a link device whose setting
 * is the routing register of the LPC bridge.
 */
#include "abi/acpi.h"
#include "devices/acpi/aml.h"
#include "devices/pci/pci.h"

#define LINK_IRQS (1u << 5 | 1u << 10 | 1u << 11) /* that a link may be set to */
#define OFF       0x80u

void acpi_pic_mode(struct aml *a)
{
    aml_name(a, "PICF");
    aml_integer(a, 0);
    aml_method(a, "_PIC", 1);
    aml_byte(a, AML_STORE);
    aml_byte(a, AML_ARG0);
    aml_path(a, "PICF");
    aml_close(a);
}

static void table(struct aml *a, const char *name, bool apic)
{
    aml_name(a, name);
    aml_package(a, 32 * 4);
    for (unsigned dev = 0; dev < 32; dev++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            const unsigned pirq = pci_pirq_of(dev, pin + 1);
            const char link[5] = {'L', 'N', 'K', (char)('A' + pirq), 0};
            aml_package(a, 4);
            aml_integer(a, (uint64_t)dev << 16 | 0xffff);
            aml_integer(a, pin);
            if (apic)
                aml_integer(a, 0);
            else
                aml_path(a, link);
            aml_integer(a, apic ? PCI_GSI_BASE + pirq : 0);
            aml_close(a);
        }
    }
    aml_close(a);
}

static void lpc(struct aml *a)
{
    aml_device(a, "LPC_");
    aml_name(a, "_ADR");
    aml_integer(a, 0x001f0000);
    aml_region_pci(a, "PIRQ", 0x60, 12);
    aml_field(a, "PIRQ");
    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        const char name[5] = {'P', 'R', 'Q', (char)('A' + n), 0};
        if (n == 4)
            aml_field_unit(a, NULL, 32);
        aml_field_unit(a, name, 8);
    }
    aml_close(a);
    aml_close(a);
}

void acpi_pci_routing(struct aml *a)
{
    lpc(a);
    table(a, "PRTA", true);
    table(a, "PRTP", false);
    aml_method(a, "_PRT", 0);
    aml_if(a);
    aml_path(a, "PICF");
    aml_byte(a, AML_RETURN);
    aml_path(a, "PRTA");
    aml_close(a);
    aml_byte(a, AML_RETURN);
    aml_path(a, "PRTP");
    aml_close(a);
}

/* The routing register of this link: \_SB.PCI0.LPC_.PRQx */
static void reg(struct aml *a, char letter)
{
    static const uint8_t prefix[] = {'\\', 0x2f, 4};
    const char name[17] = "_SB_PCI0LPC_PRQ";
    aml_bytes(a, prefix, sizeof prefix);
    aml_bytes(a, name, 15);
    aml_byte(a, (uint8_t)letter);
}

/* op reg, mask -> nowhere (a value), or -> reg */
static void binary(struct aml *a, uint8_t op, char letter, uint64_t value, bool store)
{
    aml_byte(a, op);
    reg(a, letter);
    aml_integer(a, value);
    if (store)
        reg(a, letter);
    else
        aml_byte(a, AML_ZERO);
}

static void word_field(struct aml *a, const char *buffer, const char *name)
{
    aml_byte(a, AML_CREATE_WORD_FIELD);
    if (buffer)
        aml_path(a, buffer);
    else
        aml_byte(a, AML_ARG0);
    aml_integer(a, 1);
    aml_path(a, name);
}

static void current_setting(struct aml *a, char letter)
{
    aml_method(a, "_CRS", 8);
    aml_name(a, "RBUF");
    aml_buffer(a);
    aml_res_irq_shared(a, 0);
    aml_res_end(a);
    aml_close(a);
    word_field(a, "RBUF", "IRQW");
    aml_if(a);
    aml_byte(a, AML_LNOT);
    binary(a, AML_AND, letter, OFF, false);
    aml_byte(a, AML_SHIFT_LEFT);
    aml_integer(a, 1);
    binary(a, AML_AND, letter, 15, false);
    aml_path(a, "IRQW");
    aml_close(a);
    aml_byte(a, AML_RETURN);
    aml_path(a, "RBUF");
    aml_close(a);
}

static void change_setting(struct aml *a, char letter)
{
    aml_method(a, "_SRS", 1 | 8);
    word_field(a, NULL, "IRQW");
    aml_byte(a, AML_FIND_SET_RIGHT_BIT);
    aml_path(a, "IRQW");
    aml_byte(a, AML_LOCAL0);
    aml_byte(a, AML_SUBTRACT);
    aml_byte(a, AML_LOCAL0);
    aml_integer(a, 1);
    reg(a, letter);
    aml_close(a);
}

static void status(struct aml *a, char letter)
{
    aml_method(a, "_STA", 0);
    aml_if(a);
    binary(a, AML_AND, letter, OFF, false);
    aml_byte(a, AML_RETURN);
    aml_integer(a, 9);
    aml_close(a);
    aml_byte(a, AML_RETURN);
    aml_integer(a, 11);
    aml_close(a);
}

void acpi_link_devices(struct aml *a)
{
    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        const char letter = (char)('A' + n), name[5] = {'L', 'N', 'K', letter, 0};
        aml_device(a, name);
        aml_name(a, "_HID");
        aml_eisaid(a, "PNP0C0F");
        aml_name(a, "_UID");
        aml_integer(a, n);
        aml_name(a, "_PRS");
        aml_buffer(a);
        aml_res_irq_shared(a, LINK_IRQS);
        aml_res_end(a);
        aml_close(a);
        current_setting(a, letter);
        change_setting(a, letter);
        aml_method(a, "_DIS", 0);
        binary(a, AML_OR, letter, OFF, true);
        aml_close(a);
        status(a, letter);
        aml_close(a);
    }
}
