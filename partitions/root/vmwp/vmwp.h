/*
 * vmwp/vmwp.h: one worker process = one VM: its memory, VPs and devices.
 */
#ifndef RT_VMWP_H
#define RT_VMWP_H

#include "partitions/root/user/ulib.h"
#include "partitions/root/vmwp/models.h"

#define VM_MAX_CPUS  8
#define VM_LOW_LIMIT 0xc0000000ull /* RAM below 4 GiB ends here; the rest starts at 4 GiB */
#define VM_4G        0x100000000ull
#define VM_MAX_DISKS 16

struct vm {
    /* configuration */
    char name[RT_NAME];
    char kernel[128], initrd[128], append[1024];
    uint64_t memory, low, high; /* bytes: all, below and above 4 GiB */
    unsigned cpus;
    uint64_t stop_after; /* ns; 0: never */
    unsigned disks;
    uint32_t disk[VM_MAX_DISKS]; /* namespaces of the root's NVMe controller */
    bool is_dvd[VM_MAX_DISKS];
    bool has_net;
    uint64_t mac; /* of the network card, first byte highest; 0: made of the name */
    uint64_t vlan;
    /* wiring */
    uint64_t part, console, queue;
    struct rt_vp_run *run[VM_MAX_CPUS];
    struct u_lock lock; /* all devices */
    /* devices */
    struct uart com1, com2;
    struct i8042 i8042;
    struct pci pci;
    struct pic pic;
    struct pit pit;
    struct rtc rtc;
    struct ioapic ioapic;
    struct pm pm;
    uint64_t planned; /* time up to which the device thread sleeps */
};

extern struct vm vm;

/* The guest's RAM at gpa, or 0 if [gpa, gpa + size) isn't all RAM. */
static inline uint8_t *vm_ram(uint64_t gpa, uint64_t size)
{
    bool low = gpa < vm.low && size <= vm.low - gpa;
    bool high = gpa >= VM_4G && gpa - VM_4G < vm.high && size <= vm.high - (gpa - VM_4G);
    return low || high ? (uint8_t *)(RT_GUEST_BASE + gpa) : 0;
}

void vm_end(enum rt_vm_end end, uint32_t value) __attribute__((noreturn));

/* ---- boot.c: loads the kernel and sets VP 0's registers; false: said why ---- */
bool boot_load(void);

/* ---- io.c ---- */
void io_init(void);
uint32_t io_in(uint16_t port, unsigned size);
void io_out(uint16_t port, unsigned size, uint32_t v);
void io_timers(void);       /* raises what is due */
uint64_t io_deadline(void); /* when io_timers has work again */
bool mmio_access(uint64_t gpa, unsigned size, bool write, uint64_t *value);

/* ---- vp.c ---- */
void vp_thread(void *index);

#endif
