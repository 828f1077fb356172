#!/bin/sh
# tests/perf/bench.sh: `make bench`: builds the benchmark guest and its driver, runs them.
# Stock kernels come from Debian's packages (tools/fetch-guest.sh); without them there are no boots.
# BENCH_ARGS go on to the driver, e.g. BENCH_ARGS='--rounds=5 --only=alu,cloud'.
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

cloud='' full='' initrd=
if busybox=$(sh "$SRC/tools/fetch-guest.sh" busybox); then
    initrd=$work/initramfs.cpio
    "$BUILD/obj/tools/mkinitramfs" "$initrd" "$busybox" "$SRC/tests/boot/init.sh"
    $GUEST_CC -std=c11 -O2 -ffreestanding -fno-tree-loop-distribute-patterns -fno-math-errno \
        -nostdlib -static -fno-pic -no-pie -fno-stack-protector -fcf-protection=none -Wall \
        -Wextra -Wl,--build-id=none -Wl,-z,noexecstack -o "$work/user" "$here/user.c"
    "$BUILD/obj/tools/mkinitramfs" "$work/user.cpio" "$busybox" "$SRC/tests/boot/init.sh" \
        bench="$work/user"
    cloud=$(sh "$SRC/tools/fetch-guest.sh" kernel cloud-amd64) || cloud=
    full=$(sh "$SRC/tools/fetch-guest.sh" kernel amd64) || full=
fi
# shellcheck disable=SC2086
"$work/bench" --vitrine="$BUILD/vitrine" --guest="$work/guest.elf" --guest32="$work/guest32.elf" \
    --work="$work" ${cloud:+--cloud="$cloud"} ${full:+--full="$full"} \
    ${initrd:+--initrd="$initrd" --user="$work/user.cpio"} ${BENCH_ARGS:-}

# Guest instructions from a child's IN to its next instruction, through hypervisor, root and worker.
reads() # COUNT: instructions of a run with so many reads
{
    $GUEST_CC -m32 -nostdlib -static -no-pie -fno-pic -Wl,--build-id=none \
        -Wl,-Ttext-segment=0x100000 -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -DCASE=12 \
        -DCOUNT="$1" -o "$work/reads" "$SRC/tests/boot/child.S"
    "$BUILD/vitrine" run --headless --hash --timeout=60s \
        --vm "name=c,memory=16M,kernel=$work/reads" 2>&1 |
        sed -n 's/^state-hash .* at \([0-9]*\) instructions.*/\1/p'
}
few=$(reads 1000)
many=$(reads 11000)
echo "intercept round trip: $(((many - few) / 10000)) guest instructions"
