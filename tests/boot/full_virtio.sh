# The virtio drivers of linux-image-amd64 on four processors, twice; a long transfer from this host
# through the user network, and a restricted one.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/virtio_lib.sh"
[ -z "$CROSS" ] || { skip "virtio: too slow under emulation"; exit 0; }
get_guests
get_net_guests amd64

pair()
{
    net "amd64 kernel, four processors, two cards on a hub, $1" pair --smp 4 --net hub:a --net hub:a \
        --pcap "$work/$1.pcap" && says 'transfer: same 1288895' 'errors 0'
}
if pair one && one=$hash && pair two; then
    same "the same state after a second run" "$one" "$hash"
    same "the same frames in a second run" "$(cksum <"$work/one.pcap")" "$(cksum <"$work/two.pcap")"
fi
net "a card without cable" none --net none && says 'carrier: 0'

[ "${HAVE_SLIRP:-no}" = yes ] || { skip "user network: built without libslirp"; finish; exit; }
mkdir "$work/www"
head -c 30000000 /dev/urandom >"$work/www/big"
port=$((20000 + $$ % 10000))
"$busybox" httpd -f -p "127.0.0.1:$port" -h "$work/www" &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
url=http://10.0.2.2:$port/big
net "a long transfer from this host" "fetch url=$url" --memory 512M --net user &&
    says "fetched: 30000000 $(sha256sum <"$work/www/big" | cut -c1-16)" 'errors 0'
net "a restricted user network" "fetch url=$url" --net user,restrict=on && says 'no connection'
finish
