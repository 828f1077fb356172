/*
 * vid/net.c: network cards of partitions (vmbus/vsp/netvsp) and the switch that joins them, with
 * the root's own card as its way out.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid_int.h"
#include "vmbus/vsp/netvsp/netvsp.h"

_Static_assert(RT_VLAN_TRUNK == NETVSP_TRUNK, "one number for all VLANs");

static struct vswitch net_switch;
static const struct netvsp_host net_host = {kmalloc, kfree};

void net_init(void)
{
    struct net_port *uplink = vnet_init();
    if (uplink)
        vswitch_add(&net_switch, uplink);
}

int64_t net_attach(struct part *p, uint64_t mac, uint64_t vlan)
{
    static const struct vmbus_guid instance = VMBUS_GUID(0x76697472, 0x696e, 0x4500, 0x80, 0x02,
                                                         'n', 'e', 't', 'v', 's', 'p');
    uint8_t bytes[6];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(mac >> (40 - 8 * i));
    if (!p->bus || p->net || !mac || mac >> 48 || bytes[0] & 1 || vlan > NETVSP_TRUNK)
        return -RT_EINVAL;
    if (vswitch_has(&net_switch, bytes))
        return -RT_EPERM;
    p->net = netvsp_new(p->bus, &net_host, &instance, &net_switch, bytes, (uint16_t)vlan);
    return p->net ? 0 : -RT_ENOMEM;
}

int64_t net_link(struct part *p, bool is_up)
{
    if (!p->net)
        return -RT_ENODEV;
    netvsp_set_link(p->net, is_up);
    return 0;
}
