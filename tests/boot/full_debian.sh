# A Debian 12 system made by debootstrap, on NVMe: boots to systemd's login prompt, root logs in, all
# units are up, the network is reached through virtio-net, systemd powers off by ACPI, the file
# system is clean afterwards. On a hub twice with four processors: one hash.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "Debian: too slow under emulation"; exit 0; }
EXPECT_TIMEOUT=1900 LIMIT=1800s
debian=$(sh "$SRC/tools/fetch-debian.sh" 2>"$work/fetch") || {
    skip "Debian: $(tail -n 1 "$work/fetch")"
    exit 0
}
busybox=$(sh "$SRC/tools/fetch-guest.sh" busybox 2>"$work/fetch") || {
    skip "Debian: no busybox: $(tail -n 1 "$work/fetch")"
    exit 0
}

# What is typed at the prompt, around the commands on stdin.
typed()
{
    echo root
    echo "dmesg -r | grep -E '^<[0-4]>' | sed 's/^/LOG-/'"
    echo 'echo STATE-$(systemctl is-system-running --wait)'
    echo 'echo FAILED-$(systemctl --failed --no-legend | wc -l)-UNITS'
    cat
    echo 'seq 1 100000 >/root/numbers; cp /bin/busybox /root/copy'
    echo 'cmp /bin/busybox /root/copy && echo COPY-$(wc -l </root/numbers)'
    echo 'systemctl poweroff'
}

# debian NAME OPTIONS...: boots the system, types $work/typed; hash in $hash
debian()
{
    name=$1 hash=''
    shift
    expect "$name" 0 "$VITRINE" run --bare --headless --hash --timeout="$LIMIT" --memory=512M \
        --kernel="$debian/vmlinuz" --initrd="$debian/initrd.img" \
        --append="root=/dev/nvme0n1p1 ro console=ttyS0 quiet" \
        --input="$work/typed" --input-after='vitrine login:' "$@" || return 1
    up
}

# up: what a good run has said
up()
{
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    echo "    $hash"
    says STATE-running FAILED-0-UNITS COPY-100000 'reboot: Power down' || return 1
    # nothing is amiss but firmware of wireless cards, which Debian brings in a package of its own
    sed -n 's/^.*LOG-<[0-4]>//p' "$work/out" | grep -a -v -E 'regulatory|wiki.debian.org' |
        grep -a -v -E 'No MFD cells|CONFIG_IMA_DISABLE_HTABLE|CPUID marked event' >"$work/bad"
    if [ -s "$work/bad" ]; then
        not_ok "$name: the kernel complains"
        head -n 20 "$work/bad" | sed 's/^/    /'
        return 1
    fi
}

# Two cards on a hub; the second has a name space, and a server, of its own.
typed >"$work/typed" <<'END'
ip netns add b; ip link set enp0s3 netns b
ip addr add 10.9.0.1/24 dev enp0s2; ip link set enp0s2 up
ip -n b addr add 10.9.0.2/24 dev enp0s3; ip -n b link set enp0s3 up
ip netns exec b busybox httpd -p 80 -h /usr/bin
busybox wget -q -O /tmp/got http://10.9.0.2/bash; cmp /usr/bin/bash /tmp/got && echo HUB-$((6 * 7))
END
for again in "" ", again"; do
    debian "Debian on NVMe, four processors, cards on a hub$again" --smp=4 --net hub:a --net hub:a \
        --disk "$debian/disk.raw" && says HUB-42
    [ -n "$again" ] || first=$hash
done
same "Debian: one hash" "$first" "$hash"

# A server on this host, reached by DHCP and NAT; what is written stays in a qcow2 image.
options=
if [ "${HAVE_SLIRP:-no}" = yes ]; then
    mkdir "$work/www"
    head -c 5000000 /dev/urandom >"$work/www/file"
    port=$((20000 + $$ % 10000))
    "$busybox" httpd -f -p "127.0.0.1:$port" -h "$work/www" &
    server=$!
    trap 'kill $server; rm -rf "$work"' EXIT
    options="--net user"
    typed >"$work/typed" <<END
systemctl start network-online.target; ip -4 -o addr show dev enp0s2
busybox wget -q -O /root/got http://10.0.2.2:$port/file; echo SUM-\$(sha256sum </root/got)
END
else
    skip "Debian: user network: built without libslirp"
    typed >"$work/typed" </dev/null
fi
"$VITRINE" img new "$work/disk.qcow2" --backing "$debian/disk.raw" >"$work/img" 2>&1 ||
    not_ok "a qcow2 image on top: $(cat "$work/img")"
# shellcheck disable=SC2086
debian "Debian on NVMe, all features, user network, writes kept" --cpu=max --vga=std $options \
    --disk "$work/disk.qcow2,write-through" && [ -n "$options" ] &&
    says 'inet 10.0.2.15/24' "SUM-$(sha256sum <"$work/www/file" | cut -c1-64)"
expect "img check of the written image" 0 "$VITRINE" img check "$work/disk.qcow2"
expect "the written image as raw" 0 "$VITRINE" img convert "$work/disk.qcow2" "$work/after.raw"
tail -c +1048577 "$work/after.raw" >"$work/after.fs"
expect "e2fsck of the written file system" 0 e2fsck -fn "$work/after.fs"
debugfs -R 'cat /root/numbers' "$work/after.fs" 2>/dev/null | cksum >"$work/sum"
same "a file that the guest wrote" "$(seq 1 100000 | cksum)" "$(cat "$work/sum")"
rm -f "$work/after.raw" "$work/after.fs" "$work/disk.qcow2"

if [ ! -e /usr/share/seabios/bios-256k.bin ]; then
    skip "Debian by SeaBIOS and GRUB: package seabios is not installed"
elif [ "$(dd if="$debian/disk.raw" bs=1 count=3 2>/dev/null | od -An -tx1)" = " 00 00 00" ]; then
    skip "Debian by SeaBIOS and GRUB: grub-pc-bin was not there when the image was made"
else
    typed >"$work/typed" </dev/null
    name="Debian by SeaBIOS and GRUB, from its disk alone"
    expect "$name" 0 "$VITRINE" run "$debian/disk.raw" --headless --hash --timeout="$LIMIT" \
        --memory=512M --input="$work/typed" --input-after='vitrine login:' && says GRUB-RUN && up
fi
finish
