# Disks at length: the stock kernels with NVMe, AHCI and CD-ROM, each twice with one hash; a disk
# image with GRUB booted by SeaBIOS from either controller; writes that stay; a host without space.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/disk.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
LIMIT=1200s EXPECT_TIMEOUT=1300
get_guests

# Modules of linux-image-amd64 in the order in which they must be loaded.
disk_modules()
{
    sh "$SRC/tools/fetch-guest.sh" modules amd64 crct10dif_common crct10dif_generic crc-t10dif \
        crc64 crc64_rocksoft_generic crc64-rocksoft t10-pi scsi_common scsi_mod libata libahci ahci \
        sd_mod cdrom sr_mod nvme-core nvme crc16 crc32c_generic libcrc32c mbcache jbd2 ext4 isofs
}

set --
n=100
if get_full_kernel && disk_modules >"$work/modules" 2>"$work/fetch"; then
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
make_grub_disk || { finish; exit; }
for bus in nvme ahci; do
    for again in "" ", again"; do
        expect "SeaBIOS and GRUB from $bus$again" 0 "$VITRINE" run --bare --firmware=seabios \
            --headless --hash --timeout=1200s --memory=512M --disk "$work/grub.raw,bus=$bus"
        says GRUB-LOADS DISKS-DONE
        hash=$(sed -n 's/^state-hash //p' "$work/out")
        [ -n "$again" ] || first=$hash
    done
    same "$bus: one hash" "$first" "$hash"
done
expect "an image by its name alone" 0 "$VITRINE" run "$work/grub.raw" --headless --timeout=1200s \
    --memory=512M && says GRUB-LOADS DISKS-DONE
finish
