# What check_vmbus.sh and full_kvp.sh share; sourced after lib.sh.

# get_vmbus_guest NAME=FILE...: the initramfs with VMBus's modules and further files; or the script ends
get_vmbus_guest()
{
    get_modules VMBus cloud-amd64 hyperv
    for m in hv_vmbus hv_utils; do
        set -- "$@" "$m.ko=$(module $m)"
    done
    "$BUILD/obj/tools/mkinitramfs" "$work/vmbus.cpio" "$busybox" "$SRC/tests/boot/hyperv_init.sh" "$@"
}

# vmbus NAME KEYS APPEND: boots until the host asks the guest to stop; hash in $hash
vmbus()
{
    expect "$1" 0 "$VITRINE" run --headless --consoles=all --hash --timeout=250s --vm \
        "name=debian,memory=256M,kernel=$kernel_cloud,initrd=$work/vmbus.cpio,$2,append='console=ttyS0 quiet $3'" ||
        return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VMBUS-READY 'shutdown: the guest shuts down' 'ORDERLY poweroff' 'debian: powered off'
}
