/*
 * vmwp/nic.c: the VM's network card (nic.h). Without mac= its address is made of the VM's name, so
 * it is the same whenever the VM starts; should two names give one address, the next free one is
 * taken.
 *
 * Not modelled: more than one card.
 */
#include "partitions/root/vmwp/nic.h"
#include "partitions/root/vmwp/vmwp.h"

#define MAC_PREFIX 0x00155dull /* as Hyper-V's virtual cards have it */
#define MAC_TRIES  256u

static unsigned hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    unsigned i = 0;
    while (i < 16 && digits[i] != (c | 0x20))
        i++;
    return i;
}

/* aa:bb:cc:dd:ee:ff; 0: it is none */
static uint64_t parse_mac(const char *text)
{
    uint64_t mac = 0;
    for (unsigned i = 0; i < 6; i++, text += 3) {
        const unsigned high = hex_digit(text[0]), low = high < 16 ? hex_digit(text[1]) : 16;
        if (low > 15 || text[2] != (i < 5 ? ':' : 0))
            return 0;
        mac = mac << 8 | high << 4 | low;
    }
    return mac;
}

/* FNV-1a of the name, 24 bits of it */
static uint64_t mac_of_name(const char *name)
{
    uint32_t h = 0x811c9dc5u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x01000193u;
    return MAC_PREFIX << 24 | ((h ^ h >> 24) & 0xffffff);
}

static void refuse(const char *key, const char *value)
{
    u_log("%s=%s: not possible", key, value);
    vm_end(RT_END_ERROR, 0);
}

void nic_configure(const char *args)
{
    char text[32];
    vm.has_net = rt_option(args, "net", text, sizeof(text)) && strcmp(text, "none") != 0;
    if (vm.has_net && strcmp(text, "switch"))
        refuse("net", text);
    if (rt_option(args, "mac", text, sizeof(text))) {
        vm.mac = parse_mac(text);
        if (!vm.mac)
            refuse("mac", text);
    }
    if (rt_option(args, "vlan", text, sizeof(text)))
        vm.vlan = strcmp(text, "trunk") ? rt_parse_u64(text) : RT_VLAN_TRUNK;
}

static void tell(bool is_linked)
{
    const struct rt_vm_net news = {vm.has_net ? vm.mac : 0, (uint32_t)vm.vlan, is_linked};
    u_send(U_PARENT, RT_MSG_VM_NET, &news, sizeof(news));
}

void nic_link(bool is_up)
{
    if (!u_call2(SYS_NET_LINK, vm.part, is_up))
        tell(is_up);
}

void nic_attach(void)
{
    uint64_t mac = vm.mac ? vm.mac : mac_of_name(vm.name);
    const unsigned tries = vm.mac ? 1 : MAC_TRIES;
    int64_t r = vm.has_net ? -RT_EPERM : 0;
    for (unsigned i = 0; i < tries && r == -RT_EPERM; i++, mac++) {
        vm.mac = mac;
        r = u_call3(SYS_NET_ATTACH, vm.part, mac, vm.vlan);
    }
    if (!r)
        tell(vm.has_net);
    if (r >= 0)
        return;
    u_log("network card: %s", r == -RT_EPERM    ? "another VM has its address"
                              : r == -RT_EINVAL ? "no such address or VLAN"
                                                : "no memory");
    vm_end(RT_END_ERROR, 0);
}
