# Other builds of the same sources: clang, sanitizers, AArch64 under qemu-user. Each gives the state
# hash of this build, for the demo and, but for AArch64, for the boots of the stock kernel; the
# sanitizer build also takes the unit tests and the bad input of tests/ux and tests/boot.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
EXPECT_TIMEOUT=1800 LIMIT=1500s
unset MAKEFLAGS MAKEOVERRIDES # what was asked of the make above is not for those here: TESTS=...
jobs=$(getconf _NPROCESSORS_ONLN)

# build NAME CONFIGURE-ARGUMENTS...: in $BUILD/alt/NAME
build()
{
    dir=$BUILD/alt/$1
    shift
    mkdir -p "$dir"
    (cd "$dir" && "$SRC/configure" "$@" && make -s -j"$jobs" all tests) >"$work/log" 2>&1
}

not_built()
{
    not_ok "$1 build"
    tail -n 20 "$work/log" | sed 's/^/    /'
}

demo() # WHAT COMMAND...: hash in $hash
{
    what=$1
    shift
    expect "the demo of the $what build" 0 "$@" run --hash --timeout=1500s
    hash=$(sed -n 's/^state-hash //p' "$work/out")
}

# boots WHAT: of the build $VITRINE; hashes in $bare_hash and $child_hash
boots()
{
    bare "the cloud kernel, bare, $1 build" "$kernel_cloud"
    bare_hash=$hash
    child "the cloud kernel, child, $1 build" "$kernel_cloud"
    child_hash=$hash
}

# whole NAME: the build in alt/NAME against the hashes of this one
whole()
{
    VITRINE=$BUILD/alt/$1/vitrine
    demo "$1" "$VITRINE"
    same "$1: the demo's hash" "$demo_ref" "$hash"
    [ -n "$bare_ref" ] || return 0
    boots "$1"
    same "$1: the bare boot's hash" "$bare_ref" "$bare_hash"
    same "$1: the child boot's hash" "$child_ref" "$child_hash"
}

demo this "$VITRINE"
demo_ref=$hash bare_ref='' child_ref=''
if [ -z "$CROSS" ]; then
    get_guests
    boots this
    bare_ref=$bare_hash child_ref=$child_hash
fi

if ! command -v clang >/dev/null; then
    skip "clang build: clang is not installed"
elif build clang --cc=clang --enable-werror; then
    ok "clang: builds without warnings"
    whole clang
else
    not_built clang
fi

if build sanitize --enable-sanitize; then
    whole sanitize
    if TEST_TIMEOUT=3000 make -s -C "$BUILD/alt/sanitize" check >"$work/log" 2>&1; then
        ok "sanitizer build: $(tail -n 1 "$work/log")"
    else
        not_built "sanitizer tests of the"
    fi
else
    not_built sanitizer
fi

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    skip "AArch64 build: needs gcc-aarch64-linux-gnu and qemu-user"
elif build aarch64 --host=aarch64-linux-gnu; then
    demo AArch64 qemu-aarch64 -L /usr/aarch64-linux-gnu "$BUILD/alt/aarch64/vitrine"
    same "AArch64: the demo's hash" "$demo_ref" "$hash"
elif grep -q 'not found' "$work/log"; then
    skip "AArch64 build: $(grep 'not found' "$work/log" | head -n 1)"
else
    not_built AArch64
fi
finish
