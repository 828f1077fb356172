# Children on the virtual switch: the same run twice; what a frame costs; a hostile neighbour; a cable
# that is pulled; a server in a child behind a forwarded port.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/netvsp_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_netvsp_guest

if pair "two children, one" switch first --net none && pair_is_well && one=$hash &&
    pair "two children, two" switch first --net none; then
    same "the same state after a second run" "$one" "$hash"
fi

# load STREAM PACKETS: instructions of all levels, intercepts of ports and memory, in $insns, $exits
load()
{
    expect "$1 blocks of 64 KiB and $2 echoes" 0 "$VITRINE" stat --headless --timeout=280s --net none \
        --vm "$(vm a switch "quiet stream=$1")" --vm "$(vm b switch "load stream=$1 packets=$2")"
    insns=$(sed -n 's/^instructions *//p' "$work/out")
    exits=$(sed -n 's|^ *I/O instruction *\([0-9]*\) .*|\1|p; s|^ *EPT violation *\([0-9]*\) .*|\1|p' "$work/out")
}
# under NAME COST LIMIT
under()
{
    if [ "$2" -gt 1000 ] && [ "$2" -lt "$3" ]; then
        ok "$1 costs under $3 instructions, all levels and both guests ($2)"
    else
        not_ok "$1 costs $2 instructions"
    fi
}
load 0100 00500 && base=$insns quiet=$exits
load 0500 00500 && under "64 KiB of a stream" $(((insns - base) / 400)) 800000
same "a stream causes no port or memory intercepts" "$quiet" "$exits"
load 0100 02500 && under "an echo of 1000 bytes" $(((insns - base) / 2000)) 90000
same "echoes cause no port or memory intercepts" "$quiet" "$exits"

# A child on the same switch that breaks every rule: it loses its channels, the two others nothing.
if [ -z "${GUEST_CC:-}" ]; then
    skip "a hostile child on the switch: no x86-64 compiler"
elif sh "$SRC/tests/guest/hostile/build.sh" net "$work/hostile.elf"; then
    pair "a hostile child on the switch of two others" switch first --net none \
        --vm "name=bad,memory=16M,kernel=$work/hostile.elf,net=switch" && pair_is_well &&
        says 'bad. hostile: .* packets sent' 'vmbus: bad: .* no more about this guest' &&
        ok "harms none of them"
else
    not_ok "the hostile child builds"
fi

# The cable, by the management endpoint.
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
: >"$work/wire"
"$VITRINE" run --name=wire --headless --timeout=120s --net none \
    --vm "$(vm a switch,mac=02:00:00:00:00:0a,vlan=7 cable)" >"$work/wire" 2>&1 &
guest=$!
# carrier VALUE: until the guest has said so
carrier()
{
    tries=0
    until tr -d '\r' <"$work/wire" | grep -q -a "@@carrier $1\$" || [ $tries -gt 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
ask() { expect "$1" 0 "$VITRINE" vm query "SELECT * FROM $2" && shift 2 && says "$@"; }
carrier 1
ask "a card in the management's words" Msvm_SyntheticEthernetPort '"PermanentAddress": "02000000000A"'
ask "its VLAN" Msvm_EthernetSwitchPortVlanSettingData '"AccessVlanId": 7'
expect "the cable is pulled" 0 "$VITRINE" vm set a net.link=off
carrier 0
ask "which shows" Msvm_EthernetPortAllocationSettingData '"EnabledState": 3'
expect "no such setting" 2 "$VITRINE" vm set a net.lnk=on && says 'net.link=on or net.link=off'
expect "and plugged in" 0 "$VITRINE" vm set a net.link=on
wait $guest
if [ "$(tr -d '\r' <"$work/wire" | grep -a '@@carrier' | tr '\n' ' ')" = "@@carrier 1 @@carrier 0 @@carrier 1 " ]; then
    ok "the guest sees it"
else
    not_ok "the guest sees its cable: $(grep -a '@@' "$work/wire")"
fi

[ "${HAVE_SLIRP:-no}" = yes ] || { skip "user network: built without libslirp"; finish; exit; }
web=$((20000 + $$ % 10000))
(expect "a server in a child" 0 "$VITRINE" run --headless --consoles=all --timeout=280s \
    --forward "tcp:$web:80" --vm "$(vm a user serve)" >"$work/serve") &
guest=$!
serves "a file comes out of a child through a forwarded port" "$web"
wait $guest
cat "$work/serve"
grep -q '^not ok' "$work/serve" && failures=$((failures + 1))
finish
