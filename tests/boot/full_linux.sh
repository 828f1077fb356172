# Longer boots: two and four processors, the full kernel, every boot twice with one hash, traced.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
LIMIT=1200s EXPECT_TIMEOUT=1300
get_guests

# twice NAME FUNCTION KERNEL OPTIONS...
twice()
{
    t=$1 f=$2
    shift 2
    "$f" "$t" "$@" || return 1
    first=$hash
    "$f" "$t, again" "$@" || return 1
    same "$t: one hash" "$first" "$hash"
    echo "    $hash"
}

twice "cloud kernel, bare" bare "$kernel_cloud"
one=$hash
bare "cloud kernel, bare, traced" "$kernel_cloud" --trace 'cpu:*,apic:*' -o "$work/t.jsonl"
same "tracing does not change the hash" "$one" "$hash"
twice "cloud kernel, bare, two processors" bare "$kernel_cloud" --smp=2
twice "cloud kernel, bare, four processors" bare "$kernel_cloud" --smp=4
twice "cloud kernel, child" child "$kernel_cloud"
twice "cloud kernel, child, two processors" child "$kernel_cloud" --smp=2
if get_full_kernel; then
    twice "full kernel, bare" bare "$kernel_full"
    twice "full kernel, bare, four processors" bare "$kernel_full" --smp=4
    twice "full kernel, child" child "$kernel_full"
fi
finish
