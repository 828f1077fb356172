# What check_netvsp.sh and full_netvsp.sh share; sourced after lib.sh.

# The initramfs with hv_netvsc, $work/net.cpio; or the script ends.
get_netvsp_guest()
{
    get_modules netvsp cloud-amd64 hyperv
    set --
    for m in hv_vmbus hv_netvsc; do
        set -- "$@" "$m.ko=$(module $m)"
    done
    "$BUILD/obj/tools/mkinitramfs" "$work/net.cpio" "$busybox" "$SRC/tests/boot/netvsp_init.sh" "$@"
}

# vm NAME NET STEPS [CPUS]: the value of a --vm
vm()
{
    echo "name=$1,cpus=${4:-1},memory=256M,kernel=$kernel_cloud,initrd=$work/net.cpio,net=$2,append='console=ttyS0 quiet net=$3'"
}

# pair NAME NET STEPS OPTIONS...: a child that does STEPS and one that speaks with it, both with two
# processors, to their end; hash in $hash
pair()
{
    name=$1 net=$2 steps=$3
    shift 3
    expect "$name" 0 "$VITRINE" run --headless --consoles=all --hash --timeout=280s \
        --vm "$(vm a "$net" "$steps" 2)" --vm "$(vm b "$net" second 2)" "$@" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says '\[a\] VITRINE-NET-OK' '\[b\] VITRINE-NET-OK'
}

pair_is_well()
{
    for size in 0 1 1472 1473 8000 65507; do
        says "ping $size: 2 packets transmitted, 2 packets received, 0% packet loss" || return 1
    done
    says '\[a\] channels: 2 interrupts: [1-9][0-9]* [1-9]' \
        '\[b\] channels: 2 interrupts: [1-9][0-9]* [1-9]' || return 1
    says '\[b\] transfer: same 1288895' '\[a\] told: enough' '\[a\] .*errors 0 0' '\[b\] .*errors 0 0'
}
