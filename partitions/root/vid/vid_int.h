/*
 * vid/vid_int.h: a partition as the VID's files share it.
 */
#ifndef RT_VID_INT_H
#define RT_VID_INT_H

#include "partitions/root/kern/kern.h"
#include "partitions/root/vid/vid.h"

#define VID_PARTITIONS 8u
#define VID_MAX_BLOCKS 16384u /* of 2 MiB: 32 GiB */
#define VID_MAX_RANGES 8u

/* Guest memory [gpa, gpa + bytes) is blocks from `first` on. */
struct vid_range {
    uint64_t gpa, bytes;
    unsigned first;
};

struct vid_vp {
    struct thread *waiter;
    bool exists, has_message;
    struct rt_vp_run *run; /* the run page, kernel's view */
    uint64_t run_va;       /* and the process's */
    struct hv_in_vp_registers *input;
    uint64_t input_pa;
};

struct part {
    uint64_t id;
    struct proc *owner;
    char name[RT_NAME];
    unsigned vps;
    struct vid_vp vp[VID_MAX_VPS];
    unsigned slot;   /* a small number of its own */
    uint64_t *block; /* physical addresses of 2 MiB blocks given to the child */
    unsigned blocks, block_room;
    unsigned ranges;
    struct vid_range range[VID_MAX_RANGES];
    struct vmbus_server *bus; /* 0: VMBus is off */
    struct queue *bus_queue;  /* news of the process's own channels */
    struct storvsp *stor;     /* its SCSI controller, 0: none yet */
    struct netvsp *net;       /* its network card, 0: none */
    struct uchan *uchans;
    uint32_t next_uchan;
};

#endif
