# Guests that end well, badly or never: exit codes, messages, and no harm to the host program.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "guests: no x86-64 compiler"; exit 0; }
v=$VITRINE

# guest CASE [SEED]: builds $work/g
guest()
{
    $GUEST_CC -m32 -nostdlib -static -no-pie -fno-pic -Wl,--build-id=none -Wl,-Ttext=0x102000 \
        -Wl,--section-start=.multiboot=0x101000 -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack \
        -DCASE="$1" -DSEED="${2:-0}" -o "$work/g" "$SRC/tests/ux/guest.S" 2>"$work/cc" ||
        { not_ok "guest $1 builds"; cat "$work/cc"; exit 1; }
}
run() { n=$1 code=$2; shift 2; expect "$n" "$code" "$v" run --bare --headless --kernel="$work/g" "$@"; }

guest 1
run "a triple fault is exit 4" 4 --timeout=20s
says 'triple fault' 'LP 0 at'
guest 2
run "debug-exit 0 is exit 0" 0
says '^hello'
run "--until is exit 0" 0 --until=hello
run "--until that never comes is an error" 1 --until=goodbye --timeout=20s
run "the result as JSON" 0 --json --hash
says '"exit_code": 0' '"hash"'
guest 3
run "debug-exit 1 is exit 3" 3
guest 4
run "halted for ever is exit 4" 4 --timeout=20s
guest 13
run "asleep with nothing to wake it is exit 4" 4 --timeout=20s
guest 5
run "a timeout is exit 5" 5 --timeout=300ms
run "an instruction limit without --until is success" 0 --max-insns=100000 --hash
says 'at 100000 instructions'
run "an instruction limit with --until is exit 5" 5 --max-insns=100000 --until=goodbye
run "the hash at a position" 0 --max-insns=1234567 --hash
one=$(sed -n 's/^state-hash //p' "$work/out")
run "the hash at the same position" 0 --max-insns=1234567 --hash --trace='cpu:*,io:*' -o "$work/t"
two=$(sed -n 's/^state-hash //p' "$work/out")
if [ "$one" = "$two" ]; then ok "one hash"; else not_ok "one hash: $one, $two"; fi
run "the instruction trace" 0 --max-insns=2000 --hash --trace=insn -o "$work/insn"
if grep -q 'jmp' "$work/insn" && [ "$(wc -l <"$work/insn")" -eq 2000 ]; then
    ok "one line per instruction"; else not_ok "one line per instruction: $(wc -l <"$work/insn")"; fi
guest 6
run "every port" 0 --timeout=60s
guest 7
run "a reserved bit of CR4 faults" 4 --timeout=20s
guest 8
run "a panic's text is exit 4" 4 --timeout=20s
run "--on-panic=continue goes on" 0 --timeout=20s --on-panic=continue
guest 9
run "every page above RAM" 0 --timeout=60s --memory=128M
guest 11
printf 'type this q' >"$work/typed"
run "typed input arrives" 0 --input="$work/typed" --input-after=ready --timeout=20s
says 'type this q'
# Sleeping takes as long as it says only when somebody looks.
guest 14
took() # NAME LEAST MOST COMMAND...: wall time in milliseconds
{
    what=$1 least=$2 most=$3
    shift 3
    begin=$(date +%s%N)
    "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    ms=$((($(date +%s%N) - begin) / 1000000))
    if [ $rc -eq 0 ] && [ $ms -ge "$least" ] && [ $ms -le "$most" ]; then ok "$what"; else
        not_ok "$what: exit $rc, $ms ms"; fi
}
took "half a second of sleep takes half a second with --realtime" 450 20000 \
    "$v" run --bare --headless --kernel="$work/g" --timeout=60s --realtime
if command -v script >/dev/null; then
    took "and at a terminal" 450 20000 script -q -e -c \
        "$v run --bare --kernel=$work/g --timeout=60s" /dev/null
else
    skip "half a second at a terminal: no script (Debian: bsdutils)"
fi
guest 12
run "a guest that resets for ever is an error, not a hang" 1 --timeout=60s
says 'resets itself'
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    guest 10 $seed
    timeout 60 "$v" run --bare --headless --kernel="$work/g" --max-insns=300000 \
        >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    if [ $rc -le 5 ] && ! grep -q -E 'Sanitizer|runtime error|internal error' "$work/err"; then
        ok "random code $seed"
    else
        not_ok "random code $seed: exit $rc"
        tail -n 5 "$work/err"
    fi
done
finish
