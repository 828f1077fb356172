# Longer runs of firmware: SeaBIOS and OVMF start both stock kernels by GRUB from NVMe and AHCI, each
# twice with one hash; OVMF starts one by itself, its variables stay.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/grub.sh"
[ -z "$CROSS" ] || { skip "firmware boots: too slow under emulation"; exit 0; }
EXPECT_TIMEOUT=900

# disk_boot NAME FIRMWARE IMAGE OPTIONS...: twice, one hash
disk_boot()
{
    t=$1 f=$2 image=$3
    shift 3
    expect "$t" 0 "$VITRINE" run --firmware="$f" --headless --hash --timeout=800s --disk "$image" "$@"
    says GRUB-RUN VITRINE-BOOT-OK
    first=$(grep -a '^state-hash' "$work/out")
    echo "    $first"
    expect "$t, again" 0 "$VITRINE" run --firmware="$f" --headless --hash --timeout=800s \
        --disk "$image" "$@"
    same "$t: one hash" "$first" "$(grep -a '^state-hash' "$work/out")"
}

# Each line: name and path of a kernel
get_guests
echo "cloud $kernel_cloud" >"$work/kernels"
get_full_kernel && echo "full $kernel_full" >>"$work/kernels"

while read -r k path; do
    if [ ! -e /usr/share/seabios/bios-256k.bin ]; then
        skip "SeaBIOS: package seabios is not installed"
    elif grub_pc "$work/pc.img" "$path"; then
        disk_boot "SeaBIOS, GRUB on NVMe, $k kernel" seabios "$work/pc.img" --smp=2
        disk_boot "SeaBIOS, GRUB on AHCI, $k kernel" seabios "file=$work/pc.img,bus=ahci"
    fi
done <"$work/kernels"

# With 256 MiB GRUB's EFI loader has no memory for the full kernel, on QEMU as here.
code=/usr/share/OVMF/OVMF_CODE.fd
[ -e $code ] || { skip "OVMF: package ovmf is not installed"; finish; exit; }
while read -r k path; do
    grub_efi "$work/efi.img" "$path" || break
    disk_boot "OVMF, GRUB on NVMe, $k kernel" ovmf "$work/efi.img" --memory=512M
    disk_boot "OVMF, GRUB on AHCI, $k kernel" ovmf "file=$work/efi.img,bus=ahci" --memory=512M --smp=2
done <"$work/kernels"

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
