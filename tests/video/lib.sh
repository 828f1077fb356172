# What the display tests share; sourced after tests/lib/sh.sh.

build_look()
{
    [ -n "${look:-}" ] && return 0
    look=$work/look
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -I"$SRC" -o "$look" "$SRC/tests/video/look.c" \
        "$SRC/devices/video/font.c" -lz 2>"$work/cc" || { not_ok "look builds"; cat "$work/cc"; exit 1; }
}

# guest CASE: builds $work/g
guest()
{
    $GUEST_CC -m32 -std=gnu11 -O1 -ffreestanding -nostdlib -static -no-pie -fno-pic \
        -fno-stack-protector -mgeneral-regs-only -fcf-protection=none -I"$SRC" -Wl,--build-id=none \
        -Wl,-Ttext=0x102000 -Wl,--section-start=.multiboot=0x101000 -Wl,--no-warn-rwx-segments \
        -Wl,-z,noexecstack -DCASE="$1" -o "$work/g" "$SRC/tests/video/guest.c" 2>"$work/cc" ||
        { not_ok "guest $1 builds"; cat "$work/cc"; exit 1; }
}

# run NAME CODE OPTIONS...: the guest on the bare machine
run() { n=$1 code=$2; shift 2; expect "$n" "$code" "$VITRINE" run --bare --headless --kernel="$work/g" "$@"; }

hash_of_run() { sed -n 's/^state-hash //p' "$work/out"; }
