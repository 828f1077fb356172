# The root kernel by itself, without a hypervisor: its self-tests, and its NVMe driver on two disks.
. "$SRC/tests/lib/sh.sh"
[ -n "${GUEST_CC:-}" ] || { skip "root kernel: no x86-64 compiler"; exit 0; }

{ printf 'VITRINE!' && noise 200000; } | head -c 131072 >"$work/a"
{ printf 'SECOND--' && noise 2000; } | head -c 1536 >"$work/b"
root()
{
    # no hypervisor, so no VM starts: the root's exit value is 2, exit code 3
    expect "$1" 3 "$VITRINE" run --bare --headless --hash --timeout=60s \
        --kernel="$BUILD/roms/root.elf" --initrd="$BUILD/roms/rootfs.cpio" \
        --disk "$work/a" --disk "$work/b" || return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says 'nvme: 2 disk(s)' 'namespace 1: 256 blocks of 512 bytes, starts with 21454e4952544956' \
        'namespace 2: 3 blocks of 512 bytes, starts with 2d2d444e4f434553' \
        'selftest: memory, paging, threads, queues: ok'
}
root "the root kernel's self-tests, with disks"
first=$hash
root "the same again"
if [ -n "$first" ] && [ "$first" = "$hash" ]; then
    ok "with one hash"
else
    not_ok "two runs of the self-tests: '$first' and '$hash'"
fi
finish
