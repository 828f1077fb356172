/*
 * vmwp/vp.c: a VP's worker thread: waits for intercept messages, has the devices act, answers
 * with registers. The answer and the next wait are one system call.
 */
#include "partitions/root/vmwp/vmwp.h"
#include "partitions/root/vmwp/crash.h"
#include "abi/x86.h"

#define STRING_BATCH 1024u

struct vp {
    unsigned index;
    struct rt_vp_run *run;
};

static void vp_set(struct vp *vp, uint32_t name, uint64_t value)
{
    struct rt_vp_run *r = vp->run;
    r->set[r->set_count].name = name;
    r->set[r->set_count++].value = value;
}

static uint64_t vp_get(struct vp *vp, uint32_t name)
{
    struct hv_reg_assoc a = {.name = name};
    u_call(SYS_VP_REGS, vm.part, vp->index, (uint64_t)&a, 1 | RT_REGS_GET);
    return a.value.q[0];
}

static void vp_advance(struct vp *vp, const struct hv_intercept *h, unsigned length)
{
    uint64_t rip = h->rip + length;
    if (!(h->state & HV_STATE_LMA) || !(h->cs.attributes & SA_L))
        rip = (uint32_t)rip;
    vp_set(vp, HV_REG_RIP, rip);
}

static uint64_t merge(uint64_t old, unsigned size, uint32_t v)
{
    return size == 4 ? v : size == 2 ? (old & ~0xffffull) | v : (old & ~0xffull) | v;
}

/* RAM behind a guest linear address; 0 if there is none. */
static uint8_t *vp_linear(struct vp *vp, uint64_t gva, unsigned size, uint64_t flags)
{
    int64_t gpa = u_call(SYS_TRANSLATE, vm.part, vp->index, gva, flags);
    if (gpa < 0 || (gva & 4095) + size > 4096)
        return 0;
    return vm_ram((uint64_t)gpa, size);
}

/* INS and OUTS, up to STRING_BATCH elements at a time; RIP moves when the count is done. */
static void vp_string(struct vp *vp, const struct hv_intercept_io *m, unsigned size)
{
    bool in = m->header.access == HV_INTERCEPT_READ;
    bool is_64 = (m->header.state & HV_STATE_LMA) && (m->header.cs.attributes & SA_L);
    uint64_t mask = is_64 ? ~0ull : 0xffffffffull;
    uint64_t count = m->access & HV_IO_REP ? m->rcx & mask : 1, index = in ? m->rdi : m->rsi;
    uint64_t base = is_64 ? 0 : in ? m->es.base : m->ds.base;
    uint64_t step = m->header.rflags & FL_DF ? -(uint64_t)size : size;
    unsigned done = 0;
    for (; done < count && done < STRING_BATCH; done++) {
        uint8_t *p = vp_linear(vp, base + (index & mask), size,
                               in ? HV_TRANSLATE_WRITE : HV_TRANSLATE_READ);
        uint32_t v = 0;
        if (!p) {
            u_log("STUB: string I/O on port %x: no RAM at %lx", m->port, base + (index & mask));
            vm_end(RT_END_ERROR, 0);
        }
        if (in) {
            v = io_in(m->port, size);
            memcpy(p, &v, size);
        } else {
            memcpy(&v, p, size);
            io_out(m->port, size, v);
        }
        index += step;
    }
    vp_set(vp, in ? HV_REG_RDI : HV_REG_RSI, index & mask);
    if (m->access & HV_IO_REP)
        vp_set(vp, HV_REG_RCX, (count - done) & mask);
    if (done == count)
        vp_advance(vp, &m->header, m->header.length_cr8 & 15);
}

static void vp_io(struct vp *vp, const struct hv_intercept_io *m)
{
    unsigned size = m->access & HV_IO_SIZE;
    if (m->access & HV_IO_STRING) {
        vp_string(vp, m, size);
        return;
    }
    if (m->header.access == HV_INTERCEPT_READ)
        vp_set(vp, HV_REG_RAX, merge(m->rax, size, io_in(m->port, size)));
    else
        io_out(m->port, size, size == 4 ? (uint32_t)m->rax : m->rax & ((1u << size * 8) - 1));
    vp_advance(vp, &m->header, m->header.length_cr8 & 15);
}

static unsigned vp_fetch(struct vp *vp, const struct hv_intercept_gpa *m, uint8_t bytes[16])
{
    if (m->byte_count) {
        memcpy(bytes, m->bytes, 16);
        return m->byte_count < 16 ? m->byte_count : 16;
    }
    bool is_64 = (m->header.state & HV_STATE_LMA) && (m->header.cs.attributes & SA_L);
    uint64_t at = m->header.rip + (is_64 ? 0 : m->header.cs.base);
    for (unsigned i = 0; i < 15; i++) {
        const uint8_t *p = vp_linear(vp, at + i, 1, HV_TRANSLATE_EXECUTE);
        if (!p)
            return i;
        bytes[i] = *p;
    }
    return 15;
}

static void vp_mmio(struct vp *vp, const struct hv_intercept_gpa *m)
{
    uint8_t bytes[16];
    unsigned n = vp_fetch(vp, m, bytes);
    struct mov_insn i;
    bool is_64 = (m->header.state & HV_STATE_LMA) && (m->header.cs.attributes & SA_L);
    if (!mov_decode(bytes, n, is_64, &i)) {
        u_log("STUB: VP %u, rip %lx: access to %lx by an instruction that is no MOV "
              "(%02x %02x %02x %02x)",
              vp->index, m->header.rip, m->gpa, bytes[0], bytes[1], bytes[2], bytes[3]);
        vm_end(RT_END_ERROR, 0);
    }
    uint64_t v = i.value, old = 0;
    uint32_t name = HV_REG_RAX + i.reg;
    if (!i.immediate && (i.write || i.reg_size < 4))
        old = vp_get(vp, name);
    if (i.write) {
        if (!i.immediate)
            v = i.high_byte ? old >> 8 & 0xff : old;
        mmio_access(m->gpa, i.size, true, &v);
    } else {
        mmio_access(m->gpa, i.size, false, &v);
        vp_set(vp, name, mov_result(&i, old, v));
    }
    vp_advance(vp, &m->header, i.length);
}

/* The hypervisor has done what the register does; this one is for us, too. */
static void vp_msr(struct vp *vp, const struct hv_intercept_msr *m)
{
    const bool write = m->header.access == HV_INTERCEPT_WRITE;
    if (!write || m->msr != HV_MSR_CRASH_CTL) {
        u_log("STUB: VP %u, rip %lx: %s MSR %x", vp->index, m->header.rip,
              write ? "write to" : "read of", m->msr);
        vm_end(RT_END_ERROR, 0);
    }
    crash_reported(m->rdx << 32 | (uint32_t)m->rax);
    vp_advance(vp, &m->header, m->header.length_cr8 & 15);
}

/* False: the message did not suspend the VP. */
static bool vp_message(struct vp *vp, const struct hv_message *m)
{
    switch (m->type) {
    case HV_MSG_IO_PORT:
        vp_io(vp, (const void *)m->payload);
        return true;
    case HV_MSG_UNMAPPED_GPA:
    case HV_MSG_GPA_INTERCEPT:
        vp_mmio(vp, (const void *)m->payload);
        return true;
    case HV_MSG_MSR:
        vp_msr(vp, (const void *)m->payload);
        return true;
    case HV_MSG_APIC_EOI:
        ioapic_eoi(&vm.ioapic, (uint8_t)((const struct hv_apic_eoi *)m->payload)->vector);
        return false;
    case HV_MSG_UNRECOVERABLE_EXCEPTION: {
        const struct hv_intercept *h = (const void *)m->payload;
        u_log("VP %u: triple fault at %lx", vp->index, h->rip);
        vm_end(RT_END_TRIPLE_FAULT, 0);
    }
    default: {
        const struct hv_intercept *h = (const void *)m->payload;
        u_log("STUB: VP %u: message %x at %lx", vp->index, m->type, h->rip);
        vm_end(RT_END_ERROR, 0);
    }
    }
}

void vp_thread(void *arg)
{
    struct vp vp = {.index = (unsigned)(uintptr_t)arg};
    vp.run = vm.run[vp.index];
    vp.run->set_count = 0;
    vp.run->flags = RT_RUN_START;
    for (;;) {
        int64_t r = u_call2(SYS_VP_RUN, vm.part, vp.index);
        if (r < 0) {
            u_log("VP %u: can't run: error %lx", vp.index, -r);
            vm_end(RT_END_ERROR, 0);
        }
        vp.run->set_count = 0;
        u_lock(&vm.lock);
        vp.run->flags = vp_message(&vp, &vp.run->message) ? RT_RUN_RESUME : 0;
        if (io_deadline() < vm.planned) { /* the device thread must look again */
            vm.planned = io_deadline();
            u_send(vm.queue, RT_MSG_USER, 0, 0);
        }
        u_unlock(&vm.lock);
    }
}
