# Linux's own KVM on our VT-x: the stock cloud kernel loads its kvm-intel module, and a small user of
# /dev/kvm runs a real-mode and a 64-bit guest (tests/guest/kvm).
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "kvm: too slow under emulation"; exit 0; }
get_guests
modules=$(sh "$SRC/tools/fetch-guest.sh" kvm-modules cloud-amd64 2>"$work/fetch") || {
    skip "kvm: no modules: $(tail -n 1 "$work/fetch")"
    exit 0
}
${GUEST_CC:-gcc} -O2 -static -o "$work/kvmtest" "$SRC/tests/guest/kvm/kvmtest.c" 2>"$work/cc" || {
    skip "kvm: no static C library for the guest"
    exit 0
}
set --
for m in $modules; do
    set -- "$@" "${m##*/}=$m"
done
"$BUILD/obj/tools/mkinitramfs" "$work/kvm.cpio" "$busybox" "$SRC/tests/guest/kvm/init.sh" \
    "kvmtest=$work/kvmtest" "$@" || exit 1
expect "KVM inside: real-mode and 64-bit guests" 0 "$VITRINE" run --bare --headless \
    --timeout=250s --memory=512M --kernel="$kernel_cloud" --initrd="$work/kvm.cpio" \
    --append="console=ttyS0 quiet" && says KVM-OK 'kvm_intel.ept: Y' 'kvm_intel.vnmi: Y' \
    'kvm_intel.enable_apicv: Y' 'kvm_intel.pml: Y'
finish
