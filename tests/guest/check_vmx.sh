#!/bin/sh
# VT-x in a guest: tests/guest/vmx is a small hypervisor that checks exits, events, EPT, timers.
# The same image agrees with Debian's Bochs 2.7 but for: RF in exits by faults, the EPT violation of
# an accessed-flag update, interrupts with IF=0 in the host, and VMCALL in root operation.
set -u
: "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}" "${BUILD:=$PWD}"
[ -n "${GUEST_CC-gcc}" ] || { echo "skip vmx guest: no x86-64 compiler"; exit 0; }
work=$BUILD/tests-guest
mkdir -p "$work"
sh "$SRC/tests/guest/vmx/build.sh" "$work/vt.elf" || { echo "not ok vmx guest builds"; exit 1; }
timeout 120 "$BUILD/vitrine" run --bare --cpu=max --kernel "$work/vt.elf" </dev/null >"$work/vt.out" 2>"$work/vt.err"
rc=$?
grep -a -E '^(ok|not ok|  line) ' "$work/vt.out"
grep -a -q '^done' "$work/vt.out" || { echo "not ok vmx guest finishes (exit $rc)"; cat "$work/vt.err"; exit 1; }
