#!/bin/busybox sh
# Init of the guests that bootstrap and the tests boot. With vitrine=test on the kernel's command
# line it reports what the kernel found and powers off; otherwise it gives a shell.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
echo "@@init"
console=$(sed 's/.* //' /sys/class/tty/console/active)

report()
{
    dmesg | grep -i -E 'hypervisor detected|Hyper-V: |clocksource: Switched|Linux version'
    echo "kernel:      $(uname -r)"
    echo "processors:  $(grep -c ^processor /proc/cpuinfo) x$(sed -n \
        's/^model name.*: / /p' /proc/cpuinfo | head -n 1)"
    echo "memory:      $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    echo "clocksource: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
    echo "clockevent:  $(sed -n '/^Per CPU device: 0/,$s/^Clock Event Device: //p' /proc/timer_list | head -n 1)"
    echo "interrupts:  $(grep -c . /proc/interrupts) lines"
}

if [ "$vitrine" = test ]; then
    report
    # work that a broken processor does not survive
    echo "sum:         $(seq 1 2000 | awk '{ s += $1 * $1 } END { print s }')"
    echo "sha256:      $(seq 1 20000 | sha256sum | cut -c1-16)"
    echo "sort:        $(seq 1 3000 | sort -r | head -n 1)"
    mkdir /tmp/d && cp /bin/busybox /tmp/d/b && cmp /bin/busybox /tmp/d/b && echo "copy:        same"
    echo "VITRINE-BOOT-OK"
    poweroff -f
fi
report
echo
echo "A Debian kernel in a partition. Leave with Ctrl-A x, or power off with: poweroff -f"
while :; do
    TERM=dumb setsid sh -c "exec sh -l </dev/$console >/dev/$console 2>&1"
    echo "(the shell ended; here is another)"
done
