/*
 * vmwp/main.c: the worker process of a VM. The argument line is the VM's definition (vmms/main.c).
 * One thread per VP runs vp.c; this one, the device thread, feeds console input and timers.
 *
 * The VM ends with the process: whatever ends the VM tells VMMS why, then exits.
 */
#include "partitions/root/vmwp/vmwp.h"
#include "abi/scsi.h"
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/ics.h"
#include "partitions/root/vmwp/keyboard.h"
#include "partitions/root/vmwp/mouse.h"
#include "partitions/root/vmwp/nic.h"
#include "partitions/root/vmwp/video.h"

#define DEFAULT_MEMORY_MIB 256
#define MIB_SHIFT          20
#define BLOCK_2M           0x200000ull
#define VP_STACK           16384
#define MAX_MEMORY_MIB     65536u
#define MS_NS              1000000ull

struct vm vm;

void vm_end(enum rt_vm_end end, uint32_t value)
{
    uint32_t note[2] = {end, value};
    ics_report();
    u_send(U_PARENT, RT_MSG_VM_END, note, sizeof(note));
    u_exit(0);
}

static void vm_state(enum rt_vm_state state)
{
    uint32_t v = state;
    u_send(U_PARENT, RT_MSG_VM_STATE, &v, sizeof(v));
}

static void vm_check(int64_t r, const char *what)
{
    if (r >= 0)
        return;
    if (r == -RT_ENODEV)
        u_log("%s: no hypervisor", what);
    else if (r == -RT_ENOMEM)
        u_log("%s: not enough memory", what);
    else
        u_log("%s: error %lx", what, -r);
    vm_end(RT_END_ERROR, 0);
}

/* disks=1,dvd2: namespaces of the root's NVMe controller, in the order of logical units */
static void vm_configure_disks(const char *args)
{
    char text[8 * VM_MAX_DISKS];
    if (!rt_option(args, "disks", text, sizeof(text)))
        return;
    for (const char *at = text; *at; at++) {
        if (vm.disks == VM_MAX_DISKS) {
            u_log("disks=%s: more than %u", text, VM_MAX_DISKS);
            vm_end(RT_END_ERROR, 0);
        }
        vm.is_dvd[vm.disks] = *at == 'd';
        if (*at == 'd')
            at += strlen("dvd");
        vm.disk[vm.disks++] = (uint32_t)rt_parse_u64(at);
        while (*at && *at != ',')
            at++;
        if (!*at)
            break;
    }
}

static void vm_configure(const char *args)
{
    char text[32];
    if (!rt_option(args, "name", vm.name, sizeof(vm.name)))
        rt_strcpy(vm.name, "vm", sizeof(vm.name));
    u_set_name(vm.name);
    uint64_t mib = DEFAULT_MEMORY_MIB;
    if (rt_option(args, "memory", text, sizeof(text)))
        mib = rt_parse_u64(text);
    vm.cpus = 1;
    if (rt_option(args, "cpus", text, sizeof(text)))
        vm.cpus = (unsigned)rt_parse_u64(text);
    if (mib < 4 || mib > MAX_MEMORY_MIB || !vm.cpus || vm.cpus > VM_MAX_CPUS) {
        u_log("memory=%lu MiB, cpus=%u: out of range", mib, vm.cpus);
        vm_end(RT_END_ERROR, 0);
    }
    vm.memory = ((mib << MIB_SHIFT) + BLOCK_2M - 1) & ~(BLOCK_2M - 1);
    vm.low = vm.memory < VM_LOW_LIMIT ? vm.memory : VM_LOW_LIMIT;
    vm.high = vm.memory - vm.low;
    if (rt_option(args, "stop-after", text, sizeof(text)))
        vm.stop_after = rt_parse_u64(text) * MS_NS;
    vm_configure_disks(args);
    nic_configure(args);
    rt_option(args, "kernel", vm.kernel, sizeof(vm.kernel));
    rt_option(args, "initrd", vm.initrd, sizeof(vm.initrd));
    rt_option(args, "append", vm.append, sizeof(vm.append));
}

static void vm_attach_disks(void)
{
    for (unsigned i = 0; i < vm.disks; i++) {
        int64_t r = u_call3(SYS_STOR_ATTACH, vm.part, vm.disk[i],
                            vm.is_dvd[i] ? SCSI_TYPE_DVD : SCSI_TYPE_DISK);
        if (r >= 0)
            continue;
        u_log("disk %u: NVMe namespace %u: %s", i, vm.disk[i],
              r == -RT_ENODEV  ? "there is none"
              : r == -RT_EPERM ? "another VM has it"
                               : "no memory");
        vm_end(RT_END_ERROR, 0);
    }
}

static void vm_create(void)
{
    char console[RT_NAME + 4];
    int64_t r = u_call0(SYS_QUEUE);
    vm_check(r, "queue");
    vm.queue = (uint64_t)r;
    u_call1(SYS_INBOX, vm.queue);
    rt_format(console, sizeof(console), "vm.%s", vm.name);
    r = u_call2(SYS_CON_OPEN, (uint64_t)console, vm.queue);
    vm_check(r, "console");
    vm.console = (uint64_t)r;
    r = u_call2(SYS_PART_CREATE, (uint64_t)vm.name, vm.cpus);
    vm_check(r, "partition");
    vm.part = (uint64_t)r;
    vm_check(u_call3(SYS_PART_MEMORY, vm.part, 0, vm.low), "memory");
    if (vm.high)
        vm_check(u_call3(SYS_PART_MEMORY, vm.part, VM_4G, vm.high), "memory above 4 GiB");
    vm_check(u_call2(SYS_VMBUS_START, vm.part, vm.queue), "VMBus");
    if (!ics_init() || !keyboard_offer() || !mouse_offer() || !video_offer())
        vm_check(-RT_ENOMEM, "VMBus");
    vm_attach_disks();
    nic_attach();
    for (unsigned i = 0; i < vm.cpus; i++)
        vm_check(u_call3(SYS_VP_CREATE, vm.part, i, (uint64_t)&vm.run[i]), "VP");
}

static void vm_stop(const uint8_t *data)
{
    uint32_t how;
    memcpy(&how, data, sizeof(how));
    if (how == RT_STOP_TURN_OFF)
        vm_end(RT_END_TURNED_OFF, 0);
    if (how == RT_STOP_RESET)
        vm_end(RT_END_RESET, 0);
    ics_stop(how == RT_STOP_RESTART);
}

static void vm_pause(const uint8_t *data)
{
    uint32_t pause;
    memcpy(&pause, data, sizeof(pause));
    for (unsigned i = 0; i < vm.cpus; i++) {
        struct hv_reg_assoc suspend = {HV_REG_EXPLICIT_SUSPEND, {0}, {.q = {pause, 0}}};
        u_call(SYS_VP_REGS, vm.part, i, (uint64_t)&suspend, 1);
    }
    ics_pause(pause);
    vm_state(pause ? RT_VM_PAUSED : RT_VM_RUNNING);
}

static void vm_message(const struct rt_msg *m)
{
    if (m->type == RT_MSG_CONSOLE)
        uart_receive(&vm.com1, m->data, m->length);
    else if (m->type == RT_MSG_CHANNEL)
        chan_news((const void *)m->data);
    else if (m->type == RT_MSG_VM_STOP)
        vm_stop(m->data);
    else if (m->type == RT_MSG_VM_PAUSE)
        vm_pause(m->data);
    else if (m->type == RT_MSG_VM_TYPE || m->type == RT_MSG_VM_SCANCODES)
        keyboard_keys(m);
    else if (m->type == RT_MSG_VM_MOUSE)
        mouse_moved(m);
    else if (m->type == RT_MSG_VM_NMI)
        u_call(SYS_ASSERT, vm.part, HV_INTERRUPT_NMI, 0, 0);
    else if (m->type == RT_MSG_VM_LINK)
        nic_link(m->data[0]);
}

int64_t u_main(const char *args)
{
    vm_configure(args);
    vm_create();
    io_init();
    if (!boot_load())
        vm_end(RT_END_ERROR, 0);
    vm.planned = ics_deadline();
    vm_state(RT_VM_RUNNING);
    for (unsigned i = vm.cpus; i-- > 0;)
        vm_check(u_thread(vp_thread, (void *)(uintptr_t)i, VP_STACK), "thread");
    for (;;) {
        struct rt_msg m;
        int64_t r = u_call3(SYS_RECV, vm.queue, (uint64_t)&m, vm.planned);
        u_lock(&vm.lock);
        if (!r)
            vm_message(&m);
        io_timers();
        ics_timers();
        vm.planned = io_deadline() < ics_deadline() ? io_deadline() : ics_deadline();
        u_unlock(&vm.lock);
    }
}
