/*
 * Fuzz target: VM entries with any VMCS, then guest code, then the exit; several times over. The
 * first byte chooses a valid VMCS to start from; then a count of changes of (field, value), and the
 * rest is guest code.
 */
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pc.h"
#include "tests/lib/vmcs_good.h"

#define HOST_CODE  0x180000u
#define POINTERS   0x181000u
#define VMXON_AT   0x182000u
#define VMCS_AT    0x183000u
#define EPT_AT     0x184000u
#define ZERO_PAGES 0x188000u /* bitmaps, virtual APIC */
#define ROUNDS     6

/* vmxon, vmclear, vmptrld, vmlaunch, vmresume, then sleep. */
static const uint8_t host_code[] = {
    0xf3, 0x0f, 0xc7, 0x34, 0x25, 0x00, 0x10, 0x18, 0x00, 0x66, 0x0f, 0xc7,
    0x34, 0x25, 0x08, 0x10, 0x18, 0x00, 0x0f, 0xc7, 0x34, 0x25, 0x08, 0x10,
    0x18, 0x00, 0x0f, 0x01, 0xc2, 0x0f, 0x01, 0xc3, 0xf4, 0xeb, 0xfd,
};
enum { AT_LAUNCH = 26, AT_RESUME = 29, AT_SLEEP = 32 };

static void (*const bases[])(struct vmcs *) = {vmcs_good64, vmcs_good64_plain, vmcs_good32_pae,
                                               vmcs_good_v86, vmcs_good_real};

static void prepare_memory(struct machine *m)
{
    const uint64_t pointers[2] = {VMXON_AT, VMCS_AT};
    const uint32_t revision = VMCS_REVISION;
    uint64_t table[512] = {(EPT_AT + 0x1000) | 7};
    pc_write(m, HOST_CODE, host_code, sizeof host_code);
    pc_write(m, POINTERS, pointers, sizeof pointers);
    pc_write(m, VMXON_AT, &revision, sizeof revision);
    pc_write(m, VMCS_AT, &revision, sizeof revision);
    pc_write(m, EPT_AT, table, sizeof table);
    table[0] = (EPT_AT + 0x2000) | 7;
    pc_write(m, EPT_AT + 0x1000, table, sizeof table);
    for (unsigned i = 0; i < 512; i++)
        table[i] = (uint64_t)i << 21 | 0xb7;
    pc_write(m, EPT_AT + 0x2000, table, sizeof table);
}

static void change(struct vmcs *v, struct fuzz_reader *r)
{
    const struct vmcs_field_info *const f = &vmcs_fields[fuzz_take(r, 2) % vmcs_field_count];
    const uint64_t how = fuzz_take(r, 1), value = fuzz_take(r, 8);
    if (!f->read_only)
        vmcs_set(v, f, how & 1 ? vmcs_get(v, f) ^ 1ull << (how >> 1 & 63) : value);
}

static void one(const uint8_t *data, size_t len)
{
    struct fuzz_reader r = {data, data + len};
    struct machine *const m = pc_reset();
    struct cpu *const c = m->cpu[0];
    prepare_memory(m);
    pc_enter_64(m, HOST_CODE);
    cr4_set(c, c->cr4 | CR4_VMXE);
    c->feature_control = 5;
    machine_run(m, 3, UINT64_MAX); /* to VMLAUNCH */
    if (!c->vmx_on)
        __builtin_trap();
    struct vmcs *const v = &c->vmx->vmcs;
    bases[fuzz_take(&r, 1) % 5](v);
    v->io_bitmap_a = v->io_bitmap_b = v->msr_bitmap = v->virtual_apic_addr = ZERO_PAGES;
    if (v->eptp)
        v->eptp = EPT_AT | (v->eptp & 0xfff);
    v->host_cr3 = c->cr3;
    v->host_rip = HOST_CODE + AT_SLEEP;
    v->host_rsp = 0x170000;
    v->host_gdtr_base = 0x6000;
    v->guest_cr3 = c->cr3;
    v->guest_rip = PC_CODE - v->guest_cs_base;
    v->guest_rsp = 0x160000;
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (uint64_t n = fuzz_take(&r, 1) % 8; n; n--)
            change(v, &r);
        c->vmx->dirty = 0xff;
        if (i == 0)
            pc_write(m, PC_CODE, r.p, (size_t)(r.end - r.p));
        if (!c->non_root)
            c->rip = HOST_CODE + (c->vmx->launched ? AT_RESUME : AT_LAUNCH);
        c->activity = CPU_ACTIVE;
        machine_run(m, 300, m->now_ns + 1000000);
    }
}

const struct fuzz_target fuzz_vmx = {
    "vmx", "VM entries with changed VMCSs and any guest code", NULL, one, NULL, 200};
