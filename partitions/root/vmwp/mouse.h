/*
 * vmwp/mouse.h: the VM's synthetic mouse. Callers hold vm.lock.
 */
#ifndef RT_MOUSE_H
#define RT_MOUSE_H

#include <stdbool.h>

struct rt_msg;

bool mouse_offer(void);                   /* false: not possible */
void mouse_moved(const struct rt_msg *m); /* RT_MSG_VM_MOUSE */

#endif
