#!/bin/sh
# Runs test programs and scripts given as arguments and sums up in one line. Programs made with
# Check end in its "NN%: Checks: ..." line; scripts print "ok NAME", "not ok NAME" or
# "skip NAME: reason". Output of a failing test is shown, otherwise one line each.
set -u
: "${BUILD:=$PWD}" "${SRC:=$(cd "$(dirname "$0")/.." && pwd)}" "${CROSS:=}" "${FULL:=}"
VITRINE=$BUILD/vitrine
export BUILD SRC VITRINE CROSS FULL
export CK_VERBOSITY="${CK_VERBOSITY:-normal}" CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-300}"
LSAN_OPTIONS=suppressions=$SRC/tests/lib/lsan.supp:print_suppressions=0
LC_ALL=C
export LSAN_OPTIONS LC_ALL

passed=0 failed=0 skipped=0
bad=
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

limit=${TEST_TIMEOUT:-${FULL:+3600}}
: "${limit:=600}"

run_one()
{
    case $1 in
    *.sh) (cd "$BUILD" && timeout "$limit" sh "$SRC/$1") ;;
    *) (cd "$BUILD" && timeout "$limit" ${EMULATOR:-} "$BUILD/$1") ;;
    esac
}

[ "${HAVE_CHECK:-yes}" = yes ] || { echo "skip unit tests: library check not found"
    skipped=$((skipped + 1)); }

for t do
    start=$(date +%s)
    run_one "$t" >"$log" 2>&1
    rc=$?
    took=$(($(date +%s) - start))
    # shellcheck disable=SC2046
    set -- $(awk '
        /^[0-9]+%: Checks: / { gsub(",", ""); n = $3; b = $5 + $7; p += n - b; f += b }
        /^ok / { p++ } /^not ok / { f++ } /^skip / { s++ }
        END { print p + 0, f + 0, s + 0 }' "$log")
    p=$1 f=$2 s=$3
    # A crash, a time-out or no result at all is a failure of its own.
    if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then f=$((f + 1)); fi
    if [ $((p + f + s)) -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    name=${t#obj/}
    if [ "$f" -gt 0 ]; then
        [ $rc -eq 124 ] && echo "timeout after $limit s" >>"$log"
        echo "FAIL $name ($p passed, $f failed, exit $rc, $took s)"
        sed 's/^/     /' "$log" | tail -n 60
        bad="$bad $name"
    else
        echo "ok   $name ($p passed${s:+, $s skipped}, $took s)"
        grep '^skip ' "$log" | sed 's/^/     /'
    fi
done
[ -z "$bad" ] || echo "failing:$bad"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
