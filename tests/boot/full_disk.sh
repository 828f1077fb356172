# Disks at length: the stock kernels with NVMe, AHCI and CD-ROM, each twice with one hash; writes
# that stay; a host without space; disk images by their names alone.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/disk.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
LIMIT=1200s EXPECT_TIMEOUT=1300
get_guests

set --
n=100
if get_full_kernel &&
    sh "$SRC/tools/fetch-guest.sh" disk-modules amd64 >"$work/modules" 2>"$work/fetch"; then
    while read -r m; do
        set -- "$@" "$n-${m##*/}=$m"
        n=$((n + 1))
    done <"$work/modules"
fi
get_disks "$@"

if [ $n -gt 100 ]; then
    if command -v xorriso >/dev/null; then
        xorriso -as mkisofs -quiet -o "$work/c.iso" "$work/tree" 2>/dev/null
    else
        cp "$work/d.raw" "$work/c.iso"
    fi
    for again in "" ", again"; do
        disks "NVMe, AHCI and CD-ROM with the full kernel$again" "$kernel_full" 3 \
            --disk "$work/d.raw,bus=ahci" --disk "$work/d.qcow2" --cdrom "$work/c.iso" || continue
        for d in sda nvme0n1; do
            says "SUM $d $sum" "FILE $d known contents" "FS $d same" "RAW $d same" "TRIM $d .*trimmed"
        done
        says "SUM sr0 $(head -c 4194304 "$work/c.iso" | sha256sum | cut -c1-16)"
        [ -n "$again" ] || first=$hash
    done
    same "all controllers: one hash" "$first" "$hash"
    disks "AHCI, four processors" "$kernel_full" 1 --smp=4 --disk "$work/d.qcow2,bus=ahci" &&
        says "FS sda same" "RAW sda same"
else
    skip "AHCI boots: no modules: $(tail -n 1 "$work/fetch")"
fi
for again in "" ", again"; do
    disks "NVMe with the cloud kernel$again" "$kernel_cloud" 1 --disk "$work/d.raw"
    [ -n "$again" ] || first=$hash
done
same "NVMe: one hash" "$first" "$hash"

# write-through: the file changes, and is a good file system and image afterwards
for image in d.raw d.qcow2; do
    disks "write-through to $image" "$kernel_cloud" 1 --disk "$work/$image,write-through,format=${image#d.}"
    says "FS nvme0n1 same"
    expect "img check of $image" 0 "$VITRINE" img check "$work/$image"
    "$VITRINE" img convert "$work/$image" "$work/after.raw"
    head -c 24M "$work/after.raw" >"$work/after.fs"
    expect "e2fsck of $image" 0 e2fsck -fn "$work/after.fs"
    if cmp -s "$work/after.raw" "$work/orig.raw"; then not_ok "$image was written"; else
        ok "$image was written"; fi
    rm -f "$work/after.raw"
done
cp "$work/orig.raw" "$work/d.raw"
disks "a disk that may not be written" "$kernel_cloud" 1 --disk "$work/d.raw,ro" &&
    says 'DISK nvme0n1 .* ro 1'

# the overlay's disk is full: the guest gets I/O errors, the machine goes on
if mkdir "$work/full" && mount -t tmpfs -o size=64k none "$work/full" 2>/dev/null; then
    expect "a full disk under the overlay" 0 "$VITRINE" run --bare --headless --timeout=250s \
        --kernel="$kernel_cloud" --initrd="$work/disks.cpio" --append="console=ttyS0 quiet" \
        --disk "$work/d.raw,overlay=$work/full" && says DISKS-DONE 'cannot be written' 'I/O error'
    umount "$work/full"
else
    skip "a full disk under the overlay: no right to mount"
fi

. "$SRC/tests/boot/grub.sh"
if [ ! -e /usr/share/seabios/bios-256k.bin ]; then
    skip "vitrine run IMAGE: package seabios is not installed"
elif grub_pc "$work/pc.img"; then
    expect "a disk image by its name alone" 0 "$VITRINE" run "$work/pc.img" --headless \
        --timeout=1200s && says GRUB-RUNS VITRINE-BOOT-OK
    if command -v qemu-img >/dev/null; then
        qemu-img convert -O qcow2 -c "$work/pc.img" "$work/pc.qcow2"
        expect "a compressed qcow2 image by its name alone" 0 "$VITRINE" run "$work/pc.qcow2" \
            --headless --timeout=1200s && says GRUB-RUNS VITRINE-BOOT-OK
    fi
fi
if command -v grub-mkrescue >/dev/null && command -v mformat >/dev/null && [ -d "$work/boot" ]; then
    mkdir -p "$work/iso/boot/grub"
    cp "$work/boot/vmlinuz" "$work/boot/initrd.cpio" "$work/iso/"
    grub_config '(cd)' | sed '/^set root/d' >"$work/iso/boot/grub/grub.cfg"
    grub-mkrescue -o "$work/pc.iso" "$work/iso" >"$work/iso.log" 2>&1
    expect "SeaBIOS and GRUB from a CD-ROM" 0 "$VITRINE" run --bare --firmware=seabios --headless \
        --timeout=1200s --cdrom "$work/pc.iso" && says GRUB-RUNS VITRINE-BOOT-OK
fi
finish
