/*
 * Monitor commands about VT-x: the current VMCS in words, failing entry checks, exit counts.
 */
#include <inttypes.h>
#include <string.h>

#include "cpu/vmx/vmx.h"
#include "debug/monitor_int.h"
#include "debug/trace_decode.h"
#include "debug/vmx_text.h"
#include "machine/machine.h"

static void print_field(struct monitor *mon, const struct vmcs *v, const struct vmcs_field_info *f)
{
    monitor_printf(mon, "%04x %-24s %0*" PRIx64 "  %s\n", f->encoding, f->name, f->size * 2,
                   vmcs_get(v, f), f->help);
    char bits[1024];
    if (vmx_ctl_text(f->encoding, (uint32_t)vmcs_get(v, f), bits, sizeof bits) && *bits)
        monitor_printf(mon, "     %s\n", bits);
}

static void print_checks(struct monitor *mon, const struct vmx *x)
{
    uint64_t failing[VMX_CHECK_WORDS] = {0};

    if (x->last_check != VMX_CHECK_NONE && x->last_check < VMX_CHECK_COUNT) {
        const struct vmx_check_info *i = &vmx_checks[x->last_check];
        monitor_printf(mon, "the last VM entry that failed broke %s (SDM 3C %s): %s\n", i->id,
                       i->sdm, i->rule);
    }
    if (x->last_error)
        monitor_printf(mon, "last VM-instruction error %u: %s\n", x->last_error,
                       vmx_insn_error_text(x->last_error));
    const unsigned n = vmx_check_all(&x->vmcs, &x->env, failing);
    monitor_printf(mon, "%u entry checks would fail now\n", n);
    for (unsigned i = 1; i < VMX_CHECK_COUNT; i++) {
        if (failing[i / 64] >> (i % 64) & 1)
            monitor_printf(mon, "  %s (SDM 3C %s): %s\n", vmx_checks[i].id, vmx_checks[i].sdm,
                           vmx_checks[i].rule);
    }
}

bool monitor_vmcs(struct monitor *mon, unsigned argc, char **argv)
{
    const struct cpu *c = monitor_cpu(mon);
    const struct vmx *x = c->vmx;
    const char *what = argc ? argv[0] : "";
    bool any = false;

    if (!x || !c->vmx_on) {
        monitor_printf(mon, "LP %u is not in VMX operation\n", c->index);
        return true;
    }
    if (x->current == VMX_NO_VMCS) {
        monitor_printf(mon, "LP %u has no current VMCS\n", c->index);
        return true;
    }
    if (strcmp(what, "check") == 0) {
        print_checks(mon, x);
        return true;
    }
    monitor_printf(mon, "VMCS %" PRIx64 " of LP %u, %s, %s\n", x->current, c->index,
                   x->launched ? "launched" : "clear", c->non_root ? "guest runs" : "host runs");
    if (!*what) {
        const char *name = trace_value_name('e', x->vmcs.exit_reason);
        char words[128];
        vmx_exit_text(x->vmcs.exit_reason, x->vmcs.exit_qual, x->vmcs.guest_phys_addr,
                      x->vmcs.exit_intr_info, words, sizeof words);
        monitor_printf(mon, "last exit: %s%s%s%s\n",
                       x->vmcs.exit_reason & VMX_EXIT_ENTRY_FAILURE ? "failed entry, " : "",
                       name ? name : "?", *words ? ": " : "", words);
        what = "guest_r";
    }
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field_info *f = &vmcs_fields[i];
        if (strcmp(what, "all") == 0 || strstr(f->name, what)) {
            print_field(mon, &x->vmcs, f);
            any = true;
        }
    }
    if (!any)
        monitor_printf(mon, "no field's name contains '%s'\n", what);
    return true;
}

bool monitor_exits(struct monitor *mon, unsigned argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < machine_lp_count(mon->machine); i++) {
        const struct vmx *x = machine_lp(mon->machine, i)->vmx;
        if (!x)
            continue;
        monitor_printf(mon, "LP %u: %" PRIu64 " entries\n", i, x->entries);
        for (unsigned r = 0; r < VMX_EXIT_COUNT; r++) {
            const char *name = trace_value_name('e', r);
            if (x->exits[r])
                monitor_printf(mon, "  %-28s %12" PRIu64 "\n", name ? name : "?", x->exits[r]);
        }
    }
    return true;
}
