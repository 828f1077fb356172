# Key-value exchange with Debian's own daemon in a child: it says what it is, and learns the VM's name.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/vmbus_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
sh "$SRC/tools/fetch-guest.sh" hyperv-daemons >"$work/daemons" 2>"$work/fetch" || {
    skip "KVP: no daemon: $(tail -n 1 "$work/fetch")"
    exit 0
}
set --
while read -r f; do
    set -- "$@" "${f##*/}=$f"
done <"$work/daemons"
get_vmbus_guest "$@"
vmbus "key-value exchange" stop-after=6s "" &&
    says 'kvp: OSName is Test guest' 'kvp: OSMajorVersion is 7.5' \
        'kvp: ProcessorArchitecture is x86_64' 'KVP VirtualMachineNamedebian'

# and as a person sees it
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
"$VITRINE" run --name=kvp --headless --timeout=120s --vm \
    "name=debian,memory=256M,kernel=$kernel_cloud,initrd=$work/vmbus.cpio,append='console=ttyS0 quiet'" \
    >"$work/machine" 2>&1 </dev/null &
pid=$!
i=0
while [ $i -lt 300 ] && ! "$VITRINE" vm ic debian 2>/dev/null | grep -q ProcessorArchitecture; do
    sleep 0.1
    i=$((i + 1))
done
expect "vitrine vm ic" 0 "$VITRINE" vm ic debian
says '^heartbeat  *OK' '^key-value exchange  *OK' '^  OSName  *Test guest' '^  OSMajorVersion  *7.5'
expect "as JSON" 0 "$VITRINE" vm --json ic debian
says '"OSName": "Test guest"'
expect "the guest shuts down" 0 "$VITRINE" vm stop debian
expect "power-off" 0 "$VITRINE" vm power-off
wait $pid
finish
