/*
 * vmms/vmms.h: the virtual machines as VMMS's files share them.
 */
#ifndef RT_VMMS_H
#define RT_VMMS_H

#include "partitions/root/user/ulib.h"

#define VM_MAX   8
#define LINE_MAX 1000u
/* What a definition without the key means (vmwp/main.c) */
#define VM_MEMORY_PRESET 256u
#define VM_CPUS_PRESET   1u

struct vm {
    char name[RT_NAME];
    char line[LINE_MAX];
    uint64_t process;
    enum rt_vm_state state;
    bool restart_on_reset, restart;
    bool said_end;
    unsigned resets;
    uint64_t started; /* ns */
    uint32_t end, value;
    enum rt_ic_status ic[RT_ICS];
    struct rt_vm_kvp kvp[RT_KVP_ITEMS];
    struct rt_vm_net net; /* of its last start */
    bool crashed; /* the guest said so in this or, when off, its last run */
    struct rt_vm_crash crash;
};

extern struct vm vms[VM_MAX];
extern unsigned vm_count;
extern const char *const vm_state_names[];

const char *vm_end_name(const struct vm *v); /* how its last run ended; "" */

void vm_start(struct vm *v); /* which is off */
/* Of one that is on: its worker is told. */
void vm_stop(struct vm *v, enum rt_vm_stop how);
void vm_pause(struct vm *v, bool pause);
void vm_nmi(struct vm *v);
void vm_link(struct vm *v, bool is_up); /* its network cable */
/* RT_MSG_VM_TYPE, RT_MSG_VM_SCANCODES, RT_MSG_VM_MOUSE */
void vm_input(struct vm *v, uint32_t type, const void *keys, size_t n);
/* One more VM, off; false: no name, a name that another has, or no room. */
bool vm_define(const char *line);
void vm_forget(struct vm *v); /* which is off */
void vmms_power_off(void);    /* once everything that was asked has been answered */

/* ---- rpc.c: the management endpoint; nothing happens without a port for it ---- */
void rpc_open(uint64_t queue);
void rpc_input(const uint8_t *text, size_t n);
void rpc_changed(const struct vm *v); /* its state */

#endif
