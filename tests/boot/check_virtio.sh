# A stock kernel's virtio drivers: DHCP and ping on the user network, ports forwarded into the guest,
# two cards on one hub, a disk, and the same run twice.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/virtio_lib.sh"
[ -z "$CROSS" ] || { skip "networks: too slow under emulation"; exit 0; }
get_guests
get_net_guests cloud-amd64

if [ "${HAVE_SLIRP:-no}" = yes ]; then
    serve
else
    skip "user network: built without libslirp"
fi

# The firmware's own driver.
if [ -z "$GUEST_CC" ]; then
    skip "SeaBIOS boots from a virtio disk: no x86-64 compiler"
elif [ ! -f /usr/share/seabios/bios-256k.bin ]; then
    skip "SeaBIOS boots from a virtio disk: no package seabios"
else
    $GUEST_CC -m32 -c -o "$work/mbr.o" "$SRC/tests/boot/mbr.S" &&
        ${OBJCOPY:-objcopy} -O binary -j .text "$work/mbr.o" "$work/mbr.img" &&
        truncate -s 1M "$work/mbr.img"
    expect "SeaBIOS boots from a virtio disk" 0 "$VITRINE" run --bare --headless --timeout=60s \
        --firmware seabios --disk "file=$work/mbr.img,bus=virtio" && says 'VITRINE-MBR-OK'
fi

seq 1 1200000 | head -c 4194304 >"$work/disk.img"
disk=$(sha256sum <"$work/disk.img" | cut -c1-16)

# The hub: frames between two cards; a second run has the same frames and the same state.
pair()
{
    net "two cards on a hub and a disk, $1" pair --net hub:a \
        --net hub:a,mac=52:56:54:00:00:22 --pcap "$work/$1.pcap" \
        --disk "file=$work/disk.img,bus=virtio" --rng || return 1
    says '^rng: [0-9a-f]' || return 1
    says "disk: $disk vitrine-blk0" 'disk: keeps what is written' &&
        [ "$disk" = "$(sha256sum <"$work/disk.img" | cut -c1-16)" ] ||
        { not_ok "the disk's file stays as it was"; return 1; }
    says '3 packets received, 0% packet loss' 'transfer: same 1288895' \
        'eth0: 52:56:54:00:00:01 mtu 1500' 'errors 0'
}
if pair one && one=$hash && pair two; then
    same "the same state after a second run" "$one" "$hash"
    if cmp -s "$work/one.pcap" "$work/two.pcap"; then
        ok "the same frames in a second run"
    else
        not_ok "the same frames in a second run"
    fi
    frames=$(($(wc -c <"$work/one.pcap") / 500))
    [ "$frames" -gt 1000 ] || not_ok "the capture has but $frames frames"
fi
finish
