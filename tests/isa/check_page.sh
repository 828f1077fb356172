# The page of all instructions: every row of the table is on it, and every testable one was run.
. "$SRC/tests/lib/sh.sh"
[ -z "$CROSS" ] || { skip "page of instructions: needs an x86-64 host"; exit 0; }
test=$BUILD/obj/tests/isa/test_random
[ -x "$test" ] || { skip "page of instructions: no test programs"; exit 0; }
case $("$test" --count=1 --rows==nop) in
"skip random"*) skip "page of instructions: this host cannot run the cases"; exit 0 ;;
esac
expect "page of instructions" 0 "$test" --page --count=10000
rows=$(grep -v '^| instruction ' "$work/out" | grep -c '^| ')
listed=$("$test" --list | grep -c -v '^differs: ')
if [ "$rows" -gt 1000 ] && [ "$rows" -eq "$listed" ]; then ok "the page has every row"
else not_ok "the page has every row: $rows of $listed"; fi
if grep -q '| 0 |' "$work/out"; then
    not_ok "every testable row has cases"
    grep '| 0 |' "$work/out" | head -n 5 | sed 's/^/    /'
else ok "every testable row has cases"; fi
finish
