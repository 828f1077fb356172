/*
 * drv/screen.c: the machine's display, one with Bochs VBE extensions (PCI 1234:1111), lent to one
 * process at a time as a linear frame buffer.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"
#include "abi/pci.h"

#define VENDOR    0x1234u
#define DEVICE    0x1111u
#define VBE_INDEX 0x1ceu
#define VBE_DATA  0x1cfu

/* Registers */
#define VBE_XRES       1u
#define VBE_YRES       2u
#define VBE_BPP        3u
#define VBE_ENABLE     4u
#define VBE_MEMORY_64K 10u

#define VBE_ENABLED 0x01u
#define VBE_LFB     0x40u
#define PIXEL       4u /* bytes */

static struct proc *owner;
static uint64_t lfb, lfb_size; /* 0: no such display */

static void write(uint16_t reg, uint16_t value)
{
    outw(VBE_INDEX, reg);
    outw(VBE_DATA, value);
}

void screen_init(void)
{
    struct pci_device d;
    if (!pci_find(VENDOR, DEVICE, &d))
        return;
    lfb = pci_bar(&d, 0);
    pci_write16(&d, PCI_COMMAND, pci_read16(&d, PCI_COMMAND) | PCI_CMD_IO | PCI_CMD_MEMORY);
    outw(VBE_INDEX, VBE_MEMORY_64K);
    lfb_size = (uint64_t)inw(VBE_DATA) << 16;
}

void screen_leave(const struct proc *p)
{
    if (owner != p)
        return;
    owner = 0;
    write(VBE_ENABLE, 0);
}

int64_t screen_show(struct proc *p, uint64_t width, uint64_t height)
{
    if (!width && !height) {
        screen_leave(p);
        return 0;
    }
    if (!lfb)
        return -RT_ENODEV;
    if (owner && owner != p)
        return -RT_EPERM;
    if (!width || !height || width > 0xffff || height > 0xffff || width * height * PIXEL > lfb_size)
        return -RT_EINVAL;
    for (uint64_t at = 0; at < lfb_size; at += PAGE)
        if (!vm_map(p->pml4, RT_SCREEN_BASE + at, lfb + at, VM_USER | VM_WRITE | VM_NX))
            return -RT_ENOMEM;
    owner = p;
    write(VBE_ENABLE, 0);
    write(VBE_XRES, (uint16_t)width);
    write(VBE_YRES, (uint16_t)height);
    write(VBE_BPP, 8 * PIXEL);
    write(VBE_ENABLE, VBE_ENABLED | VBE_LFB);
    return (int64_t)RT_SCREEN_BASE;
}
