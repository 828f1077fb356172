#!/bin/sh
# A Debian 12 system made with debootstrap, once:
#   fetch-debian.sh [PACKAGE...]   prints the folder that has it, with these packages more
# The folder holds disk.raw (MBR, one ext4 partition at 1 MiB, with GRUB for a BIOS if grub-pc-bin is
# installed), and vmlinuz and initrd.img as they lie on that disk; with linux-image-cloud-amd64 among
# the packages, vmlinuz-cloud and initrd-cloud.img of that kernel too. The system: minbase with systemd,
# the stock linux-image-amd64 and its own initramfs, systemd-networkd (DHCP on every card), busybox;
# root has no password.
# Needs root (chroot), debootstrap, mke2fs, and the mirror ($VITRINE_MIRROR or debootstrap's own).
# Cache: $VITRINE_CACHE, else $XDG_CACHE_HOME/vitrine, else ~/.cache/vitrine. Exit 1: not available.
set -u
cache=${VITRINE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/vitrine}
dir=$cache/debian-12
packages=systemd-sysv,udev,dbus,login,kmod,iproute2,e2fsprogs,logsave,busybox,initramfs-tools,linux-image-amd64
for package do
    dir=$dir-$package packages=$packages,$package
done

say() { echo "fetch-debian: $*" >&2; }

# Names, network, a root without password; /vmlinuz and /initrd.img are links that Debian makes.
set_up()
{
    r=$tmp/root
    chroot "$r" passwd -d root &&
        chroot "$r" systemctl enable systemd-networkd systemd-networkd-wait-online || return 1
    echo vitrine >"$r/etc/hostname"
    echo '127.0.0.1 localhost vitrine' >"$r/etc/hosts"
    echo 'LABEL=root / ext4 errors=remount-ro 0 1' >"$r/etc/fstab"
    printf '[Match]\nName=en*\n[Network]\nDHCP=ipv4\n[DHCPv4]\nUseDNS=no\n' \
        >"$r/etc/systemd/network/20-wired.network"
    # plain lines on a serial console
    mkdir -p "$r/etc/systemd/system.conf.d"
    printf '[Manager]\nLogColor=no\n' >"$r/etc/systemd/system.conf.d/plain.conf"
    rm -rf "$r"/var/cache/apt/* "$r"/var/lib/apt/lists/* "$r"/var/log/*.log
    for kernel in "$r"/boot/vmlinuz-*; do
        flavour=
        case $kernel in *-cloud-*) flavour=-cloud ;; esac
        cp "$kernel" "$tmp/vmlinuz$flavour" &&
            cp "$r/boot/initrd.img-${kernel#*/vmlinuz-}" "$tmp/initrd$flavour.img" || return 1
    done
}

# Partition and, if possible, boot loader: sector 0 and the gap before the partition.
make_disk()
{
    # a quarter free, 1200 MiB at least; in whole MiB
    size=$(($(du -sm "$tmp/root" | cut -f1) * 4 / 3))
    [ $size -ge 1200 ] || size=1200
    blocks=$((size * 256)) sectors=$((size * 2048))
    mke2fs -q -t ext4 -b 4096 -L root -E offset=1048576 -d "$tmp/root" "$tmp/disk.raw" $blocks &&
        truncate -s $((size + 16))M "$tmp/disk.raw" || return 1
    # one active Linux partition: from sector 2048
    length=$(printf '\\%o\\%o\\%o\\%o' $((sectors & 255)) $((sectors >> 8 & 255)) \
        $((sectors >> 16 & 255)) $((sectors >> 24)))
    # shellcheck disable=SC2059
    printf "\\200\\0\\0\\0\\203\\0\\0\\0\\0\\10\\0\\0$length" |
        dd of="$tmp/disk.raw" conv=notrunc bs=1 seek=446 2>/dev/null
    printf '\125\252' | dd of="$tmp/disk.raw" conv=notrunc bs=1 seek=510 2>/dev/null
    if ! command -v grub-mkimage >/dev/null || [ ! -e /usr/lib/grub/i386-pc/boot.img ]; then
        return 0
    fi
    cat >"$tmp/grub.cfg" <<EOF
serial --unit=0 --speed=115200
terminal_output serial
set root=(hd0,msdos1)
echo GRUB-RUNS
linux /vmlinuz root=/dev/nvme0n1p1 ro console=ttyS0
initrd /initrd.img
boot
EOF
    grub-mkimage -O i386-pc -p /boot/grub -c "$tmp/grub.cfg" -o "$tmp/core.img" biosdisk part_msdos \
        ext2 linux normal serial terminal echo boot &&
        dd if=/usr/lib/grub/i386-pc/boot.img of="$tmp/disk.raw" conv=notrunc bs=440 count=1 &&
        dd if="$tmp/core.img" of="$tmp/disk.raw" conv=notrunc bs=512 seek=1
}

# A debootstrap that was interrupted leaves mounts.
clean_up()
{
    umount "$tmp/root/proc" "$tmp/root/sys" 2>/dev/null
    rm -rf --one-file-system "$tmp"
}

if [ ! -d "$dir" ]; then
    [ "$(id -u)" = 0 ] || { say "debootstrap needs root"; exit 1; }
    for tool in debootstrap mke2fs chroot; do
        command -v $tool >/dev/null || { say "no $tool"; exit 1; }
    done
    tmp=$cache/.debian.$$
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$tmp" || exit 1
    say "making a Debian system with debootstrap (some minutes, 1 GB, kept in $dir)"
    # shellcheck disable=SC2086
    if ! debootstrap --variant=minbase --include=$packages bookworm "$tmp/root" \
        ${VITRINE_MIRROR:-} >"$tmp/log" 2>&1 || ! set_up >>"$tmp/log" 2>&1 ||
        ! make_disk >>"$tmp/log" 2>&1; then
        tail -n 5 "$tmp/log" | sed 's/^/fetch-debian: /' >&2
        exit 1
    fi
    mkdir "$tmp/done" && mv "$tmp"/disk.raw "$tmp"/vmlinuz* "$tmp"/initrd*.img "$tmp/done/" &&
        mv "$tmp/done" "$dir" || exit 1
fi
echo "$dir"
