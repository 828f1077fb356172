# `vitrine vm`: the VMs of a running machine from another process, by its management endpoint.
. "$SRC/tests/lib/sh.sh"
[ -z "$CROSS" ] || { skip "vm: too slow under emulation"; exit 0; }
v=$VITRINE
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
trap '"$v" vm --name=lab power-off >/dev/null 2>&1; rm -rf "$work"' EXIT

# has PATTERN...: what the last command printed
has()
{
    for pattern do
        grep -q -e "$pattern" "$work/out" || { not_ok "$name: '$pattern' not said"
            sed 's/^/    /' "$work/out" "$work/err"; return 1; }
    done
}
vm() { n=$1 code=$2; shift 2; expect "$n" "$code" "$v" vm "$@"; }
# machine OPTIONS...: in the background, as soon as it answers
machine()
{
    "$v" run --name=lab --headless --timeout=120s "$@" >"$work/machine" 2>&1 &
    pid=$!
    i=0
    while [ $i -lt 100 ] && ! "$v" vm --name=lab ls >/dev/null 2>&1; do
        sleep 0.1
        i=$((i + 1))
    done
}

vm "no machine" 1 ls
says 'no machine runs under a name' 'E-VM-001'
vm "an unknown command" 2 lsx
says "did you mean .vitrine vm ls"
vm "a word too many" 2 watch this
vm "a name that is none" 2 --name=../x ls
expect "a name without VMs" 2 "$v" run --bare --kernel="$BUILD/roms/child.elf" --name=lab

machine
vm "the demo's VMs" 0 ls
has '^child1 ' '^child2 '
i=0 # until both have done their checks
while [ $i -lt 50 ] && [ "$("$v" vm ls 2>&1 | grep -c ' off ')" != 2 ]; do sleep 0.1; i=$((i + 1)); done
expect "the name is taken" 2 "$v" run --name=lab --headless
says 'runs already'
vm "as JSON" 0 --json ls child1
has '"EnabledState": 3' '"LastEnd": "debug-exit"' '"NumberOfProcessors": 1'
vm "a query" 0 query "SELECT ElementName, EnabledState FROM Msvm_ComputerSystem WHERE ElementName='child2'"
has '"ElementName": "child2"' '"EnabledState": 3'
if grep -q -e child1 -e ProcessID "$work/out"; then not_ok "the query selects"; else ok "the query selects"; fi
vm "a bad query" 1 query "SELECT nothing"
says 'Invalid params'
vm "stopping what is off" 1 stop child1
says 'not possible in its present state' 32775
vm "a VM that is not there" 1 start child3
says 32773
vm "start" 0 start child1
vm "a new VM" 0 new "name=third memory=16 cpus=1 kernel=child.elf"
vm "the name of another" 1 new "name=third kernel=child.elf"
vm "start of the new one" 0 start third
i=0
while [ $i -lt 50 ] && [ "$("$v" vm ls 2>&1 | grep -c ' off ')" != 3 ]; do sleep 0.1; i=$((i + 1)); done
vm "it is gone" 0 rm third
vm "ls without it" 0 ls
if grep -q third "$work/out"; then not_ok "it is gone"; else ok "it is gone from the list"; fi
# not JSON, too long, the wrong version: an error each, and the next request is served
if command -v python3 >/dev/null; then
    expect "bad requests" 0 python3 - "$XDG_RUNTIME_DIR/vitrine/lab/vmms" <<'END'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
f = s.makefile()
def ask(text):
    s.sendall(text + b"\n")
    return json.loads(f.readline())
assert ask(b"{nonsense")["error"]["code"] == -32700
assert ask(b'{"method":"EnumerateInstances","id":1}')["error"]["code"] == -32600
assert ask(b'{"jsonrpc":"2.0","method":"x","id":2}')["error"]["code"] == -32601
assert ask(b"[" * 9000)["error"]["code"] == -32600
assert ask(b'{"jsonrpc":"2.0","method":"EnumerateInstances","params":{"ClassName":"X"},"id":"a"}')["error"]["code"] == -32602
r = ask(b'{"jsonrpc":"2.0","method":"EnumerateInstances","params":{"ClassName":"Msvm_ProcessorSettingData"},"id":"b"}')
assert r["id"] == "b" and r["result"][0]["VirtualQuantity"] == 1, r
END
fi
vm "power-off" 0 power-off
wait $pid
rc=$?
if [ $rc -eq 0 ]; then ok "the machine ends well"; else not_ok "the machine ends well: $rc"; fi
if [ -e "$XDG_RUNTIME_DIR/vitrine/lab" ]; then not_ok "no sockets stay"; else ok "no sockets stay"; fi

# A stock kernel: paused, shut down by its integration component, its console from outside
. "$SRC/tests/boot/lib.sh"
get_guests
get_modules "vm with Linux" cloud-amd64 hyperv
"$BUILD/obj/tools/mkinitramfs" "$work/vmbus.cpio" "$busybox" "$SRC/tests/boot/hyperv_init.sh" \
    "hv_vmbus.ko=$(module hv_vmbus)" "hv_utils.ko=$(module hv_utils)" \
    "hyperv-keyboard.ko=$(module hyperv-keyboard)"
machine --vm "name=a,memory=256M,kernel=$kernel_cloud,initrd=$work/vmbus.cpio,append='console=ttyS0 quiet'"
"$v" vm watch >"$work/watch" 2>&1 </dev/null &
watcher=$!
i=0
while [ $i -lt 200 ] && ! grep -q VMBUS-READY "$work/machine"; do sleep 0.1; i=$((i + 1)); done
kill $watcher 2>/dev/null
vm "integration components" 0 ic a
has '^heartbeat  *OK' '^shutdown  *OK' '^time sync  *OK' '^key-value exchange  *No Contact'
vm "keys" 0 type a "Hello, World: ~{x} 42
"
i=0
while [ $i -lt 50 ] && ! grep -q 'TYPED Hello, World: ~{x} 42' "$work/machine"; do sleep 0.1; i=$((i + 1)); done
if [ $i -lt 50 ]; then ok "the synthetic keyboard types"; else not_ok "the synthetic keyboard types"; fi
vm "keys without text" 2 type a
vm "those of a VM that is not there" 1 ic b
says 'there is no VM b'
vm "its heart in the list" 0 ls a
has '^a  *running .* ok'
vm "pause" 0 pause a
vm "it is paused" 0 ls a
has paused
vm "pausing twice" 1 pause a
vm "resume" 0 resume a
echo | timeout 2 "$v" vm console a >"$work/console" 2>/dev/null
vm "a shutdown by the guest" 0 stop a
grep -q 'ORDERLY poweroff' "$work/machine" && ok "the guest was asked" || not_ok "the guest was asked"
vm "start again" 0 start a
vm "turn off" 0 stop a --turn-off
vm "how it ended" 0 --json ls a
has 'turned off'
vm "components of a VM that is off" 0 --json ic a
has '"OperationalStatus": 12' '"GuestIntrinsicExchangeItems": {}'
vm "off" 0 power-off
wait $pid

# A panic of the guest: its log's end, its heart, the list
machine --consoles=all --on-panic=continue \
    --vm "name=a,memory=256M,kernel=$kernel_cloud,initrd=$work/vmbus.cpio,append='console=ttyS0 quiet unknown_nmi_panic'"
# wait_list PATTERN NAME: until the list has it; the VM's time in ms in $time
wait_list()
{
    i=0
    while [ $i -lt 300 ] && ! "$v" vm --json ls a 2>/dev/null >"$work/list" || ! grep -q "$1" "$work/list"; do
        [ $i -lt 300 ] || break
        sleep 0.1
        i=$((i + 1))
    done
    if [ $i -lt 300 ]; then ok "$2"; else not_ok "$2"; fi
    time=$(sed -n 's/.*"UpTime": \([0-9]*\).*/\1/p' "$work/list")
}
wait_list '"Heartbeat": 2' "the guest's heart beats"
same "its health" "$(grep -c '"HealthState": 5' "$work/list")" 1
before=$time
vm "NMI" 0 nmi a
wait_list '"Heartbeat": 13' "the heart is lost"
if [ $((time - before)) -le 10000 ]; then ok "within 10 s"; else not_ok "within 10 s: $((time - before)) ms"; fi
wait_list '"HealthState": 25' "the crash is known"
vm "the crash in the list" 0 ls a
has '^a  *running .* lost  *guest crashed'
if grep -q 'a: crash: | .*Kernel Offset' "$work/machine"; then
    ok "the end of the guest's log"
else
    not_ok "the end of the guest's log"
    grep crash "$work/machine" | sed 's/^/    /'
fi
vm "start after a crash" 0 reset a
vm "a new life" 0 --json ls a
has '"HealthState": 5'
vm "off" 0 power-off
wait $pid
finish
