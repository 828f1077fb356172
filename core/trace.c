/* core/trace.c: the tracepoint table and the slow half of emitting (core/trace.h). */
#include "core/trace.h"

const struct trace_point_info trace_points[TP_COUNT] = {
#define TP(group, name, args) {#group, #name, args},
#include "core/trace.def"
#undef TP
};

void trace_emit(struct trace *t, enum trace_point p, uint8_t lp, uint64_t position,
                uint64_t time_ns, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    const struct trace_record r = {
        .position = position,
        .time_ns = time_ns,
        .point = (uint16_t)p,
        .lp = lp,
        .arg = {a0, a1, a2, a3, a4, a5},
    };
    if (t->sink)
        t->sink(t->opaque, &r);
}
