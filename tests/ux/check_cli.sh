# Bad input to the command line: a clear message and the exit codes of the manual, no crash.
. "$SRC/tests/lib/sh.sh"
v=$VITRINE

# usage errors
expect "no command is a usage error" 2 "$v"
expect "help is success" 0 "$v" help
expect "help of a command lists its options" 0 "$v" help run
says '--kernel' '--until' 'Exit codes'
expect "--help works on a command" 0 "$v" run --help
expect "version" 0 "$v" version
expect "an unknown command offers the nearest" 2 "$v" rnu
says 'did you mean `vitrine run`'
expect "an unknown option offers the nearest" 2 "$v" run --memroy=64M
says 'E-CLI-001' 'did you mean --memory'
expect "an unknown setting offers the nearest" 2 "$v" run -o machine.memry=64M
says 'did you mean machine.memory'
expect "a bad size" 2 "$v" run --memory=lots
says 'E-CLI-002'
expect "too much memory" 2 "$v" run --memory=4000T
expect "too many processors" 2 "$v" run --smp=77
expect "a missing value" 2 "$v" run --kernel
says 'E-CLI-003'
expect "bare without kernel" 2 "$v" run --bare
says 'E-CLI-004'
expect "bare with children" 2 "$v" run --bare --vm kernel=k
expect "initrd without kernel" 2 "$v" run --initrd=x
expect "a VM without kernel" 2 "$v" run --vm name=a
expect "a VM with an unknown key" 2 "$v" run --vm kernel=k,memori=5
says 'did you mean memory='
expect "a VM with an open quote" 2 "$v" run --vm "kernel=k,append='x"
expect "two VMs with one name" 2 "$v" run --vm name=a,kernel=/dev/null --vm name=a,kernel=/dev/null
expect "an unknown network" 2 "$v" run --bare --net=nat --kernel=/dev/null
says 'user, none or hub:NAME'
expect "a forwarded port without network" 2 "$v" run --forward tcp:2222:22 --kernel=/dev/null
says 'add --net user'
expect "a bad log level" 2 "$v" run --log=loud --kernel=/dev/null
expect "a glob that matches no tracepoint is refused" 2 "$v" trace 'nothing:*'
expect "trace lists its points" 0 "$v" trace --list
says 'vmx:exit'
expect "explain knows ids" 0 "$v" explain E-BOOT-001
expect "explain of an unknown id" 2 "$v" explain E-NONE-001
expect "config show" 0 "$v" config show --origin --memory=1G
says 'machine.memory *= 1G *# command line'
expect "config show as JSON" 0 "$v" config show --json
expect "info lists the processor features" 0 "$v" info cpu
says 'x2apic .*v2' 'syscall'
expect "info of something unknown" 2 "$v" info weather
expect "an unknown processor model offers the nearest" 2 "$v" run --cpu=v4
says 'E-CLI-008' 'did you mean v2'
expect "an unknown processor feature offers the nearest" 2 "$v" run --cpu=max,-x2apci
says 'did you mean x2apic'
expect "a feature without a sign" 2 "$v" run --cpu=v2,smap
says 'write +smap'
expect "a feature that cannot be taken away" 2 "$v" run --cpu=v2,-tsc
says 'part of every model'
if [ -n "${GUEST_CC:-}" ]; then
    expect "doctor finds a host that can run" 0 "$v" doctor
    says '^this host' '^firmware and kernels' 'ok  *processor .*sum .* as on every host' \
        'ok  *demo .*one state hash'
    expect "doctor as JSON" 0 "$v" doctor --quick --json
    says '"problems": 0' '"group": "this build"' '"advice": null'
else
    expect "doctor names the images that this build lacks" 1 "$v" doctor
    says 'problem  *hypervisor.elf' 'guest-cc'
fi
expect "doctor names what is wrong, and what to do" 1 env TMPDIR="$work/none" "$v" doctor --quick
says 'problem  *overlays of disks .*none' '-> set TMPDIR' '^[1-9] problem'
expect "doctor takes no words" 2 "$v" doctor everything
expect "doctor's options are listed" 0 "$v" help doctor
says '--quick'
(ulimit -f 100; exec "$v" doctor --quick) >"$work/out" 2>"$work/err"
name="doctor sees the limits of this process"
says 'missing  *size of files' && ok "$name"
expect "completion" 0 "$v" completion bash
expect "a port that is none" 2 "$v" run --gdb=seventy
expect "a device by name is refused, not ignored" 2 "$v" run -device nvme
says 'E-CLI-007'

# files
expect "a missing kernel" 1 "$v" run --bare --kernel="$work/none"
says 'E-FILE-001'
expect "a folder as kernel" 1 "$v" run --bare --kernel="$work"
: >"$work/empty"
expect "an empty kernel" 1 "$v" run --bare --kernel="$work/empty"
says 'E-FILE-003'
noise 5000 >"$work/random"
# the first bytes decide what it is; keep them from meaning something
printf '\001\002\003\004' | dd of="$work/random" conv=notrunc 2>/dev/null
printf '\000\000' | dd of="$work/random" bs=1 seek=510 conv=notrunc 2>/dev/null
expect "random bytes as kernel" 1 "$v" run --bare --kernel="$work/random"
says 'E-BOOT-001'
expect "random bytes as positional file" 1 "$v" run "$work/random"
expect "random bytes as a child's kernel" 1 "$v" run --vm "kernel=$work/random"
says 'E-BOOT-001'
expect "a missing kernel of a child" 1 "$v" run --vm "kernel=$work/none"
says 'E-FILE-001'
printf 'machine.memroy = 5\n' >"$work/machine.conf"
expect "a machine file with a bad key names the line" 2 "$v" run "$work/machine.conf"
says 'machine.conf:1'
printf '\037\213\010\000aaaa' >"$work/initrd.gz"
expect "an initrd as kernel" 1 "$v" run "$work/initrd.gz"
says 'initrd'
if [ "$(id -u)" != 0 ]; then
    : >"$work/secret"
    chmod 0 "$work/secret"
    expect "an unreadable kernel" 1 "$v" run --bare --kernel="$work/secret"
fi

# ELF and bzImage headers that lie
printf '\177ELF\002\001\001' >"$work/short.elf"
expect "an ELF file of seven bytes" 1 "$v" run --bare --kernel="$work/short.elf"
for i in 1 2 3 4 5 6 7 8; do
    { printf '\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\002\000\076\000'
      noise 3000 "$i"; } >"$work/bad.elf"
    expect "an ELF file with a random header ($i)" 1 "$v" run --bare --kernel="$work/bad.elf"
    { head -c 497 /dev/zero; noise 17 "$i"; printf 'HdrS'; noise 4000 "$((i + 100))"; } \
        >"$work/bad.bz"
    printf 'HdrS' | dd of="$work/bad.bz" bs=1 seek=514 conv=notrunc 2>/dev/null
    expect "a bzImage with a random header ($i)" 1 "$v" run --bare --max-insns=1000 \
        --kernel="$work/bad.bz"
done
finish
