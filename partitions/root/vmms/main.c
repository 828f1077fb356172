/*
 * vmms/main.c: the virtual machine management service: reads the definitions (etc/vms.conf: one
 * VM a line, `key=value` separated by spaces; `on-all-off=poweroff|stay`), starts one worker
 * process per VM, keeps their states, and powers the machine off when all VMs are off. Who asks it
 * for something comes through the management endpoint (rpc.c).
 *
 * Keys: name, memory (MiB), cpus, kernel, initrd, append, disks (NVMe namespaces), net=switch|none,
 * mac, vlan, on-reset=restart|off, stop-after (ms).
 * The worker gets the line as it is. Without definitions two tiny children run.
 */
#include "partitions/root/vmms/vmms.h"
#include "abi/vitrine_info.h"

#define CONF_MAX       65536u
#define RESET_LIMIT    100u /* resets without 10 s of running in between */
#define RESET_PAUSE_NS 10000000000ull

static const char default_conf[] = "name=child1 memory=16 cpus=1 kernel=child.elf\n"
                                   "name=child2 memory=16 cpus=1 kernel=child.elf\n";

struct vm vms[VM_MAX];
unsigned vm_count;
static int64_t vmms_queue;
static bool poweroff_when_off = true, poweroff_asked;
static uint8_t exit_value; /* VITRINE_EXIT_*: that of the first VM that ended badly */

const char *const vm_state_names[] = {"off", "starting", "running", "stopping", "paused"};
static const char *const end_names[] = {"powered off",  "reset",      "debug-exit",
                                        "triple fault", "turned off", "error"};

static void vm_set_state(struct vm *v, enum rt_vm_state state)
{
    if (v->state == state)
        return;
    v->state = state;
    u_log("%s: %s", v->name, vm_state_names[state]);
    rpc_changed(v);
}

static void tell(struct vm *v, uint32_t type, uint32_t word)
{
    int64_t r = u_call(SYS_TELL, v->process, type, (uint64_t)&word, sizeof(word));
    if (r < 0)
        u_log("%s: its worker can't be told: error %ld", v->name, -r);
}

void vm_stop(struct vm *v, enum rt_vm_stop how)
{
    tell(v, RT_MSG_VM_STOP, how);
}

void vm_pause(struct vm *v, bool pause)
{
    tell(v, RT_MSG_VM_PAUSE, pause);
}

void vm_nmi(struct vm *v)
{
    tell(v, RT_MSG_VM_NMI, 0);
}

void vm_link(struct vm *v, bool is_up)
{
    tell(v, RT_MSG_VM_LINK, is_up);
}

void vm_input(struct vm *v, uint32_t type, const void *keys, size_t n)
{
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < RT_MSG_DATA ? n - at : RT_MSG_DATA;
        int64_t r = u_call(SYS_TELL, v->process, type, (uint64_t)keys + at, part);
        if (r < 0)
            u_log("%s: its worker can't be told: error %ld", v->name, -r);
    }
}

const char *vm_end_name(const struct vm *v)
{
    return v->said_end ? end_names[v->end] : "";
}

static void fail(uint8_t value)
{
    if (!exit_value)
        exit_value = value;
}

void vm_start(struct vm *v)
{
    v->said_end = v->restart = v->crashed = false;
    v->started = u_now();
    memset(v->ic, 0, sizeof(v->ic));
    memset(v->kvp, 0, sizeof(v->kvp));
    memset(&v->net, 0, sizeof(v->net));
    vm_set_state(v, RT_VM_STARTING);
    int64_t r = u_call3(SYS_SPAWN, (uint64_t) "bin/vmwp", (uint64_t)v->line, (uint64_t)vmms_queue);
    if (r < 0) {
        u_log("%s: can't start a worker: error %ld", v->name, -r);
        fail(VITRINE_EXIT_ERROR);
        vm_set_state(v, RT_VM_OFF);
        return;
    }
    v->process = (uint64_t)r;
}

bool vm_define(const char *line)
{
    char text[16];
    struct vm *v = &vms[vm_count];
    if (vm_count == VM_MAX) {
        u_log("%s: more than %d VMs", line, VM_MAX);
        return false;
    }
    memset(v, 0, sizeof(*v));
    if (!rt_option(line, "name", v->name, sizeof(v->name)))
        return false;
    for (unsigned i = 0; i < vm_count; i++) {
        if (!strcmp(vms[i].name, v->name)) {
            u_log("%s: another VM has this name", v->name);
            return false;
        }
    }
    v->restart_on_reset = !rt_option(line, "on-reset", text, sizeof(text)) ||
                          strcmp(text, "off") != 0;
    rt_strcpy(v->line, line, sizeof(v->line));
    vm_count++;
    return true;
}

void vm_forget(struct vm *v)
{
    vm_count--;
    for (; v < &vms[vm_count]; v++)
        v[0] = v[1];
}

static void conf_line(const char *line)
{
    char text[RT_NAME];
    if (rt_option(line, "on-all-off", text, sizeof(text)))
        poweroff_when_off = !strcmp(text, "poweroff");
    else if (rt_option(line, "name", text, sizeof(text)) && !vm_define(line))
        fail(VITRINE_EXIT_ERROR);
}

static void conf_parse(char *conf)
{
    while (*conf) {
        char *end = conf;
        while (*end && *end != '\n')
            end++;
        bool last = !*end;
        *end = 0;
        if (*conf != '#')
            conf_line(conf);
        if (last)
            return;
        conf = end + 1;
    }
}

static void conf_read(void)
{
    static char conf[CONF_MAX];
    int64_t f = u_call1(SYS_OPEN, (uint64_t) "etc/vms.conf");
    if (f >= 0) {
        int64_t n = u_call(SYS_READ, (uint64_t)f, 0, (uint64_t)conf, CONF_MAX - 1);
        conf[n > 0 ? n : 0] = 0;
        conf_parse(conf);
    }
    if (!vm_count) {
        memcpy(conf, default_conf, sizeof(default_conf));
        conf_parse(conf);
    }
}

static struct vm *vm_of(uint64_t process)
{
    for (unsigned i = 0; i < vm_count; i++)
        if (vms[i].process == process && vms[i].state != RT_VM_OFF)
            return &vms[i];
    return 0;
}

static void vm_ended(struct vm *v, uint32_t end, uint32_t value)
{
    v->said_end = true;
    v->end = end < RT_COUNT(end_names) ? end : RT_END_ERROR;
    v->value = value;
    if (end == RT_END_DEBUG_EXIT)
        u_log("%s: %s with value %u", v->name, end_names[end], value);
    else
        u_log("%s: %s", v->name, end_names[v->end]);
    if (v->end == RT_END_TRIPLE_FAULT)
        fail(VITRINE_EXIT_CRASHED);
    else if (v->end == RT_END_ERROR)
        fail(VITRINE_EXIT_ERROR);
    else if (v->end == RT_END_DEBUG_EXIT && value)
        fail(VITRINE_EXIT_FAILED);
    v->restart = v->end == RT_END_RESET && v->restart_on_reset;
    if (u_now() - v->started > RESET_PAUSE_NS)
        v->resets = 0;
    if (v->restart && ++v->resets > RESET_LIMIT) {
        u_log("%s: resets itself again and again", v->name);
        fail(VITRINE_EXIT_ERROR);
        v->restart = false;
    }
}

static void vm_ic(struct vm *v, const uint8_t *data)
{
    struct rt_vm_ic news;
    memcpy(&news, data, sizeof(news));
    if (news.ic < RT_ICS && news.status <= RT_IC_FAILED)
        v->ic[news.ic] = news.status;
}

static void vm_kvp(struct vm *v, const uint8_t *data)
{
    struct rt_vm_kvp news;
    memcpy(&news, data, sizeof(news));
    if (news.index < RT_KVP_ITEMS && !news.key[RT_KVP_KEY - 1] && !news.value[RT_KVP_VALUE - 1])
        v->kvp[news.index] = news;
}

static void handle(const struct rt_msg *m)
{
    if (m->type == RT_MSG_CONSOLE) {
        rpc_input(m->data, m->length);
        return;
    }
    uint64_t note[2] = {0, 0};
    uint32_t word[2] = {0, 0};
    memcpy(note, m->data, sizeof(note));
    memcpy(word, m->data, sizeof(word));
    struct vm *v = vm_of(m->type == RT_MSG_PROCESS_EXIT ? note[0] : m->sender);
    if (!v)
        return;
    switch (m->type) {
    case RT_MSG_VM_STATE:
        if (word[0] < RT_COUNT(vm_state_names))
            vm_set_state(v, word[0]);
        break;
    case RT_MSG_VM_IC:
        vm_ic(v, m->data);
        break;
    case RT_MSG_VM_KVP:
        vm_kvp(v, m->data);
        break;
    case RT_MSG_VM_NET:
        memcpy(&v->net, m->data, sizeof(v->net));
        break;
    case RT_MSG_VM_CRASH:
        memcpy(&v->crash, m->data, sizeof(v->crash));
        v->crashed = true;
        rpc_changed(v);
        break;
    case RT_MSG_VM_END:
        vm_ended(v, word[0], word[1]);
        break;
    case RT_MSG_PROCESS_EXIT:
        if (!v->said_end) {
            u_log("%s: its worker died", v->name);
            vm_ended(v, RT_END_ERROR, 0);
        }
        vm_set_state(v, RT_VM_OFF);
        if (v->restart)
            vm_start(v);
        break;
    default:
        break;
    }
}

void vmms_power_off(void)
{
    poweroff_asked = true;
}

static bool all_off(void)
{
    for (unsigned i = 0; i < vm_count; i++)
        if (vms[i].state != RT_VM_OFF)
            return false;
    return true;
}

int64_t u_main(const char *args)
{
    (void)args;
    u_set_name("vmms");
    vmms_queue = u_call0(SYS_QUEUE);
    rpc_open((uint64_t)vmms_queue);
    conf_read();
    for (unsigned i = 0; i < vm_count; i++)
        vm_start(&vms[i]);
    while (!poweroff_asked && (!all_off() || !poweroff_when_off)) {
        struct rt_msg m;
        if (!u_call3(SYS_RECV, (uint64_t)vmms_queue, (uint64_t)&m, RT_NEVER))
            handle(&m);
    }
    u_log(poweroff_asked ? "powering off" : "all VMs are off: powering off");
    u_call1(SYS_POWEROFF, exit_value);
    return 1;
}
