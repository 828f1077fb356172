# Two machines of one process talk over a hub: every byte arrives, and the state of both is the
# same whichever is run first.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "two machines: no x86-64 compiler"; exit 0; }
$GUEST_CC -m32 -std=c11 -O2 -ffreestanding -nostdlib -fno-pic -no-pie -static -fno-stack-protector \
    -mgeneral-regs-only -fno-asynchronous-unwind-tables -fcf-protection=none -Wall -Wextra -I"$SRC" \
    -Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096,-Ttext-segment=0x100000 -Wl,-e,_start \
    -o "$work/peer.elf" "$SRC/tests/guest/peer/peer.c" 2>"$work/cc" || {
    not_ok "two machines: the guest compiles"
    cat "$work/cc"
    exit 1
}
cat >"$work/mk" <<'END'
include config.mk
$(OUT): ; $(CC) -std=c11 $(OPT) $(WARN) $(DEFS) -D_GNU_SOURCE -I$(SRC) $(LIB_CFLAGS) -o $@ \
	$(SRC)/tests/guest/peer/group.c libvitrine.a $(USER_LDFLAGS) $(LIB_LIBS) -lpthread -lm
END
make -s -C "$BUILD" -f "$work/mk" OUT="$work/group" >"$work/cc" 2>&1 || {
    not_ok "two machines: the host program compiles"
    cat "$work/cc"
    exit 1
}
EXPECT_TIMEOUT=60
expect "two machines talk over a hub" 0 ${EMULATOR:-} "$work/group" "$work/peer.elf" first &&
    says '^caller: exit 0' '^answerer: exit 0'
grep '^hash' "$work/out" >"$work/one"
expect "two machines, the other one first" 0 ${EMULATOR:-} "$work/group" "$work/peer.elf" second
grep '^hash' "$work/out" >"$work/two"
if [ -s "$work/one" ] && cmp -s "$work/one" "$work/two"; then
    ok "the order of machines within a window changes nothing"
else
    not_ok "the order of machines within a window changes nothing"
    cat "$work/one" "$work/two"
fi
finish
