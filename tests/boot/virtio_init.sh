#!/bin/busybox sh
# Init of the guests of check_virtio.sh and full_virtio.sh: loads virtio's modules, sets the network
# up and does what net=... on the kernel's command line says.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
echo "@@init"
for m in $(cat /modules); do
    insmod "/$m" || echo "no module $m"
done
ip link set lo up

# What udhcpc calls.
cat >/bin/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "nameserver $dns" >/etc/resolv.conf
echo "lease: $ip/$mask router $router dns $dns"
END
chmod +x /bin/lease

# The gateway's address by DHCP, and an answer from it.
dhcp()
{
    ip link set eth0 up
    udhcpc -i eth0 -q -n -f -s /bin/lease 2>&1 | grep -E 'lease' || echo "no lease"
    ping -c 3 10.0.2.2 | tail -n 2
}

# A virtio disk: what is on it, and whether it keeps what is written.
if [ -b /dev/vda ]; then
    echo "disk: $(sha256sum </dev/vda | cut -c1-16) $(cat /sys/block/vda/serial)"
    dd if=/bin/busybox of=/dev/vda bs=64k seek=3 conv=fsync 2>/dev/null
    echo 3 >/proc/sys/vm/drop_caches
    size=$(wc -c </bin/busybox)
    dd if=/dev/vda bs=64k skip=3 2>/dev/null | head -c "$size" | cmp - /bin/busybox &&
        echo "disk: keeps what is written"
fi

# Entropy: the device's bytes are the seed's.
if [ -c /dev/hwrng ] && grep -q virtio /sys/class/misc/hw_random/rng_current; then
    echo "rng: $(head -c 16 /dev/hwrng | sha256sum | cut -c1-16)"
fi

case $net in
gateway)
    dhcp
    ;;
serve)
    dhcp
    mkdir -p /www
    seq 1 20000 >/www/numbers
    httpd -p 80 -h /www
    echo "@@serving"
    nc -l -p 81 -e sh -c 'cat >/tmp/got'
    echo "got: $(wc -c </tmp/got) bytes $(sha256sum </tmp/got | cut -c1-16)"
    ;;
fetch)
    # through the gateway to a server on the host
    dhcp
    wget -q -O /tmp/got "$url" || { echo "no connection"; : >/tmp/got; }
    echo "fetched: $(wc -c </tmp/got) $(sha256sum </tmp/got | cut -c1-16)"
    nslookup "${host:-vitrine}" 10.0.2.3 2>&1 | tail -n 3
    ;;
pair)
    # two cards on one hub, each in a name space of its own
    mkdir -p /var/run /run/netns
    unshare -n sh -c 'echo $$ >/tmp/pid; while [ ! -e /tmp/over ]; do sleep 1; done' &
    while ! [ -s /tmp/pid ]; do sleep 0.1; done
    other=$(cat /tmp/pid)
    ip link set eth1 netns "$other"
    ip addr add 10.9.0.1/24 dev eth0
    ip link set eth0 up
    nsenter -t "$other" -n sh -c 'ip addr add 10.9.0.2/24 dev eth1; ip link set eth1 up; ip link set lo up'
    ping -c 3 10.9.0.2 | tail -n 2
    mkdir -p /www
    seq 1 200000 >/www/numbers
    nsenter -t "$other" -n httpd -p 80 -h /www
    wget -q -O /tmp/got http://10.9.0.2/numbers
    cmp /www/numbers /tmp/got && echo "transfer: same $(wc -c </tmp/got)"
    touch /tmp/over
    ;;
server)
    # the one machine of two (full_machines.sh): serves until the other one says so
    ip addr add 10.9.0.2/24 dev eth0
    ip link set eth0 up
    mkdir -p /www
    seq 1 200000 >/www/numbers
    httpd -p 80 -h /www
    nc -l -p 81 >/tmp/word
    echo "told: $(cat /tmp/word)"
    ;;
client)
    # the other: waits for the first, pings it, fetches a file from it
    ip addr add 10.9.0.1/24 dev eth0
    ip link set eth0 up
    until ping -c 1 -W 1 10.9.0.2 >/dev/null; do :; done
    ping -c 3 10.9.0.2 | tail -n 2
    until wget -q -O /tmp/got http://10.9.0.2/numbers; do sleep 1; done
    seq 1 200000 | cmp - /tmp/got && echo "transfer: same $(wc -c </tmp/got)"
    until echo "enough" | nc 10.9.0.2 81; do sleep 1; done
    ;;
none)
    echo "carrier: $(ip link set eth0 up; cat /sys/class/net/eth0/carrier)"
    ;;
esac
for c in /sys/class/net/eth*; do
    [ -e "$c" ] && echo "${c##*/}: $(cat $c/address) mtu $(cat $c/mtu) rx $(cat $c/statistics/rx_packets) tx $(cat $c/statistics/tx_packets) errors $(cat $c/statistics/rx_errors)"
done
echo "VITRINE-NET-OK"
poweroff -f
