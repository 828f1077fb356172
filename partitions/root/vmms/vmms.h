/*
 * vmms/vmms.h: the virtual machines as VMMS's files share them.
 */
#ifndef RT_VMMS_H
#define RT_VMMS_H

#include "partitions/root/user/ulib.h"

#define VM_MAX   8
#define LINE_MAX 1000u

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
};

extern struct vm vms[VM_MAX];
extern unsigned vm_count;
extern const char *const vm_state_names[];

void vm_start(struct vm *v); /* which is off */
void vm_stop(struct vm *v, enum rt_vm_stop how);

/* ---- console.c ---- */
void console_open(uint64_t queue);
void console_input(const uint8_t *text, size_t n);

#endif
