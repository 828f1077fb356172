/*
 * vmwp/ics.h: the VM's integration components. Callers hold vm.lock.
 */
#ifndef RT_ICS_H
#define RT_ICS_H

#include <stdbool.h>
#include <stdint.h>

bool ics_init(void);         /* offers them; false: not possible */
void ics_stop(bool restart); /* asks the guest to shut down */
void ics_timers(void);       /* does what is due */
uint64_t ics_deadline(void);
void ics_pause(bool paused); /* the VM's processors stand still: a heart that stops is no news */
void ics_report(void);       /* a line about the guest's health, at the end */

#endif
