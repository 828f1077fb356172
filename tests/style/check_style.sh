# The rules of CONTRIBUTING.md that a script can check.
. "$SRC/tests/lib/sh.sh"
cd "$SRC" || exit 1

# rule NAME: the file $work/bad lists offences
rule()
{
    if [ -s "$work/bad" ]; then
        not_ok "$1"
        head -n 20 "$work/bad" | sed 's/^/    /'
    else
        ok "$1"
    fi
}

# Layers: a folder may include what stands at its own place or to the right.
grep -rHoE '^#include "[^"]+"' --include='*.[ch]' frontends debug machine cpu mmu apic iommu devices \
    core lib abi 2>/dev/null | sed 's/:#include "/ /; s/"$//' | awk '
    BEGIN {
        n = split("abi lib:core:cpu mmu apic iommu devices:machine:debug:frontends", rank, ":")
        for (i = 1; i <= n; i++) {
            m = split(rank[i], names, " ")
            for (j = 1; j <= m; j++)
                layer[names[j]] = i
        }
    }
    function place(path) { sub("/.*", "", path); return layer[path] + 0 }
    place($2) > place($1) { print $1 " includes " $2 }' | sort -u >"$work/bad"
rule "includes point down the layers"

grep -rnE '#include "(lib|core|cpu|mmu|machine|debug|devices|apic|frontends)/' --include='*.[chS]' \
    hypervisor partitions vmbus roms >"$work/bad" 2>/dev/null
rule "guest code includes abi only"

# The model asks the host for nothing but memory; the named back ends are the exceptions.
(cd "$BUILD" && find obj/core obj/cpu obj/mmu obj/apic obj/iommu obj/devices obj/machine -name '*.o' \
    ! -path obj/devices/disk/hostfile.o ! -path obj/devices/net/pcap.o ! -path obj/devices/net/user.o \
    2>/dev/null | xargs nm -A -u 2>/dev/null) | awk '
    $3 ~ /^(clock_gettime|gettimeofday|time|rand|random|getrandom|open|open64|fopen|fopen64|socket|read|write|getenv|sleep|usleep|nanosleep|pthread_create)$/ {
        print $1 " imports " $3 }' >"$work/bad"
rule "model objects import no clock, random, file or socket call"

git ls-files 2>/dev/null | grep -E '\.(c|h|S)$' >"$work/files"
[ -s "$work/files" ] || find . -name '*.[chS]' | sed 's|^\./||' | grep -v '^build' >"$work/files"
xargs wc -l <"$work/files" 2>/dev/null | awk '$2 != "total" && $1 > 1000 { print $2 ": " $1 " lines" }' |
    grep -v -E '_tables?\.h' >"$work/bad"
rule "no file is longer than 1000 lines"

xargs awk 'length($0) > 100 { print FILENAME ":" FNR ": " length($0) " columns" }' <"$work/files" \
    >"$work/bad"
rule "no line is longer than 100 columns"

xargs awk 'FNR == 1 { start = 0 } /^\{/ { start = FNR } /^\}/ { if (start && FNR - start > 120)
    print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' <"$work/files" >"$work/bad"
rule "no function is longer than 120 lines"

xargs grep -nE 'TODO|FIXME|XXX:|HACK' <"$work/files" >"$work/bad"
rule "nothing is left to do in comments"

xargs awk 'FNR == 1 && !/^(\/\*|\/\/|#)/ { print FILENAME " has no head comment" }' \
    <"$work/files" >"$work/bad"
rule "every file has a head"

if command -v gcc >/dev/null; then
    grep -E '^(abi|lib|core|cpu|mmu|apic|iommu|devices|machine|debug|frontends)/.*\.h$' \
        "$work/files" | xargs gcc -std=c11 -D_GNU_SOURCE -I. -fsyntax-only -x c 2>"$work/bad"
    rule "every header compiles alone"
fi
finish
