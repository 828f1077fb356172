/*
 * winhv/winhv.c: detects the hypervisor, places hypercall page and SynIC pages (TLFS 3.13, 11.5),
 * and wraps the hypercalls.
 *
 * Not modelled: fast and XMM forms.
 */
#include "partitions/root/winhv/winhv.h"
#include "partitions/root/kern/kern.h"
#include "partitions/root/vid/vid.h"

/* Guest OS id in the open-source layout: our own OS type, version 1 */
#define WINHV_GUEST_OS_ID ((1ull << 63) | (0x56ull << 56) | (1ull << 16))

bool winhv_present;
struct hv_message *winhv_messages;
uint64_t (*winhv_events)[HV_EVENT_FLAGS_PER_SINT / 64];
static uint64_t winhv_own_id;                                /* of the root partition */
static uint64_t (*winhv_page)(uint64_t, uint64_t, uint64_t); /* hypercall page */
static union {
    uint8_t bytes[4096];
    uint64_t q[512];
} winhv_in __attribute__((aligned(4096))), winhv_out __attribute__((aligned(4096)));

/* The hypercall page takes RCX, RDX, R8 and keeps everything but RAX, RCX, RDX and R8 to R11. */
uint64_t winhv_call(uint64_t control, uint64_t input_pa, uint64_t output_pa)
{
    uint64_t result;
    register uint64_t r8 __asm__("r8") = output_pa;
    __asm__ volatile("call *%[page]"
                     : "=a"(result), "+c"(control), "+d"(input_pa), "+r"(r8)
                     : [page] "m"(winhv_page)
                     : "r9", "r10", "r11", "memory", "cc");
    return result;
}

static uint16_t winhv_simple(uint32_t code)
{
    return HV_HC_STATUS(winhv_call(code, virt_to_phys(&winhv_in), virt_to_phys(&winhv_out)));
}

static uint16_t winhv_rep(uint32_t code, unsigned count, unsigned *done)
{
    uint64_t r = winhv_call(HV_HC_REP(code, count), virt_to_phys(&winhv_in),
                            virt_to_phys(&winhv_out));
    if (done)
        *done = HV_HC_REPS_DONE(r);
    return HV_HC_STATUS(r);
}

void winhv_init(void)
{
    uint32_t r[4];
    cpuid(1, r);
    if (!(r[2] >> 31))
        return;
    cpuid(HV_CPUID_VENDOR, r);
    if (r[1] != HV_CPUID_SIG_EBX || r[2] != HV_CPUID_SIG_ECX || r[3] != HV_CPUID_SIG_EDX)
        return;
    cpuid(HV_CPUID_FEATURES, r);
    if (!(r[1] & HV_CREATE_PARTITIONS))
        return;
    wrmsr(HV_MSR_GUEST_OS_ID, WINHV_GUEST_OS_ID);
    uint64_t page = mm_alloc_zeroed(), simp = mm_alloc_zeroed(), siefp = mm_alloc_zeroed();
    wrmsr(HV_MSR_HYPERCALL, page | HV_MSR_ENABLE);
    winhv_page = phys_to_virt(page);
    winhv_messages = phys_to_virt(simp);
    winhv_events = phys_to_virt(siefp);
    wrmsr(HV_MSR_SIMP, simp | HV_MSR_ENABLE);
    wrmsr(HV_MSR_SIEFP, siefp | HV_MSR_ENABLE);
    trap_handle_auto_eoi(VEC_INTERCEPT, vid_interrupt);
    wrmsr(HV_MSR_SINT0 + HV_SINT_INTERCEPT, VEC_INTERCEPT | HV_SINT_AUTO_EOI);
    wrmsr(HV_MSR_SCONTROL, HV_MSR_ENABLE);
    if (winhv_simple(HVCALL_GET_PARTITION_ID))
        return;
    winhv_own_id = winhv_out.q[0];
    winhv_present = true;
}

uint16_t winhv_create_partition(uint64_t flags, uint64_t *id)
{
    struct hv_in_create_partition *in = (void *)&winhv_in;
    *in = (struct hv_in_create_partition){.flags = flags, .compat_version = 0x609};
    uint16_t status = winhv_simple(HVCALL_CREATE_PARTITION);
    *id = winhv_out.q[0];
    return status;
}

static uint16_t winhv_partition_call(uint32_t code, uint64_t id)
{
    winhv_in.q[0] = id;
    return winhv_simple(code);
}

uint16_t winhv_initialize_partition(uint64_t id)
{
    return winhv_partition_call(HVCALL_INITIALIZE_PARTITION, id);
}

uint16_t winhv_finalize_partition(uint64_t id)
{
    return winhv_partition_call(HVCALL_FINALIZE_PARTITION, id);
}

uint16_t winhv_delete_partition(uint64_t id)
{
    return winhv_partition_call(HVCALL_DELETE_PARTITION, id);
}

uint16_t winhv_set_property(uint64_t id, uint32_t code, uint64_t value)
{
    *(struct hv_in_partition_property *)&winhv_in = (struct hv_in_partition_property){id, code, 0,
                                                                                      value};
    return winhv_simple(HVCALL_SET_PARTITION_PROPERTY);
}

uint16_t winhv_get_property(uint64_t id, uint32_t code, uint64_t *value)
{
    *(struct hv_in_partition_property *)&winhv_in = (struct hv_in_partition_property){id, code, 0,
                                                                                      0};
    uint16_t status = winhv_simple(HVCALL_GET_PARTITION_PROPERTY);
    *value = winhv_out.q[0];
    return status;
}

uint16_t winhv_deposit(uint64_t id, const uint64_t *gpfn, unsigned count, unsigned *done)
{
    winhv_in.q[0] = id;
    memcpy(&winhv_in.q[1], gpfn, count * 8);
    return winhv_rep(HVCALL_DEPOSIT_MEMORY, count, done);
}

uint16_t winhv_withdraw(uint64_t id, uint64_t *gpfn, unsigned count, unsigned *done)
{
    *(struct hv_in_memory *)&winhv_in = (struct hv_in_memory){id, 0};
    uint16_t status = winhv_rep(HVCALL_WITHDRAW_MEMORY, count, done);
    memcpy(gpfn, winhv_out.q, (*done < count ? *done : count) * 8);
    return status;
}

uint16_t winhv_memory_balance(uint64_t id, struct hv_out_memory_balance *out)
{
    *(struct hv_in_memory *)&winhv_in = (struct hv_in_memory){id, 0};
    uint16_t status = winhv_simple(HVCALL_GET_MEMORY_BALANCE);
    memcpy(out, &winhv_out, sizeof(*out));
    return status;
}

uint16_t winhv_map_gpa(uint64_t id, uint64_t gpfn, uint32_t flags, const uint64_t *source,
                       unsigned count, unsigned *done)
{
    struct hv_in_map_gpa *in = (void *)&winhv_in;
    *in = (struct hv_in_map_gpa){id, gpfn, flags, 0};
    memcpy(in + 1, source, count * 8);
    return winhv_rep(HVCALL_MAP_GPA_PAGES, count, done);
}

uint16_t winhv_unmap_gpa(uint64_t id, uint64_t gpfn, uint32_t flags, unsigned count)
{
    *(struct hv_in_map_gpa *)&winhv_in = (struct hv_in_map_gpa){id, gpfn, flags, 0};
    return winhv_rep(HVCALL_UNMAP_GPA_PAGES, count, 0);
}

uint16_t winhv_install_intercept(uint64_t id, uint32_t access, uint32_t type, uint64_t parameter)
{
    *(struct hv_in_install_intercept *)&winhv_in = (struct hv_in_install_intercept){
        id, access, type, parameter};
    return winhv_simple(HVCALL_INSTALL_INTERCEPT);
}

uint16_t winhv_create_vp(uint64_t id, uint32_t vp)
{
    *(struct hv_in_create_vp *)&winhv_in = (struct hv_in_create_vp){.partition = id, .vp = vp};
    return winhv_simple(HVCALL_CREATE_VP);
}

uint16_t winhv_delete_vp(uint64_t id, uint32_t vp)
{
    *(struct hv_in_delete_vp *)&winhv_in = (struct hv_in_delete_vp){id, vp, 0};
    return winhv_simple(HVCALL_DELETE_VP);
}

uint16_t winhv_get_registers(uint64_t id, uint32_t vp, struct hv_reg_assoc *list, unsigned count)
{
    struct hv_in_vp_registers *in = (void *)&winhv_in;
    *in = (struct hv_in_vp_registers){.partition = id, .vp = vp};
    uint32_t *names = (uint32_t *)(in + 1);
    for (unsigned i = 0; i < count; i++)
        names[i] = list[i].name;
    uint16_t status = winhv_rep(HVCALL_GET_VP_REGISTERS, count, 0);
    const union hv_reg_value *values = (const void *)&winhv_out;
    for (unsigned i = 0; i < count; i++)
        list[i].value = values[i];
    return status;
}

uint16_t winhv_set_registers(uint64_t id, uint32_t vp, const struct hv_reg_assoc *list,
                             unsigned count)
{
    struct hv_in_vp_registers *in = (void *)&winhv_in;
    *in = (struct hv_in_vp_registers){.partition = id, .vp = vp};
    memcpy(in + 1, list, count * sizeof(*list));
    return winhv_rep(HVCALL_SET_VP_REGISTERS, count, 0);
}

uint16_t winhv_translate(uint64_t id, uint32_t vp, uint64_t flags, uint64_t gva_page,
                         struct hv_out_translate_va *out)
{
    *(struct hv_in_translate_va *)&winhv_in = (struct hv_in_translate_va){id, vp, 0, flags,
                                                                          gva_page};
    uint16_t status = winhv_simple(HVCALL_TRANSLATE_VIRTUAL_ADDRESS);
    memcpy(out, &winhv_out, sizeof(*out));
    return status;
}

uint16_t winhv_assert_interrupt(uint64_t id, uint64_t control, uint64_t destination,
                                uint32_t vector)
{
    *(struct hv_in_assert_interrupt *)&winhv_in = (struct hv_in_assert_interrupt){
        .partition = id, .control = control, .destination = destination, .vector = vector};
    return winhv_simple(HVCALL_ASSERT_VIRTUAL_INTERRUPT);
}

/* ---- ports, messages, events ---- */
uint16_t winhv_create_port(uint32_t port, uint64_t peer, const struct hv_port_info *info)
{
    *(struct hv_in_create_port *)&winhv_in = (struct hv_in_create_port){
        .port_partition = winhv_own_id, .port = port, .connection_partition = peer, .info = *info};
    return winhv_simple(HVCALL_CREATE_PORT);
}

uint16_t winhv_delete_port(uint32_t port)
{
    *(struct hv_in_delete_port *)&winhv_in = (struct hv_in_delete_port){winhv_own_id, port, 0};
    return winhv_simple(HVCALL_DELETE_PORT);
}

uint16_t winhv_connect_port(uint64_t peer, uint32_t connection, uint32_t port, uint32_t type)
{
    *(struct hv_in_connect_port *)&winhv_in = (struct hv_in_connect_port){
        .connection_partition = peer,
        .connection = connection,
        .port_partition = winhv_own_id,
        .port = port,
        .info = {.type = type}};
    return winhv_simple(HVCALL_CONNECT_PORT);
}

uint16_t winhv_disconnect_port(uint64_t peer, uint32_t connection)
{
    *(struct hv_in_delete_port *)&winhv_in = (struct hv_in_delete_port){peer, connection, 0};
    return winhv_simple(HVCALL_DISCONNECT_PORT);
}

uint16_t winhv_post_message_direct(uint64_t id, uint32_t vp, uint8_t sint, uint32_t type,
                                   const void *payload, unsigned size)
{
    struct hv_in_post_message_direct *in = (void *)&winhv_in;
    *in = (struct hv_in_post_message_direct){
        .partition = id, .vp = vp, .sint = sint, .message = {.type = type, .size = (uint8_t)size}};
    memcpy(in->message.payload, payload, size);
    return winhv_simple(HVCALL_POST_MESSAGE_DIRECT);
}

uint16_t winhv_signal_event_direct(uint64_t id, uint32_t vp, uint8_t sint, uint16_t flag)
{
    *(struct hv_in_signal_event_direct *)&winhv_in = (struct hv_in_signal_event_direct){
        .partition = id, .vp = vp, .sint = sint, .flag = flag};
    return winhv_simple(HVCALL_SIGNAL_EVENT_DIRECT);
}

void winhv_message_done(unsigned sint)
{
    struct hv_message *m = &winhv_messages[sint];
    *(volatile uint32_t *)&m->type = HV_MSG_NONE;
    __asm__ volatile("lock; addl $0, (%%rsp)" : : : "memory");
    if (*(volatile uint8_t *)&m->flags & HV_MESSAGE_FLAG_PENDING)
        wrmsr(HV_MSR_EOM, 0);
}
