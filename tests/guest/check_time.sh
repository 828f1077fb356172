# --time=block: virtual time by modelled cycles gives one hash, whoever looks, and instructions as the
# unit stay the default.
. "$SRC/tests/lib/sh.sh"

# position NAME ARGS...: the hash line of a run on the built-in guests
position()
{
    name=$1
    shift
    timeout 300 "$VITRINE" run --headless --hash --max-insns=12M "$@" </dev/null 2>"$work/err" |
        grep -a '^state-hash' >"$work/$name"
    [ -s "$work/$name" ] || { not_ok "$name: no hash"; tail -n 5 "$work/err"; }
}

position first --time=block
position second --time=block
position traced --time=block --trace='cpu:*,vmx:*,io:*' -o "$work/trace"
position insn --time=insn
position default
for other in second traced; do
    if cmp -s "$work/first" "$work/$other"; then
        ok "modelled time: the $other run has the hash of the first"
    else
        not_ok "modelled time: $other run: $(cat "$work/first" "$work/$other")"
    fi
done
if cmp -s "$work/insn" "$work/default" && ! cmp -s "$work/first" "$work/insn"; then
    ok "instructions are the default unit of time"
else
    not_ok "default time: $(cat "$work/default" "$work/insn")"
fi

position smp --time=block --smp=3
position smp2 --time=block --smp=3
if cmp -s "$work/smp" "$work/smp2"; then
    ok "modelled time with three processors repeats"
else
    not_ok "three processors: $(cat "$work/smp" "$work/smp2")"
fi

expect "an unknown unit of time is wrong usage" 2 "$VITRINE" run --time=cycles && says 'insn|block'
expect "statistics show the model" 0 "$VITRINE" stat --headless --time=block --max-insns=1M &&
    says 'modelled cycles' 'L1D misses'
finish
