/*
 * vmwp/nic.h: the VM's network card: what its definition says of it. The card itself is the
 * kernel's (vid/net.c).
 */
#ifndef RT_VMWP_NIC_H
#define RT_VMWP_NIC_H

#include <stdbool.h>

void nic_configure(const char *args); /* net=switch|none, mac=, vlan=ID|trunk */
void nic_attach(void);                /* once the VM has a VMBus; ends the VM when it fails */
void nic_link(bool is_up);            /* plugs the cable in or out; VMMS hears of it */

#endif
