/*
 * Exit qualifications, interruption words and control bits in words (SDM 3C 28.2, 25.6-25.8).
 */
#include "debug/vmx_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "abi/vmx.h"
#include "debug/trace_decode.h"

static const char *const gpr[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void cr_text(uint64_t q, char *buf, size_t size)
{
    const unsigned n = VMX_QUAL_CR_NUM(q);
    const char *r = gpr[VMX_QUAL_CR_GPR(q)];
    switch (VMX_QUAL_CR_TYPE(q)) {
    case VMX_QUAL_CR_MOV_TO:
        snprintf(buf, size, "mov cr%u, %s", n, r);
        break;
    case VMX_QUAL_CR_MOV_FROM:
        snprintf(buf, size, "mov %s, cr%u", r, n);
        break;
    case VMX_QUAL_CR_CLTS:
        snprintf(buf, size, "clts");
        break;
    default:
        snprintf(buf, size, "lmsw 0x%x", VMX_QUAL_CR_LMSW_SRC(q));
        break;
    }
}

static void io_text(uint64_t q, char *buf, size_t size)
{
    const bool in = q & VMX_QUAL_IO_IN, string = q & VMX_QUAL_IO_STRING;
    const char *port = trace_value_name('p', VMX_QUAL_IO_PORT(q));
    snprintf(buf, size, "%s%s%s %u byte%s, port 0x%x%s%s%s", q & VMX_QUAL_IO_REP ? "rep " : "",
             in ? "in" : "out", string ? "s" : "", VMX_QUAL_IO_SIZE(q),
             VMX_QUAL_IO_SIZE(q) == 1 ? "" : "s", VMX_QUAL_IO_PORT(q), port ? " (" : "",
             port ? port : "", port ? ")" : "");
}

static void ept_text(uint64_t q, uint64_t gpa, char *buf, size_t size)
{
    const char *what = q & VMX_QUAL_EPT_FETCH ? "fetch" : q & VMX_QUAL_EPT_WRITE ? "write" : "read";
    snprintf(buf, size, "%s of gpa 0x%" PRIx64 ", EPT has %c%c%c%s", what, gpa,
             q & VMX_QUAL_EPT_R ? 'r' : '-', q & VMX_QUAL_EPT_W ? 'w' : '-',
             q & VMX_QUAL_EPT_X ? 'x' : '-',
             (q & VMX_QUAL_EPT_GLA_VALID) && !(q & VMX_QUAL_EPT_FINAL) ? ", page walk" : "");
}

static void event_text(uint64_t q, uint32_t info, char *buf, size_t size)
{
    static const char *const type[8] = {"interrupt", "?",    "NMI",       "",
                                        "INT n",     "INT1", "INT3/INTO", "?"};
    const unsigned vector = info & VMX_INTR_VECTOR_MASK;
    const unsigned t = (info & VMX_INTR_TYPE_MASK) >> VMX_INTR_TYPE_SHIFT;
    const char *name = t == 3 || t == 6 ? trace_value_name('v', vector) : NULL;
    int n = snprintf(buf, size, "%s%s", type[t], name ? "" : *type[t] ? " " : "");
    if (n < 0 || (size_t)n >= size)
        return;
    if (name)
        n += snprintf(buf + n, size - (size_t)n, "%s%s", *type[t] ? " " : "", name);
    else
        n += snprintf(buf + n, size - (size_t)n, "vector %u", vector);
    if (t == 3 && vector == 14 && (size_t)n < size)
        snprintf(buf + n, size - (size_t)n, " at 0x%" PRIx64, q);
}

static void apic_text(uint64_t q, char *buf, size_t size)
{
    static const char *const type[] = {"read", "write", "fetch", "event delivery"};
    const unsigned t = VMX_QUAL_APIC_TYPE(q);
    snprintf(buf, size, "%s at offset 0x%x", t < 4 ? type[t] : "physical access",
             VMX_QUAL_APIC_OFFSET(q));
}

char *vmx_exit_text(uint32_t reason, uint64_t qual, uint64_t gpa, uint32_t intr_info, char *buf,
                    size_t size)
{
    static const char *const ts[] = {"CALL", "IRET", "JMP", "task gate"};
    buf[0] = 0;
    switch (reason & VMX_EXIT_BASIC_MASK) {
    case VMX_EXIT_EXCEPTION_NMI:
    case VMX_EXIT_EXT_INT:
        if (intr_info & VMX_INTR_VALID)
            event_text(qual, intr_info, buf, size);
        break;
    case VMX_EXIT_CR_ACCESS:
        cr_text(qual, buf, size);
        break;
    case VMX_EXIT_IO:
        io_text(qual, buf, size);
        break;
    case VMX_EXIT_EPT_VIOLATION:
        ept_text(qual, gpa, buf, size);
        break;
    case VMX_EXIT_EPT_MISCONFIG:
        snprintf(buf, size, "gpa 0x%" PRIx64, gpa);
        break;
    case VMX_EXIT_APIC_ACCESS:
        apic_text(qual, buf, size);
        break;
    case VMX_EXIT_APIC_WRITE:
        snprintf(buf, size, "offset 0x%" PRIx64, qual & 0xfff);
        break;
    case VMX_EXIT_VIRT_EOI:
        snprintf(buf, size, "vector 0x%" PRIx64, qual & 0xff);
        break;
    case VMX_EXIT_INVLPG:
        snprintf(buf, size, "0x%" PRIx64, qual);
        break;
    case VMX_EXIT_SIPI:
        snprintf(buf, size, "vector 0x%" PRIx64, qual & 0xff);
        break;
    case VMX_EXIT_MOV_DR:
        snprintf(buf, size, qual & VMX_QUAL_DR_FROM ? "mov %s, dr%u" : "mov from %s to dr%u",
                 gpr[VMX_QUAL_DR_GPR(qual)], VMX_QUAL_DR_NUM(qual));
        break;
    case VMX_EXIT_TASK_SWITCH:
        snprintf(buf, size, "to 0x%x by %s", (unsigned)(qual & 0xffff), ts[qual >> 30 & 3]);
        break;
    default:
        break;
    }
    return buf;
}

char *vmx_ctl_text(uint32_t encoding, uint32_t value, char *buf, size_t size)
{
    enum {
        PIN = VMCS_PIN_CTL,
        PROC = VMCS_PROC_CTL,
        PROC2 = VMCS_PROC2_CTL,
        EXIT = VMCS_EXIT_CTL,
        ENTRY = VMCS_ENTRY_CTL
    };
    static const struct {
        uint32_t encoding;
        uint8_t bit;
        const char *text;
    } bits[] = {
#define VMX_CTL(word, name, bit, kind, text) {word, bit, text},
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    };
    bool known = false;
    size_t at = 0;
    buf[0] = 0;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (bits[i].encoding != encoding)
            continue;
        known = true;
        if (!(value >> bits[i].bit & 1) || at >= size)
            continue;
        const int n = snprintf(buf + at, size - at, "%s%s", at ? ", " : "", bits[i].text);
        at += n > 0 ? (size_t)n : 0;
    }
    return known ? buf : NULL;
}
