# The display end to end: what guests draw, pixel by pixel; keys; the faces; errors of use.
. "$SRC/tests/lib/sh.sh"
. "$SRC/tests/video/lib.sh"
[ -n "${GUEST_CC:-}" ] || { skip "display: no x86-64 compiler"; exit 0; }
[ -z "${CROSS:-}" ] || { skip "display: the picture reader is for this host"; exit 0; }
build_look

guest 1
run "a guest draws text" 0 --screenshot="$work/a.png" --hash --timeout=60s
one=$(hash_of_run)
if "$look" cells "$work/a.png"; then ok "the text is right to the pixel"
else not_ok "the text is right to the pixel"; fi
run "a guest draws text without a screenshot" 0 --vga=std --hash --timeout=60s
two=$(hash_of_run)
if [ "$one" = "$two" ]; then ok "looking changes nothing"; else not_ok "looking: $one, $two"; fi
run "the text as text" 0 --screenshot="$work/a.txt" --timeout=60s
if [ "$(wc -l <"$work/a.txt")" -eq 25 ] && grep -q '!(/6=DKRY' "$work/a.txt"; then
    ok "its lines are there"; else not_ok "its lines are there"; head -n 2 "$work/a.txt"; fi
run "the screen before the guest" 0 --screenshot="$work/b.png@1ns" --timeout=60s
if "$look" size "$work/b.png" | grep -q '^720 400 [12]$'; then ok "is empty"
else not_ok "is empty: $("$look" size "$work/b.png")"; fi

guest 2
run "a guest draws a picture" 0 --screenshot="$work/c.png" --hash --timeout=60s
one=$(hash_of_run)
if "$look" picture "$work/c.png"; then ok "the picture is right to the pixel"
else not_ok "the picture is right to the pixel"; fi
run "no text in a graphics mode" 1 --screenshot="$work/c.txt" --timeout=60s
says 'E-DISP-004'
if ! grep -q HAVE_SDL "$BUILD/config.mk"; then
    skip "window: built without SDL2"
else
    SDL_VIDEODRIVER=dummy run "a window" 0 --display=window --hash --timeout=60s
    two=$(hash_of_run)
    if [ "$one" = "$two" ]; then ok "a window changes nothing"; else not_ok "window: $one, $two"; fi
    SDL_VIDEODRIVER=x11 DISPLAY=:9999 run "no display server" 1 --display=window --timeout=20s
    says 'E-DISP-002' 'hint: '
fi

guest 3
if ! grep -q 'HAVE_CURSES' "$BUILD/config.mk"; then
    skip "text screen: built without ncurses"
elif ! command -v script >/dev/null; then
    skip "text screen: no script (Debian: bsdutils)"
else
    run "no terminal" 1 --display=text --timeout=20s
    says 'E-DISP-003'
    cmd="$VITRINE run --bare --kernel=$work/g --display=text --serial=file:$work/serial --timeout=60s"
    { sleep 1; printf 'aB'; sleep 0.5; printf '\003\r'; sleep 0.5; printf '\033'; sleep 1; } |
        TERM=xterm timeout 60 script -q -e -c "$cmd" /dev/null >"$work/out" 2>"$work/err"
    rc=$?
    printf 'ready\n1e 9e\n2a 30 b0\naa\n1d 2e ae\n9d\n1c 9c\n01 81\n' >"$work/wanted"
    if [ $rc -eq 0 ] && cmp -s "$work/serial" "$work/wanted"; then
        ok "keys typed at the text screen reach the guest"
    else
        not_ok "keys typed at the text screen: exit $rc"
        tail -n 12 "$work/serial" | sed 's/^/    /'
    fi
fi

run "--vga=none and a screenshot" 2 --vga=none --screenshot="$work/x.png"
says 'E-CLI-004'
run "--screen that is none" 2 --screen=80x --screenshot="$work/x.png"
says 'E-CLI-002'
run "--screen too large" 2 --screen=5000x5000 --screenshot="$work/x.png"
run "a time that is none" 2 --screenshot="$work/x.png@soon"
run "--vga-rom that is missing" 1 --vga-rom="$work/none"
says 'E-FILE-001'
run_linux()
{
    . "$SRC/tests/boot/lib.sh"
    get_guests
    n="Debian's kernel on the text screen"
    expect "$n" 0 "$VITRINE" run --bare --headless --timeout=250s --kernel="$kernel_cloud" \
        --initrd="$initrd" --append="console=ttyS0 console=tty0 vitrine=test" \
        --screenshot="$work/l.png" || return
    "$look" text "$work/l.png" >"$work/l.txt"
    if grep -q 'Run /init as init process' "$work/l.txt" && grep -q 'reboot: Power down' "$work/l.txt"
    then
        ok "$n says what it does"
    else
        not_ok "$n says what it does"
        sed 's/^/    /' "$work/l.txt"
    fi
}

guest 1
run "a screenshot that cannot be written" 1 --screenshot="$work/no/such/x.png"
says 'E-FILE-005'
run_linux
finish
