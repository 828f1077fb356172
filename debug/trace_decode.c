/*
 * Names and texts of trace arguments; tables trace_names.def and abi/vmx_exits.def.
 * What a VM exit was about (its qualification) is vmx_text.c's.
 */
#include "debug/trace_decode.h"

#include <inttypes.h>
#include <stdio.h>

#define EXIT_REASON_BASIC 0xffffu

struct name_row {
    char format;
    uint32_t value;
    const char *text;
};

static const struct name_row names[] = {
#define TRACE_NAME(format, value, text) {format, value, text},
#include "debug/trace_names.def"
#undef TRACE_NAME
#define VMX_EXIT(name, number, text) {'e', number, text},
#include "abi/vmx_exits.def"
#undef VMX_EXIT
};

const char *trace_value_name(char format, uint64_t value)
{
    if (format == 'e' || format == 'h')
        value &= EXIT_REASON_BASIC; /* flags above: entry failure; rep counts and fast bit */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].format == format && names[i].value == value)
            return names[i].text;
    }
    return NULL;
}

char *trace_value_text(char format, uint64_t value, char *buf, size_t size)
{
    const char *name = trace_value_name(format, value);

    if (format == 'd')
        snprintf(buf, size, "%" PRIu64, value);
    else if (name && (format == 'v' || format == 'e'))
        snprintf(buf, size, "%s(%" PRIu64 ")", name, value);
    else if (name)
        snprintf(buf, size, "%s(0x%" PRIx64 ")", name, value);
    else
        snprintf(buf, size, "0x%" PRIx64, value);
    return buf;
}
