/*
 * Branch prediction: gshare for conditions, a target buffer for direct branches, a table by path
 * for indirect ones, a return stack.
 *
 * A taken branch also ends the group of instructions that are fetched together. Far transfers,
 * system calls and returns from interrupts drain the core anyway (costs.def) and are not predicted.
 *
 * Not modelled: wrong-path fetches, loop predictors, return stack repair, aliasing with SMT,
 * barriers by IA32_PRED_CMD.
 */
#include "abi/x86.h"
#include "cpu/timing/timing_int.h"

enum kind {
    KIND_OTHER,
    KIND_COND,
    KIND_JUMP,
    KIND_CALL,
    KIND_INDIRECT,
    KIND_INDIRECT_CALL,
    KIND_RET
};

static enum kind kind_of(const struct isa_row *r)
{
    if (r->map == MAP_0F)
        return (r->opcode & 0xf0) == 0x80 ? KIND_COND : KIND_OTHER;
    switch (r->opcode) {
    case 0xe8:
        return KIND_CALL;
    case 0xe9:
    case 0xeb:
        return KIND_JUMP;
    case 0xc2:
    case 0xc3:
        return KIND_RET;
    case 0xff:
        return (r->modrm & 7) == 2   ? KIND_INDIRECT_CALL
               : (r->modrm & 7) == 4 ? KIND_INDIRECT
                                     : KIND_OTHER;
    default:
        return (r->opcode & 0xf0) == 0x70 || (r->opcode >= 0xe0 && r->opcode <= 0xe3) ? KIND_COND
                                                                                      : KIND_OTHER;
    }
}

static void miss(struct timing *t)
{
    t->counts.branch_misses++;
    t->ticks += TICKS(TIMING_MISPREDICT);
}

static bool predict_condition(struct timing *t, uint64_t la, bool taken)
{
    const uint64_t at = (la ^ la >> TIMING_PATTERN_BITS ^ t->history) &
                        ((1u << TIMING_PATTERN_BITS) - 1);
    uint8_t *const p = &t->pattern[at]; /* 0-1: not taken, 2-3: taken */
    const bool right = (*p >= 2) == taken;
    if (taken && *p < 3)
        ++*p;
    else if (!taken && *p)
        --*p;
    t->history = t->history << 1 | taken;
    return right;
}

/* A taken direct branch whose place the fetcher does not know yet. */
static void direct_target(struct timing *t, uint64_t la)
{
    uint64_t *const set = t->btb + (la & (TIMING_BTB_SETS - 1)) * TIMING_BTB_WAYS;
    if (!set_touch(set, TIMING_BTB_WAYS, la + 1))
        t->ticks += TICKS(TIMING_RESTEER);
}

static bool indirect_target(struct timing *t, uint64_t la, uint64_t target)
{
    uint64_t *const p = &t->indirect[(la ^ la >> TIMING_INDIRECT_BITS ^ t->path) &
                                     ((1u << TIMING_INDIRECT_BITS) - 1)];
    const bool right = *p == target;
    *p = target;
    t->path = t->path << 2 ^ target;
    return right;
}

static void push_return(struct timing *t, uint64_t next)
{
    t->return_top = (t->return_top + 1) % TIMING_RETURNS;
    t->returns[t->return_top] = next;
}

static bool pop_return(struct timing *t, uint64_t target)
{
    const bool right = t->returns[t->return_top] == target;
    t->return_top = (t->return_top + TIMING_RETURNS - 1) % TIMING_RETURNS;
    return right;
}

void branch_retired(struct timing *t, const struct isa_row *r, uint64_t la, uint64_t next,
                    uint64_t target)
{
    const enum kind kind = kind_of(r);
    const bool taken = target != next;
    bool right = true;
    switch (kind) {
    case KIND_OTHER:
        return;
    case KIND_COND:
        right = predict_condition(t, la, taken);
        if (right && taken)
            direct_target(t, la);
        break;
    case KIND_CALL:
        push_return(t, next);
        direct_target(t, la);
        break;
    case KIND_JUMP:
        direct_target(t, la);
        break;
    case KIND_INDIRECT_CALL:
        push_return(t, next);
        right = indirect_target(t, la, target);
        break;
    case KIND_INDIRECT:
        right = indirect_target(t, la, target);
        break;
    case KIND_RET:
        right = pop_return(t, target);
        break;
    }
    if (!right)
        miss(t);
    if (taken) /* the rest of the fetch group is lost */
        t->ticks = (t->ticks + TIMING_TICKS_PER_CYCLE - 1) &
                   ~(uint64_t)(TIMING_TICKS_PER_CYCLE - 1);
}
