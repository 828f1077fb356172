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
# The same by the command line, as two machine files.
for n in 1 2; do
    cat >"$work/peer$n.conf" <<END
machine.bare = yes
boot.kernel = $work/peer.elf
net = hub:lan,mac=02:00:00:00:00:0$n
END
done
both() # NAME CODE OPTION
{
    expect "$1" "$2" ${EMULATOR:-} "$VITRINE" run --headless --timeout=60s \
        --machine="$work/peer1.conf" --machine "$work/peer2.conf" "$3"
}
both "two machine files run together" 0 --hash &&
    says '^peer1: state-hash' '^peer2: state-hash' '^state-hash .* of 2 machines'
grep 'state-hash' "$work/out" | sort >"$work/one"
both "and again" 0 --hash
if grep 'state-hash' "$work/out" | sort | cmp -s - "$work/one"; then
    ok "two runs of two machines give one hash"
else
    not_ok "two runs of two machines give one hash"
fi
both "two machines as JSON" 0 --json && says '"name": "peer2"' '"exit_code": 0' '"machines"'
both "what the command line says holds for all" 1 --until=never
both "one port for two machines is refused" 2 --gdb=1234 && says 'E-CLI-004' 'debug.gdb'
both "an instruction limit of two machines is refused" 2 --max-insns=5
expect "a missing machine file" 1 "$VITRINE" run --machine="$work/none.conf" && says E-FILE-001
expect "a kernel is no machine file" 2 "$VITRINE" run --machine="$work/peer.elf" &&
    says 'no machine file'
echo 'run.machine = x' >"$work/nested.conf"
expect "a machine file names no others" 2 "$VITRINE" run --machine="$work/nested.conf" &&
    says 'names no others'
echo 'machine.memroy = 1' >"$work/bad.conf"
expect "an unknown key in the second machine file" 2 "$VITRINE" run \
    --machine="$work/peer1.conf" --machine="$work/bad.conf" &&
    says 'bad.conf:1' 'did you mean machine.memory'
finish
