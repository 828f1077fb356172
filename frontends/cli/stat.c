/*
 * Counts of a run: instructions, engine, VM exits by reason.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "abi/vmx.h"
#include "cpu/cpu.h"
#include "cpu/vmx/vmx.h"
#include "debug/trace_decode.h"
#include "frontends/cli/session.h"

struct totals {
    uint64_t insns, virtual_ns, host_ns;
    uint64_t entries, exits[VMX_EXIT_COUNT], exits_all;
    struct cpu_stats cpu;
};

static struct totals count(const struct session *s)
{
    struct totals t = {.insns = machine_icount(s->machine),
                       .virtual_ns = machine_now_ns(s->machine),
                       .host_ns = host_now_ns() - s->start_ns};

    for (unsigned i = 0; i < machine_lp_count(s->machine); i++) {
        const struct cpu *c = machine_lp(s->machine, i);
        t.cpu.blocks_built += c->st.blocks_built;
        t.cpu.blocks_killed += c->st.blocks_killed;
        t.cpu.tlb_miss += c->st.tlb_miss;
        t.cpu.walks += c->st.walks;
        t.cpu.slow_exits += c->st.slow_exits;
        if (!c->vmx)
            continue;
        t.entries += c->vmx->entries;
        for (unsigned r = 0; r < VMX_EXIT_COUNT; r++) {
            t.exits[r] += c->vmx->exits[r];
            t.exits_all += c->vmx->exits[r];
        }
    }
    return t;
}

static void print_exits(const struct totals *t, FILE *out)
{
    bool done[VMX_EXIT_COUNT] = {false};

    fprintf(out, "VM entries             %14" PRIu64 "\nVM exits               %14" PRIu64 "\n",
            t->entries, t->exits_all);
    for (;;) { /* most frequent first; the list is short */
        unsigned best = VMX_EXIT_COUNT;
        for (unsigned r = 0; r < VMX_EXIT_COUNT; r++) {
            if (!done[r] && t->exits[r] && (best == VMX_EXIT_COUNT || t->exits[r] > t->exits[best]))
                best = r;
        }
        if (best == VMX_EXIT_COUNT)
            return;
        done[best] = true;
        const char *name = trace_value_name('e', best);
        fprintf(out, "  %-20s %14" PRIu64 "  %5.1f %%\n", name ? name : "?", t->exits[best],
                100.0 * (double)t->exits[best] / (double)t->exits_all);
    }
}

void stat_print(const struct session *s, FILE *out)
{
    const struct totals t = count(s);
    const double seconds = (double)t.host_ns / 1e9;

    fprintf(out, "instructions           %14" PRIu64 "\n", t.insns);
    fprintf(out, "virtual time           %14.6f s\n", (double)t.virtual_ns / 1e9);
    fprintf(out, "host time              %14.3f s   (%.0f MIPS)\n", seconds,
            seconds > 0 ? (double)t.insns / 1e6 / seconds : 0.0);
    fprintf(out, "blocks decoded         %14" PRIu64 "\n", t.cpu.blocks_built);
    fprintf(out, "blocks discarded       %14" PRIu64 "\n", t.cpu.blocks_killed);
    fprintf(out, "TLB misses             %14" PRIu64 "\n", t.cpu.tlb_miss);
    fprintf(out, "page walks             %14" PRIu64 "\n", t.cpu.walks);
    if (t.entries)
        print_exits(&t, out);
}

json_t *stat_json(const struct session *s)
{
    const struct totals t = count(s);
    json_t *root = json_object(), *exits = json_object();

    json_object_set_new(root, "host_ns", json_integer((json_int_t)t.host_ns));
    json_object_set_new(root, "blocks_built", json_integer((json_int_t)t.cpu.blocks_built));
    json_object_set_new(root, "blocks_killed", json_integer((json_int_t)t.cpu.blocks_killed));
    json_object_set_new(root, "tlb_misses", json_integer((json_int_t)t.cpu.tlb_miss));
    json_object_set_new(root, "page_walks", json_integer((json_int_t)t.cpu.walks));
    json_object_set_new(root, "vm_entries", json_integer((json_int_t)t.entries));
    for (unsigned r = 0; r < VMX_EXIT_COUNT; r++) {
        const char *name = trace_value_name('e', r);
        if (t.exits[r])
            json_object_set_new(exits, name ? name : "?", json_integer((json_int_t)t.exits[r]));
    }
    json_object_set_new(root, "vm_exits", exits);
    return root;
}
