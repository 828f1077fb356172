#!/bin/sh
# The hypervisor under the test root mini_root.c: two tiny children of two VPs each, on one, two and
# four processors. Every check of the child counts; the children print through the same COM1 at the same
# time, so their lines mix, and the verdict is the exit code and the root's last line.
set -u
: "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}" "${BUILD:=$PWD}"
GUEST_CC=${GUEST_CC-gcc}
[ -n "$GUEST_CC" ] && [ -f "$BUILD/roms/hypervisor.elf" ] ||
    { echo "skip hypervisor guest: no x86-64 compiler"; exit 0; }
work=$BUILD/tests-guest
mkdir -p "$work"
sh "$SRC/tests/guest/mini_root.sh" "$work/mini_root.elf" ||
    { echo "not ok test root builds"; exit 1; }

failed=0
run() # NAME ARGS...
{
    name=$1
    shift
    timeout 120 "$BUILD/vitrine" run --bare --kernel "$BUILD/roms/hypervisor.elf" \
        --initrd "$work/mini_root.elf,$BUILD/roms/child.elf" -m 512M --headless "$@" \
        </dev/null >"$work/hv.out" 2>"$work/hv.err"
    rc=$?
    if [ $rc = 0 ] && grep -a -q 'mini root: done' "$work/hv.out"; then
        echo "ok $name"
    else
        echo "not ok $name (exit $rc)"
        tail -n 20 "$work/hv.out" "$work/hv.err"
        failed=1
    fi
}

run "one child on one processor" --append children=1
grep -a -q '92 checks: 92 ok, 0 failed' "$work/hv.out" && echo "ok all 92 checks of the child" ||
    { echo "not ok all 92 checks of the child"; grep -a FAIL "$work/hv.out"; failed=1; }
run "two children share one processor"
run "two children on two processors" --smp 2
run "two children on four processors" --smp 4
exit $failed
