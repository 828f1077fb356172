#!/bin/sh
# The same hypervisor image on an emulator that nobody here wrote: Debian's Bochs, loaded by GRUB, with
# the real root partition and its two tiny children.
set -u
: "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}" "${BUILD:=$PWD}"
for tool in bochs grub-mkrescue xorriso; do
    command -v $tool >/dev/null || { echo "skip hypervisor on Bochs: no $tool"; exit 0; }
done
[ -f "$BUILD/roms/hypervisor.elf" ] || { echo "skip hypervisor on Bochs: no x86-64 compiler"; exit 0; }
work=$BUILD/tests-guest/bochs
mkdir -p "$work/iso/boot/grub"
cd "$work" || exit 1
cp "$BUILD/roms/hypervisor.elf" "$BUILD/roms/root.elf" "$BUILD/roms/rootfs.cpio" iso/boot/
cat >iso/boot/grub/grub.cfg <<'END'
set timeout=0
menuentry vitrine {
    multiboot /boot/hypervisor.elf
    module /boot/root.elf
    module /boot/rootfs.cpio
}
END
grub-mkrescue -o hv.iso iso >/dev/null 2>&1 || { echo "skip hypervisor on Bochs: no ISO"; exit 0; }

failed=0
run() # PROCESSORS
{
    cat >rc <<END
megs: 512
cpu: count=$1, model=corei7_haswell_4770, ips=50000000, reset_on_triple_fault=0
clock: sync=none, time0=1577836800
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=hv.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=com1.txt
display_library: sdl2
speaker: enabled=1, mode=none
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
log: bochs.log
panic: action=fatal
END
    rm -f com1.txt
    rm -f keys
    mkfifo keys
    SDL_VIDEODRIVER=dummy timeout 120 bochs -q -f rc <keys >/dev/null 2>&1 &
    job=$!
    exec 3>keys
    echo c >&3 # the debugger's "continue"; its end of file would end Bochs
    i=0
    while [ $i -lt 115 ] && ! grep -a -q 'all VMs are off' com1.txt 2>/dev/null; do
        sleep 1
        i=$((i + 1))
    done
    kill $job 2>/dev/null
    wait $job 2>/dev/null
    exec 3>&-
    if [ "$(grep -a -c 'debug-exit with value 0' com1.txt)" = 2 ]; then
        echo "ok hypervisor, root and two children on Bochs with $1 processors"
    else
        echo "not ok hypervisor on Bochs with $1 processors"
        tail -n 15 com1.txt
        failed=1
    fi
}
run 1
run 2
exit $failed
