#!/bin/sh
# mini_root.sh OUTPUT: builds the test root partition.
: "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}"
exec ${GUEST_CC:-gcc} -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
    -Wall -Wextra -I"$SRC" -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
    -Wl,--no-warn-rwx-segments -Wl,-T,"$SRC/tests/guest/mini_root.ld" -o "$1" \
    "$SRC/tests/guest/mini_root.c" "$SRC/tests/guest/mini_linux.c" "$SRC/tests/guest/mini_dma.c" "$SRC/tests/guest/mini_root.S"
