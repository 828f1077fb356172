# Debian's cloud kernel with NVMe disks: finds them, reads what is known, writes, reads back; the
# images stay as they are.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/disk.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_disks

disks "two NVMe namespaces, raw and qcow2" "$kernel_cloud" 2 --disk "$work/d.raw" \
    --disk "file=$work/d.qcow2,bus=nvme" && for n in nvme0n1 nvme0n2; do
    says "DISK $n sectors 65536 ro 0 model Vitrine NVMe" "SUM $n $sum" "FILE $n known contents" \
        "FS $n same" "RAW $n same" && ok "$n reads and writes"
done
if cmp -s "$work/d.raw" "$work/orig.raw"; then ok "the base image is unchanged"; else
    not_ok "the base image is unchanged"; fi

expect "a missing image" 1 "$VITRINE" run --bare -k "$kernel_cloud" --disk "$work/none" &&
    says E-DISK-001 'cannot open'
: >"$work/empty"
expect "an empty image" 1 "$VITRINE" run --bare -k "$kernel_cloud" --disk "$work/empty" &&
    says E-DISK-002 'is empty' hint
head -c 50000 "$work/d.qcow2" >"$work/cut"
expect "a qcow2 image that is cut off" 1 "$VITRINE" run --bare -k "$kernel_cloud" \
    --disk "$work/cut" && says E-DISK-003
expect "an unknown key" 2 "$VITRINE" run --bare -k "$kernel_cloud" --disk "file=$work/d.raw,buss=nvme" &&
    says 'did you mean bus'
expect "an unknown bus" 2 "$VITRINE" run --bare -k "$kernel_cloud" --disk "$work/d.raw,bus=scsi"
expect "no place for the overlay" 1 "$VITRINE" run --bare -k "$kernel_cloud" \
    --disk "$work/d.raw,overlay=$work/none" && says E-DISK-007
finish
