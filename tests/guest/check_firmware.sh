# Firmware: our own test ROM, and SeaBIOS of Debian's package with an option ROM of ours.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "firmware: no x86-64 compiler"; exit 0; }
v=${VITRINE:-$BUILD/vitrine}

# rom NAME SOURCE: a flat image from 16-bit code
rom()
{
    "$GUEST_CC" -m32 -c -o "$work/$1.o" "$SRC/tests/guest/firmware/$2" &&
        ld -m elf_i386 --oformat binary -Ttext 0 -e _start -o "$work/$1" "$work/$1.o"
}

rom test.rom rom.S 2>"$work/log" || { not_ok "the test ROM builds"; cat "$work/log"; finish; exit 1; }
expect "firmware: test ROM" 0 "$v" run --firmware="$work/test.rom" --headless --hash --timeout=60s
grep -E '^(not )?ok firmware' "$work/out"
[ "$(grep -c '^ok firmware' "$work/out")" -eq 17 ] || not_ok "firmware: all 17 checks ran"
first=$(grep state-hash "$work/out")
expect "firmware: test ROM again" 0 "$v" run --firmware="$work/test.rom" --headless --hash \
    --timeout=60s
[ "$(grep state-hash "$work/out")" = "$first" ] && ok "firmware: one hash" ||
    not_ok "firmware: one hash"

head -c 1000 /dev/zero >"$work/odd"
expect "firmware that is no whole page" 1 "$v" run --firmware="$work/odd" --headless
says E-MACH-003 "4 KiB"
: >"$work/empty"
expect "empty firmware" 1 "$v" run --firmware="$work/empty" --headless
expect "firmware that does not exist" 1 "$v" run --firmware="$work/none" --headless
noise 65536 >"$work/random"
timeout 60 "$v" run --firmware="$work/random" --headless --timeout=2s --max-insns=20M \
    >"$work/out" 2>"$work/err" </dev/null
rc=$?
[ $rc -le 5 ] && ! grep -q -a -E 'Sanitizer|runtime error:|internal error' "$work/err" &&
    ok "random bytes as firmware do no harm" || not_ok "random bytes as firmware: exit $rc"

bios=/usr/share/seabios/bios-256k.bin
[ -e $bios ] || { skip "SeaBIOS: package seabios is not installed"; finish; exit; }
rom option.rom option.S || not_ok "the option ROM builds"
# its bytes must sum up to 0
sum=$(od -An -v -tu1 "$work/option.rom" | awk '{ for (i = 1; i <= NF; i++) s += $i } END { print s % 256 }')
# shellcheck disable=SC2059
printf "\\$(printf %03o $(((256 - sum) % 256)))" |
    dd of="$work/option.rom" bs=1 seek=511 conv=notrunc 2>/dev/null
expect "SeaBIOS runs an option ROM" 0 "$v" run --firmware=seabios --option-rom="$work/option.rom" \
    --headless --hash --timeout=100s --consoles=all --smp=3
says 'option ROM runs' 'SeaBIOS (version' 'Found 3 cpu'
first=$(grep state-hash "$work/out")
expect "SeaBIOS again" 0 "$v" run --firmware=seabios --option-rom="$work/option.rom" \
    --headless --hash --timeout=100s --consoles=all --smp=3
[ "$(grep state-hash "$work/out")" = "$first" ] && ok "SeaBIOS: one hash" || not_ok "SeaBIOS: one hash"
finish
