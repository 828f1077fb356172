/*
 * vmwp/ics.h: the VM's integration components. Callers hold vm.lock.
 */
#ifndef RT_ICS_H
#define RT_ICS_H

#include <stdbool.h>
#include <stdint.h>

struct rt_channel_news;

bool ics_init(void); /* VMBus for the partition, and the offers; false: not possible */
void ics_news(const struct rt_channel_news *news);
void ics_stop(bool restart); /* asks the guest to shut down */
void ics_timers(void);       /* does what is due */
uint64_t ics_deadline(void);
void ics_report(void); /* a line about the guest's health, at the end */

#endif
