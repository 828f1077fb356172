# SeaBIOS starts GRUB from an NVMe disk, and that a stock kernel.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/grub.sh"
[ -z "$CROSS" ] || { skip "firmware boots: too slow under emulation"; exit 0; }
[ -e /usr/share/seabios/bios-256k.bin ] || { skip "SeaBIOS: package seabios is not installed"; exit 0; }
"$VITRINE" run --help | grep -q -e '--disk' || { skip "firmware boots: no disks in this build"; exit 0; }
get_guests
grub_pc "$work/pc.img" || { finish; exit; }
expect "SeaBIOS, GRUB on NVMe, cloud kernel" 0 "$VITRINE" run --firmware=seabios --headless --hash \
    --timeout=250s --disk "$work/pc.img"
says 'GRUB-RUN' VITRINE-BOOT-OK
finish
