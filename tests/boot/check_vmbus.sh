# Debian's cloud kernel as a child: finds VMBus, binds its drivers to the integration components,
# answers heartbeats, takes its time from the host, and powers off when the host asks.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/vmbus_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_vmbus_guest
bound="driver hv_utils state 3"

vmbus "VMBus of a stock kernel" stop-after=6s "" && says 'Vmbus version:5.3' \
    "DEVICE {57164f39-9115-4e78-ab55-382f3bd5422d} $bound" \
    "DEVICE {0e0b6031-5213-4934-818b-38d90ced39db} $bound" \
    "DEVICE {9527e630-d0ae-497b-adce-e80ab0175caf} $bound" \
    "DEVICE {a9a0f4e7-5a45-4d96-b827-8a841e8c03e6} $bound" \
    'Heartbeat IC version 3.0' 'Shutdown IC version 3.2' 'TimeSync IC version 4.0' \
    'DATE 2020-01-01' 'heartbeat: the guest answers' 'heartbeat: 3 answers' 'PTP hyperv' &&
    ok "heartbeat, shutdown and time synchronization are bound and work"
first=$hash
vmbus "VMBus of a stock kernel again" stop-after=6s ""
same "two runs with VMBus give one hash" "$first" "$hash"
vmbus "the oldest version, and two processors" stop-after=4s,cpus=2 "vmbus=max_version=0x20004" &&
    says 'Vmbus version:2.4' "DEVICE {57164f39-9115-4e78-ab55-382f3bd5422d} $bound"

# a child that breaks every rule of the protocol: it loses its channels, its neighbour nothing
[ -n "${GUEST_CC:-}" ] || { skip "a hostile client: no x86-64 compiler"; finish; exit; }
sh "$SRC/tests/guest/hostile/build.sh" vmbus "$work/hostile.elf" ||
    { not_ok "the hostile client builds"; exit 1; }
hostile()
{
    expect "$1" 0 "$VITRINE" run --headless --consoles=all --hash --timeout=120s \
        --vm "name=bad,memory=16M,kernel=$work/hostile.elf" \
        --vm "name=good,memory=16M,kernel=$BUILD/roms/child.elf" &&
        says 'bad. hostile: .* messages' 'vmbus: bad: .* no more about this guest' \
            'good. .* checks: .* ok, 0 failed' && hash=$(sed -n 's/^state-hash //p' "$work/out")
}
hostile "a hostile client beside a tiny child"
first=$hash
hostile "the hostile client again"
same "two runs with a hostile client give one hash" "$first" "$hash"
finish
