# Two of Debian's cloud kernels as children on the virtual switch: one gets its address by DHCP from
# the user network and fetches a file from this host; the two ping each other with every size and
# move a file.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/netvsp_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_netvsp_guest

if [ "${HAVE_SLIRP:-no}" = yes ]; then
    mkdir "$work/www"
    seq 1 60000 >"$work/www/numbers"
    port=$((20000 + $$ % 10000))
    "$busybox" httpd -f -p "127.0.0.1:$port" -h "$work/www" &
    server=$!
    trap 'kill $server; rm -rf "$work"' EXIT
    outside=user steps="fetch,first url=http://10.0.2.2:$port/numbers"
else
    skip "children on the user network: built without libslirp"
    outside=switch steps=first
fi
pair "children on the switch" "$outside" "$steps" && pair_is_well && ok "children reach each other"
if [ $outside = user ]; then
    says '\[a\] lease: 10.0.2.15/24 router 10.0.2.2 dns 10.0.2.3' \
        "\[a\] fetched: $(wc -c <"$work/www/numbers") $(sha256sum <"$work/www/numbers" | cut -c1-16)" &&
        ok "a child reaches the outside"
fi
finish
