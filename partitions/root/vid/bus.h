/*
 * vid/bus.h: VMBus in the root's kernel: one thread serves the servers of all partitions
 * (vmbus/server.h). Service providers in the kernel offer channels with bus_server; those of a
 * process go through uchan.c.
 */
#ifndef RT_BUS_H
#define RT_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "vmbus/server.h"

struct part;
struct queue;

void bus_init(void);
/* Gives the partition a VMBus. queue gets RT_MSG_CHANNEL about the process's own channels. */
int64_t bus_start(struct part *p, struct queue *queue);
void bus_stop(struct part *p);                   /* also when it has none */
struct vmbus_server *bus_server(struct part *p); /* 0: VMBus is off */

/* ---- stor.c ---- */
/* A namespace of the root's NVMe controller becomes a disk of the partition's SCSI controller:
 * returns its logical unit number. -RT_ENODEV: no such namespace; -RT_EPERM: another has it. */
int64_t stor_attach(struct part *p, uint64_t nsid, uint64_t type);

/* ---- net.c ---- */
void net_init(void); /* the root's card, if there is one, into the switch */
/* Gives the partition a network card on the switch: an address (its first byte the highest of 48
 * bits), and a VLAN, 0: untagged, RT_VLAN_TRUNK: all. -RT_EPERM: another card has the address. */
int64_t net_attach(struct part *p, uint64_t mac, uint64_t vlan);
int64_t net_link(struct part *p, bool is_up); /* -RT_ENODEV: it has no card */

/* ---- uchan.c: channels whose VSP is the partition's process (sysabi.h) ---- */
struct rt_channel_offer;
int64_t uchan_offer(struct part *p, const struct rt_channel_offer *offer);
int64_t uchan_rescind(struct part *p, uint64_t id);
/* Into a buffer of the process: struct rt_packet and data. Returns its bytes, 0: no packet. */
int64_t uchan_read(struct part *p, uint64_t id, void *buffer, size_t size);
int64_t uchan_write(struct part *p, uint64_t id, const void *buffer, size_t size);

#endif
