# Synthetic screen, keyboard and mouse with Debian's stock kernel in a child: hyperv_drm's console on
# the machine's display at 1024x768, typed into and moved over from outside.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_full_kernel || exit 0
get_modules video amd64 video
set --
while read -r f; do
    echo "${f##*/}" >>"$work/modules"
    set -- "$@" "${f##*/}=$f"
done <"$work/list"
"$BUILD/obj/tools/mkinitramfs" "$work/video.cpio" "$busybox" "$SRC/tests/boot/video_init.sh" \
    "modules=$work/modules" "$@"
debian="name=debian,memory=256M,kernel=$kernel_full,initrd=$work/video.cpio,append='console=ttyS0 quiet'"

# screen NAME: until the console is there; hash in $hash
screen()
{
    expect "$1" 0 "$VITRINE" run --headless --consoles=all --hash --timeout=120s --until=VIDEO-READY \
        --screenshot="$work/before.png" --vm "$debian" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
}
screen "a stock kernel's screen" &&
    says 'Synthvid Version major 3, minor 5' 'hyperv_drmdrmfb frame buffer device' 'SCREEN 1024,768 32' \
        'DEVICE {da0a7802-e377-4aac-8e77-0558eb1073f8} driver hyperv_drm state 3' \
        'DEVICE {cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a} driver hid_hyperv state 3' \
        "debian: video: 1024x768, on the machine's display" 'MOUSE /dev/input/event'
first=$hash
screen "a stock kernel's screen again"
same "two runs with a screen give one hash" "$first" "$hash"

# and as a person has it
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
"$VITRINE" run --name=video --headless --consoles=all --timeout=120s --screenshot="$work/after.png" \
    --vm "$debian" >"$work/one" 2>&1 </dev/null &
pid=$! out=$work/one
# wait_for TEXT NAME: on the machine's consoles
wait_for()
{
    i=0
    while [ $i -lt 600 ] && ! grep -q -e "$1" "$out"; do sleep 0.1; i=$((i + 1)); done
    if [ $i -lt 600 ]; then ok "$2"; else not_ok "$2"; tail -n 5 "$out" | sed 's/^/    /'; fi
}
wait_for VIDEO-READY "the screen is there"
expect "keys" 0 "$VITRINE" vm type debian "Hello, screen 42
"
wait_for 'TYPED Hello, screen 42' "what is typed arrives"
expect "the mouse moves" 0 "$VITRINE" vm mouse debian 512,384
# 512 of 0 to 1023 is 16400 of 0 to 32767, 384 of 0 to 767 is 16405
wait_for 'EVENT 3 0 16400' "its column"
wait_for 'EVENT 3 1 16405' "its line"
expect "a button is clicked" 0 "$VITRINE" vm mouse debian 1023,0,2
wait_for 'EVENT 3 0 32767' "the last column"
wait_for 'EVENT 1 273 1' "the right button goes down" # BTN_RIGHT
wait_for 'EVENT 1 273 0' "and up"
expect "no such button" 1 "$VITRINE" vm mouse debian 1,1,9
expect "not a position" 2 "$VITRINE" vm mouse debian left
expect "power-off" 0 "$VITRINE" vm power-off
wait $pid

# The display goes to the next VM that draws when the one that had it is off.
second=$(echo "$debian" | sed 's/name=debian/name=second/')
"$VITRINE" run --name=video --headless --consoles=all --timeout=200s --vga=std --vm "$debian" --vm "$second" \
    >"$work/two" 2>&1 </dev/null &
pid=$! out=$work/two
wait_for 'debian. VIDEO-READY' "the first of two screens"
wait_for 'second. VIDEO-READY' "the second of two screens"
shown=$(grep -c "video: 1024x768, on the machine's display" "$out")
same "one of them is shown" "$shown" 1
first=$(sed -n "s/.* \(.*\): video: .*, on the machine's display.*/\1/p" "$out")
[ "$first" = debian ] && other=second || other=debian
expect "the first goes off" 0 "$VITRINE" vm stop "$first" --turn-off
expect "the other draws" 0 "$VITRINE" vm type $other x
wait_for "$other: video: 1024x768, on the machine's display" "the other is shown"
expect "power-off of both" 0 "$VITRINE" vm power-off
wait $pid

# The guest's own line and what was typed below it look the same; before, only the first half of the
# second line was there.
command -v python3 >/dev/null || { skip "pictures: no python3"; finish; exit; }
expect "the picture shows what was typed" 0 python3 - "$work/before.png" "$work/after.png" <<'END'
import struct, sys, zlib
def lines(path):
    data, at, pixels = open(path, "rb").read(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
        if kind == b"IDAT":
            pixels += data[at + 8:at + 8 + size]
        at += 12 + size
    assert (width, height, depth, colour) == (1024, 768, 8, 2), (width, height, depth, colour)
    raw, out, last, pitch = zlib.decompress(pixels), [], bytes(3 * width), 3 * width
    for y in range(height):
        kind, row = raw[y * (pitch + 1)], bytearray(raw[y * (pitch + 1) + 1:(y + 1) * (pitch + 1)])
        assert kind in (0, 1, 2), kind
        for x in range(pitch):
            row[x] = (row[x] + (row[x - 3] if kind == 1 and x >= 3 else last[x] if kind == 2 else 0)) & 255
        out.append(bytes(row))
        last = bytes(row)
    return out
def text(picture, line, first, n): # a character is 8 pixels by 16
    return [row[24 * first:24 * (first + n)] for row in picture[16 * line:16 * line + 16]]
before, after = lines(sys.argv[1]), lines(sys.argv[2])
length = len("Hello, screen 42")
own = text(before, 0, 6, length)
assert any(any(row) for row in own), "the guest's own line is empty"
assert own == text(after, 0, 6, length)
assert text(before, 1, 6, length) != own
assert text(after, 1, 6, length) == own, "the typed line looks otherwise"
END
finish
