# Old board logic of a PC, by a guest (tests/guest/board): its own lines are the result; two runs,
# one hash.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "board: no x86-64 compiler"; exit 0; }
$GUEST_CC -m32 -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -fno-stack-protector \
    -mgeneral-regs-only -fno-asynchronous-unwind-tables -fcf-protection=none -Wall -Wextra -I"$SRC" \
    -Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096,-Ttext-segment=0x200000 -Wl,-e,_start \
    -o "$work/board.elf" "$SRC/tests/guest/board/board.c" 2>"$work/cc" || {
    not_ok "board: the guest compiles"
    cat "$work/cc"
    exit 1
}
run() { expect "$1" 0 ${EMULATOR:-} "$VITRINE" run --bare --headless --hash --memory=16M --vga=std \
    --timeout=60s --kernel="$work/board.elf"; }
run "board: the guest ends well"
grep -a '^ok\|^not ok' "$work/out"
! grep -q -a '^not ok' "$work/out" || failures=1
grep 'state-hash' "$work/out" >"$work/one"
run "board: and again"
if grep 'state-hash' "$work/out" | cmp -s - "$work/one"; then ok "board: two runs, one hash"; else
    not_ok "board: two runs, one hash"; fi
finish
