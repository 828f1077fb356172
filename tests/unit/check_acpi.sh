# The machine's ACPI tables through iasl: disassembled and compiled again without complaint.
. "$SRC/tests/lib/sh.sh"
t=$BUILD/obj/tests/unit/test_acpi
command -v iasl >/dev/null || { skip "acpi tables: no iasl"; exit 0; }
[ -x "$t" ] || { skip "acpi tables: no unit tests built"; exit 0; }
[ -z "${CROSS:-}" ] || { skip "acpi tables: a build for another processor"; exit 0; }
CK_FORK=no ACPI_DUMP=$work "$t" >/dev/null || not_ok "tables are written"
for name in APIC DMAR DSDT FACP HPET MCFG; do
    ( cd "$work" && iasl -d "$name.dat" && iasl -tc "$name.dsl" ) >"$work/$name.log" 2>&1
    if grep -q '0 Errors, 0 Warnings' "$work/$name.log" &&
        ! grep -q -i -E '(error|warning)[: ]+[0-9]* *-|checksum.*invalid' "$work/$name.log"; then
        ok "iasl accepts $name"
    else
        not_ok "iasl accepts $name"
        tail -n 12 "$work/$name.log" | sed 's/^/    /'
    fi
done
finish
