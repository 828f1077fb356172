# Debian's stock cloud kernel to user space: on the bare machine and as a child partition.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
bare "cloud kernel, bare" "$kernel_cloud"
child "cloud kernel, child" "$kernel_cloud" &&
    says 'Hypervisor detected: Microsoft Hyper-V' 'clocksource: hyperv_clocksource_tsc_page' \
        'clockevent: .*Hyper-V'
finish
