/*
 * vmms/rpc.c: the management endpoint: JSON-RPC 2.0, a request a line, on the virtio-console port
 * "vmms". Methods and classes have the names of WMI (root\virtualization\v2); VMs are named by
 * ElementName. Read: EnumerateInstances {ClassName}, ExecQuery {Query} in WQL. Events, once asked
 * for with ExecNotificationQuery: a notification __InstanceModificationEvent for each change of
 * state. Methods that act give ReturnValue: 0 done, 4096 begun, else RETURN_*.
 *
 * Not modelled: batches, jobs as objects, saved states, checkpoints, names other than ElementName.
 */
#include "partitions/root/lib/json.h"
#include "partitions/root/vmms/vmms.h"
#include "partitions/root/vmms/wql.h"

#define REQUEST_MAX  4096u
#define ANSWER_MAX   32768u
#define INSTANCE_MAX 4096u
#define KEYS_MAX     512u
#define POSITION_MAX 16383u
#define BUTTONS      5u

/* JSON-RPC 2.0 5.1 */
#define ERROR_PARSE    32700u
#define ERROR_REQUEST  32600u
#define ERROR_METHOD   32601u
#define ERROR_PARAMS   32602u
#define ERROR_INTERNAL 32603u

/* ReturnValue of methods of the v2 classes */
#define RETURN_DONE          0u
#define RETURN_NOT_SUPPORTED 1u
#define RETURN_BEGUN         4096u
#define RETURN_FAILED        32768u
#define RETURN_PARAMETER     32773u
#define RETURN_STATE         32775u

/* Msvm_ComputerSystem.RequestedState, EnabledState */
#define STATE_ENABLED  2u
#define STATE_DISABLED 3u
#define STATE_SHUTTING 4u
#define STATE_QUIESCE  9u
#define STATE_STARTING 10u
#define STATE_RESET    11u

#define HEALTH_OK       5u
#define HEALTH_CRITICAL 25u

static int64_t port = -1; /* console handle */
static bool events;
static char request[REQUEST_MAX];
static size_t request_length; /* > REQUEST_MAX: too long, the rest of the line is skipped */
static char answer[ANSWER_MAX];

/* ---- classes ---- */

static uint64_t setting(const struct vm *v, const char *key, uint64_t preset)
{
    char text[24];
    return rt_option(v->line, key, text, sizeof(text)) ? rt_parse_u64(text) : preset;
}

static unsigned enabled_state(const struct vm *v)
{
    static const uint8_t states[] = {[RT_VM_OFF] = STATE_DISABLED,
                                     [RT_VM_STARTING] = STATE_STARTING,
                                     [RT_VM_RUNNING] = STATE_ENABLED,
                                     [RT_VM_STOPPING] = STATE_SHUTTING,
                                     [RT_VM_PAUSED] = STATE_QUIESCE};
    return states[v->state];
}

static void put_text(struct rt_json_out *o, const char *key, const char *value)
{
    rt_json_key(o, key);
    rt_json_put_string(o, value);
}

static void put_number(struct rt_json_out *o, const char *key, uint64_t value)
{
    rt_json_key(o, key);
    rt_json_put_number(o, value);
}

static uint64_t up_time_ms(const struct vm *v)
{
    return v->state == RT_VM_OFF ? 0 : (u_now() - v->started) / 1000000u;
}

static void computer_system(struct rt_json_out *o, const struct vm *v)
{
    put_text(o, "Caption", "Virtual Machine");
    put_text(o, "ElementName", v->name);
    put_number(o, "EnabledState", enabled_state(v));
    put_text(o, "StatusDescriptions", vm_state_names[v->state]);
    put_number(o, "OnTimeInMilliseconds", up_time_ms(v));
    put_number(o, "ProcessID", v->state == RT_VM_OFF ? 0 : v->process);
}

/* CIM_ManagedSystemElement.HealthState; what the guest reported goes with it */
static void health(struct rt_json_out *o, const struct vm *v)
{
    put_number(o, "HealthState", v->crashed ? HEALTH_CRITICAL : HEALTH_OK);
    if (!v->crashed)
        return;
    rt_json_key(o, "CrashParameters");
    rt_json_open(o, '[');
    for (unsigned i = 0; i < RT_CRASH_PARAMETERS; i++)
        rt_json_put_number(o, v->crash.parameter[i]);
    rt_json_close(o, ']');
}

/* CIM_ManagedSystemElement.OperationalStatus of an integration component, and its words */
static const struct {
    uint16_t status;
    const char *text;
} ic_status[] = {[RT_IC_NO_CONTACT] = {12, "No Contact"},
                 [RT_IC_OK] = {2, "OK"},
                 [RT_IC_LOST] = {13, "Lost Communication"},
                 [RT_IC_FAILED] = {6, "Error"}};

static enum rt_ic_status status_of(const struct vm *v, enum rt_ic ic)
{
    return v->state == RT_VM_OFF ? RT_IC_NO_CONTACT : v->ic[ic];
}

static void component(struct rt_json_out *o, const struct vm *v, enum rt_ic ic)
{
    const enum rt_ic_status s = status_of(v, ic);
    put_text(o, "ElementName", v->name);
    put_number(o, "OperationalStatus", ic_status[s].status);
    put_text(o, "StatusDescriptions", ic_status[s].text);
}

static void summary(struct rt_json_out *o, const struct vm *v)
{
    put_text(o, "ElementName", v->name);
    put_number(o, "EnabledState", enabled_state(v));
    put_text(o, "StatusDescriptions", vm_state_names[v->state]);
    put_number(o, "NumberOfProcessors", setting(v, "cpus", VM_CPUS_PRESET));
    put_number(o, "MemoryUsage",
               v->state == RT_VM_OFF ? 0 : setting(v, "memory", VM_MEMORY_PRESET));
    put_number(o, "UpTime", up_time_ms(v));
    put_number(o, "Heartbeat", ic_status[status_of(v, RT_IC_HEARTBEAT)].status);
    put_text(o, "LastEnd", vm_end_name(v));
    health(o, v);
}

static void memory_settings(struct rt_json_out *o, const struct vm *v)
{
    put_text(o, "ElementName", v->name);
    put_number(o, "VirtualQuantity", setting(v, "memory", VM_MEMORY_PRESET));
    put_text(o, "AllocationUnits", "byte * 2^20");
}

static void processor_settings(struct rt_json_out *o, const struct vm *v)
{
    put_text(o, "ElementName", v->name);
    put_number(o, "VirtualQuantity", setting(v, "cpus", VM_CPUS_PRESET));
}

static void heartbeat(struct rt_json_out *o, const struct vm *v)
{
    component(o, v, RT_IC_HEARTBEAT);
}

static void shutdown(struct rt_json_out *o, const struct vm *v)
{
    component(o, v, RT_IC_SHUTDOWN);
}

static void time_sync(struct rt_json_out *o, const struct vm *v)
{
    component(o, v, RT_IC_TIME_SYNC);
}

/* WMI gives the items as embedded instances with Name and Data; here they are one object. */
static void kvp_exchange(struct rt_json_out *o, const struct vm *v)
{
    component(o, v, RT_IC_KVP);
    rt_json_key(o, "GuestIntrinsicExchangeItems");
    rt_json_open(o, '{');
    for (unsigned i = 0; i < RT_KVP_ITEMS && v->state != RT_VM_OFF; i++)
        if (v->kvp[i].key[0])
            put_text(o, v->kvp[i].key, v->kvp[i].value);
    rt_json_close(o, '}');
}

static bool has_card(const struct vm *v)
{
    return v->net.mac;
}

/* The card, as CIM_NetworkPort has it: the address as twelve digits. */
static void ethernet_port(struct rt_json_out *o, const struct vm *v)
{
    char mac[16];
    rt_format(mac, sizeof(mac), "%08x%04x", (unsigned)(v->net.mac >> 16),
              (unsigned)(v->net.mac & 0xffff));
    for (char *c = mac; *c; c++)
        *c = *c >= 'a' ? (char)(*c - 'a' + 'A') : *c;
    put_text(o, "ElementName", v->name);
    put_text(o, "PermanentAddress", mac);
    put_number(o, "EnabledState", v->state == RT_VM_OFF ? STATE_DISABLED : STATE_ENABLED);
}

/* Its place on the switch: enabled means plugged in. */
static void ethernet_allocation(struct rt_json_out *o, const struct vm *v)
{
    put_text(o, "ElementName", v->name);
    put_text(o, "HostResource", "switch");
    put_number(o, "EnabledState", v->net.is_linked ? STATE_ENABLED : STATE_DISABLED);
}

static void ethernet_vlan(struct rt_json_out *o, const struct vm *v)
{
    const bool is_trunk = v->net.vlan == RT_VLAN_TRUNK;
    put_text(o, "ElementName", v->name);
    put_number(o, "OperationMode", is_trunk ? 2 : 1); /* trunk, access */
    put_number(o, "AccessVlanId", is_trunk ? 0 : v->net.vlan);
}

static const struct class
{
    const char *name;
    void (*write)(struct rt_json_out *o, const struct vm *v);
    bool (*has)(const struct vm *v); /* the VM has one; 0: every VM */
} classes[] = {
    {"Msvm_ComputerSystem", computer_system, 0},
    {"Msvm_SummaryInformation", summary, 0},
    {"Msvm_MemorySettingData", memory_settings, 0},
    {"Msvm_ProcessorSettingData", processor_settings, 0},
    {"Msvm_HeartbeatComponent", heartbeat, 0},
    {"Msvm_ShutdownComponent", shutdown, 0},
    {"Msvm_TimeSyncComponent", time_sync, 0},
    {"Msvm_KvpExchangeComponent", kvp_exchange, 0},
    {"Msvm_SyntheticEthernetPort", ethernet_port, has_card},
    {"Msvm_EthernetPortAllocationSettingData", ethernet_allocation, has_card},
    {"Msvm_EthernetSwitchPortVlanSettingData", ethernet_vlan, has_card},
};

static void write_instance(struct rt_json_out *o, const struct class *c, const struct vm *v)
{
    rt_json_open(o, '{');
    put_text(o, "__CLASS", c->name);
    c->write(o, v);
    rt_json_close(o, '}');
}

/* The instances that the query wants, as an array; false: no such class. */
static bool write_instances(struct rt_json_out *o, const struct wql *q)
{
    for (unsigned k = 0; k < RT_COUNT(classes); k++) {
        if (!wql_same_name(classes[k].name, q->class_name))
            continue;
        rt_json_open(o, '[');
        for (unsigned i = 0; i < vm_count; i++) {
            if (classes[k].has && !classes[k].has(&vms[i]))
                continue;
            static char text[INSTANCE_MAX];
            struct rt_json_out one;
            struct rt_json instance;
            rt_json_begin(&one, text, sizeof(text));
            write_instance(&one, &classes[k], &vms[i]);
            if (!one.full && rt_json_parse(text, one.length, &instance) && wql_matches(q, instance))
                wql_project(q, instance, o);
        }
        rt_json_close(o, ']');
        return true;
    }
    return false;
}

/* ---- methods: the result is written as one value; 0 or ERROR_* ---- */

static bool text_param(struct rt_json params, const char *name, char *out, size_t size)
{
    struct rt_json v;
    return rt_json_member(params, name, &v) && rt_json_string(v, out, size);
}

static bool number_param(struct rt_json params, const char *name, uint64_t *out)
{
    struct rt_json v;
    return rt_json_member(params, name, &v) && rt_json_number(v, out);
}

static struct vm *vm_param(struct rt_json params)
{
    char name[RT_NAME];
    if (!text_param(params, "ElementName", name, sizeof(name)))
        return 0;
    for (unsigned i = 0; i < vm_count; i++) {
        if (!strcmp(vms[i].name, name))
            return &vms[i];
    }
    return 0;
}

static unsigned returns(struct rt_json_out *o, unsigned value)
{
    rt_json_open(o, '{');
    put_number(o, "ReturnValue", value);
    rt_json_close(o, '}');
    return 0;
}

static unsigned enumerate(struct rt_json params, struct rt_json_out *o)
{
    struct wql q = {.props = 0};
    if (!text_param(params, "ClassName", q.class_name, sizeof(q.class_name)))
        return ERROR_PARAMS;
    return write_instances(o, &q) ? 0 : ERROR_PARAMS;
}

static unsigned query(struct rt_json params, struct rt_json_out *o)
{
    char text[512];
    struct wql q;
    if (!text_param(params, "Query", text, sizeof(text)) || !wql_parse(text, &q))
        return ERROR_PARAMS;
    return write_instances(o, &q) ? 0 : ERROR_PARAMS;
}

static unsigned notify(struct rt_json params, struct rt_json_out *o)
{
    (void)params;
    events = true;
    return returns(o, RETURN_DONE);
}

/* What a VM can be asked for, from which of its states. */
static unsigned change_state(struct vm *v, uint64_t requested)
{
    const bool on = v->state == RT_VM_RUNNING || v->state == RT_VM_STOPPING;
    const bool paused = v->state == RT_VM_PAUSED;
    switch (requested) {
    case STATE_ENABLED:
        if (paused)
            vm_pause(v, false);
        else if (v->state == RT_VM_OFF)
            vm_start(v);
        else
            return RETURN_STATE;
        return v->state == RT_VM_OFF ? RETURN_FAILED : RETURN_BEGUN;
    case STATE_DISABLED:
        if (!on && !paused)
            return RETURN_STATE;
        vm_stop(v, RT_STOP_TURN_OFF);
        return RETURN_BEGUN;
    case STATE_SHUTTING:
        if (!on)
            return RETURN_STATE;
        vm_stop(v, RT_STOP_SHUTDOWN);
        return RETURN_BEGUN;
    case STATE_QUIESCE:
        if (v->state != RT_VM_RUNNING)
            return RETURN_STATE;
        vm_pause(v, true);
        return RETURN_BEGUN;
    case STATE_RESET:
        if (!on && !paused)
            return RETURN_STATE;
        vm_stop(v, RT_STOP_RESET);
        return RETURN_BEGUN;
    default:
        return RETURN_NOT_SUPPORTED;
    }
}

static unsigned request_state_change(struct rt_json params, struct rt_json_out *o)
{
    struct vm *v = vm_param(params);
    uint64_t state;
    if (!v || !number_param(params, "RequestedState", &state))
        return returns(o, RETURN_PARAMETER);
    return returns(o, change_state(v, state));
}

static unsigned ask_guest(struct rt_json params, struct rt_json_out *o, enum rt_vm_stop how)
{
    struct vm *v = vm_param(params);
    if (!v)
        return returns(o, RETURN_PARAMETER);
    if (v->state != RT_VM_RUNNING && v->state != RT_VM_STOPPING)
        return returns(o, RETURN_STATE);
    vm_stop(v, how);
    return returns(o, RETURN_BEGUN);
}

static unsigned initiate_shutdown(struct rt_json params, struct rt_json_out *o)
{
    return ask_guest(params, o, RT_STOP_SHUTDOWN);
}

static unsigned initiate_reboot(struct rt_json params, struct rt_json_out *o)
{
    return ask_guest(params, o, RT_STOP_RESTART);
}

static unsigned inject_nmi(struct rt_json params, struct rt_json_out *o)
{
    struct vm *v = vm_param(params);
    if (!v)
        return returns(o, RETURN_PARAMETER);
    if (v->state != RT_VM_RUNNING)
        return returns(o, RETURN_STATE);
    vm_nmi(v);
    return returns(o, RETURN_DONE);
}

static unsigned send_input(struct rt_json params, struct rt_json_out *o, uint32_t type,
                           const void *keys, size_t n)
{
    struct vm *v = vm_param(params);
    if (!v)
        return returns(o, RETURN_PARAMETER);
    if (v->state != RT_VM_RUNNING && v->state != RT_VM_STOPPING)
        return returns(o, RETURN_STATE);
    vm_input(v, type, keys, n);
    return returns(o, RETURN_DONE);
}

static unsigned type_text(struct rt_json params, struct rt_json_out *o)
{
    char text[KEYS_MAX];
    if (!text_param(params, "AsciiText", text, sizeof(text)))
        return returns(o, RETURN_PARAMETER);
    return send_input(params, o, RT_MSG_VM_TYPE, text, strlen(text));
}

static unsigned type_scancodes(struct rt_json params, struct rt_json_out *o)
{
    uint8_t codes[KEYS_MAX];
    struct rt_json list, one;
    size_t n = 0, at = 0;
    uint64_t code;
    if (!rt_json_member(params, "Scancodes", &list) || *list.at != '[')
        return returns(o, RETURN_PARAMETER);
    while (rt_json_next(list, &at, &one)) {
        if (!rt_json_number(one, &code) || code > 0xff || n == sizeof(codes))
            return returns(o, RETURN_PARAMETER);
        codes[n++] = (uint8_t)code;
    }
    return send_input(params, o, RT_MSG_VM_SCANCODES, codes, n);
}

static unsigned type_ctrl_alt_del(struct rt_json params, struct rt_json_out *o)
{
    static const uint8_t keys[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};
    return send_input(params, o, RT_MSG_VM_SCANCODES, keys, sizeof(keys));
}

/* Pixels of the guest's screen; ButtonIndex, if given, is clicked there. */
static unsigned set_absolute_position(struct rt_json params, struct rt_json_out *o)
{
    uint64_t x, y, button = 0;
    struct vm *v = vm_param(params);
    if (!v || !number_param(params, "HorizontalPosition", &x) ||
        !number_param(params, "VerticalPosition", &y) || x > POSITION_MAX || y > POSITION_MAX)
        return returns(o, RETURN_PARAMETER);
    if (number_param(params, "ButtonIndex", &button) && (!button || button > BUTTONS))
        return returns(o, RETURN_PARAMETER);
    const struct rt_vm_mouse m = {(uint32_t)x, (uint32_t)y, (uint32_t)button};
    return send_input(params, o, RT_MSG_VM_MOUSE, &m, sizeof(m));
}

/* SystemSettings: a definition as in etc/vms.conf; its files are the root's. */
static unsigned define_system(struct rt_json params, struct rt_json_out *o)
{
    char line[LINE_MAX];
    if (!text_param(params, "SystemSettings", line, sizeof(line)))
        return returns(o, RETURN_PARAMETER);
    return returns(o, vm_define(line) ? RETURN_DONE : RETURN_PARAMETER);
}

static unsigned destroy_system(struct rt_json params, struct rt_json_out *o)
{
    struct vm *v = vm_param(params);
    if (!v)
        return returns(o, RETURN_PARAMETER);
    if (v->state != RT_VM_OFF)
        return returns(o, RETURN_STATE);
    vm_forget(v);
    return returns(o, RETURN_DONE);
}

/* What of a VM's settings can be changed while it runs: its place on the switch. */
static unsigned modify_resource(struct rt_json params, struct rt_json_out *o)
{
    char class_name[64];
    uint64_t state;
    struct vm *v = vm_param(params);
    if (!v || !text_param(params, "ClassName", class_name, sizeof(class_name)) ||
        !number_param(params, "EnabledState", &state) ||
        !wql_same_name(class_name, "Msvm_EthernetPortAllocationSettingData") ||
        (state != STATE_ENABLED && state != STATE_DISABLED))
        return returns(o, RETURN_PARAMETER);
    if (v->state == RT_VM_OFF || v->state == RT_VM_STARTING)
        return returns(o, RETURN_STATE);
    if (!v->net.mac)
        return returns(o, RETURN_NOT_SUPPORTED);
    vm_link(v, state == STATE_ENABLED);
    return returns(o, RETURN_BEGUN);
}

static unsigned power_off_host(struct rt_json params, struct rt_json_out *o)
{
    (void)params;
    vmms_power_off();
    return returns(o, RETURN_BEGUN);
}

static const struct {
    const char *name;
    unsigned (*call)(struct rt_json params, struct rt_json_out *result);
} methods[] = {
    {"EnumerateInstances", enumerate},
    {"ExecQuery", query},
    {"ExecNotificationQuery", notify},
    {"Msvm_ComputerSystem.RequestStateChange", request_state_change},
    {"Msvm_ComputerSystem.InjectNonMaskableInterrupt", inject_nmi},
    {"Msvm_Keyboard.TypeText", type_text},
    {"Msvm_Keyboard.TypeScancodes", type_scancodes},
    {"Msvm_Keyboard.TypeCtrlAltDel", type_ctrl_alt_del},
    {"Msvm_SyntheticMouse.SetAbsolutePosition", set_absolute_position},
    {"Msvm_ShutdownComponent.InitiateShutdown", initiate_shutdown},
    {"Msvm_ShutdownComponent.InitiateReboot", initiate_reboot},
    {"Msvm_VirtualSystemManagementService.DefineSystem", define_system},
    {"Msvm_VirtualSystemManagementService.DestroySystem", destroy_system},
    {"Msvm_VirtualSystemManagementService.ModifyResourceSettings", modify_resource},
    {"Win32_OperatingSystem.Shutdown", power_off_host},
};

/* ---- requests ---- */

static void send(struct rt_json_out *o)
{
    if (o->length == o->size)
        o->length--;
    o->buffer[o->length++] = '\n';
    u_call3(SYS_CON_WRITE, (uint64_t)port, (uint64_t)o->buffer, o->length);
}

static void begin_answer(struct rt_json_out *o, struct rt_json id)
{
    rt_json_begin(o, answer, sizeof(answer) - 1);
    rt_json_open(o, '{');
    put_text(o, "jsonrpc", "2.0");
    rt_json_key(o, "id");
    if (id.at)
        rt_json_put_raw(o, id.at, id.length);
    else
        rt_json_put_raw(o, "null", 4);
}

static void answer_error(struct rt_json id, unsigned code)
{
    static const struct {
        unsigned code;
        const char *text;
    } texts[] = {{ERROR_PARSE, "Parse error"},
                 {ERROR_REQUEST, "Invalid Request"},
                 {ERROR_METHOD, "Method not found"},
                 {ERROR_PARAMS, "Invalid params"},
                 {ERROR_INTERNAL, "the answer is too long"}};
    struct rt_json_out o;
    char number[12];
    unsigned k = 0;
    while (texts[k].code != code)
        k++;
    begin_answer(&o, id);
    rt_json_key(&o, "error");
    rt_json_open(&o, '{');
    rt_json_key(&o, "code");
    rt_json_put_raw(&o, number, (size_t)rt_format(number, sizeof(number), "-%u", code));
    put_text(&o, "message", texts[k].text);
    rt_json_close(&o, '}');
    rt_json_close(&o, '}');
    send(&o);
}

static void handle_request(const char *text, size_t length)
{
    struct rt_json doc, id = {0, 0}, v, params = {0, 0};
    char name[64], version[8];
    struct rt_json_out o;
    if (!rt_json_parse(text, length, &doc)) {
        answer_error(id, ERROR_PARSE);
        return;
    }
    if (rt_json_member(doc, "id", &v) && v.length <= 64 && *v.at != '{' && *v.at != '[')
        id = v;
    rt_json_member(doc, "params", &params);
    if (!text_param(doc, "jsonrpc", version, sizeof(version)) || strcmp(version, "2.0") ||
        !text_param(doc, "method", name, sizeof(name))) {
        answer_error(id, ERROR_REQUEST);
        return;
    }
    for (unsigned k = 0; k < RT_COUNT(methods); k++) {
        if (strcmp(methods[k].name, name))
            continue;
        begin_answer(&o, id);
        rt_json_key(&o, "result");
        const unsigned code = methods[k].call(params, &o);
        rt_json_close(&o, '}');
        if (!id.at)
            return; /* a notification has no answer */
        if (code || o.full)
            answer_error(id, code ? code : ERROR_INTERNAL);
        else
            send(&o);
        return;
    }
    answer_error(id, ERROR_METHOD);
}

void rpc_input(const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char c = (char)text[i];
        if (c != '\n') {
            if (request_length < REQUEST_MAX)
                request[request_length] = c;
            if (request_length <= REQUEST_MAX)
                request_length++;
            continue;
        }
        const struct rt_json none = {0, 0};
        if (request_length > REQUEST_MAX)
            answer_error(none, ERROR_REQUEST);
        else if (request_length)
            handle_request(request, request_length);
        request_length = 0;
    }
}

void rpc_changed(const struct vm *v)
{
    char text[1024]; /* an answer may be half written */
    struct rt_json_out o;
    if (!events)
        return;
    rt_json_begin(&o, text, sizeof(text) - 1);
    rt_json_open(&o, '{');
    put_text(&o, "jsonrpc", "2.0");
    put_text(&o, "method", "__InstanceModificationEvent");
    rt_json_key(&o, "params");
    rt_json_open(&o, '{');
    rt_json_key(&o, "TargetInstance");
    write_instance(&o, &classes[0], v);
    rt_json_close(&o, '}');
    rt_json_close(&o, '}');
    send(&o);
}

void rpc_open(uint64_t queue)
{
    port = u_call2(SYS_CON_OPEN, (uint64_t) "vmms", queue);
}
