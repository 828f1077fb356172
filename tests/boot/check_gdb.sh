# Stock gdb against the demo: registers, memory, breakpoints, watchpoints, steps, monitor; and the
# state hash at the end is that of a run without gdb.
. "$SRC/tests/lib/sh.sh"
command -v gdb >/dev/null || { skip "gdb: not installed"; exit 0; }
[ -z "$CROSS" ] || { skip "gdb: host build only"; exit 0; }
expect "the demo without gdb" 0 "$VITRINE" run --hash --timeout=60s
plain=$(sed -n 's/^state-hash //p' "$work/out")
elf=$BUILD/roms/hypervisor.elf
symbols=
[ -f "$elf" ] && symbols="file $elf"

# session NAME: runs the demo frozen with gdb executing $work/cmds; gdb's text in $work/gdb
session()
{
    rm -f "$work/sock"
    timeout 120 "$VITRINE" run --hash --timeout=100s -S --gdb="unix:$work/sock" \
        >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -S "$work/sock" ] && break
        sleep 0.1
    done
    { echo "set pagination off"; echo "set confirm off"; echo "$symbols"
      echo "set architecture i386:x86-64"; echo "target remote $work/sock"; cat "$work/cmds"; } \
        >"$work/script"
    timeout 100 gdb -nx -batch -x "$work/script" >"$work/gdb" 2>&1
    wait $pid
    rc=$?
    name=$1
    if [ $rc -eq "${2:-0}" ]; then ok "$1"; else
        not_ok "$1: exit $rc"
        tail -n 20 "$work/gdb" "$work/err" | sed 's/^/    /'
    fi
}

gdb_says()
{
    for p do
        if grep -q -e "$p" "$work/gdb"; then ok "$name: $p"; else
            not_ok "$name: '$p' not in gdb's output"
            tail -n 30 "$work/gdb" | sed 's/^/    /'
        fi
    done
}

cat >"$work/cmds" <<'END'
info registers rip eflags cr0
info threads
p/x $rsp
stepi
stepi
stepi
p $xmm0.v2_int64
p $st0
monitor info
monitor regs
monitor help
p/x *(unsigned int *)$rip
detach
END
session "look and detach"
gdb_says '^rip ' '^cr0 ' 'LP 0' 'PML4E\|vmcs' 'gdt '
hash=$(sed -n 's/^state-hash //p' "$work/out")
if [ "$hash" = "$plain" ]; then ok "the hash is that of the run without gdb"; else
    not_ok "the hash is that of the run without gdb: $hash, $plain"; fi

if [ -n "$symbols" ]; then
    entry=$(nm "$elf" | awk '$3 ~ /^hv_.*(main|start|init)$/ && $2 ~ /[Tt]/ { print $3 }' | head -n 1)
    cat >"$work/cmds" <<END
break *$entry
continue
p/x \$pc
delete
monitor info
stepi
stepi
monitor exits
continue
END
    session "break at $entry and run to the end"
    gdb_says 'Breakpoint 1' 'exited normally'
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    if [ "$hash" = "$plain" ]; then ok "breakpoints do not change the hash"; else
        not_ok "breakpoints do not change the hash: $hash, $plain"; fi
fi
printf 'kill\n' >"$work/cmds"
session "kill ends the run"
finish
