#!/bin/sh
# Guest software from Debian packages, downloaded once and unpacked without installing:
#   fetch-guest.sh kernel cloud-amd64|amd64   prints the path of a stock kernel (bzImage)
#   fetch-guest.sh kvm-modules cloud-amd64|amd64   that kernel's irqbypass, kvm and kvm-intel, a line each
#   fetch-guest.sh virtio-modules cloud-amd64|amd64  those of virtio PCI devices, in order of loading
#   fetch-guest.sh disk-modules cloud-amd64|amd64    those of AHCI, NVMe, SCSI and file systems
#   fetch-guest.sh hyperv-modules cloud-amd64|amd64  those of VMBus devices, in order of loading
#   fetch-guest.sh video-modules amd64                of its synthetic screen, keyboard and mouse
#   fetch-guest.sh hyperv-daemons             hv_kvp_daemon, its loader and its libc
#   fetch-guest.sh xen                        prints the path of a compressed Xen
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

kvm_modules='irqbypass kvm kvm-intel'
# rng-core is built in on some flavours: what is not there is not printed
virtio_modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
    failover net_failover virtio_net virtio_blk rng-core virtio-rng virtio_console'
disk_modules='crct10dif_common crct10dif_generic crc-t10dif crc64 crc64_rocksoft_generic
    crc64-rocksoft t10-pi scsi_common scsi_mod libata libahci ahci sd_mod cdrom sr_mod
    nvme-core nvme crc16 crc32c_generic libcrc32c mbcache jbd2 ext4 isofs'
hyperv_modules='hv_vmbus hv_utils scsi_transport_fc hv_storvsc hv_netvsc hyperv-keyboard
    hid-hyperv hv_balloon pci-hyperv-intf pci-hyperv uio uio_hv_generic'
video_modules='hv_vmbus hyperv-keyboard drm drm_kms_helper drm_shmem_helper hyperv_drm
    hid hid-generic hid-hyperv evdev'
all_modules="$kvm_modules $virtio_modules $disk_modules $hyperv_modules $video_modules"

# Only these are wanted of the modules; the list is kept beside them.
prune_modules()
{
    find "$1" -name '*.ko' >"$1/all"
    for m in $all_modules; do
        grep "/$m\.ko\$" "$1/all"
    done >"$1/wanted"
    grep -v -x -F -f "$1/wanted" "$1/all" | xargs rm -f
    rm -f "$1/all" "$1/wanted"
    echo "$all_modules" >"$1/modules-kept"
}

# modules FLAVOUR NAME...: paths of these modules, in this order
modules()
{
    kernel=$(sh "$self" kernel "$1") || exit 1
    shift
    dir=${kernel%/boot/*}
    if [ "$(cat "$dir/modules-kept" 2>/dev/null)" != "$all_modules" ]; then
        # cached with other modules
        rm -rf "$cache/again" && mkdir -p "$cache/again" && mv "$dir" "$cache/again/" || exit 1
        if download "${dir##*/}"; then
            prune_modules "$dir"
            rm -rf "$cache/again"
        else
            mv "$cache/again/${dir##*/}" "$dir"
            exit 1
        fi
    fi
    for m do
        find "$dir" -name "$m.ko" | head -n 1
    done
}

self=$0
case ${1:-} in
kvm-modules)
    # shellcheck disable=SC2086
    modules "${2:-cloud-amd64}" $kvm_modules
    ;;
virtio-modules)
    # shellcheck disable=SC2086
    modules "${2:-cloud-amd64}" $virtio_modules
    ;;
disk-modules)
    # shellcheck disable=SC2086
    modules "${2:-cloud-amd64}" $disk_modules
    ;;
hyperv-modules)
    # shellcheck disable=SC2086
    modules "${2:-cloud-amd64}" $hyperv_modules
    ;;
video-modules)
    # shellcheck disable=SC2086
    modules "${2:-amd64}" $video_modules
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
hyperv-daemons)
    for p in hyperv-daemons libc6; do
        download $p || exit 1
    done
    ls "$cache/hyperv-daemons/usr/sbin/hv_kvp_daemon" \
        "$cache"/libc6/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
        "$cache"/libc6/lib/x86_64-linux-gnu/libc.so.6
    ;;
xen)
    download xen-hypervisor-4.17-amd64 || exit 1
    ls "$cache"/xen-hypervisor-4.17-amd64/boot/xen-4.17-amd64.gz
    ;;
*)
    echo "usage: fetch-guest.sh kernel|kvm-modules|virtio-modules|disk-modules|hyperv-modules|video-modules [cloud-amd64|amd64] | hyperv-daemons | xen | busybox" >&2
    exit 2
    ;;
esac
