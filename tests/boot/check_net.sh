# A stock kernel's virtio_net: DHCP and ping on the user network, ports forwarded into the guest,
# two cards on one hub, and the same run twice.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/net_lib.sh"
[ -z "$CROSS" ] || { skip "networks: too slow under emulation"; exit 0; }
get_guests
get_net_guests cloud-amd64

if [ "${HAVE_SLIRP:-no}" = yes ]; then
    serve
else
    skip "user network: built without libslirp"
fi

# The hub: frames between two cards; a second run has the same frames and the same state.
pair()
{
    net "two cards on a hub, $1" pair --net hub:a --net hub:a,mac=52:56:54:00:00:22 \
        --pcap "$work/$1.pcap" || return 1
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
