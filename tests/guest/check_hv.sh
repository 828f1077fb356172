#!/bin/sh
# The hypervisor under the test root mini_root.c: two tiny children of two VPs each, on one, two and
# four processors. Every check of the child counts. Then a hostile child between neighbours: one whose
# memory and registers must come out as they do without it, and a tiny child whose checks must pass.
set -u
: "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}" "${BUILD:=$PWD}"
GUEST_CC=${GUEST_CC-gcc}
[ -n "$GUEST_CC" ] && [ -f "$BUILD/roms/hypervisor.elf" ] ||
    { echo "skip hypervisor guest: no x86-64 compiler"; exit 0; }
work=$BUILD/tests-guest
mkdir -p "$work"
sh "$SRC/tests/guest/mini_root.sh" "$work/mini_root.elf" ||
    { echo "not ok test root builds"; exit 1; }

for name in hostile victim; do
    sh "$SRC/tests/guest/hostile/build.sh" $name "$work/$name.elf" ||
        { echo "not ok $name child builds"; exit 1; }
done

failed=0
images=$BUILD/roms/child.elf
run() # NAME ARGS...
{
    name=$1
    shift
    timeout 120 "$BUILD/vitrine" run --bare --kernel "$BUILD/roms/hypervisor.elf" \
        --initrd "$work/mini_root.elf,$images" -m 512M --headless "$@" \
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

# says NAME PATTERN: the last run's output has it
says()
{
    grep -a -q "$2" "$work/hv.out" && echo "ok $1" ||
        { echo "not ok $1"; tail -n 40 "$work/hv.out"; failed=1; }
}
state() { grep -a '^mini root: state' "$work/hv.out" | sed -n 1p; }

images=$work/victim.elf
run "the victim alone" --append "children=1 hash"
alone=$(state)
[ -n "$alone" ] || { echo "not ok the victim's state"; failed=1; }
images=$work/hostile.elf,$work/victim.elf,$BUILD/roms/child.elf
for n in 1 2; do
    run "a hostile child and two others, processors: $n" --append "children=3 hostile hash" --smp $n
    says "the hostile child did all it could" '^\[0\] hostile: the end'
    grep -a '^\[0\] FAIL' "$work/hv.out" && { echo "not ok the hostile child got nothing"; failed=1; }
    says "all 92 checks of its neighbour" '^\[2\] 92 checks: 92 ok, 0 failed'
    if grep -a -q -F "$alone" "$work/hv.out"; then echo "ok the victim's state is what it is alone"
    else echo "not ok the victim's state: $alone, then $(grep -a 'mini root: state' "$work/hv.out")"; failed=1; fi
done

images=$BUILD/roms/child.elf
run "devices under VT-d" --append "children=1 dma" --iommu=on --test-devices
says "devices reach the root's memory" 'DMA is confined'
for what in 'read at 100000' 'write at 100000' 'read at 5000000' 'write at 5000000'; do
    says "but no $what" "VT-d: device 0:.*was refused a $what"
done
exit $failed
