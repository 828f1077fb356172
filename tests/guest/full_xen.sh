# Somebody else's type-1 hypervisor: Debian's Xen with a stock kernel as PVH dom0, its disks and
# interrupts behind VT-d; on one and two processors, the latter twice with one hash.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "Xen: too slow under emulation"; exit 0; }
get_guests
get_full_kernel || exit 0
xen=$(sh "$SRC/tools/fetch-guest.sh" xen 2>"$work/fetch") || {
    skip "Xen: $(tail -n 1 "$work/fetch")"
    exit 0
}
gunzip -c "$xen" >"$work/xen"
EXPECT_TIMEOUT=900

# dom0 NAME OPTIONS...
dom0()
{
    name=$1
    shift
    expect "$name" 0 "$VITRINE" run --bare --headless --cpu=max --iommu=on --memory=2G --hash \
        --timeout=800s --until=VITRINE-BOOT-OK --kernel="$work/xen" \
        --append="xen console=com1 com1=115200,8n1 dom0=pvh dom0_mem=1G loglvl=all sync_console" \
        --initrd="$kernel_full console=hvc0 vitrine=test,$initrd" "$@" || return 1
    says VITRINE-BOOT-OK 'Hypervisor detected: Xen' 'HVM: VMX enabled' 'Intel VT-d' \
        'Hardware Assisted Paging (HAP) detected' 'I/O virtualisation enabled'
    hash=$(grep -a '^state-hash' "$work/out")
}
dom0 "Xen and its dom0"
dom0 "Xen on two processors" --smp=2 && says 'processors:  2'
first=$hash
dom0 "Xen on two processors again" --smp=2
same "Xen: one hash" "$first" "$hash"
finish
