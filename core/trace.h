/*
 * core/trace.h: tracepoints (table core/trace.def) and event counters.
 *
 * Off costs one load, one test and one not-taken jump. Emitting never changes the machine.
 * Row: TP(group, name, "argname:format ..."), at most six arguments; formats: x hex, d decimal,
 * e exit reason, h hypercall, m message type, r msr, v vector, p port. Writers live in debug/.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum trace_point {
#define TP(group, name, args) TP_##group##_##name,
#include "core/trace.def"
#undef TP
    TP_COUNT
};

struct trace_record {
    uint64_t position; /* retired instructions of the LP */
    uint64_t time_ns;
    uint16_t point; /* enum trace_point */
    uint8_t lp;
    uint64_t arg[6];
};

struct trace {
    bool on[TP_COUNT];
    void (*sink)(void *opaque, const struct trace_record *r);
    void *opaque;
};

struct trace_point_info {
    const char *group, *name, *args;
};
extern const struct trace_point_info trace_points[TP_COUNT];

void trace_emit(struct trace *t, enum trace_point p, uint8_t lp, uint64_t position,
                uint64_t time_ns, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5);

static inline bool trace_on(const struct trace *t, enum trace_point p)
{
    return __builtin_expect(t && t->on[p], 0);
}

#endif
