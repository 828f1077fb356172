/*
 * vmwp/crash.h: a guest that reports its own crash. Callers hold vm.lock.
 */
#ifndef RT_CRASH_H
#define RT_CRASH_H

#include <stdint.h>

/* The guest wrote `ctl`, with HV_CRASH_NOTIFY, to HV_X64_MSR_CRASH_CTL. */
void crash_reported(uint64_t ctl);

#endif
