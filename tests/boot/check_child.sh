# Children that end well or badly: what VMMS says, exit codes, the machine stays whole.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "children: no x86-64 compiler"; exit 0; }

guest()
{
    $GUEST_CC -m32 -nostdlib -static -no-pie -fno-pic -Wl,--build-id=none -Wl,-Ttext-segment=0x100000 \
        -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -DCASE="$1" -o "$work/g" \
        "$SRC/tests/boot/child.S" 2>"$work/cc" ||
        { not_ok "child $1 builds"; cat "$work/cc"; exit 1; }
}
run()
{
    guest "$1"
    n=$2 code=$3 vm=name=c,memory=16M,kernel=$work/g$4
    shift 4
    expect "$n" "$code" "$VITRINE" run --headless --consoles=all --timeout=250s --vm "$vm" "$@"
}

run 1 "a child's triple fault is exit 4" 4 ""
says 'c: VP 0: triple fault at'
run 2 "a child's debug-exit 0 is exit 0" 0 ""
says 'hello'
run 3 "a child's debug-exit 7 is exit 3" 3 ""
says 'debug-exit with value 7'
run 4 "every port of a child" 0 ""
says 'hello'
run 5 "a reserved bit of a child's CR4 faults" 4 ""
run 6 "string I/O of a child" 0 ""
says 'hello'
run 7 "every hole in a child's address space" 0 ""
says 'STUB: read of 4 bytes' 'hello'
run 8 "an instruction nobody emulates is an error" 1 ""
says 'by an instruction that is no MOV'
run 9 "a child that resets for ever is an error, not a hang" 1 ""
says 'resets itself'
run 10 "a child powers off by ACPI" 0 ""
says 'c: powered off'
run 11 "a child's memory comes clean" 0 ""
# one bad child does not harm the other
guest 1
cp "$work/g" "$work/g1"
guest 2
expect "a crash takes down its own VM and nothing else" 4 "$VITRINE" run --headless --consoles=all \
    --timeout=250s --vm "name=bad,memory=16M,kernel=$work/g1" --vm "name=good,memory=16M,kernel=$work/g"
says 'bad: triple fault' 'good: debug-exit with value 0' 'hello'
# nor does one that tries everything
sh "$SRC/tests/guest/hostile/build.sh" hostile "$work/h" 2>"$work/cc" ||
    { not_ok "the hostile child builds"; cat "$work/cc"; }
expect "a hostile child ends alone" 1 "$VITRINE" run --headless --consoles=all --timeout=250s \
    --vm "name=bad,memory=16M,cpus=2,kernel=$work/h" --vm "name=good,memory=16M,kernel=$work/g"
says 'hostile: all done' 'good: debug-exit with value 0' 'all VMs are off'
finish
