# memtest86+ of Debian's package runs one whole pass, on two processors, twice with one hash. Nearly
# all of it is the bit fade test, which waits 160 virtual seconds at full speed: 170 billion
# instructions, some ten minutes. The memory is small, so that the tests proper are short.
. "$SRC/tests/lib/sh.sh"
[ -z "$CROSS" ] || { skip "memtest86+: too slow under emulation"; exit 0; }
memtest=/boot/memtest86+x64.bin
[ -e $memtest ] || { skip "memtest86+: package memtest86+ is not installed"; exit 0; }

# pass NAME: exit code, output and errors in files of that name
pass()
{
    timeout 3500 "$VITRINE" run --bare --headless --kernel=$memtest --memory=8M --smp=2 --hash \
        --append=console=ttyS0,115200 --timeout=3400s --until='Pass:  1        Errors: 0' \
        >"$work/$1.out" 2>"$work/$1.err" </dev/null
    echo $? >"$work/$1.rc"
}
pass one &
pass two
wait
for run in one two; do
    if [ "$(cat "$work/$run.rc")" = 0 ]; then
        ok "memtest86+ runs a pass without errors, run $run"
    else
        not_ok "memtest86+ runs a pass without errors, run $run: exit $(cat "$work/$run.rc")"
        tail -c 600 "$work/$run.out" | tr '\033' '\n' | sed 's/^/    /'
        tail -n 3 "$work/$run.err" | sed 's/^/    /'
    fi
done
hash=$(sed -n 's/^state-hash //p' "$work/one.out")
if [ -n "$hash" ] && [ "$hash" = "$(sed -n 's/^state-hash //p' "$work/two.out")" ]; then
    ok "memtest86+: one hash"
else
    not_ok "memtest86+: one hash: '$hash' and '$(sed -n 's/^state-hash //p' "$work/two.out")'"
fi
finish
