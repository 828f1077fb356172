/*
 * kern/proc.c: processes: an address space, threads and a table of handles. A process starts from
 * an ELF file of the RAM file system with an argument line at RT_ARGS; its end, however it comes,
 * gives back everything it had (a partition too) and sends RT_MSG_PROCESS_EXIT to its parent.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/drv/drv.h"
#include "partitions/root/lib/elf.h"
#include "partitions/root/vid/vid.h"

struct proc *proc_list;
static uint64_t proc_next_id = 1;

static bool proc_page(struct proc *p, uint64_t va, uint64_t flags, uint8_t **kernel_va)
{
    uint64_t pa = mm_alloc_zeroed();
    if (!pa)
        return false;
    if (!vm_map(p->pml4, va, pa, flags | VM_USER | VM_OWNED)) {
        mm_free(pa, 0);
        return false;
    }
    if (kernel_va)
        *kernel_va = phys_to_virt(pa);
    return true;
}

static bool proc_load_segment(struct proc *p, const uint8_t *file, const struct rt_elf_segment *s)
{
    uint64_t flags = (s->flags & RT_ELF_W ? VM_WRITE : 0) | (s->flags & RT_ELF_X ? 0 : VM_NX);
    if ((s->vaddr & (PAGE - 1)) || s->vaddr + s->mem_size >= RT_GUEST_BASE)
        return false;
    for (uint64_t at = 0; at < s->mem_size; at += PAGE) {
        uint8_t *page;
        if (!proc_page(p, s->vaddr + at, flags, &page))
            return false;
        if (at < s->file_size) {
            uint64_t n = s->file_size - at;
            memcpy(page, file + s->offset + at, n < PAGE ? n : PAGE);
        }
    }
    return true;
}

static bool proc_load(struct proc *p, const struct ramfs_file *f, const char *args, uint64_t *entry)
{
    struct rt_elf elf;
    if (!rt_elf_parse(f->data, f->size, &elf) || !elf.is_64)
        return false;
    for (unsigned i = 0; i < elf.segments; i++)
        if (!proc_load_segment(p, f->data, &elf.segment[i]))
            return false;
    uint8_t *page;
    for (uint64_t va = RT_STACK_TOP - RT_STACK_SIZE; va < RT_STACK_TOP; va += PAGE)
        if (!proc_page(p, va, VM_WRITE | VM_NX, 0))
            return false;
    if (!proc_page(p, RT_ARGS, VM_NX, &page))
        return false;
    rt_strcpy((char *)page, args, PAGE);
    *entry = elf.entry;
    return true;
}

static void proc_free(struct proc *p)
{
    for (struct thread *t = p->threads, *next; t; t = next) {
        next = t->proc_next;
        if (t != sched_cur)
            sched_free(t);
    }
    for (unsigned i = 0; i < PROC_HANDLES; i++) {
        struct handle *h = &p->handle[i];
        if (h->type == H_QUEUE)
            queue_unref(h->object);
        else if (h->type == H_CONSOLE)
            con_close(h->object);
        else if (h->type == H_PARTITION)
            vid_destroy(h->object);
        h->type = H_NONE;
    }
    screen_leave(p);
    queue_unref(p->inbox);
    p->inbox = 0;
    if (p->pml4)
        vm_destroy(p->pml4);
    for (struct proc **l = &proc_list; *l; l = &(*l)->next) {
        if (*l == p) {
            *l = p->next;
            break;
        }
    }
}

int64_t proc_spawn(const char *path, const char *args, struct queue *parent)
{
    const struct ramfs_file *f = ramfs_find(path);
    if (!f)
        return -RT_ENOENT;
    struct proc *p = kmalloc(sizeof(*p));
    if (!p)
        return -RT_ENOMEM;
    p->pml4 = vm_create();
    p->brk = RT_PRIVATE_BASE;
    const char *base = path;
    for (const char *c = path; *c; c++)
        if (*c == '/')
            base = c + 1;
    rt_strcpy(p->name, base, sizeof(p->name));
    uint64_t entry = 0;
    if (!p->pml4 || !proc_load(p, f, args, &entry) ||
        proc_thread(p, entry, RT_STACK_TOP - 8, RT_ARGS) < 0) {
        proc_free(p);
        kfree(p);
        return -RT_ENOEXEC;
    }
    p->id = proc_next_id++;
    p->parent = parent;
    queue_ref(parent);
    if (parent) {
        queue_ref(parent);
        proc_handle(p, H_QUEUE, parent);
    }
    p->next = proc_list;
    proc_list = p;
    return (int64_t)p->id;
}

int64_t proc_thread(struct proc *p, uint64_t rip, uint64_t rsp, uint64_t arg)
{
    if (rip >= RT_USER_END || rsp >= RT_USER_END)
        return -RT_EFAULT;
    struct thread *t = sched_new(p->name, p, 0, 0);
    if (!t)
        return -RT_ENOMEM;
    t->proc_next = p->threads;
    p->threads = t;
    sched_new_user(t, rip, rsp, arg);
    return 0;
}

void proc_exit(struct proc *p, int64_t code)
{
    bool own = sched_cur->proc == p;
    uint64_t note[2] = {p->id, (uint64_t)code};
    proc_free(p);
    if (p->parent) {
        queue_send(p->parent, RT_MSG_PROCESS_EXIT, 0, note, sizeof(note));
        queue_unref(p->parent);
    }
    kfree(p);
    if (!own)
        return;
    sched_cur->proc = 0;
    sched_exit();
}

int64_t proc_handle(struct proc *p, enum handle_type type, void *object)
{
    for (unsigned i = 0; i < PROC_HANDLES; i++) {
        if (p->handle[i].type != H_NONE)
            continue;
        p->handle[i] = (struct handle){type, object};
        return i;
    }
    return -RT_ENOMEM;
}

void *proc_object(struct proc *p, uint64_t handle, enum handle_type type)
{
    if (handle >= PROC_HANDLES || p->handle[handle].type != type)
        return 0;
    return p->handle[handle].object;
}

uint64_t proc_memory(struct proc *p, uint64_t bytes)
{
    uint64_t start = p->brk;
    if (bytes > 1ull << 32)
        return 0;
    for (uint64_t at = 0; at < bytes; at += PAGE) {
        if (!proc_page(p, p->brk, VM_WRITE | VM_NX, 0))
            return 0;
        p->brk += PAGE;
    }
    p->brk += PAGE; /* a hole behind each area */
    return start;
}
