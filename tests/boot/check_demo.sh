# `vitrine run` without arguments: hypervisor, root and two tiny children pass all their checks;
# the state hash is the same the second time, traced, and with gdb attached.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
demo() { expect "$1" 0 "$VITRINE" run --hash --timeout=60s $2 && hash=$(sed -n 's/^state-hash //p' "$work/out"); }

demo "the demo passes" "" || { finish; exit; }
first=$hash
says '^\[child1\] ' '^\[child2\] '
demo "the demo passes again" ""
same "two runs give one hash" "$first" "$hash"
demo "the demo passes traced" "--trace vmx:*,apic:*,io:* -o $work/trace.jsonl"
same "tracing does not change the hash" "$first" "$hash"
if grep -q '"ev":"vmx:exit"' "$work/trace.jsonl"; then ok "VM exits are traced"
else not_ok "VM exits are traced"; fi
demo "the demo passes on two processors" "--smp=2"
two=$hash
demo "the demo passes with short turns" "--smp=2 --quantum=1000"
if [ "$two" != "$hash" ]; then ok "--quantum changes the order of turns"
else not_ok "--quantum changes the order of turns"; fi
expect "stat prints the exit histogram" 0 "$VITRINE" stat --timeout=60s
says 'VM exits' 'VM entries'
expect "stat as JSON" 0 "$VITRINE" stat --json --timeout=60s
says '"vm_exits"'
finish
