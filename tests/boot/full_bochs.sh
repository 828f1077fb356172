# The stack on an emulator that nobody here wrote: hypervisor, root and two tiny children under GRUB
# on Bochs with VT-x.
. "$SRC/tests/lib/sh.sh"
for tool in bochs grub-mkrescue xorriso mformat; do
    command -v $tool >/dev/null 2>&1 || { skip "the stack on Bochs: no $tool"; exit 0; }
done
[ -f "$BUILD/roms/hypervisor.elf" ] || { skip "the stack on Bochs: no guest images"; exit 0; }

mkdir -p "$work/iso/boot/grub"
cp "$BUILD/roms/hypervisor.elf" "$BUILD/roms/root.elf" "$BUILD/roms/rootfs.cpio" "$work/iso/boot/"
cat >"$work/iso/boot/grub/grub.cfg" <<'END'
set timeout=0
menuentry vitrine {
    multiboot /boot/hypervisor.elf
    module /boot/root.elf
    module /boot/rootfs.cpio
    boot
}
END
grub-mkrescue -o "$work/v.iso" "$work/iso" >"$work/iso.log" 2>&1 || {
    not_ok "GRUB image"
    cat "$work/iso.log"
    exit 1
}
# stack PROCESSORS
stack()
{
    cat >"$work/bochsrc" <<END
cpu: count=$1, model=corei7_haswell_4770, ips=1000000000
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/v.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: sdl2
log: /dev/null
speaker: enabled=1, mode=none
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
panic: action=fatal
clock: sync=none, time0=946684800
END
    rm -f "$work/serial"
    # c is the debugger's "continue"
    echo c | SDL_VIDEODRIVER=dummy timeout "${LIMIT:-900}" bochs -q -f "$work/bochsrc" \
        >"$work/bochs.out" 2>&1
    for vm in child1 child2; do
        if grep -a -q "^\[$vm\] .* checks: .* ok, 0 failed" "$work/serial"; then
            ok "$vm passes its checks on Bochs with $1 processors"
        else
            not_ok "$vm passes its checks on Bochs with $1 processors"
            tail -n 15 "$work/serial" | sed 's/^/    /'
        fi
    done
    if grep -a -q 'all VMs are off: powering off' "$work/serial"; then
        ok "root powers Bochs off"
    else
        not_ok "root powers Bochs off"
    fi
}
stack 1
stack 2
finish
