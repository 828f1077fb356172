# Bad files and bad guests (issue: what may come in): each gives a clear message or the architectural
# fault; no crash, no hang, no sanitizer report.
. "$SRC/tests/lib/sh.sh"
v=$VITRINE
EXPECT_TIMEOUT=120
cd "$work" || exit 1

# survives NAME COMMAND...: any exit code of the manual will do
survives()
{
    name=$1
    shift
    timeout "$EXPECT_TIMEOUT" "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    if [ $rc -le 5 ] && ! grep -q -a -E 'Sanitizer|runtime error:|internal error' "$work/err"; then
        ok "$name"
    else
        not_ok "$name: exit $rc"
        tail -n 5 "$work/err" | sed 's/^/    /'
    fi
}

: >empty
noise 70000 >random
printf '\001\002\003\004' | dd of=random conv=notrunc 2>/dev/null
printf '\000\000' | dd of=random bs=1 seek=510 conv=notrunc 2>/dev/null
mkdir folder

# Machine files
expect "an empty machine file" 1 "$v" run empty && says E-FILE-003
expect "a missing machine file" 1 "$v" run none && says E-FILE-001
expect "random bytes as machine file" 1 "$v" run random && says E-BOOT-001
printf 'machine.memory = 64M\nmachine.cpu' >cut.conf
expect "a machine file that is cut off" 2 "$v" run cut.conf && says 'cut.conf:2'
printf 'machine.memory = 64M\n\001\002\000\003 = 5\n' >binary.conf
survives "a machine file with binary lines" "$v" run binary.conf
{ printf 'boot.append = '; head -c 100000 /dev/zero | tr '\0' 'a'; echo; } >long.conf
survives "a machine file with a line of 100000 letters" "$v" run long.conf
printf 'machine.memory =\nmachine.cpus = many\n' >values.conf
expect "a machine file without values" 2 "$v" run values.conf && says E-CLI-002 'values.conf:1'
for f in none empty folder; do
    expect "--machine=$f" 1 "$v" run --machine=$f && says 'E-FILE-00'
done
expect "--machine=random" 2 "$v" run --machine=random && says 'no machine file'

# Images of the stack
for o in ${GUEST_CC:+hypervisor root rootfs}; do # without a compiler these are not built in
    expect "a missing --$o" 1 "$v" run --$o=none && says E-FILE-001
    expect "an empty --$o" 1 "$v" run --$o=empty && says E-FILE-003
    survives "random bytes as --$o" "$v" run --$o=random --headless --max-insns=20000000
done

# Disks, firmware, option ROMs, variables
expect "a missing disk" 1 "$v" run --bare --firmware=random --disk=none && says E-DISK-001
expect "an empty disk" 1 "$v" run --bare --firmware=random --disk=empty && says E-DISK-002
expect "a folder as disk" 1 "$v" run --bare --firmware=random --disk=folder && says E-DISK-001
for i in 1 2 3 4; do
    { printf 'QFI\373\000\000\000\003'; noise 5000 "$i"; } >bad.qcow2
    expect "a qcow2 image with random contents ($i)" 1 "$v" run --bare --firmware=random --disk=bad.qcow2
    says 'E-DISK-00'
done
head -c 65536 random >rom
survives "random bytes as firmware" "$v" run --bare --firmware=rom --headless --max-insns=3000000
survives "random bytes as disk and as firmware" "$v" run --bare --firmware=rom --headless \
    --disk=random --max-insns=3000000
expect "firmware of no whole pages" 1 "$v" run --bare --firmware=random && says E-MACH-003
expect "missing variables" 1 "$v" run --bare --firmware=rom --firmware-vars=none && says E-FILE-001
expect "empty variables" 1 "$v" run --bare --firmware=rom --firmware-vars=empty && says E-FILE-003
expect "a missing option ROM" 1 "$v" run --bare --firmware=rom --option-rom=none && says E-FILE-001
survives "random bytes as option ROM and VGA BIOS" "$v" run --bare --firmware=rom --headless \
    --option-rom=random --vga-rom=random --max-insns=1000000
if [ -f /usr/share/seabios/bios-256k.bin ]; then
    head -c 131072 /usr/share/seabios/bios-256k.bin >half.bin
    survives "the first half of SeaBIOS" "$v" run --bare --firmware=half.bin --headless --max-insns=3000000
fi

[ -n "${GUEST_CC:-}" ] || { skip "bad guests: no x86-64 compiler"; finish; exit; }

# guest CASE [SEED]: builds g
guest()
{
    $GUEST_CC -m32 -nostdlib -static -no-pie -fno-pic -Wl,--build-id=none -Wl,-Ttext=0x102000 \
        -Wl,--section-start=.multiboot=0x101000 -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack \
        -DCASE="$1" -DSEED="${2:-0}" -o g "$SRC/tests/ux/guest.S" 2>cc ||
        { not_ok "guest $1 builds"; cat cc; exit 1; }
}

# Initial RAM disks, and kernels that are cut off
guest 2
expect "a missing initrd" 1 "$v" run --bare --kernel=g --initrd=none && says E-FILE-001
expect "an empty initrd" 1 "$v" run --bare --kernel=g --initrd=empty && says E-FILE-003
expect "a folder as initrd" 1 "$v" run --bare --kernel=g --initrd=folder
expect "random bytes as initrd are the kernel's business" 0 "$v" run --bare --headless --kernel=g \
    --initrd=random
head -c 20000000 /dev/zero >large
expect "an initrd larger than memory" 1 "$v" run --bare --kernel=g --initrd=large --memory=16M &&
    says E-BOOT-003
size=$(wc -c <g)
for part in 10 52 100 500 4000 $((size / 2)) $((size - 1)); do
    head -c "$part" g >cut
    survives "an ELF kernel of $part bytes of $size" "$v" run --bare --headless --kernel=cut \
        --max-insns=100000
done
kernel=$(ls "${VITRINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vitrine}"/*/boot/vmlinuz-*cloud* 2>/dev/null |
    head -n 1)
if [ -n "$kernel" ]; then
    for part in 600 20000 1000000; do
        head -c $part "$kernel" >cut
        survives "a stock kernel of $part bytes" "$v" run --bare --headless --kernel=cut \
            --max-insns=2000000
    done
else
    skip "stock kernels that are cut off: none fetched"
fi

# What a guest may do
for seed in 1 2 3 4; do
    guest 15 $seed
    survives "random values into every port ($seed)" "$v" run --bare --headless --kernel=g \
        --test-devices --vga=std --rng --net=none --max-insns=12000000
    guest 16 $seed
    survives "random values into registers in memory ($seed)" "$v" run --bare --headless \
        --kernel=g --test-devices --vga=std --rng --net=none --disk=random --max-insns=12000000
done
guest 17
expect "running off the end of RAM is a fault" 4 "$v" run --bare --headless --kernel=g --memory=64M \
    --timeout=60s && says 'triple fault'
# level | bit << 2: bits that are reserved in entries of all levels, and page size where there is none
for seed in 252 253 254 255 204 205 206 207 180 181 182 183 28 30; do
    guest 18 $seed
    expect "reserved bit $((seed / 4)) of a level-$((4 - seed % 4)) entry is a fault" 4 "$v" run --bare \
        --headless --kernel=g --timeout=60s && says 'triple fault'
done

# No room for what the guest writes: a clear message at the start, or an I/O error for the guest
if [ -f /usr/share/seabios/bios-256k.bin ]; then
    $GUEST_CC -m32 -c -o fill.o "$SRC/tests/ux/fill.S" &&
        ${OBJCOPY:-objcopy} -O binary -j .text fill.o fill.img && truncate -s 64M fill.img
    (ulimit -f 4096 && exec "$v" run --bare --firmware=seabios --disk=fill.img) >out 2>err </dev/null
    rc=$? name="a limit on the size of files is told at the start"
    [ $rc -eq 1 ] && says 'File too large' E-DISK-007 && ok "$name"
    [ $rc -eq 1 ] || not_ok "$name: exit $rc"
    mkdir full
    if mount -t tmpfs -o size=4m none full 2>/dev/null; then
        for bus in nvme ahci virtio; do
            expect "a full host is a write error for the guest on $bus" 0 "$v" run --bare --headless \
                --firmware=seabios --timeout=100s --disk=file=fill.img,bus=$bus,overlay=full
        done
        umount full
    else
        skip "a full host under an overlay: no tmpfs can be mounted here"
    fi
else
    skip "a full host under an overlay: no package seabios"
fi
finish
