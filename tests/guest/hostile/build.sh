#!/bin/sh
# Builds a child's image: build.sh NAME OUT.elf, of NAME.c here and what that links with (GUEST_CC: an
# x86-64 gcc; default gcc).
set -eu
name=$1 out=$2
cd "$(dirname "$0")/../../.."
case $name in
hostile) set -- ;;
victim) set -- partitions/child/trap.c ;;
*) set -- partitions/child/trap.c tests/guest/hostile/bus.c vmbus/ring.c vmbus/client/client.c ;;
esac
${GUEST_CC:-gcc} -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
    -Wall -Wextra -Werror -I. -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
    -Wl,-z,max-page-size=4096 -Wl,-T,partitions/child/child.ld -o "$out" \
    "tests/guest/hostile/$name.c" partitions/child/lib.c "$@" roms/ch_boot.S
