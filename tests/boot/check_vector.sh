# Vector code under Debian's stock kernel on model v3: the same results as on the host's processor.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "vector code under Linux: too slow under emulation"; exit 0; }
get_guests
if ! $GUEST_CC -O3 -march=x86-64-v3 -static -o "$work/vector" "$SRC/tests/boot/vector.c" -lm \
    2>"$work/cc"; then
    skip "vector code under Linux: no static C library for x86-64"
    finish
    exit 0
fi
"$BUILD/obj/tools/mkinitramfs" "$work/vector.cpio" "$busybox" "$SRC/tests/boot/vector_init.sh" \
    vector="$work/vector"
expect "vector code under Linux" 0 "$VITRINE" run --bare --cpu=v3 --headless --timeout=250s \
    --kernel="$kernel_cloud" --initrd="$work/vector.cpio" --append="console=ttyS0" &&
    says 'abm avx2 bmi2 f16c fma' 'registers kept'
if grep -q -w avx2 /proc/cpuinfo && grep -q -w fma /proc/cpuinfo; then
    "$work/vector" >"$work/host"
    grep -a '^vector: ' "$work/out" | tr -d '\r' >"$work/guest"
    if cmp -s "$work/host" "$work/guest"; then ok "results are those of the host's processor"
    else not_ok "results are those of the host's processor: $(cat "$work/host" "$work/guest")"; fi
else
    skip "results are those of the host's processor: it has no AVX2"
fi
finish
