#!/bin/busybox sh
# Init of the guest of full_kill.sh: says what is left on the disk of the life before, then writes
# files until it is killed, and says of each one when it is synced. last: powers off instead.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in /[0-9]*.ko; do
    insmod "$m" || echo "insmod $m failed"
done
i=0 # the driver looks for disks in the background
while [ $i -lt 100 ] && [ ! -e /sys/block/sda/size ]; do
    usleep 100000
    i=$((i + 1))
done
mkdir -p /mnt && mount -t ext4 /dev/sda /mnt || { echo "MOUNT fails"; poweroff -f; }

# contents N: a file that only has to do with its number
contents() { yes "line of file $1" | head -n $((2000 + $1 % 7 * 3000)); }

n=0
for f in /mnt/f.*; do
    [ -e "$f" ] || break
    k=${f#/mnt/f.}
    contents "$k" | cmp -s - "$f" || echo "BAD $k"
    [ "$k" -le $n ] || n=$k
done
echo "HAVE $n"
if [ -n "$last" ]; then
    umount /mnt && echo UNMOUNTED
    poweroff -f
fi
while :; do
    n=$((n + 1))
    contents $n >/mnt/new && sync && mv /mnt/new /mnt/f.$n && sync && echo "SYNCED $n"
    rm -f "/mnt/f.$((n - 8))"
done
