# Longer runs of firmware: OVMF starts a stock kernel, its variables stay; memtest86+ runs a pass.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
[ -z "$CROSS" ] || { skip "firmware boots: too slow under emulation"; exit 0; }
EXPECT_TIMEOUT=900

memtest=/boot/memtest86+x64.bin
if [ -e $memtest ]; then
    expect "memtest86+ runs a pass" 0 "$VITRINE" run --bare --headless --kernel=$memtest \
        --append=console=ttyS0,115200 --memory=8M --smp=2 --hash --timeout=800s \
        --until='Pass:  1        Errors: 0'
else
    skip "memtest86+: package memtest86+ is not installed"
fi

code=/usr/share/OVMF/OVMF_CODE.fd
[ -e $code ] || { skip "OVMF: package ovmf is not installed"; finish; exit; }
get_guests

# ovmf NAME OPTIONS...: the kernel through fw_cfg, to power-off; hash in $hash
ovmf()
{
    name=$1
    shift
    expect "$name" 0 "$VITRINE" run --firmware=ovmf --headless --hash --timeout=800s \
        --kernel="$kernel_cloud" --initrd="$initrd" --append="console=ttyS0 vitrine=test" "$@" ||
        return 1
    hash=$(sed -n 's/^state-hash //p' "$work/out")
    says VITRINE-BOOT-OK 'EFI v2.70' || return 1
}

ovmf "OVMF starts the cloud kernel"
first=$hash
ovmf "OVMF again"
same "OVMF: one hash" "$first" "$hash"
ovmf "OVMF on four processors, memory above 4 GiB" --smp=4 --memory=5G

cp /usr/share/OVMF/OVMF_VARS.fd "$work/vars.fd"
ovmf "OVMF writes its variables" --firmware-vars="$work/vars.fd" --firmware-save
cmp -s /usr/share/OVMF/OVMF_VARS.fd "$work/vars.fd" && not_ok "the variables were saved" ||
    ok "the variables were saved"
cp "$work/vars.fd" "$work/first.fd"
ovmf "OVMF finds its variables" --firmware-vars="$work/vars.fd" --firmware-save
finish
