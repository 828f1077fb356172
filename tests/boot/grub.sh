# Disk images with GRUB and a stock kernel; sourced after tests/boot/lib.sh and get_guests.

# grub_pc FILE [KERNEL]: MBR, ext4 in a partition, started by BIOS; 1 and a skip line when a tool is
# missing. Without KERNEL it is the cloud kernel.
grub_pc()
{
    for tool in grub-mkimage mke2fs; do
        command -v $tool >/dev/null || { skip "GRUB by BIOS: no $tool"; return 1; }
    done
    [ -e /usr/lib/grub/i386-pc/boot.img ] || { skip "GRUB by BIOS: no grub-pc-bin"; return 1; }
    grub_config '(hd0,msdos1)' >"$work/grub.cfg"
    grub-mkimage -O i386-pc -p /grub -c "$work/grub.cfg" -o "$work/core.img" biosdisk part_msdos \
        ext2 linux normal serial terminal echo boot >"$work/grub.log" 2>&1
    rm -f "$work/part"
    mkdir -p "$work/boot" && cp "${2:-$kernel_cloud}" "$work/boot/vmlinuz" &&
        cp "$initrd" "$work/boot/initrd.cpio"
    mke2fs -q -t ext4 -b 4096 -O ^metadata_csum,^64bit -d "$work/boot" "$work/part" 48M \
        >"$work/mke2fs" 2>&1
    put_partition "$1" 50 '\203' '\0\200\1\0'
    dd if=/usr/lib/grub/i386-pc/boot.img of="$1" conv=notrunc bs=440 count=1 2>/dev/null
    dd if="$work/core.img" of="$1" conv=notrunc bs=512 seek=1 2>/dev/null
}

# grub_efi FILE [KERNEL]: EFI system partition, started by UEFI
grub_efi()
{
    for tool in grub-mkimage mkfs.fat mcopy; do
        command -v $tool >/dev/null || { skip "GRUB by UEFI: no $tool"; return 1; }
    done
    [ -e /usr/lib/grub/x86_64-efi/moddep.lst ] || { skip "GRUB by UEFI: no grub-efi-amd64-bin"
        return 1; }
    grub_config '(hd0,msdos1)' >"$work/grub.cfg"
    grub-mkimage -O x86_64-efi -p /grub -c "$work/grub.cfg" -o "$work/bootx64.efi" part_msdos fat \
        linux normal serial terminal echo boot >"$work/grub.log" 2>&1
    rm -f "$work/part"
    truncate -s 64M "$work/part"
    mkfs.fat -F 32 "$work/part" >"$work/mkfs" 2>&1
    mmd -i "$work/part" ::/EFI ::/EFI/BOOT
    mcopy -i "$work/part" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$work/part" "${2:-$kernel_cloud}" ::/vmlinuz
    mcopy -i "$work/part" "$initrd" ::/initrd.cpio
    put_partition "$1" 66 '\357' '\0\0\2\0'
}

grub_config()
{
    cat <<END
serial --unit=0 --speed=115200
terminal_output ${2:-console}
set root=$1
echo GRUB-RUNS
linux /vmlinuz console=ttyS0 vitrine=test
initrd /initrd.cpio
boot
END
}

# put_partition FILE MIB TYPE SECTORS: one partition at 1 MiB, its contents from $work/part
put_partition()
{
    truncate -s "$2M" "$1"
    dd if="$work/part" of="$1" conv=notrunc bs=1M seek=1 2>/dev/null
    # shellcheck disable=SC2059
    printf "\\200\\0\\0\\0$3\\0\\0\\0\\0\\10\\0\\0$4" |
        dd of="$1" conv=notrunc bs=1 seek=446 2>/dev/null
    printf '\125\252' | dd of="$1" conv=notrunc bs=1 seek=510 2>/dev/null
}
