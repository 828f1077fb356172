# Debian's cloud kernel as a child with SCSI disks and a DVD on VMBus: finds them, reads what is known, writes,
# reads back; what it wrote outlives a restart of the VM; reading causes no intercepts.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/disk.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_modules storvsp cloud-amd64 disk hyperv
set --
for m in scsi_common scsi_mod scsi_transport_fc hv_vmbus hv_storvsc sd_mod cdrom sr_mod isofs; do
    set -- "$@" "$#$m.ko=$(module $m)"
done
get_disks "$@"
"$BUILD/obj/tools/mkinitramfs" "$work/storvsp.cpio" "$busybox" "$SRC/tests/boot/storvsp_init.sh" "$@"

# on NAME COMMAND INITRD KEYS APPEND: a child with the disk d.raw, to its end
on()
{
    name=$1 command=$2 ramdisk=$3 keys=$4 append=$5
    # shellcheck disable=SC2086
    expect "$name" 0 "$VITRINE" $command --headless --timeout=250s --vm \
        "name=debian,memory=256M,kernel=$kernel_cloud,initrd=$work/$ramdisk,disk=$work/d.raw,$keys,append='console=ttyS0 quiet $append'"
}

two="two disks of a child, raw and qcow2"
for run in first second; do
    on "$two" "run --hash" disks.cpio "disk=$work/d.qcow2" disks=2 || break
    says DISKS-DONE || break
    for n in sda sdb; do
        says "DISK $n sectors 65536 ro 0 model Virtual Disk" "SUM $n $sum" \
            "FILE $n known contents" "FS $n same" "TRIM $n .*trimmed" "RAW $n same" &&
            ok "$n reads and writes"
    done
    if grep -a -i -E 'i/o error|exception|hv_storvsc.*status' "$work/out" >"$work/bad"; then
        not_ok "$two: the kernel complains: $(head -n 3 "$work/bad")"
    fi
    eval "$run=\$(sed -n 's/^state-hash //p' \"\$work/out\")"
done
same "two runs with disks give one hash" "${first:-}" "${second:-}"
if cmp -s "$work/d.raw" "$work/orig.raw"; then ok "the base image is unchanged"; else
    not_ok "the base image is unchanged"; fi

# with two processors the driver asks for a sub-channel when told so
on "a disk outlives a restart of its VM" run storvsp.cpio cpus=2 \
    storvsc=storvsc_vcpus_per_sub_channel=1 && says 'FIRST known contents' \
    'SECOND from the first start' 'CHANNELS 2 {ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}' 'QUEUES 2' &&
    ok "and is served on two channels"

# exits NAME: how many of that name there were
exits() { sed -n "s|^ *$1 *\([0-9]*\) .*|\1|p" "$work/out"; }
on "500 reads" stat storvsp.cpio cpus=1 load=0500
port=$(exits 'I/O instruction') memory=$(exits 'EPT violation')
insns=$(sed -n 's/^instructions *//p' "$work/out")
on "2500 reads" stat storvsp.cpio cpus=1 load=2500
if [ -n "$port" ] && [ "$port/$memory" = "$(exits 'I/O instruction')/$(exits 'EPT violation')" ]; then
    ok "reading causes no port or memory intercepts"
else
    not_ok "intercepts with 500 and 2500 reads: $port/$memory," \
        "$(exits 'I/O instruction')/$(exits 'EPT violation')"
fi
cost=$((($(sed -n 's/^instructions *//p' "$work/out") - insns) / 2000))
if [ $cost -gt 1000 ] && [ $cost -lt 40000 ]; then
    ok "a read of 4 KiB costs under 40000 instructions, all levels ($cost)"
else
    not_ok "a read of 4 KiB costs $cost instructions, all levels"
fi

# the disc: a file system of the kind that the host can make, in blocks of 2048 bytes, read-only
if command -v xorriso >/dev/null; then
    xorriso -as mkisofs -quiet -R -V DISC -o "$work/d.iso" "$work/tree" 2>/dev/null
    cp "$work/d.iso" "$work/orig.iso"
    on "a DVD" run storvsp.cpio "dvd=$work/d.iso" dvd=1 && says \
        "DVD sectors $(($(stat -c %s "$work/d.iso") / 512)) .*Virtual DVD-ROM" 'HELLO known contents' \
        "NUMBERS $(sha256sum <"$work/tree/numbers" | cut -c1-16)" 'DVD-WRITE fails' && ok "is read from the guest"
    same "and is not changed" "$(cksum <"$work/orig.iso")" "$(cksum <"$work/d.iso")"
else
    skip "a DVD: no xorriso"
fi

expect "a disk that is not there" 1 "$VITRINE" run --headless --vm "kernel=$kernel_cloud,disk=$work/none" &&
    says E-DISK-001 'cannot open' 'disk of VM vm1'
finish
