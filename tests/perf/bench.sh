#!/bin/sh
# tests/perf/bench.sh: `make bench`: builds the benchmark guest and its driver, runs them.
# BENCH_KERNEL and BENCH_INITRD (whose /init prints "@@init") add the boots; BENCH_ARGS go on.
set -eu
: "${SRC:?}" "${BUILD:?}"
[ -n "${GUEST_CC:-}" ] || { echo "bench: no x86-64 compiler for the guest: skipped"; exit 0; }
work=$BUILD/bench
mkdir -p "$work"
here=$SRC/tests/perf
$GUEST_CC -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -Wall -Wextra -I"$SRC" \
    -T "$here/guest.ld" -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
    -o "$work/guest.elf" "$here/start.S" "$here/bench_main.c" "$here/kernels.c" "$here/vmx_exit.c"
objcopy -O elf32-i386 "$work/guest.elf" "$work/guest32.elf" # QEMU's loader wants ELF32
${HOSTCC:-cc} -std=c11 -O2 -D_GNU_SOURCE -o "$work/bench" "$here/bench.c"
exec "$work/bench" --vitrine="$BUILD/vitrine" --guest="$work/guest.elf" --guest32="$work/guest32.elf" \
    --work="$work" ${BENCH_KERNEL:+--kernel="$BENCH_KERNEL"} ${BENCH_INITRD:+--initrd="$BENCH_INITRD"} \
    ${BENCH_ARGS:-}
