#!/bin/busybox sh
# Init of the guest of full_video.sh: the screen is tty1; what is typed there and where the mouse goes
# is told on the serial console.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
while read -r m; do
    insmod "/$m" || echo "insmod $m failed"
done </modules
dmesg | grep -i -E 'hyperv|vmbus|hv_|fb0|warning|BUG'
for d in /sys/bus/vmbus/devices/*; do
    echo "DEVICE $(cat $d/class_id) driver $(basename "$(readlink $d/driver)") state $(cat $d/state)"
done
echo "SCREEN $(cat /sys/class/graphics/fb0/virtual_size) $(cat /sys/class/graphics/fb0/bits_per_pixel)"
for e in /sys/class/input/event*; do
    grep -q -i "vmbus hid" "$e/device/name" && mouse=/dev/input/${e##*/}
done
echo "MOUSE ${mouse:-none} $(cat /sys/class/input/event*/device/name | tr '\n' ';')"
# input events are 24 bytes: time, type, code, value
(while :; do
    dd bs=24 count=1 2>/dev/null | od -A n -v -t u2 -w24
done <"$mouse" | while read -r _ _ _ _ _ _ _ _ type code value _; do
    echo "EVENT $type $code $value"
done) &
exec </dev/tty1 >/dev/tty1
printf '\033[H\033[JType: Hello, screen 42\nType: '
echo "VIDEO-READY" >/dev/console
read -r line
echo "TYPED $line" >/dev/console
while :; do
    sleep 1
done
