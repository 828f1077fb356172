#!/bin/busybox sh
# Init that runs one program and powers off (tests/boot/check_vector.sh).
/bin/busybox mount -t proc proc /proc
/bin/busybox grep -o -w -E 'avx2|fma|f16c|bmi2|abm' /proc/cpuinfo | /bin/busybox sort -u | /bin/busybox tr '\n' ' '
echo
/vector
/bin/busybox poweroff -f
