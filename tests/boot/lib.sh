# What the boot tests share: kernel, initramfs, and how to boot. Sourced after tests/lib/sh.sh.
# Sets kernel_cloud, kernel_full, initrd, hv_ok, or ends the script with a skip.

get_guests()
{
    kernel_cloud=$(sh "$SRC/tools/fetch-guest.sh" kernel cloud-amd64 2>"$work/fetch") || {
        skip "boots: no stock kernel: $(tail -n 1 "$work/fetch")"
        exit 0
    }
    busybox=$(sh "$SRC/tools/fetch-guest.sh" busybox 2>"$work/fetch") || {
        skip "boots: no busybox: $(tail -n 1 "$work/fetch")"
        exit 0
    }
    initrd=$work/initramfs.cpio
    "$BUILD/obj/tools/mkinitramfs" "$initrd" "$busybox" "$SRC/tests/boot/init.sh"
}

get_full_kernel()
{
    kernel_full=$(sh "$SRC/tools/fetch-guest.sh" kernel amd64 2>"$work/fetch") || {
        skip "boots of linux-image-amd64: $(tail -n 1 "$work/fetch")"
        return 1
    }
}

# get_modules TEST FLAVOUR LIST...: these lists of modules are fetched; or the test ends with a skip
get_modules()
{
    test_name=$1 flavour=$2
    shift 2
    : >"$work/list"
    for list do
        sh "$SRC/tools/fetch-guest.sh" "$list-modules" "$flavour" >>"$work/list" 2>"$work/fetch" || {
            skip "$test_name: no modules: $(tail -n 1 "$work/fetch")"
            exit 0
        }
    done
}

# module NAME: the file of a module that was fetched
module() { grep "/$1\.ko\$" "$work/list"; }

# serves NAME PORT: a guest, the process $guest, says when it serves; then its file comes from there
serves()
{
    tries=0
    until grep -q -a '@@serving' "$work/out" 2>/dev/null || [ $tries -gt 600 ]; do
        kill -0 "$guest" 2>/dev/null || break
        sleep 0.2
        tries=$((tries + 1))
    done
    seq 1 20000 >"$work/numbers"
    if timeout 60 "$busybox" wget -q -O "$work/got" "http://127.0.0.1:$2/numbers" &&
        cmp -s "$work/got" "$work/numbers"; then
        ok "$1"
    else
        not_ok "$1"
    fi
}

# bare NAME KERNEL OPTIONS...: boots to power-off on the bare machine; hash in $hash
bare()
{
    name=$1 k=$2
    shift 2
    expect "$name" 0 "$VITRINE" run --bare --headless --hash --timeout="${LIMIT:-250s}" \
        --kernel="$k" --initrd="$initrd" --append="console=ttyS0 vitrine=test" "$@" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VITRINE-BOOT-OK || return 1
}

# child NAME KERNEL OPTIONS...: the same as a child of hypervisor and root
child()
{
    name=$1 k=$2
    shift 2
    expect "$name" 0 "$VITRINE" run --headless --hash --timeout="${LIMIT:-280s}" --vm \
        "name=debian,memory=256M,kernel=$k,initrd=$initrd,append='console=ttyS0 vitrine=test'" \
        "$@" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VITRINE-BOOT-OK || return 1
}

# same NAME A B
same()
{
    if [ -n "$2" ] && [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1: '$2' and '$3'"
    fi
}
