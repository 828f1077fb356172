# `perf stat` and `perf record` of Debian's linux-perf in a stock amd64 kernel with --cpu=max: the
# kernel finds the counters, a loop of known length is counted exactly in user mode, sampling hits the
# loop as often as it must, and two runs print the same.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "perf in a guest: too slow under emulation"; exit 0; }
[ -n "${GUEST_CC:-}" ] || { skip "perf in a guest: no x86-64 compiler"; exit 0; }
perf=$(ls /usr/bin/perf_6* /usr/bin/perf 2>/dev/null | head -n 1)
[ -n "$perf" ] && ldd "$perf" >"$work/ldd" 2>/dev/null ||
    { skip "perf in a guest: no perf here (Debian: apt-get install linux-perf)"; exit 0; }
get_guests
get_full_kernel || exit 0

$GUEST_CC -nostdlib -static -Wl,--build-id=none -o "$work/count" "$SRC/tests/guest/perf_count.S" ||
    { not_ok "the program to count builds"; exit 1; }
set -- "usr/bin/perf=$perf" "count=$work/count"
for lib in $(grep -o '/[^ ]*' "$work/ldd"); do
    set -- "$@" "${lib#/}=$lib"
done
"$BUILD/obj/tools/mkinitramfs" "$work/perf.cpio" "$busybox" "$SRC/tests/guest/perf_init.sh" "$@"

# counts EVENT: its values in the order of the runs
counts() { tr -d '\r' <"$work/out" | awk -F, -v e="$1" '$3 == e { print $1 }'; }

# near NAME VALUE LEAST MOST
near()
{
    if [ -n "$2" ] && [ "$2" -ge "$3" ] 2>/dev/null && [ "$2" -le "$4" ]; then ok "$1"; else
        not_ok "$1: $2, not $3 to $4"; fi
}

boot()
{
    expect "perf runs in a guest, $1" 0 "$VITRINE" run --bare --headless --cpu=max --hash \
        --memory=512M --timeout=280s --kernel="$kernel_full" --initrd="$work/perf.cpio" \
        --append="console=ttyS0 nmi_watchdog=0" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VITRINE-PERF-OK 'Performance Events: .*Intel PMU driver' || return 1
}

boot one || { finish; exit; }
one=$hash
if grep -q -a 'unchecked MSR' "$work/out"; then not_ok "the kernel finds all the registers it uses"
else ok "the kernel finds all the registers it uses"; fi
# mispredictions are not announced; all else must be counted
grep -a '<not ' "$work/out" | grep -v branch-misses >"$work/lost"
if [ ! -s "$work/lost" ]; then ok "all events are counted"
else not_ok "not counted: $(cat "$work/lost")"; fi
# 4 instructions and 1 branch a round; the rest is the way in and out of the program
set -- $(counts instructions:u)
near "a million rounds are four million instructions" "${1:-}" 4000000 4000200
near "three million are twelve" "${2:-}" 12000000 12000200
near "what the kernel does is not counted for the user" "$((${2:-0} - ${1:-0}))" 7999900 8000100
set -- $(counts branches:u)
near "a branch a round" "${1:-}" 1000000 1000100
set -- $(counts cycles:u)
near "a cycle is an instruction" "${1:-}" 4000000 4000200
all=$(counts instructions | head -n 1) kernel=$(counts instructions:k | head -n 1)
user=$(counts instructions:u | sed -n 3p)
near "user and kernel make the sum" "$((${all:-0} - ${kernel:-0} - ${user:-0}))" -50 50
near "the kernel did something" "${kernel:-}" 1000 100000000
samples=$(sed -n 's/^samples: *\([0-9]*\) .*work.*/\1/p' "$work/out")
near "each 100000 instructions make a sample in the loop" "$samples" 195 200
boot two && same "counting repeats to the bit" "$one" "$hash"
finish
