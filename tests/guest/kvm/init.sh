#!/bin/busybox sh
# Init of the KVM test: the stock kernel's own modules, then a user of /dev/kvm.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in irqbypass kvm kvm-intel; do insmod /$m.ko || echo "insmod $m failed"; done
dmesg | grep -i kvm
for f in ept vpid unrestricted_guest flexpriority preemption_timer vnmi enable_apicv pml \
    enable_shadow_vmcs; do
    echo "kvm_intel.$f: $(cat /sys/module/kvm_intel/parameters/$f)"
done
/kvmtest
poweroff -f
