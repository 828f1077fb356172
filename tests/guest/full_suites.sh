# Public test programs that are in no Debian package: `make check-full SUITES=DIR`, with images built
# elsewhere: DIR/kvm-unit-tests/x86_64/*.flat and DIR/kvm-unit-tests/i386/*.flat. One line each with
# the numbers of checks; SUITE_ONLY="NAME ..." selects.
. "$SRC/tests/lib/sh.sh"
list=$SRC/tests/guest/kvm_unit_tests.txt
[ -n "${SUITES:-}" ] || { skip "kvm-unit-tests: SUITES=DIR is not given"; exit 0; }

# Programs of real mode want what firmware has set up (interrupt vectors, 8259, 8254).
by_firmware() # IMAGE
{
    command -v grub-mkrescue >/dev/null && "$VITRINE" help run | grep -q -e '--firmware' || return 1
    mkdir -p "$work/iso/boot/grub"
    cp "$1" "$work/iso/boot/test.flat"
    printf 'set timeout=0\nmenuentry t { multiboot /boot/test.flat t\n boot }\n' \
        >"$work/iso/boot/grub/grub.cfg"
    grub-mkrescue -o "$work/test.iso" "$work/iso" >/dev/null 2>&1
}

run_program() # FOLDER NAME FILE PROCESSORS MIB SECONDS CPU ARGUMENT
{
    folder=x86_64
    [ "$1" = 32 ] && folder=i386
    name=$2 image=$SUITES/kvm-unit-tests/$folder/$3.flat
    [ -f "$image" ] || { skip "$name: no $folder/$3.flat"; return; }
    printf 'TEST_DEVICE=0\nNR_CPUS=%s\n' "$4" >"$work/env"
    set -- "$4" "$5" "$6" "$7" "${8:-}"
    if [ "$5" = firmware ]; then
        by_firmware "$image" || { skip "$name: no firmware or no grub-mkrescue"; return; }
        timeout $(($3 + 60)) "$VITRINE" run --bare --headless --firmware=seabios --cpu="$4" \
            --memory="$2M" --timeout="$3s" --cdrom="$work/test.iso" >"$work/out" 2>"$work/err"
    else
        timeout $(($3 + 60)) "$VITRINE" run --bare --headless --cpu="$4" --smp="$1" --memory="$2M" \
            --timeout="$3s" --kernel="$image" --initrd="$work/env" --append="test $5" >"$work/out" \
            2>"$work/err"
    fi </dev/null
    rc=$?
    judge $rc
}

judge() # EXIT
{
    pass=$(grep -a -c '^PASS' "$work/out") skips=$(grep -a -c '^SKIP' "$work/out")
    fail=$(grep -a -c '^FAIL' "$work/out")
    grep -a '^FAIL' "$work/out" | sed 's/^FAIL: /    failed: /'
    said="$pass passed, $fail failed, $skips skipped"
    if [ "$fail" -gt 0 ] || [ "$1" -ne 0 ]; then
        not_ok "$name: $said, exit $1"
        tail -n 5 "$work/out" "$work/err" | sed 's/^/    /'
    else
        ok "$name: $said"
    fi
}

grep -v '^#' "$list" | while read -r folder name file lps mib seconds cpu argument; do
    case " ${SUITE_ONLY:-$name} " in *" $name "*) ;; *) continue ;; esac
    run_program "$folder" "$name" "$file" "$lps" "$mib" "$seconds" "$cpu" "$argument"
done >"$work/lines"
cat "$work/lines"
! grep -q '^not ok' "$work/lines"
