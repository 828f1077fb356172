#!/bin/sh
# Builds the VT-x test guest: build.sh OUT.elf (GUEST_CC: an x86-64 gcc; default gcc)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$here/../../.." && pwd)
${GUEST_CC:-gcc} -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
    -fno-strict-aliasing -Wall -Wextra -I"$src" -T "$here/guest.ld" -Wl,--build-id=none \
    -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -o "$1" \
    "$here/start.S" "$here/vt.c" "$here/test_insn.c" "$here/test_exits.c" "$here/test_events.c" \
    "$here/test_ept.c" "$here/test_time.c" "$here/test_entry.c" \
    "$here/test_ctl.c" "$here/test_shadow.c" \
    "$here/test_apicv.c" "$here/test_eptx.c"
