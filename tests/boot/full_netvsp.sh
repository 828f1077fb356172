# Children on the virtual switch: the same run twice; a server in a child behind a forwarded port.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/boot/lib.sh"
. "$SRC/tests/boot/netvsp_lib.sh"
[ -z "$CROSS" ] || { skip "boots: too slow under emulation"; exit 0; }
get_guests
get_netvsp_guest

if pair "two children, one" switch first --net none && pair_is_well && one=$hash &&
    pair "two children, two" switch first --net none; then
    same "the same state after a second run" "$one" "$hash"
fi

[ "${HAVE_SLIRP:-no}" = yes ] || { skip "user network: built without libslirp"; finish; exit; }
web=$((20000 + $$ % 10000))
(expect "a server in a child" 0 "$VITRINE" run --headless --consoles=all --timeout=280s \
    --forward "tcp:$web:80" --vm "$(vm a user serve)" >"$work/serve") &
guest=$!
tries=0
until grep -q -a '@@serving' "$work/out" 2>/dev/null || [ $tries -gt 600 ]; do
    kill -0 $guest 2>/dev/null || break
    sleep 0.2
    tries=$((tries + 1))
done
seq 1 20000 >"$work/numbers"
if timeout 60 "$busybox" wget -q -O "$work/got" "http://127.0.0.1:$web/numbers" &&
    cmp -s "$work/got" "$work/numbers"; then
    ok "a file comes out of a child through a forwarded port"
else
    not_ok "a file comes out of a child through a forwarded port"
fi
wait $guest
cat "$work/serve"
grep -q '^not ok' "$work/serve" && failures=$((failures + 1))
finish
