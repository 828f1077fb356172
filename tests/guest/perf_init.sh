#!/bin/busybox sh
# Init of the guest of full_perf.sh: Debian's perf counts events of a program whose length is known.
export PATH=/bin:/usr/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
dmesg | grep -E 'Performance Events|unchecked MSR|generic registers|fixed-purpose'
stat()
{
    echo "@@ $*"
    perf stat -x, -e "$1" -- $2 2>&1 >/dev/null
}
events=instructions:u,cycles:u,branches:u
stat $events "/count 1000000"
stat $events "/count 3000000"
stat instructions:u,instructions:k,instructions "/count 1000000"
stat instructions:u,cycles:u,branches:u,ref-cycles:u,branch-instructions:k,cpu-cycles:k "/count 1000000"
perf stat -- /count 1000000 2>&1 | grep -v '^$'
# sampling: an interrupt each 100000 instructions
perf record -q -e instructions:u -c 100000 -o /tmp/perf.data -- /count 5000000
echo "samples: $(perf report -i /tmp/perf.data --stdio -q -F sample,sym 2>/dev/null | grep -v '^$' | sort -rn | head -n 1 | tr -s ' ')"
echo "VITRINE-PERF-OK"
poweroff -f
