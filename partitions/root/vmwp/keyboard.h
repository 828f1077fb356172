/*
 * vmwp/keyboard.h: the VM's synthetic keyboard. Callers hold vm.lock.
 */
#ifndef RT_KEYBOARD_H
#define RT_KEYBOARD_H

#include <stdbool.h>

struct rt_msg;

bool keyboard_offer(void);                  /* false: not possible */
void keyboard_keys(const struct rt_msg *m); /* RT_MSG_VM_TYPE, RT_MSG_VM_SCANCODES */

#endif
