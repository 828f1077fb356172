#!/bin/busybox sh
# Init of the guest of check_storvsp.sh: loads the modules that lie in the root folder. load=N: reads
# so many blocks of 4 KiB from the disk, one at a time, and says nothing meanwhile. dvd: tells what
# is on the DVD. Else: leaves a file on the disk and restarts; when it finds one, it says so and
# powers off.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in /[0-9]*.ko; do
    case $m in
    *hv_storvsc.ko) insmod "$m" $storvsc || echo "insmod $m failed" ;;
    *) insmod "$m" || echo "insmod $m failed" ;;
    esac
done
i=0 # the driver looks for disks in the background
while [ $i -lt 50 ] && [ ! -e /sys/block/sda/size ]; do
    usleep 100000
    i=$((i + 1))
done
if [ -n "$load" ]; then
    dd if=/dev/sda of=/dev/null bs=4096 count=$load iflag=direct status=none
    poweroff -f
fi
if [ -n "$dvd" ]; then
    echo "DVD sectors $(cat /sys/block/sr0/size) $(cat /sys/block/sr0/device/model)"
    mkdir -p /mnt && mount -t iso9660 -o ro /dev/sr0 /mnt
    echo "HELLO $(cat /mnt/hello)"
    echo "NUMBERS $(sha256sum </mnt/numbers | cut -c1-16)"
    echo x 2>/dev/null >/dev/sr0 || echo "DVD-WRITE fails"
    poweroff -f
fi
echo "QUEUES $(ls /sys/block/sda/mq | wc -l)"
for d in /sys/bus/vmbus/devices/*; do
    echo "CHANNELS $(ls "$d/channels" | wc -l) $(cat "$d/class_id")"
done
mkdir -p /mnt && mount -t ext4 /dev/sda /mnt || echo "mount fails"
if [ -e /mnt/second ]; then
    echo "SECOND $(cat /mnt/second)"
    poweroff -f
fi
echo "FIRST $(cat /mnt/hello)"
echo "from the first start" >/mnt/second
sync
reboot -f
