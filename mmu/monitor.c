/*
 * The address that MONITOR arms and the stores that end an MWAIT (SDM 3A 9.10.5): one 64-byte line
 * of RAM per LP. Frames with such a line take stores through the slow path, as frames with code do.
 *
 * Not modelled: lines in device memory never trigger.
 */
#include "mmu/mmu_int.h"

#define LINE 64u

static bool line_in_frame(const struct cpu *c, uint64_t hpa)
{
    return c->mon_line != UINT64_MAX && (c->mon_line ^ hpa) >> 12 == 0;
}

void mmu_monitor_end(struct cpu *c)
{
    const uint64_t line = c->mon_line;
    c->mon_line = UINT64_MAX;
    struct frame *f = line == UINT64_MAX ? NULL : ram_frame(c->ram, line);
    for (unsigned n = 0; f && n < c->ram->cpu_count; n++) {
        if (line_in_frame(c->ram->cpus[n], line))
            return;
    }
    if (f)
        f->flags &= ~(uint32_t)FRAME_MONITOR;
}

void mmu_monitor_arm(struct cpu *c, uint64_t la)
{
    const struct page p = page_find(c, la, ACC_R);
    mmu_monitor_end(c);
    if (!p.frame)
        return;
    c->mon_line = p.hpa + (la & 4095 & ~(uint64_t)(LINE - 1));
    p.frame->flags |= FRAME_MONITOR;
    ram_code_added(c->ram, p.frame, p.hpa); /* drops fast write tags */
}

void ram_monitor_written(struct ram *r, uint64_t hpa, uint64_t len)
{
    for (unsigned n = 0; n < r->cpu_count; n++) {
        struct cpu *c = r->cpus[n];
        if (!line_in_frame(c, hpa) || c->mon_line + LINE <= hpa || hpa + len <= c->mon_line)
            continue;
        mmu_monitor_end(c);
        if (c->activity == CPU_MWAIT)
            c->activity = CPU_ACTIVE;
    }
}
