#!/bin/busybox sh
# Init of the guest of the VMBus tests: loads the modules that lie in the root folder, says what a
# stock kernel finds on VMBus, and waits to be shut down (end=wait) or powers off.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in hv_vmbus hv_utils; do
    insmod /$m.ko || echo "insmod $m failed"
done
sleep 1
dmesg | grep -i -E 'vmbus|hv_|hyperv'
for d in /sys/bus/vmbus/devices/*; do
    echo "DEVICE $(cat $d/class_id) driver $(basename "$(readlink $d/driver)") id $(cat $d/id) state $(cat $d/state)"
done
cat /proc/interrupts | grep -E 'HYP|HVS|Hyper'
echo "VMBUS-DONE"
poweroff -f
