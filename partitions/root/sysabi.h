/*
 * sysabi.h: what the root kernel and its processes share: call numbers, errors, messages, the run
 * page of a virtual processor. Not an outside interface; both sides are built together.
 */
#ifndef RT_SYSABI_H
#define RT_SYSABI_H

#include "abi/hv.h"
#include "abi/vmbus.h"

#define X(name, handler) SYS_##name,
enum {
#include "partitions/root/syscalls.def"
    SYS_COUNT
};
#undef X

/* Errors, returned negated */
#define RT_EPERM     1
#define RT_ENOENT    2
#define RT_EINTR     4
#define RT_EIO       5
#define RT_ENOEXEC   8
#define RT_EBADF     9
#define RT_EAGAIN    11
#define RT_ENOMEM    12
#define RT_EFAULT    14
#define RT_ENODEV    19
#define RT_EINVAL    22
#define RT_ENOSYS    38
#define RT_ETIMEDOUT 110
#define RT_EHV       0x1000 /* + hypercall status */

#define RT_NEVER ~0ull
#define RT_NAME  32

/* A process starts with its argument line at RT_ARGS and handle 0 = the queue its parent gave. */
#define RT_ARGS         0x7ffffff00000ull
#define RT_STACK_TOP    0x7fffffff0000ull
#define RT_STACK_SIZE   0x10000ull
#define RT_PRIVATE_BASE 0x200000000000ull
#define RT_GUEST_BASE   0x100000000000ull
#define RT_SCREEN_BASE  0x300000000000ull /* SCREEN */
#define RT_USER_END     0x7ffffffff000ull

/* Messages */
#define RT_MSG_DATA 240u
struct rt_msg {
    uint32_t type;
    uint32_t length;
    uint64_t sender; /* process id, 0 = kernel */
    uint8_t data[RT_MSG_DATA];
};
#define RT_MSG_PROCESS_EXIT 1u  /* data: uint64_t process id, int64_t code */
#define RT_MSG_CONSOLE      2u  /* data: bytes typed */
#define RT_MSG_CHANNEL      3u  /* data: struct rt_channel_news */
#define RT_MSG_USER         16u /* first number of the processes' own types */

/* VMWP to VMMS */
#define RT_MSG_VM_STATE RT_MSG_USER       /* data: uint32_t enum rt_vm_state */
#define RT_MSG_VM_END   (RT_MSG_USER + 1) /* data: uint32_t enum rt_vm_end, uint32_t exit value */

#define RT_MSG_VM_IC  (RT_MSG_USER + 5) /* data: struct rt_vm_ic, when it changes */
#define RT_MSG_VM_KVP (RT_MSG_USER + 6) /* data: struct rt_vm_kvp, when it changes */

#define RT_MSG_VM_CRASH (RT_MSG_USER + 12) /* data: struct rt_vm_crash; a guest's first reports */

#define RT_CRASH_PARAMETERS 5u
struct rt_vm_crash {
    uint64_t parameter[RT_CRASH_PARAMETERS]; /* HV_X64_MSR_CRASH_P0 and on */
};

/* Integration components of a VM */
enum rt_ic { RT_IC_HEARTBEAT, RT_IC_SHUTDOWN, RT_IC_TIME_SYNC, RT_IC_KVP, RT_ICS };
enum rt_ic_status {
    RT_IC_NO_CONTACT, /* the guest has no driver for it, or not yet */
    RT_IC_OK,
    RT_IC_LOST,   /* heartbeat: there was contact */
    RT_IC_FAILED, /* the guest's driver does not agree with us */
};
struct rt_vm_ic {
    uint32_t ic, status;
};
/* What the guest says about itself; both end with 0. */
#define RT_KVP_ITEMS 16u
#define RT_KVP_KEY   48u
#define RT_KVP_VALUE 128u
struct rt_vm_kvp {
    uint32_t index;
    char key[RT_KVP_KEY], value[RT_KVP_VALUE];
};

/* The VM's network card */
#define RT_MSG_VM_NET (RT_MSG_USER + 10) /* data: struct rt_vm_net, when it changes */
#define RT_VLAN_TRUNK 0xfffu
struct rt_vm_net {
    uint64_t mac;       /* first byte highest; 0: there is no card */
    uint32_t vlan;      /* 0: untagged; RT_VLAN_TRUNK: all, with their tags */
    uint32_t is_linked; /* the cable is plugged in */
};

/* VMMS to VMWP */
#define RT_MSG_VM_STOP (RT_MSG_USER + 2) /* data: uint32_t enum rt_vm_stop */

enum rt_vm_stop {
    RT_STOP_SHUTDOWN, /* the guest is asked to power off */
    RT_STOP_RESTART,  /* or to restart */
    RT_STOP_TURN_OFF, /* and is not asked */
    RT_STOP_RESET,    /* nor here */
};
#define RT_MSG_VM_PAUSE     (RT_MSG_USER + 3) /* data: uint32_t 1: its VPs stop, 0: they go on */
#define RT_MSG_VM_NMI       (RT_MSG_USER + 4) /* to VP 0 */
#define RT_MSG_VM_TYPE      (RT_MSG_USER + 7) /* data: text for the synthetic keyboard */
#define RT_MSG_VM_SCANCODES (RT_MSG_USER + 8) /* data: bytes of a keyboard of set 1 */
#define RT_MSG_VM_LINK      (RT_MSG_USER + 9) /* data: uint32_t 1: the cable is in, 0: out */

#define RT_MSG_VM_MOUSE (RT_MSG_USER + 11) /* data: struct rt_vm_mouse */

struct rt_vm_mouse {
    uint32_t x, y;   /* pixels of the guest's screen */
    uint32_t button; /* 1 and on: pressed and released there; 0: none */
};

enum rt_vm_state { RT_VM_OFF, RT_VM_STARTING, RT_VM_RUNNING, RT_VM_STOPPING, RT_VM_PAUSED };
enum rt_vm_end {
    RT_END_POWEROFF,
    RT_END_RESET,
    RT_END_DEBUG_EXIT,
    RT_END_TRIPLE_FAULT,
    RT_END_TURNED_OFF,
    RT_END_ERROR, /* could not start, or the worker died */
};

/* The page a worker thread shares with the kernel for its VP. VP_RUN writes the first set_count
 * registers, then resumes as flags say, then waits for the next intercept message. */
#define RT_RUN_START   1u /* clear ExplicitSuspend */
#define RT_RUN_RESUME  2u /* clear InterceptSuspend */
#define RT_RUN_MAX_SET 20u
struct rt_vp_run {
    uint32_t set_count;
    uint32_t flags;
    uint64_t rsvd;
    struct {
        uint32_t name;
        uint32_t rsvd;
        uint64_t value;
    } set[RT_RUN_MAX_SET];
    struct hv_message message;
};

/* Channels of a process (CHANNEL_OFFER and the calls behind it) */
struct rt_channel_offer {
    struct vmbus_guid class_id, instance_id;
    uint32_t flags;          /* VMBUS_OFFER_* */
    uint32_t mmio_megabytes; /* that the guest is to reserve */
};
struct rt_channel_news {
    uint32_t channel;
    uint32_t event;
};
#define RT_CHANNEL_OPENED   1u
#define RT_CHANNEL_CLOSED   2u
#define RT_CHANNEL_READABLE 3u /* comes again when a read has found no packet */
#define RT_CHANNEL_WRITABLE 4u /* after a write that had no room */
struct rt_packet {
    uint16_t type;   /* VMBUS_PKT_* */
    uint16_t flags;  /* VMBUS_PKT_F_COMPLETION */
    uint32_t length; /* bytes of data, which follow */
    uint64_t id;
};

#define RT_REGS_GET 0x10000u

#endif
