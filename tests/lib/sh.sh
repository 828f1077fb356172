# Helpers of the shell tests; sourced. Tests print "ok NAME", "not ok NAME", "skip NAME: reason".
# run.sh sets BUILD, SRC, VITRINE.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failures=0

ok() { echo "ok $*"; }

not_ok()
{
    echo "not ok $*"
    failures=$((failures + 1))
}

skip() { echo "skip $*"; }

# expect NAME CODE COMMAND...: exit code as said, stdin closed, output in $work/out and $work/err,
# and neither a sanitizer report nor a crash.
expect()
{
    name=$1 wanted=$2
    shift 2
    timeout "${EXPECT_TIMEOUT:-300}" "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    if [ $rc -ne "$wanted" ]; then
        not_ok "$name: exit $rc, wanted $wanted"
        tail -n 15 "$work/out" "$work/err" | sed 's/^/    /'
        return 1
    fi
    if grep -q -a -E 'Sanitizer|runtime error:|internal error' "$work/err"; then
        not_ok "$name: sanitizer or assertion"
        sed 's/^/    /' "$work/err" | tail -n 30
        return 1
    fi
    ok "$name"
}

# says PATTERN...: the last command's stderr or stdout has each pattern
says()
{
    for pattern do
        if ! grep -q -a -e "$pattern" "$work/err" "$work/out"; then
            not_ok "$name: '$pattern' not said"
            tail -n 10 "$work/err" | sed 's/^/    /'
            return 1
        fi
    done
}

# noise BYTES [SEED]: bytes without pattern, the same each time; at most 300000
noise()
{
    seq "$((${2:-1} * 1000000))" "$((${2:-1} * 1000000 + 200000))" | gzip -nc | tail -c +11 | head -c "$1"
}

finish() { [ "$failures" -eq 0 ]; }
