# A child whose machine is killed 20 times, at any moment, while it writes an ext4 file system on a
# write-through image: the journal and the image's log bring back all that was synced, each file that
# is there is whole, and at the end image and file system are clean.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_modules kills cloud-amd64 disk hyperv
set --
for m in scsi_common scsi_mod scsi_transport_fc hv_vmbus hv_storvsc sd_mod; do
    set -- "$@" "$#$m.ko=$(module $m)"
done
"$BUILD/obj/tools/mkinitramfs" "$work/kill.cpio" "$busybox" "$SRC/tests/boot/kill_init.sh" "$@"

# start APPEND: the machine in the background
start()
{
    : >"$work/out" # before the shell goes on to look into it
    : >"$work/err"
    "$VITRINE" run --headless --consoles=all --timeout=120s --vm \
        "name=a,memory=256M,kernel=$kernel_cloud,initrd=$work/kill.cpio,disk='$disk,write-through',append='console=ttyS0 quiet $1'" \
        >>"$work/out" 2>&1 </dev/null &
    pid=$!
}

# number WORD: the last one after it
number() { sed -n "s/^.*$1 \([0-9]*\).*/\1/p" "$work/out" | tail -n 1; }

# survived: what is there is whole, and no less than what was synced
survived()
{
    have=$(number HAVE)
    if [ -z "$have" ] || [ "$have" -lt "$synced" ] || grep -q -a BAD "$work/out"; then
        not_ok "$name: synced to $synced, there is '$have': $(grep -a -E 'BAD|MOUNT' "$work/out")"
        tail -n 10 "$work/out" | sed 's/^/    /'
        return 1
    fi
}

# kills FORMAT COUNT
kills()
{
    name="$2 kills on $1" disk=$work/d.$1 synced=0 n=0
    truncate -s 64M "$work/d.raw"
    mke2fs -q -F -t ext4 "$work/d.raw" || { not_ok "mke2fs"; return 1; }
    "$VITRINE" img convert "$work/d.raw" "$disk" || { not_ok "$name: image"; return 1; }
    while [ $n -lt "$2" ]; do
        start ""
        i=0 # milliseconds from the first file on, another number each time
        while [ $i -lt 600 ] && kill -0 $pid && ! grep -q -a SYNCED "$work/out"; do
            sleep 0.1
            i=$((i + 1))
        done 2>/dev/null
        sleep "$(awk -v n=$n 'BEGIN { srand(n + 1); printf "%.3f", 2 * rand() }')"
        { kill -KILL $pid; wait $pid; } 2>/dev/null
        survived || return 1
        [ -z "$(number SYNCED)" ] || synced=$(number SYNCED)
        n=$((n + 1))
    done
    start last=1
    wait $pid
    survived && says UNMOUNTED && ok "$name: $synced files synced, none lost"
    "$VITRINE" img convert "$disk" "$work/after.raw"
    expect "e2fsck after $name" 0 e2fsck -fn "$work/after.raw"
    command -v qemu-img >/dev/null || { skip "$name: no qemu-img"; return; }
    expect "qemu-img check after them" 0 qemu-img check "$disk"
    rm -f "$work/after.raw" "$disk"
}

kills vhdx 10
kills qcow2 10
finish
