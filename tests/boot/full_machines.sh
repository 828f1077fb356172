# Two machines with stock kernels on one hub, by two machine files: they ping each other, a file goes
# over, both power off; the same hashes in a second run.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/virtio_lib.sh"
[ -z "$CROSS" ] || { skip "two stock kernels: too slow under emulation"; exit 0; }
get_guests
get_net_guests cloud-amd64

for n in server client; do
    cat >"$work/$n.conf" <<END
# one of two
machine.bare = yes
boot.kernel = $net_kernel
boot.initrd = $net_initrd
boot.append = console=ttyS0 net=$n
net = hub:lan
END
done
echo "machine.cpus = 2" >>"$work/server.conf"

both() # NAME
{
    expect "two stock kernels on a hub, $1" 0 "$VITRINE" run --headless --hash --timeout=280s \
        --machine="$work/server.conf" --machine="$work/client.conf" || return 1
    grep -a 'state-hash ' "$work/out" >"$work/$1"
    says '^\[client\] 3 packets transmitted, 3 packets received, 0% packet loss' \
        '^\[client\] transfer: same 1288895' '^\[server\] told: enough' \
        '^\[client\] VITRINE-NET-OK' '^\[server\] VITRINE-NET-OK' \
        '^\[server\] eth0: 52:56:54:00:00:01' '^\[client\] eth0: 52:56:54:00:01:01'
}
if both one && both two; then
    same "two runs of two stock kernels give one hash" "$(cat "$work/one")" "$(cat "$work/two")"
    [ "$(wc -l <"$work/one")" -eq 3 ] || not_ok "a hash of each machine and one of both"
fi
finish
