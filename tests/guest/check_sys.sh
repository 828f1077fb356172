#!/bin/sh
# The system-mode guest (tests/guest/sys): exceptions, segments, paging, debug registers, interrupts,
# legacy modes. Its own "ok"/"not ok" lines are the result; two runs must give one hash.
set -eu
: "${BUILD:=$PWD}" "${VITRINE:=$BUILD/vitrine}" "${SRC:=$(cd "$(dirname "$0")/../.." && pwd)}"
[ -n "${GUEST_CC-gcc}" ] || { echo "skip sys guest: no x86-64 compiler"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GUEST_CC=${GUEST_CC:-gcc} sh "$SRC/tests/guest/sys/build.sh" "$work/sys.elf"
run() { ${EMULATOR:-} "$VITRINE" run --bare --headless --hash -m 256M --timeout 100s \
    -k "$work/sys.elf" "$@" </dev/null 2>>"$work/err"; }
run >"$work/one" || { cat "$work/one" "$work/err"; echo "not ok sys guest: exit $?"; exit 1; }
grep -v '^state-hash' "$work/one"
run --cpu=max >"$work/max" || { cat "$work/max" "$work/err"; echo "not ok sys guest on max"; exit 1; }
grep -v '^state-hash' "$work/max" | sed 's/^\(not \)*ok .*/& (max)/'
run >"$work/two" || true
if cmp -s "$work/one" "$work/two"; then
    echo "ok sys guest: two runs, one hash"
else
    echo "not ok sys guest: two runs differ"
fi
