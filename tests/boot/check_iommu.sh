# A stock kernel whose devices do their DMA and send their interrupts through VT-d: NVMe and AHCI
# disks, virtio disk, network and entropy source. Two runs, one hash.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/disk.sh"
. "$SRC/tests/boot/virtio_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_disks
on='intel_iommu=on iommu.passthrough=0 iommu.strict=1'

# translated: the kernel of the last run used the unit for both, and nothing was blocked
translated()
{
    says 'DMAR-IR: Enabled IRQ remapping in x2apic mode' 'iommu: Default domain type: Translated' \
        'Adding to iommu group' || return 1
    grep -a -q -e 'DMAR: \[' -e 'blocked: reason' "$work/out" "$work/err" || return 0
    not_ok "faults: $(grep -a -h -e 'DMAR: \[' -e 'blocked' "$work/out" "$work/err" | head -n 1)"
    return 1
}

nvme()
{
    disks "NVMe behind VT-d, $1" "$kernel_cloud" 1 --iommu=on --smp=2 --log=guest \
        --disk "$work/d.raw" --append="console=ttyS0 disks=1 $on" && translated &&
        says "SUM nvme0n1 $sum" "FS nvme0n1 same" "RAW nvme0n1 same"
}
nvme first && first=$hash && nvme second && {
    if [ "$first" = "$hash" ]; then ok "two runs behind VT-d, one hash"; else
        not_ok "two runs behind VT-d: $first and $hash"; fi
}

get_net_guests cloud-amd64
seq 1 1200000 | head -c 4194304 >"$work/disk.img"
net "virtio devices behind VT-d" pair --iommu=on --log=guest --net hub:a --rng \
    --net hub:a,mac=52:56:54:00:00:22 --disk "file=$work/disk.img,bus=virtio" \
    --append="console=ttyS0 net=pair $on" && translated &&
    says '^rng: [0-9a-f]' 'disk: keeps what is written'
finish
