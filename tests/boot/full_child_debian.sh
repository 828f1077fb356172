# A Debian 12 system made by debootstrap as a child, on a SCSI disk of VMBus: with the stock kernels
# of both flavours, from VHDX and qcow2, it boots to systemd's login prompt, root logs in, all units
# are up, no hv_* driver complains, discarding works, the daemon of key-value exchange runs,
# `vitrine vm stop` shuts it down, and the file system is clean afterwards.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "Debian as a child: too slow under emulation"; exit 0; }
debian=$(sh "$SRC/tools/fetch-debian.sh" hyperv-daemons linux-image-cloud-amd64 \
    2>"$work/fetch") || {
    skip "Debian as a child: $(tail -n 1 "$work/fetch")"
    exit 0
}
EXPECT_TIMEOUT=900
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap '"$VITRINE" vm --name=deb power-off >/dev/null 2>&1; rm -rf "$work"' EXIT

cat >"$work/typed" <<'END'
root
dmesg -r | grep -E '^<[0-4]>' | sed 's/^/LOG-/'
echo STATE-$(systemctl is-system-running --wait)
echo FAILED-$(systemctl --failed --no-legend | wc -l)-UNITS
echo KVP-$(systemctl is-active hv-kvp-daemon)
cd /sys/bus/vmbus/devices
for d in *; do echo CLASS-$(cat $d/class_id)-$(basename $(readlink $d/driver)); done
echo ROOT-$(findmnt -n -o SOURCE /)
fstrim -v /
seq 1 100000 >/root/numbers; cp /bin/busybox /root/copy
cmp /bin/busybox /root/copy && echo COPY-$(wc -l </root/numbers); sync; echo READY-$((6 * 7))
END

# wait_for TEXT SECONDS: until the machine's consoles have shown it
wait_for()
{
    i=0
    while ! grep -q -a -e "$1" "$work/machine"; do
        if [ $i -ge $(($2 * 2)) ] || ! kill -0 "$pid" 2>/dev/null; then
            not_ok "$name: '$1' not seen"
            tail -n 20 "$work/machine" | sed 's/^/    /'
            return 1
        fi
        sleep 0.5
        i=$((i + 1))
    done
}

# debian FLAVOUR FORMAT: the disk anew in that format, booted, stopped, checked
debian()
{
    name="Debian as a child, kernel amd64$1, disk $2" disk=$work/root.$2
    expect "$name: its disk" 0 "$VITRINE" img convert "$debian/disk.raw" "$disk" || return 1
    "$VITRINE" run --name=deb --headless --consoles=all --timeout=900s --input="$work/typed" \
        --input-after='vitrine login:' --vm \
        "name=debian,memory=512M,kernel=$debian/vmlinuz$1,initrd=$debian/initrd$1.img,disk='$disk,write-through',append='root=LABEL=root ro console=ttyS0 quiet'" \
        >"$work/machine" 2>&1 </dev/null &
    pid=$!
    wait_for READY-42 800 && expect "$name: vm stop" 0 "$VITRINE" vm --name=deb stop debian &&
        wait_for 'debian: powered off' 200 && ok "$name" && up
    "$VITRINE" vm --name=deb power-off >/dev/null 2>&1
    wait "$pid"
    expect "$name: qemu-img check" 0 qemu-img check "$disk"
    "$VITRINE" img convert "$disk" "$work/after.raw" &&
        tail -c +1048577 "$work/after.raw" >"$work/fs"
    expect "$name: e2fsck" 0 e2fsck -fn "$work/fs"
    debugfs -R 'cat /root/numbers' "$work/fs" 2>/dev/null | cksum >"$work/sum"
    same "$name: a file that it wrote" "$(seq 1 100000 | cksum)" "$(cat "$work/sum")"
    rm -f "$disk" "$work/after.raw" "$work/fs"
}

# up: what a good run has said
up()
{
    cp "$work/machine" "$work/out"
    # the classes: disk, keyboard, heartbeat, shutdown, time synchronization, key-value exchange
    says STATE-running FAILED-0-UNITS KVP-active ROOT-/dev/sda1 'bytes) trimmed' COPY-100000 \
        'CLASS-{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}-hv_storvsc' \
        'CLASS-{f912ad6d-2b17-48ea-bd65-f927a61c7684}-hyperv_keyboard' \
        'CLASS-{57164f39-9115-4e78-ab55-382f3bd5422d}-hv_utils' \
        'CLASS-{0e0b6031-5213-4934-818b-38d90ced39db}-hv_utils' \
        'CLASS-{9527e630-d0ae-497b-adce-e80ab0175caf}-hv_utils' \
        'CLASS-{a9a0f4e7-5a45-4d96-b827-8a841e8c03e6}-hv_utils' 'reboot: Power down'
    # a child has no PCI; firmware of wireless cards is in a package of its own
    sed -n 's/^.*LOG-<[0-4]>//p' "$work/out" | grep -a -v -E 'PCI|regulatory|wiki.debian.org' |
        grep -a -v CONFIG_IMA_DISABLE_HTABLE >"$work/bad"
    if [ -s "$work/bad" ]; then
        not_ok "$name: the kernel complains"
        head -n 20 "$work/bad" | sed 's/^/    /'
    fi
}

command -v qemu-img >/dev/null || {
    skip "Debian as a child: qemu-img: not installed (Debian: qemu-utils)"
    exit 0
}
debian '' vhdx
debian -cloud qcow2
finish
