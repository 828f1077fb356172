# The machine's ACPI tables and a child's DSDT through iasl: disassembled and compiled again without complaint.
. "$SRC/tests/lib/sh.sh"
t=$BUILD/obj/tests/unit/test_acpi
command -v iasl >/dev/null || { skip "acpi tables: no iasl"; exit 0; }
[ -x "$t" ] || { skip "acpi tables: no unit tests built"; exit 0; }
[ -z "${CROSS:-}" ] || { skip "acpi tables: a build for another processor"; exit 0; }
CK_FORK=no ACPI_DUMP=$work "$t" >/dev/null || not_ok "tables are written"
CK_FORK=no ACPI_DUMP=$work "$BUILD/obj/tests/unit/test_rt_vmwp" >/dev/null || not_ok "a child's are"
for name in APIC DMAR DSDT FACP HPET MCFG CHILD0 CHILD1; do
    # Hyper-V's id of VMBus, which guests look for, is shorter than the specification has it
    ( cd "$work" && iasl -d "$name.dat" && sed -i 's/"VMBus"/"VMBS0000"/' "$name.dsl" && iasl -tc "$name.dsl" ) >"$work/$name.log" 2>&1
    if grep -q '0 Errors, 0 Warnings' "$work/$name.log" &&
        ! grep -q -i -E '(error|warning)[: ]+[0-9]* *-|checksum.*invalid' "$work/$name.log"; then
        ok "iasl accepts $name"
    else
        not_ok "iasl accepts $name"
        tail -n 12 "$work/$name.log" | sed 's/^/    /'
    fi
done
finish
