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
finish
