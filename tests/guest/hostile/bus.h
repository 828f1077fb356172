/*
 * tests/guest/hostile/bus.h: what the hostile clients of VMBus share: chance, messages and signals
 * to the root by plain VMCALL, and messages from it.
 */
#ifndef TESTS_HOSTILE_BUS_H
#define TESTS_HOSTILE_BUS_H

#include "partitions/child/ch.h"
#include "vmbus/client/client.h"

extern struct vmbus_client bus_client;

uint64_t bus_random(void);  /* the next of a fixed sequence */
uint64_t below(uint64_t n); /* the next, 0 to n - 1 */
/* Traps, SynIC pages and the client of VMBus, with that way to post a message. */
void bus_start(void (*post)(void *ctx, const void *msg, uint32_t size));
uint64_t bus_post(uint32_t connection, uint32_t type, const void *msg, uint32_t size); /* status */
void bus_signal(uint32_t connection);
void bus_take_messages(void);

#endif
