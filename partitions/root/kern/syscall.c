/*
 * kern/syscall.c: the system calls of syscalls.def. Pointers are checked to lie in user space;
 * an unmapped one faults while the kernel copies and ends the process (trap.c).
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/drv/drv.h"
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid.h"

#define SYSCALL_SLOTS 64 /* entry.S */
#define PATH_MAX      128
#define ARGS_MAX      1024

static struct proc *self(void)
{
    return sched_cur->proc;
}

static bool user_range(uint64_t address, uint64_t size)
{
    return address < RT_USER_END && size <= RT_USER_END - address;
}

static bool user_string(char *dst, uint64_t src, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!user_range(src + i, 1))
            return false;
        dst[i] = *(const char *)(src + i);
        if (!dst[i])
            return true;
    }
    return false;
}

static int64_t sys_log(uint64_t text, uint64_t n)
{
    char line[256];
    if (!user_range(text, n))
        return -RT_EFAULT;
    if (n > sizeof(line))
        n = sizeof(line);
    memcpy(line, (const void *)text, n);
    rt_log_text(line, n);
    return 0;
}

static int64_t sys_exit(uint64_t code)
{
    proc_exit(self(), (int64_t)code);
    return 0;
}

static int64_t sys_yield(void)
{
    sched_yield();
    return 0;
}

static int64_t sys_clock(void)
{
    return (int64_t)time_now();
}

static int64_t sys_wall(void)
{
    return (int64_t)time_wall();
}

static int64_t sys_memory(uint64_t bytes)
{
    uint64_t va = proc_memory(self(), bytes);
    return va ? (int64_t)va : -RT_ENOMEM;
}

static int64_t sys_thread(uint64_t entry, uint64_t arg, uint64_t stack)
{
    return proc_thread(self(), entry, stack, arg);
}

static int64_t sys_spawn(uint64_t path, uint64_t args, uint64_t queue)
{
    char name[PATH_MAX], line[ARGS_MAX];
    if (!user_string(name, path, sizeof(name)) || !user_string(line, args, sizeof(line)))
        return -RT_EFAULT;
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    if (self()->parent)
        return -RT_EPERM; /* VMMS is the only process without a parent */
    return q ? proc_spawn(name, line, q) : -RT_EBADF;
}

static int64_t sys_queue(void)
{
    struct queue *q = queue_new();
    return q ? proc_handle(self(), H_QUEUE, q) : -RT_ENOMEM;
}

static int64_t sys_send(uint64_t queue, uint64_t type, uint64_t data, uint64_t n)
{
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    if (!q)
        return -RT_EBADF;
    if (n > RT_MSG_DATA || !user_range(data, n))
        return -RT_EINVAL;
    uint8_t copy[RT_MSG_DATA];
    memcpy(copy, (const void *)data, n);
    return queue_send(q, (uint32_t)type, self()->id, copy, n);
}

static int64_t sys_recv(uint64_t queue, uint64_t msg, uint64_t deadline)
{
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    struct rt_msg m;
    if (!q)
        return -RT_EBADF;
    if (!user_range(msg, sizeof(m)))
        return -RT_EFAULT;
    int r = queue_recv(q, &m, deadline);
    if (!r)
        memcpy((void *)msg, &m, sizeof(m));
    return r;
}

static int64_t sys_inbox(uint64_t queue)
{
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    if (!q)
        return -RT_EBADF;
    queue_ref(q);
    queue_unref(self()->inbox);
    self()->inbox = q;
    return 0;
}

static int64_t sys_tell(uint64_t id, uint64_t type, uint64_t data, uint64_t n)
{
    struct proc *p = proc_list;
    uint8_t copy[RT_MSG_DATA];
    if (self()->parent)
        return -RT_EPERM;
    if (n > RT_MSG_DATA || !user_range(data, n))
        return -RT_EINVAL;
    memcpy(copy, (const void *)data, n);
    while (p && p->id != id)
        p = p->next;
    return p && p->inbox ? queue_send(p->inbox, (uint32_t)type, self()->id, copy, n) : -RT_ENOENT;
}

static int64_t sys_open(uint64_t path)
{
    char name[PATH_MAX];
    if (!user_string(name, path, sizeof(name)))
        return -RT_EFAULT;
    const struct ramfs_file *f = ramfs_find(name);
    return f ? proc_handle(self(), H_FILE, (void *)f) : -RT_ENOENT;
}

static int64_t sys_size(uint64_t file)
{
    const struct ramfs_file *f = proc_object(self(), file, H_FILE);
    return f ? (int64_t)f->size : -RT_EBADF;
}

static int64_t sys_read(uint64_t file, uint64_t offset, uint64_t buffer, uint64_t n)
{
    const struct ramfs_file *f = proc_object(self(), file, H_FILE);
    if (!f)
        return -RT_EBADF;
    if (!user_range(buffer, n))
        return -RT_EFAULT;
    if (offset >= f->size)
        return 0;
    if (n > f->size - offset)
        n = f->size - offset;
    memcpy((void *)buffer, f->data + offset, n);
    return (int64_t)n;
}

static int64_t sys_close(uint64_t handle)
{
    struct proc *p = self();
    if (handle >= PROC_HANDLES || p->handle[handle].type == H_NONE)
        return -RT_EBADF;
    if (p->handle[handle].type != H_FILE)
        return -RT_EPERM; /* the others live as long as the process */
    p->handle[handle].type = H_NONE;
    return 0;
}

static int64_t sys_con_open(uint64_t name, uint64_t queue)
{
    char text[RT_NAME + 8];
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    if (!q)
        return -RT_EBADF;
    if (!user_string(text, name, sizeof(text)))
        return -RT_EFAULT;
    if (!strcmp(text, "root") && self()->parent)
        return -RT_EPERM;
    struct con *c = con_open(text, q);
    return c ? proc_handle(self(), H_CONSOLE, c) : -RT_ENOMEM;
}

static int64_t sys_con_write(uint64_t console, uint64_t text, uint64_t n)
{
    struct con *c = proc_object(self(), console, H_CONSOLE);
    if (!c)
        return -RT_EBADF;
    if (!user_range(text, n))
        return -RT_EFAULT;
    con_write(c, (const char *)text, n);
    return (int64_t)n;
}

static int64_t sys_part_create(uint64_t name, uint64_t vps)
{
    char text[RT_NAME];
    if (!user_string(text, name, sizeof(text)))
        return -RT_EFAULT;
    struct part *part;
    int64_t r = vid_create(self(), text, vps, &part);
    if (r)
        return r;
    r = proc_handle(self(), H_PARTITION, part);
    if (r < 0)
        vid_destroy(part);
    return r;
}

static int64_t sys_part_memory(uint64_t part, uint64_t gpa, uint64_t bytes)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? vid_memory(p, gpa, bytes) : -RT_EBADF;
}

static int64_t sys_vp_create(uint64_t part, uint64_t vp, uint64_t run)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    if (!p)
        return -RT_EBADF;
    if (!user_range(run, 8))
        return -RT_EFAULT;
    uint64_t va = 0;
    int64_t r = vid_vp_create(p, vp, &va);
    if (!r)
        *(uint64_t *)run = va;
    return r;
}

static int64_t sys_vp_regs(uint64_t part, uint64_t vp, uint64_t list, uint64_t count)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    if (!p)
        return -RT_EBADF;
    uint64_t n = count & (RT_REGS_GET - 1);
    if (n > VID_MAX_REGS || !user_range(list, n * sizeof(struct hv_reg_assoc)))
        return -RT_EFAULT;
    return vid_vp_regs(p, vp, (struct hv_reg_assoc *)list, (unsigned)n, count & RT_REGS_GET);
}

static int64_t sys_vp_run(uint64_t part, uint64_t vp)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? vid_vp_run(p, vp) : -RT_EBADF;
}

static int64_t sys_translate(uint64_t part, uint64_t vp, uint64_t gva, uint64_t flags)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? vid_translate(p, vp, gva, flags) : -RT_EBADF;
}

static int64_t sys_assert(uint64_t part, uint64_t control, uint64_t destination, uint64_t vector)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? vid_assert(p, control, destination, (uint32_t)vector) : -RT_EBADF;
}

static int64_t sys_vmbus_start(uint64_t part, uint64_t queue)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    struct queue *q = proc_object(self(), queue, H_QUEUE);
    return p && q ? bus_start(p, q) : -RT_EBADF;
}

static int64_t sys_reference_time(uint64_t part)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? vid_reference_time(p) : -RT_EBADF;
}

static int64_t sys_stor_attach(uint64_t part, uint64_t nsid, uint64_t type)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? stor_attach(p, nsid, type) : -RT_EBADF;
}

static int64_t sys_net_attach(uint64_t part, uint64_t mac, uint64_t vlan)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? net_attach(p, mac, vlan) : -RT_EBADF;
}

static int64_t sys_net_link(uint64_t part, uint64_t is_up)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? net_link(p, is_up) : -RT_EBADF;
}

static int64_t sys_screen(uint64_t width, uint64_t height)
{
    return screen_show(self(), width, height);
}

static int64_t sys_channel_offer(uint64_t part, uint64_t offer)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    struct rt_channel_offer o;
    if (!p)
        return -RT_EBADF;
    if (!user_range(offer, sizeof(o)))
        return -RT_EFAULT;
    memcpy(&o, (const void *)offer, sizeof(o));
    return uchan_offer(p, &o);
}

static int64_t sys_channel_rescind(uint64_t part, uint64_t channel)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    return p ? uchan_rescind(p, channel) : -RT_EBADF;
}

static int64_t sys_channel_read(uint64_t part, uint64_t channel, uint64_t buffer, uint64_t n)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    if (!p)
        return -RT_EBADF;
    return user_range(buffer, n) ? uchan_read(p, channel, (void *)buffer, n) : -RT_EFAULT;
}

static int64_t sys_channel_write(uint64_t part, uint64_t channel, uint64_t buffer, uint64_t n)
{
    struct part *p = proc_object(self(), part, H_PARTITION);
    if (!p)
        return -RT_EBADF;
    return user_range(buffer, n) ? uchan_write(p, channel, (const void *)buffer, n) : -RT_EFAULT;
}

static int64_t sys_poweroff(uint64_t value)
{
    if (self()->parent)
        return -RT_EPERM;
    con_flush_all();
    if (value)
        outb(0xf4, (uint8_t)value);
    acpi_poweroff();
    return -RT_EIO;
}

/* Two halves of a lock whose free and taken cases need no call: user/ulib.c. */
static int64_t sys_mutex(uint64_t address)
{
    if (!user_range(address, 4))
        return -RT_EFAULT;
    if (*(volatile uint32_t *)address == 2) {
        sched_cur->mutex = address;
        sched_wait(0, RT_NEVER);
        sched_cur->mutex = 0;
    }
    return 0;
}

static int64_t sys_wake(uint64_t address)
{
    for (struct thread *t = self()->threads; t; t = t->proc_next) {
        if (t->mutex == address && !t->runnable) {
            sched_wake(t);
            break;
        }
    }
    return 0;
}

static int64_t sys_none(void)
{
    return -RT_ENOSYS;
}

#define X(name, handler) [SYS_##name] = (void *)handler,
void *const syscall_table[SYSCALL_SLOTS] = {
#include "partitions/root/syscalls.def"
    [SYS_COUNT... SYSCALL_SLOTS - 1] = (void *)sys_none,
};
#undef X
