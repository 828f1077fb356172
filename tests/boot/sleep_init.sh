#!/bin/busybox sh
# Init of the guest of check_sleep.sh: sleeps for five seconds, to memory, with work before and
# after it.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
echo "MEM-SLEEP $(cat /sys/power/mem_sleep)"
disk=$(ls /dev/nvme?n? 2>/dev/null | head -n 1)
[ -z "$disk" ] || { mkdir /mnt && mount -t ext4 "$disk" /mnt && seq 1 50000 >/mnt/seq; }
seq 1 50000 >/tmp/seq
before=$(date +%s) cpus=$(grep -c ^processor /proc/cpuinfo)
echo +5 >/sys/class/rtc/rtc0/wakealarm
echo mem >/sys/power/state && echo SLEPT
after=$(date +%s)
echo "SECONDS $((after - before))"
[ "$(grep -c ^processor /proc/cpuinfo)" = "$cpus" ] && echo "PROCESSORS $cpus same"
[ "$(tail -n 1 /tmp/seq)" = 50000 ] && echo "MEMORY same"
if [ -n "$disk" ]; then
    sync
    echo 3 >/proc/sys/vm/drop_caches
    cmp /mnt/seq /tmp/seq && echo "DISK same"
    umount /mnt
fi
echo "WAKE-UPS $(cat /sys/firmware/acpi/interrupts/ff_rt_clk 2>/dev/null | awk '{ print $1 }')"
dmesg | grep -i -E 'PM: .*(error|fail)|timeout|Call Trace'
usleep 300000 # the timer of this processor still works
echo VITRINE-SLEEP-OK
poweroff -f
