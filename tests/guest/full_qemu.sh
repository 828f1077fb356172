# Somebody else's user of KVM on our VT-x: a Debian 12 system whose own qemu-system-x86, with
# -enable-kvm, boots the stock kernel in a guest, by SeaBIOS and on two processors. Twice: one hash.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "QEMU in a guest: too slow under emulation"; exit 0; }
get_guests
debian=$(sh "$SRC/tools/fetch-debian.sh" qemu-system-x86 2>"$work/fetch") || {
    skip "QEMU in a guest: $(tail -n 1 "$work/fetch")"
    exit 0
}
EXPECT_TIMEOUT=1300

# The innermost system's initramfs is the second disk, as it is.
size=$(wc -c <"$initrd")
truncate -s %512 "$initrd"
cat >"$work/typed" <<END
root
head -c $size /dev/nvme0n2 >/tmp/initrd; cat /sys/module/kvm_intel/parameters/ept
qemu-system-x86_64 -enable-kvm -cpu host -smp 2 -m 256 -nographic -no-reboot \\
 -kernel /vmlinuz -initrd /tmp/initrd -append 'console=ttyS0 vitrine=test' </dev/null | sed 's/^/INNER /'
echo QEMU-ENDS-\$?
systemctl poweroff
END

# inside NAME
inside()
{
    expect "$1" 0 "$VITRINE" run --bare --headless --hash --timeout=1200s --cpu=max --memory=1G \
        --disk "$debian/disk.raw" --disk "$initrd" \
        --kernel="$debian/vmlinuz" --initrd="$debian/initrd.img" \
        --append="root=/dev/nvme0n1p1 ro console=ttyS0 quiet" \
        --input="$work/typed" --input-after='vitrine login:' || return 1
    says 'INNER.*Hypervisor detected: KVM' 'INNER.*Brought up 1 node, 2 CPUs' \
        'INNER.*VITRINE-BOOT-OK' QEMU-ENDS-0 'reboot: Power down' || return 1
    hash=$(grep -a '^state-hash' "$work/out")
}
inside "Debian's QEMU with KVM, inside" && first=$hash
inside "Debian's QEMU with KVM, inside, again"
same "QEMU with KVM inside: one hash" "$first" "$hash"
finish
