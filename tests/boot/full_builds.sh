# Other builds of the same sources: clang, sanitizers, AArch64 under qemu-user. Each gives the demo's
# state hash; the sanitizer build also takes the bad input of tests/ux.
. "$SRC/tests/lib/sh.sh"
EXPECT_TIMEOUT=1800
expect "the demo of this build" 0 "$VITRINE" run --hash --timeout=60s
hash=$(sed -n 's/^state-hash //p' "$work/out")
jobs=$(getconf _NPROCESSORS_ONLN)

# build NAME CONFIGURE-ARGUMENTS...: in $BUILD/alt/NAME
build()
{
    dir=$BUILD/alt/$1
    shift
    mkdir -p "$dir"
    (cd "$dir" && "$SRC/configure" "$@" && make -s -j"$jobs" all) >"$work/log" 2>&1
}

# same_hash NAME COMMAND...
same_hash()
{
    what=$1
    shift
    expect "the demo of the $what build" 0 "$@" run --hash --timeout=1500s || return
    other=$(sed -n 's/^state-hash //p' "$work/out")
    if [ "$other" = "$hash" ]; then ok "$what: the same hash"; else
        not_ok "$what: the same hash: '$other', '$hash'"; fi
}

if command -v clang >/dev/null; then
    if build clang --cc=clang --enable-werror; then
        ok "clang: builds without warnings"
        same_hash clang "$BUILD/alt/clang/vitrine"
    else
        not_ok "clang: builds without warnings"
        tail -n 20 "$work/log" | sed 's/^/    /'
    fi
else
    skip "clang build: clang is not installed"
fi

if build sanitize --enable-sanitize; then
    same_hash sanitizer "$BUILD/alt/sanitize/vitrine"
    VITRINE=$BUILD/alt/sanitize/vitrine sh "$SRC/tests/ux/check_cli.sh" || failures=1
else
    not_ok "sanitizer build"
    tail -n 20 "$work/log" | sed 's/^/    /'
fi

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    skip "AArch64 build: needs gcc-aarch64-linux-gnu and qemu-user"
elif ! build aarch64 --host=aarch64-linux-gnu; then
    if grep -q 'not found' "$work/log"; then
        skip "AArch64 build: $(grep 'not found' "$work/log" | head -n 1)"
    else
        not_ok "AArch64 build"
        tail -n 20 "$work/log" | sed 's/^/    /'
    fi
else
    same_hash AArch64 qemu-aarch64 -L /usr/aarch64-linux-gnu "$BUILD/alt/aarch64/vitrine"
fi
finish
