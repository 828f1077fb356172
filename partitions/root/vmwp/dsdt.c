/*
 * vmwp/dsdt.c: the AML of a VM's DSDT (ACPI 6.5 chapter 20): \_S5, and the module device VMOD whose
 * memory windows belong to the VMBus device VMBS below it. Guests find VMBus by its _HID "VMBus";
 * synthetic devices get their memory-mapped ranges from VMOD's _CRS.
 *
 * Not modelled: PCI host bridge, processor objects.
 */
#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/vmwp/acpi_build.h"
#include "partitions/root/vmwp/models.h"
#include "abi/acpi.h"

#define QWORD_SPACE  0x8a /* address space descriptor (6.4.3.5.1) */
#define QWORD_LENGTH 0x2b
#define END_TAG      0x79

struct out {
    uint8_t *p;
};

static void byte(struct out *o, unsigned v)
{
    *o->p++ = (uint8_t)v;
}

static void bytes(struct out *o, const void *from, size_t n)
{
    memcpy(o->p, from, n);
    o->p += n;
}

static void name(struct out *o, const char *four)
{
    byte(o, AML_NAME);
    bytes(o, four, 4);
}

static void string(struct out *o, const char *s)
{
    byte(o, AML_STRING);
    bytes(o, s, strlen(s) + 1);
}

/* A package length of two bytes, patched when its contents are there. */
static uint8_t *begin(struct out *o)
{
    o->p += 2;
    return o->p - 2;
}

static void end(struct out *o, uint8_t *at)
{
    const unsigned n = (unsigned)(o->p - at);
    at[0] = (uint8_t)(0x40 | (n & 15));
    at[1] = (uint8_t)(n >> 4);
}

static uint8_t *begin_device(struct out *o, const char *four)
{
    byte(o, AML_EXT);
    byte(o, AML_EXT_DEVICE);
    uint8_t *at = begin(o);
    bytes(o, four, 4);
    return at;
}

/* _CRS of memory windows, or of nothing: pairs of first address and length, those of 0 left out. */
static void resources(struct out *o, const uint64_t window[][2], unsigned n)
{
    name(o, "_CRS");
    byte(o, AML_BUFFER);
    uint8_t *at = begin(o);
    byte(o, AML_BYTE);
    uint8_t *size = o->p++;
    for (unsigned i = 0; i < n; i++) {
        if (!window[i][1])
            continue;
        /* memory, producer, fixed at both ends, read-write */
        const uint8_t head[6] = {QWORD_SPACE, QWORD_LENGTH, 0, 0, 0x0c, 0x01};
        const uint64_t words[5] = {0, window[i][0], window[i][0] + window[i][1] - 1, 0,
                                   window[i][1]};
        bytes(o, head, sizeof(head));
        bytes(o, words, sizeof(words));
    }
    byte(o, END_TAG);
    byte(o, 0); /* no checksum */
    *size = (uint8_t)(o->p - size - 1);
    end(o, at);
}

static void vmbus_device(struct out *o)
{
    uint8_t *device = begin_device(o, "VMBS");
    name(o, "_HID");
    string(o, "VMBus");
    name(o, "_UID");
    byte(o, AML_ZERO);
    name(o, "_DDN");
    string(o, "VMBUS");
    name(o, "_STA");
    byte(o, AML_BYTE);
    byte(o, 0x0f); /* present, enabled, shown, working */
    resources(o, 0, 0);
    end(o, device);
}

unsigned dsdt_build(uint8_t *to, uint64_t ram_end)
{
    /* Name (\_S5, Package (4) { 5, 5, 0, 0 }) */
    static const uint8_t s5[] = {
        AML_NAME, '\\',     '_',           'S',      '5',           '_',      AML_PACKAGE, 8,
        4,        AML_BYTE, PM_SLP_TYP_S5, AML_BYTE, PM_SLP_TYP_S5, AML_ZERO, AML_ZERO};
    const uint64_t window[2][2] = {{VM_LOW_MMIO, VM_LOW_MMIO_SIZE},
                                   {VM_HIGH_MMIO, ram_end <= VM_HIGH_MMIO ? VM_HIGH_MMIO_SIZE : 0}};
    struct out o = {to};
    bytes(&o, s5, sizeof(s5));
    byte(&o, AML_SCOPE);
    uint8_t *scope = begin(&o);
    bytes(&o, "\\_SB_", 5);
    uint8_t *module = begin_device(&o, "VMOD");
    name(&o, "_HID");
    string(&o, "ACPI0004");
    name(&o, "_UID");
    byte(&o, AML_ZERO);
    resources(&o, window, 2);
    vmbus_device(&o);
    end(&o, module);
    end(&o, scope);
    return (unsigned)(o.p - to);
}
