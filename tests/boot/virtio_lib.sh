# What check_virtio.sh and full_virtio.sh share; sourced after lib.sh.

# get_net_guests FLAVOUR: kernel, and initramfs with virtio's modules; or the script ends
get_net_guests()
{
    net_kernel=$(sh "$SRC/tools/fetch-guest.sh" kernel "$1" 2>"$work/fetch") &&
        sh "$SRC/tools/fetch-guest.sh" virtio-modules "$1" >"$work/list" 2>"$work/fetch" || {
        skip "networks: no modules of linux-image-$1: $(tail -n 1 "$work/fetch")"
        exit 0
    }
    net_initrd=$work/net-$1.cpio
    set --
    while read -r m; do
        set -- "$@" "${m##*/}=$m"
    done <"$work/list"
    sed 's|.*/||' "$work/list" >"$work/modules"
    "$BUILD/obj/tools/mkinitramfs" "$net_initrd" "$busybox" "$SRC/tests/boot/virtio_init.sh" \
        "modules=$work/modules" "$@"
}

# net NAME WHAT OPTIONS...: boots to power-off; hash in $hash
net()
{
    name=$1 what=$2
    shift 2
    expect "$name" 0 "$VITRINE" run --bare --headless --hash --timeout="${LIMIT:-250s}" \
        --kernel="$net_kernel" --initrd="$net_initrd" --append="console=ttyS0 net=$what" "$@" ||
        return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VITRINE-NET-OK || return 1
}

# The guest serves on the user network; this host fetches a file and sends one.
serve()
{
    web=$((20000 + $$ % 10000)) raw=$((30000 + $$ % 10000))
    (net "user network" serve --net "user,forward=tcp:$web:80" --forward "tcp:$raw:81" \
        --pcap "$work/serve.pcap" >"$work/serve") &
    guest=$!
    serves "a file comes out through a forwarded port" "$web"
    timeout 60 "$busybox" nc 127.0.0.1 "$raw" <"$work/numbers"
    wait $guest
    cat "$work/serve"
    name="user network"
    grep -q '^not ok' "$work/serve" && failures=$((failures + 1))
    says 'lease: 10.0.2.15/24 router 10.0.2.2 dns 10.0.2.3' \
        '3 packets received, 0% packet loss' \
        "got: 108894 bytes $(sha256sum <"$work/numbers" | cut -c1-16)" &&
        ok "a file goes in through a forwarded port"
}
