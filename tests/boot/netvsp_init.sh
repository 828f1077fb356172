#!/bin/busybox sh
# Init of the guests of check_netvsp.sh and full_netvsp.sh: loads hv_netvsc, sets the network up and
# does what net=... on the kernel's command line says.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
for m in hv_vmbus hv_netvsc; do
    insmod /$m.ko || echo "no module $m"
done
ip link set lo up
i=0
while [ $i -lt 100 ] && [ ! -e /sys/class/net/eth0 ]; do
    usleep 20000
    i=$((i + 1))
done
mkdir -p /www

# What udhcpc calls.
cat >/bin/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "lease: $ip/$mask router $router dns $dns"
END
chmod +x /bin/lease

# The gateway's address by DHCP, and an answer from it.
dhcp()
{
    ip link set eth0 up
    udhcpc -i eth0 -q -n -f -s /bin/lease 2>&1 | grep -E 'lease:' || echo "no lease"
    ping -c 3 10.0.2.2 | tail -n 2
}

# Waits until this name answers.
meet() { until ping -c 1 -W 1 "$1" >/dev/null; do :; done; }

for step in $(echo "$net" | tr , " "); do
    case $step in
    fetch)
        dhcp
        wget -q -O /tmp/got "$url" || { echo "no connection"; : >/tmp/got; }
        echo "fetched: $(wc -c </tmp/got) $(sha256sum </tmp/got | cut -c1-16)"
        ;;
    serve)
        # until somebody has fetched the file
        dhcp
        seq 1 20000 >/www/numbers
        httpd -f -v -p 80 -h /www 2>/tmp/log &
        echo "@@serving"
        until grep -q 'response:200' /tmp/log; do sleep 1; done
        sleep 3
        ;;
    cable)
        # says how the cable is, and each change, until it is back in
        ip link set eth0 up
        was=
        until [ "$was" = " 1 0 1" ]; do
            now=$(cat /sys/class/net/eth0/carrier)
            [ "$now" = "${was##* }" ] || echo "@@carrier $now"
            [ "$now" = "${was##* }" ] || was="$was $now"
            usleep 100000
        done
        ;;
    quiet)
        # answers pings, serves a file of `stream` blocks of 64 KiB; until told to stop. Both of
        # these say nothing, so that the console costs the same each time.
        ip addr add 10.9.0.1/24 dev eth0
        ip link set eth0 up
        dd if=/dev/zero of=/www/stream bs=64k count="$stream" status=none
        httpd -p 80 -h /www
        nc -l -p 81 >/tmp/word
        poweroff -f
        ;;
    load)
        # so many echoes of 1000 bytes, one at a time; fetches that file
        ip addr add 10.9.0.2/24 dev eth0
        ip link set eth0 up
        meet 10.9.0.1
        [ "$packets" = 00000 ] || ping -A -q -c "$packets" -s 1000 10.9.0.1 >/dev/null
        until wget -q -O /dev/null http://10.9.0.1/stream; do usleep 1000; done
        until echo "enough" | nc 10.9.0.1 81; do usleep 1000; done
        poweroff -f
        ;;
    first)
        ip addr add 10.9.0.1/24 dev eth0
        ip link set eth0 up
        seq 1 200000 >/www/numbers
        httpd -p 80 -h /www
        nc -l -p 81 >/tmp/word
        echo "told: $(cat /tmp/word)"
        ;;
    second)
        ip addr add 10.9.0.2/24 dev eth0
        ip link set eth0 up
        meet 10.9.0.1
        for size in 0 1 1472 1473 8000 65507; do
            echo "ping $size: $(ping -A -c 2 -s $size 10.9.0.1 | grep received)"
        done
        until wget -q -O /tmp/got http://10.9.0.1/numbers; do sleep 1; done
        seq 1 200000 | cmp - /tmp/got && echo "transfer: same $(wc -c </tmp/got)"
        until echo "enough" | nc 10.9.0.1 81; do sleep 1; done
        ;;
    esac
done
for d in /sys/bus/vmbus/devices/*; do
    [ -d "$d/net" ] || continue
    echo "channels: $(ls "$d/channels" | wc -l) interrupts:" $(cat "$d"/channels/*/interrupts)
done
for c in /sys/class/net/eth*; do
    [ -e "$c" ] && echo "${c##*/}: $(cat $c/address) mtu $(cat $c/mtu) rx $(cat $c/statistics/rx_packets) tx $(cat $c/statistics/tx_packets) errors $(cat $c/statistics/rx_errors) $(cat $c/statistics/tx_errors)"
done
echo "VITRINE-NET-OK"
poweroff -f
