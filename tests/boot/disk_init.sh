#!/bin/busybox sh
# Init of the guest of the disk tests: what a stock kernel finds and does on each disk. Modules that
# lie in the root folder are loaded first, in the order of their numbers.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in /[0-9]*.ko; do
    [ ! -e "$m" ] || insmod "$m" || echo "insmod $m failed"
done
i=0 # drivers look for disks in the background
while [ $i -lt 50 ] && [ "$(ls -d /sys/block/nvme* /sys/block/sd* /sys/block/sr* 2>/dev/null | wc -l)" -lt "${disks:-1}" ]; do
    usleep 100000
    i=$((i + 1))
done
for d in $(ls /sys/block | grep -E '^(nvme|sd|sr)'); do
    size=$(cat /sys/block/$d/size)
    echo "DISK $d sectors $size ro $(cat /sys/block/$d/ro) model $(cat /sys/block/$d/device/model)"
    echo "SUM $d $(head -c 4194304 /dev/$d | sha256sum | cut -c1-16)"
    [ "$(cat /sys/block/$d/ro)" = 0 ] && case $d in sr*) false ;; *) true ;; esac || continue
    # a file system that the host made: read, fill, look again after a new mount
    fs=/dev/$d
    for part in /dev/${d}1 /dev/${d}p1; do
        [ ! -e $part ] || fs=$part
    done
    mkdir -p /mnt && mount -t ext4 $fs /mnt || continue
    echo "FILE $d $(cat /mnt/hello)"
    cp /bin/busybox /mnt/b && mkdir /mnt/d && seq 1 20000 >/mnt/d/seq
    umount /mnt
    echo 3 >/proc/sys/vm/drop_caches
    mount -t ext4 $fs /mnt && cmp /bin/busybox /mnt/b &&
        [ "$(tail -n 1 /mnt/d/seq)" = 20000 ] && echo "FS $d same"
    rm /mnt/b
    fstrim -v /mnt 2>&1 | sed "s/^/TRIM $d /"
    umount /mnt
    # and the last 512 KiB of the disk, raw
    at=$((size / 8 - 128))
    seq 1 60000 | dd of=/dev/$d bs=4096 seek=$at conv=fsync 2>/dev/null
    echo 3 >/proc/sys/vm/drop_caches
    got=$(dd if=/dev/$d bs=4096 skip=$at 2>/dev/null | head -c 348894 | sha256sum)
    [ "$got" = "$(seq 1 60000 | sha256sum)" ] && echo "RAW $d same"
done
dmesg | grep -i -E 'nvme|ata[0-9]|sd [0-9]|sr [0-9]|scsi|ahci' | grep -i -E 'error|fail|timeout|reset|exception'
echo "interrupts: $(grep -i -E 'nvme|ahci' /proc/interrupts | wc -l)"
echo "DISKS-DONE"
poweroff -f
