# Every fuzz target for a moment, with inputs that are the same each time. Open-ended:
#   make fuzz && obj/tests/fuzz/fuzz TARGET --time=3600 --seed=$(date +%s)
. "$SRC/tests/lib/sh.sh"
[ -z "$CROSS" ] || { skip "fuzz targets: too slow under emulation"; exit 0; }
cd "$work" || exit 1
for row in boot:1500 decode:4000 devices:300 gdb:400 guest:600 netvsp:800 options:4000 storvsp:1000 vmbus:1500 \
    vmx:600; do
    expect "fuzz ${row%:*}" 0 "$BUILD/obj/tests/fuzz/fuzz" "${row%:*}" --runs="${row#*:}"
done
finish
