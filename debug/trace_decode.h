/*
 * Names for the numbers in trace records, and text for one argument by its format letter
 * (core/trace.h).
 */
#ifndef DEBUG_TRACE_DECODE_H
#define DEBUG_TRACE_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* A name for the value, or NULL when the format has none or the value is unknown. */
const char *trace_value_name(char format, uint64_t value);
/* "12", "0x1f", "CPUID(10)". Returns buf. */
char *trace_value_text(char format, uint64_t value, char *buf, size_t size);

#endif
