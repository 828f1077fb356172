#!/bin/busybox sh
# Init of the guest of the VMBus tests: loads the modules that lie in the root folder, says what a
# stock kernel finds on VMBus, and waits to be shut down by the host.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
# what the kernel runs when the shutdown component asks
mkdir -p /sbin
for what in poweroff reboot; do
    printf '#!/bin/sh\necho "ORDERLY %s" >/dev/console\nsync\nexec /bin/%s -f\n' $what $what >/sbin/$what
    chmod 755 /sbin/$what
done
# shellcheck disable=SC2154
insmod /hv_vmbus.ko $vmbus || echo "insmod hv_vmbus failed"
date -s @1000000000 >/dev/null # time synchronization will know better
insmod /hv_utils.ko || echo "insmod hv_utils failed"
if [ -e /hyperv-keyboard.ko ] && insmod /hyperv-keyboard.ko; then
    (read -r line </dev/tty1 && echo "TYPED $line" >/dev/console) &
fi
dmesg | grep -i -E 'vmbus|hv_|hyperv'
for d in /sys/bus/vmbus/devices/*; do
    echo "DEVICE $(cat $d/class_id) driver $(basename "$(readlink $d/driver)") state $(cat $d/state)"
done
grep HYP /proc/interrupts
i=0
while [ $i -lt 40 ] && [ "$(date +%s)" -lt 1500000000 ]; do
    usleep 50000
    i=$((i + 1))
done
echo "DATE $(date +%Y-%m-%d)"
echo "PTP $(cat /sys/class/ptp/*/clock_name)"
if [ -e /hv_kvp_daemon ]; then
    mkdir -p /lib64 /var/lib /etc
    ln -s /ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2
    printf 'NAME="Test guest"\nVERSION_ID="7.5"\n' >/etc/os-release
    LD_LIBRARY_PATH=/ /hv_kvp_daemon
    sleep 2
    echo "KVP $(tr -d '\000' </var/lib/hyperv/.kvp_pool_3)"
fi
echo "VMBUS-READY"
while :; do
    sleep 1
done
