/*
 * Counts of a run: instructions, engine, VM exits by reason.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "abi/vmx.h"
#include "cpu/cpu.h"
#include "cpu/timing/timing.h"
#include "cpu/vmx/vmx.h"
#include "debug/trace_decode.h"
#include "frontends/cli/session.h"

struct totals {
    uint64_t insns, virtual_ns, host_ns;
    uint64_t entries, exits[VMX_EXIT_COUNT], exits_all;
    struct cpu_stats cpu;
    bool modelled; /* --time=block */
    uint64_t cycles;
    struct timing_counts model;
};

static void add_model(struct totals *t, struct cpu *c)
{
    const struct timing_counts *const k = timing_counts(c->timing);
    t->modelled = true;
    t->cycles += timing_ticks(c) / TIMING_TICKS_PER_CYCLE;
    t->model.branch_misses += k->branch_misses;
    t->model.l1i_misses += k->l1i_misses;
    t->model.l1d_misses += k->l1d_misses;
    t->model.l2_misses += k->l2_misses;
    t->model.llc_misses += k->llc_misses;
    t->model.tlb_misses += k->tlb_misses;
    t->model.walks += k->walks;
}

static struct totals count(const struct session *s)
{
    struct totals t = {.insns = machine_icount(s->machine),
                       .virtual_ns = machine_now_ns(s->machine),
                       .host_ns = host_now_ns() - s->start_ns};

    for (unsigned i = 0; i < machine_lp_count(s->machine); i++) {
        struct cpu *const c = machine_lp(s->machine, i);
        if (c->timing)
            add_model(&t, c);
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

static void print_model(const struct totals *t, FILE *out)
{
    const struct {
        const char *name;
        uint64_t n;
    } rows[] = {
        {"mispredicted branches", t->model.branch_misses},
        {"L1I misses", t->model.l1i_misses},
        {"L1D misses", t->model.l1d_misses},
        {"L2 misses", t->model.l2_misses},
        {"L3 misses", t->model.llc_misses},
        {"DTLB, ITLB misses", t->model.tlb_misses},
        {"STLB misses", t->model.walks},
    };
    fprintf(out, "modelled cycles        %14" PRIu64 "   (%.2f instructions a cycle)\n", t->cycles,
            t->cycles ? (double)t->insns / (double)t->cycles : 0.0);
    for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++)
        fprintf(out, "  %-20s %14" PRIu64 "   (%.2f per 1000 instructions)\n", rows[n].name,
                rows[n].n, t->insns ? 1000.0 * (double)rows[n].n / (double)t->insns : 0.0);
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
    if (t.modelled)
        print_model(&t, out);
    if (t.entries)
        print_exits(&t, out);
}

json_t *stat_json(const struct session *s)
{
    const struct totals t = count(s);
    json_t *root = json_object(), *exits = json_object();

    json_object_set_new(root, "host_ns", json_integer((json_int_t)t.host_ns));
    if (t.modelled)
        json_object_set_new(
            root, "model",
            json_pack("{sI sI sI sI sI sI sI sI}", "cycles", (json_int_t)t.cycles, "branch_misses",
                      (json_int_t)t.model.branch_misses, "l1i_misses",
                      (json_int_t)t.model.l1i_misses, "l1d_misses", (json_int_t)t.model.l1d_misses,
                      "l2_misses", (json_int_t)t.model.l2_misses, "l3_misses",
                      (json_int_t)t.model.llc_misses, "tlb_misses", (json_int_t)t.model.tlb_misses,
                      "stlb_misses", (json_int_t)t.model.walks));
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
