# What the disk tests share; sourced after tests/boot/lib.sh. get_disks makes d.raw with an ext4 file
# system, orig.raw like it, d.qcow2 (compressed when qemu-img is there) and sets $sum.

get_disks()
{
    command -v mke2fs >/dev/null || { skip "disks: no mke2fs (Debian: e2fsprogs)"; exit 0; }
    mkdir "$work/tree"
    echo "known contents" >"$work/tree/hello"
    seq 1 400000 >"$work/tree/numbers"
    mke2fs -q -t ext4 -b 4096 -d "$work/tree" "$work/d.raw" 24M >"$work/mke2fs" 2>&1 || {
        skip "disks: mke2fs fails: $(tail -n 1 "$work/mke2fs")"
        exit 0
    }
    truncate -s 32M "$work/d.raw"
    cp "$work/d.raw" "$work/orig.raw"
    if command -v qemu-img >/dev/null; then
        qemu-img convert -O qcow2 -c "$work/d.raw" "$work/d.qcow2"
    else
        "$VITRINE" img convert "$work/d.raw" "$work/d.qcow2"
    fi
    sum=$(head -c 4194304 "$work/d.raw" | sha256sum | cut -c1-16)
    "$BUILD/obj/tools/mkinitramfs" "$work/disks.cpio" "$busybox" "$SRC/tests/boot/disk_init.sh" "$@"
}

# disks NAME KERNEL HOW-MANY OPTIONS...: boots the guest of disk_init.sh; hash in $hash
disks()
{
    name=$1 k=$2 many=$3
    shift 3
    expect "$name" 0 "$VITRINE" run --bare --headless --hash --timeout="${LIMIT:-250s}" \
        --kernel="$k" --initrd="$work/disks.cpio" \
        --append="console=ttyS0 quiet disks=$many" "$@" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says DISKS-DONE || return 1
    if grep -a -i -E 'error|exception' "$work/out" >"$work/bad"; then
        not_ok "$name: the kernel complains: $(head -n 3 "$work/bad")"
        return 1
    fi
}
