#!/bin/sh
# Guest software from Debian packages, downloaded once and unpacked without installing:
#   fetch-guest.sh kernel cloud-amd64|amd64   prints the path of a stock kernel (bzImage)
#   fetch-guest.sh kvm-modules cloud-amd64|amd64   that kernel's irqbypass, kvm and kvm-intel, a line each
#   fetch-guest.sh busybox                    prints the path of a static busybox
# Cache: $VITRINE_CACHE, else $XDG_CACHE_HOME/vitrine, else ~/.cache/vitrine. Exit 1: not available.
set -u
cache=${VITRINE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/vitrine}

say() { echo "fetch-guest: $*" >&2; }

# download PACKAGE: unpacks it into $cache/PACKAGE
download()
{
    [ -d "$cache/$1" ] && return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        { say "needs apt-get and dpkg-deb (Debian)"; return 1; }
    tmp=$cache/.tmp.$$
    mkdir -p "$tmp" || return 1
    say "downloading Debian package $1 (not installed, kept in $cache)"
    # root's apt-get hands the download to user _apt, who may not write here: harmless, but loud
    if ! (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$1") >"$tmp/log" 2>&1; then
        sed 's/^/fetch-guest: /' "$tmp/log" >&2
        rm -rf "$tmp"
        return 1
    fi
    dpkg-deb -x "$tmp"/*.deb "$tmp/root" && mv "$tmp/root" "$cache/$1"
    rc=$?
    rm -rf "$tmp"
    return $rc
}

# Of the modules only KVM's are wanted.
prune_modules()
{
    find "$1" -name '*.ko' ! -name kvm.ko ! -name kvm-intel.ko ! -name irqbypass.ko \
        -exec rm -f {} +
}

case ${1:-} in
kvm-modules)
    kernel=$(sh "$0" kernel "${2:-cloud-amd64}") || exit 1
    dir=${kernel%/boot/*}
    if [ -z "$(find "$dir" -name kvm-intel.ko)" ]; then # cached without modules
        rm -rf "$cache/again" && mkdir -p "$cache/again" && mv "$dir" "$cache/again/" || exit 1
        if download "${dir##*/}"; then
            prune_modules "$dir"
            rm -rf "$cache/again"
        else
            mv "$cache/again/${dir##*/}" "$dir"
            exit 1
        fi
    fi
    for m in irqbypass kvm kvm-intel; do
        find "$dir" -name "$m.ko" | head -n 1
    done
    ;;
kernel)
    flavour=${2:-cloud-amd64}
    found=$(ls "$cache"/linux-image-6.*"-$flavour"/boot/vmlinuz-* 2>/dev/null | head -n 1)
    if [ "$flavour" = amd64 ]; then
        found=$(ls "$cache"/linux-image-6.*-amd64/boot/vmlinuz-* 2>/dev/null | grep -v cloud |
            grep -v rt-amd64 | head -n 1)
    fi
    if [ -z "$found" ]; then
        real=$(apt-cache depends "linux-image-$flavour" 2>/dev/null |
            sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
        [ -n "$real" ] || { say "package linux-image-$flavour is not known to apt (apt-get update?)"
            exit 1; }
        download "$real" || exit 1
        found=$(ls "$cache/$real"/boot/vmlinuz-* | head -n 1)
        prune_modules "$cache/$real"
    fi
    echo "$found"
    ;;
busybox)
    if [ ! -f "$cache/busybox-static/bin/busybox" ] &&
        [ ! -f "$cache/busybox-static/usr/bin/busybox" ]; then
        download busybox-static || exit 1
    fi
    ls "$cache"/busybox-static/bin/busybox "$cache"/busybox-static/usr/bin/busybox 2>/dev/null |
        head -n 1
    ;;
*)
    echo "usage: fetch-guest.sh kernel|kvm-modules [cloud-amd64|amd64] | busybox" >&2
    exit 2
    ;;
esac
