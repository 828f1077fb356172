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
layer_of()
{
    case $1 in
    frontends/*) echo 6 ;; debug/*) echo 5 ;; machine/*) echo 4 ;;
    cpu/* | mmu/* | apic/* | iommu/* | devices/*) echo 3 ;;
    core/*) echo 2 ;; lib/* | abi/*) echo 1 ;; *) echo 0 ;;
    esac
}
grep -rHoE '^#include "[^"]+"' --include='*.[ch]' frontends debug machine cpu mmu apic devices core \
    lib abi 2>/dev/null | sed 's/:#include "/ /; s/"$//' | sort -u >"$work/includes"
: >"$work/bad"
while read -r file included; do
    from=$(layer_of "$file") to=$(layer_of "$included")
    [ "$to" -le "$from" ] || echo "$file includes $included"
done <"$work/includes" >"$work/bad"
rule "includes point down the layers"

grep -rnE '#include "(lib|core|cpu|mmu|machine|debug|devices|apic|frontends)/' --include='*.[chS]' \
    hypervisor partitions vmbus roms >"$work/bad" 2>/dev/null
rule "guest code includes abi only"

# The model asks the host for nothing but memory.
: >"$work/bad"
for o in $(cd "$BUILD" && find obj/core obj/cpu obj/mmu obj/apic obj/devices obj/machine -name '*.o' \
    2>/dev/null); do
    nm -u "$BUILD/$o" 2>/dev/null | awk '{ print $2 }' | grep -E -x \
        '(clock_gettime|gettimeofday|time|rand|random|getrandom|open|open64|fopen|fopen64|socket|read|write|getenv|sleep|usleep|nanosleep|pthread_create)' |
        sed "s|^|$o imports |"
done >"$work/bad"
rule "model objects import no clock, random, file or socket call"

git ls-files 2>/dev/null | grep -E '\.(c|h|S)$' >"$work/files"
[ -s "$work/files" ] || find . -name '*.[chS]' | sed 's|^\./||' | grep -v '^build' >"$work/files"
xargs wc -l <"$work/files" 2>/dev/null | awk '$2 != "total" && $1 > 1000 { print $2 ": " $1 " lines" }' |
    grep -v -E '_tables?\.h' >"$work/bad"
rule "no file is longer than 1000 lines"

xargs awk 'length($0) > 100 { print FILENAME ":" FNR ": " length($0) " columns" }' <"$work/files" \
    >"$work/bad"
rule "no line is longer than 100 columns"

: >"$work/bad"
while read -r f; do
    awk -v f="$f" '/^\{/ { start = NR } /^\}/ { if (start && NR - start > 120)
        print f ":" start ": " NR - start " lines"; start = 0 }' "$f"
done <"$work/files" >"$work/bad"
rule "no function is longer than 120 lines"

xargs grep -nE 'TODO|FIXME|XXX:|HACK' <"$work/files" >"$work/bad"
rule "nothing is left to do in comments"

: >"$work/bad"
while read -r f; do
    head -n 1 "$f" | grep -q -E '^(/\*|//|#)' || echo "$f has no head comment"
done <"$work/files" >"$work/bad"
rule "every file has a head"

if command -v gcc >/dev/null; then
    : >"$work/bad"
    for h in $(grep -E '^(abi|lib|core|cpu|mmu|apic|devices|machine|debug|frontends)/.*\.h$' \
        "$work/files"); do
        gcc -std=c11 -D_GNU_SOURCE -I. -fsyntax-only -x c "$h" 2>"$work/msg" || {
            echo "$h"
            head -n 2 "$work/msg"
        }
    done >"$work/bad"
    rule "every header compiles alone"
fi
finish
