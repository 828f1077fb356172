# ACPI S3: a stock kernel sleeps until the clock's alarm and finds memory, processors and its disk
# again; by direct boot, where the machine plays the firmware, and by SeaBIOS. Two runs, one hash.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/grub.sh"
[ -z "$CROSS" ] || { skip "sleep: too slow under emulation"; exit 0; }
get_guests
"$BUILD/obj/tools/mkinitramfs" "$initrd" "$busybox" "$SRC/tests/boot/sleep_init.sh"

# sleeps NAME OPTIONS...
sleeps()
{
    t=$1
    shift
    expect "$t" 0 "$VITRINE" run --bare --headless --hash --timeout=250s "$@" || return 1
    says 'MEM-SLEEP.*deep' SLEPT 'SECONDS [567]' 'PROCESSORS . same' 'MEMORY same' \
        VITRINE-SLEEP-OK
}

disk=
if command -v mke2fs >/dev/null; then
    mke2fs -q -t ext4 "$work/disk" 16M >"$work/mke2fs" 2>&1
    disk=--disk=$work/disk
fi
direct()
{
    # shellcheck disable=SC2086
    sleeps "$1" --kernel="$kernel_cloud" --initrd="$initrd" --append=console=ttyS0 --smp=2 $disk
    [ -z "$disk" ] || says 'DISK same'
    hash=$(grep -a '^state-hash' "$work/out")
}
direct "S3, direct boot"
first=$hash
direct "S3, direct boot again"
same "S3: one hash" "$first" "$hash"

if [ ! -e /usr/share/seabios/bios-256k.bin ]; then
    skip "S3 by SeaBIOS: package seabios is not installed"
elif grub_pc "$work/pc.img"; then
    sleeps "S3 by SeaBIOS" --firmware=seabios --disk "$work/pc.img"
fi
if [ -n "${FULL:-}" ] && [ -e /usr/share/OVMF/OVMF_CODE.fd ]; then
    sleeps "S3 by OVMF" --firmware=ovmf --kernel="$kernel_cloud" --initrd="$initrd" \
        --append=console=ttyS0 --smp=2
fi
finish
