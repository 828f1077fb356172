# `vitrine img`, and its images beside those of qemu-img (package qemu-utils), in both directions.
. "$SRC/tests/lib/sh.sh"
[ -z "$CROSS" ] || { skip "img: file offsets under emulation are the host's matter"; exit 0; }
cd "$work" || exit 1

# A sparse image with text, holes, and something that does not compress.
seq 1 200000 | head -c 1000000 >src.raw
dd if="$VITRINE" of=src.raw bs=65536 seek=40 count=10 conv=notrunc 2>/dev/null
truncate -s 9437184 src.raw

expect "img new makes a qcow2 image" 0 "$VITRINE" img new a.qcow2 3G
expect "img info knows it" 0 "$VITRINE" img info a.qcow2 && says 'format  *qcow2' '3221225472 bytes'
expect "img info --json" 0 "$VITRINE" img info --json a.qcow2 && says '"virtual_size": 3221225472'
expect "img new does not overwrite" 1 "$VITRINE" img new a.qcow2 1G && says E-DISK-009
expect "img check finds nothing" 0 "$VITRINE" img check a.qcow2 && says '0 errors, 0 leaked'
expect "img new with a backing file" 0 "$VITRINE" img new b.qcow2 --backing=src.raw
expect "img new: a size is needed" 2 "$VITRINE" img new c.qcow2
expect "img new: impossible size" 2 "$VITRINE" img new c.qcow2 1X
expect "img new: missing backing file" 1 "$VITRINE" img new c.qcow2 --backing=none && says E-DISK-001
expect "img: unknown word" 2 "$VITRINE" img frob
expect "img info of nothing" 1 "$VITRINE" img info none && says E-DISK-001 'cannot open none'

for format in raw qcow2 vhd vhdx; do
    expect "img convert to $format" 0 "$VITRINE" img convert src.raw "to.$format" --format=$format
    expect "and back" 0 "$VITRINE" img convert "to.$format" "back.$format" --format=raw
    if cmp -s src.raw "back.$format"; then ok "$format keeps the contents"; else
        not_ok "$format keeps the contents"; fi
done
expect "img convert follows backing files" 0 "$VITRINE" img convert b.qcow2 b.raw
if cmp -s src.raw b.raw; then ok "the backing file shows"; else not_ok "the backing file shows"; fi
for format in vhd vhdx; do
    expect "a differencing $format image" 0 "$VITRINE" img new "diff.$format" --backing="to.$format"
    expect "shows its parent" 0 "$VITRINE" img convert "diff.$format" "diff.$format.raw"
    if cmp -s src.raw "diff.$format.raw"; then ok "$format: its parent shows"; else
        not_ok "$format: its parent shows"; fi
done
expect "a qcow2 image on VHDX" 0 "$VITRINE" img new on.qcow2 --backing=to.vhdx
expect "a VHDX image on qcow2" 2 "$VITRINE" img new on.vhdx --backing=to.qcow2 && says E-CLI-004
cp to.qcow2 bad.qcow2
printf '\377\377' | dd of=bad.qcow2 bs=1 seek=262148 conv=notrunc 2>/dev/null
truncate -s 300000 bad.qcow2
expect "img check of a damaged image" 1 "$VITRINE" img check bad.qcow2
says 'E-DISK-0'
head -c 100000 to.qcow2 >cut.qcow2
expect "img convert of an image that is cut off" 1 "$VITRINE" img convert cut.qcow2 cut.raw
says E-DISK-003
if [ -e cut.raw ]; then not_ok "nothing is left behind"; else ok "nothing is left behind"; fi
if [ -w /dev/full ] && mkdir full 2>/dev/null && mount -t tmpfs -o size=1m none full 2>/dev/null; then
    expect "img convert to a full disk" 1 "$VITRINE" img convert src.raw full/x.qcow2
    says E-DISK-009
    if [ -e full/x.qcow2 ]; then not_ok "no half image stays"; else ok "no half image stays"; fi
    umount full
fi

command -v qemu-img >/dev/null || { skip "qemu-img: not installed (Debian: qemu-utils)"; finish; exit; }
expect "qemu-img check: new image" 0 qemu-img check a.qcow2
expect "qemu-img check: converted image" 0 qemu-img check to.qcow2
expect "qemu-img compare: converted image" 0 qemu-img compare src.raw to.qcow2
expect "qemu-img check: VHDX" 0 qemu-img check to.vhdx
expect "qemu-img compare: VHDX" 0 qemu-img compare src.raw to.vhdx
expect "qemu-img compare: VHD" 0 qemu-img compare -F vpc src.raw to.vhd
expect "qemu-img compare: qcow2 on VHDX" 0 qemu-img compare src.raw on.qcow2
expect "qemu-img compare: backing file" 0 qemu-img compare src.raw b.qcow2
"$VITRINE" img new --cluster=2M big.qcow2 7T
expect "qemu-img check: 7 TiB" 0 qemu-img check big.qcow2
while read -r options; do
    rm -f q.qcow2 q.raw
    # shellcheck disable=SC2086
    qemu-img convert -O qcow2 $options src.raw q.qcow2 2>/dev/null || {
        skip "qemu-img convert $options: not known to it"
        continue
    }
    expect "qemu-img's image ($options) reads" 0 "$VITRINE" img convert q.qcow2 q.raw
    if cmp -s src.raw q.raw; then ok "the same bytes"; else not_ok "the same bytes ($options)"; fi
    expect "img check ($options)" 0 "$VITRINE" img check q.qcow2 && says '0 errors, 0 leaked'
done <<'END'
-c
-c -o cluster_size=512
-c -o compat=0.10
-o cluster_size=2M,lazy_refcounts=on
-o preallocation=full
END
for feature in compression_type=zstd extended_l2=on data_file=x.data; do
    qemu-img create -f qcow2 -o $feature f.qcow2 1M >/dev/null 2>&1 || continue
    expect "$feature is refused by name" 1 "$VITRINE" img info f.qcow2 && says E-DISK-004
    rm -f f.qcow2 x.data
done
qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s \
    -o encrypt.iter-time=10 f.qcow2 1M 2>/dev/null &&
    expect "encryption is refused" 1 "$VITRINE" img info f.qcow2 && says encryption
finish
