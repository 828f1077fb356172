#include "tests/lib/vmcs_good.h"

#include <string.h>

#include "abi/x86.h"
#include "cpu/vmx/vmx.h"

#define DATA_AR 0xc093u
#define CODE64_AR 0xa09bu
#define CODE32_AR 0xc09bu

static bool read32(void *opaque, uint64_t pa, uint32_t *value)
{
    (void)opaque;
    (void)pa;
    *value = 0;
    return true;
}

void vmx_env_good(struct vmx_env *e)
{
    *e = (struct vmx_env){
        .phys_mask = (1ull << 39) - 1,
        .cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG,
        .cr0_fixed1 = 0xffffffff,
        .cr4_fixed0 = CR4_VMXE,
        .cr4_fixed1 = 0x7f7ff,
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
        .current = 0x7000,
        .lma = true,
        .read32 = read32,
    };
}

static void good_host(struct vmcs *v)
{
    v->host_cr0 = CR0_PE | CR0_NE | CR0_PG | CR0_ET | CR0_WP;
    v->host_cr4 = CR4_PAE | CR4_VMXE;
    v->host_cr3 = 0x1000;
    v->host_cs_sel = 8;
    v->host_ss_sel = v->host_ds_sel = v->host_es_sel = 0x10;
    v->host_tr_sel = 0x18;
    v->host_efer = EFER_LMA | EFER_LME | EFER_NXE;
    v->host_pat = 0x0007040600070406;
    v->host_rip = 0xffffffff80001000;
    v->host_fs_base = v->host_gs_base = 0xffff800000000000;
}

static void set_segments(struct vmcs *v, uint32_t code)
{
    v->guest_cs_sel = 8;
    v->guest_ss_sel = v->guest_ds_sel = v->guest_es_sel = v->guest_fs_sel = v->guest_gs_sel = 0x10;
    v->guest_cs_ar = code;
    v->guest_ss_ar = v->guest_ds_ar = v->guest_es_ar = v->guest_fs_ar = v->guest_gs_ar = DATA_AR;
    v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = v->guest_es_limit =
        v->guest_fs_limit = v->guest_gs_limit = 0xffffffff;
    v->guest_tr_sel = 0x18;
    v->guest_tr_ar = 0x8b;
    v->guest_tr_limit = 0x67;
    v->guest_ldtr_sel = 0x20;
    v->guest_ldtr_ar = 0x82;
    v->guest_ldtr_limit = 0xf;
    v->guest_gdtr_limit = v->guest_idtr_limit = 0xffff;
}

void vmcs_good64(struct vmcs *v)
{
    memset(v, 0, sizeof *v);
    v->pin_ctl = VMX_PIN_DEFAULT1 | VMX_PIN_EXT_INT | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMI |
                 VMX_PIN_PREEMPTION_TIMER;
    v->proc_ctl = VMX_PROC_DEFAULT1 | VMX_PROC_TPR_SHADOW | VMX_PROC_MSR_BITMAPS |
                  VMX_PROC_IO_BITMAPS | (uint32_t)VMX_PROC_SECONDARY;
    v->proc2_ctl = VMX_PROC2_EPT | VMX_PROC2_VPID | VMX_PROC2_UNRESTRICTED;
    v->exit_ctl = VMX_EXIT_DEFAULT1 | VMX_XCTL_HOST_64 | VMX_XCTL_LOAD_EFER | VMX_XCTL_LOAD_PAT |
                  VMX_XCTL_SAVE_PREEMPTION_TIMER;
    v->entry_ctl = VMX_ENTRY_DEFAULT1 | VMX_NCTL_IA32E_GUEST | VMX_NCTL_LOAD_EFER |
                   VMX_NCTL_LOAD_PAT;
    v->vpid = 1;
    v->eptp = 0x5000 | EPT_MT_WB | EPTP_WALK4;
    v->io_bitmap_a = 0x2000;
    v->io_bitmap_b = 0x3000;
    v->msr_bitmap = 0x4000;
    v->virtual_apic_addr = 0x6000;
    v->vmcs_link_ptr = VMCS_LINK_NONE;
    good_host(v);

    v->guest_cr0 = CR0_PE | CR0_NE | CR0_PG | CR0_ET;
    v->guest_cr4 = CR4_PAE | CR4_VMXE;
    v->guest_cr3 = 0x1000;
    v->guest_efer = EFER_LMA | EFER_LME;
    v->guest_pat = 0x0007040600070406;
    v->guest_dr7 = DR7_FIXED1;
    v->guest_rflags = FL_FIXED1 | FL_IF;
    v->guest_rip = 0xffffffff80002000;
    set_segments(v, CODE64_AR);
}

void vmcs_good64_plain(struct vmcs *v)
{
    vmcs_good64(v);
    v->proc_ctl &= ~((uint32_t)VMX_PROC_SECONDARY | VMX_PROC_TPR_SHADOW);
}

void vmcs_good32_pae(struct vmcs *v)
{
    vmcs_good64(v);
    v->entry_ctl &= ~(uint32_t)VMX_NCTL_IA32E_GUEST;
    v->guest_efer = 0;
    v->guest_rip = 0x100000;
    v->guest_cs_ar = CODE32_AR;
    v->guest_pdpte0 = 0x8001;
}

void vmcs_good_v86(struct vmcs *v)
{
    vmcs_good32_pae(v);
    v->guest_rflags |= FL_VM;
    v->guest_rip = 0x100;
#define V86(p)                                                                                    \
    v->guest_##p##_sel = 0x1000;                                                                  \
    v->guest_##p##_base = 0x10000;                                                                \
    v->guest_##p##_limit = 0xffff;                                                                \
    v->guest_##p##_ar = 0xf3;
    V86(cs) V86(ss) V86(ds) V86(es) V86(fs) V86(gs)
#undef V86
}

void vmcs_good_real(struct vmcs *v)
{
    vmcs_good32_pae(v);
    v->guest_cr0 = CR0_NE | CR0_ET;
    v->guest_cr4 = CR4_VMXE;
    v->guest_rip = 0xfff0;
#define REAL(p)                                                                                   \
    v->guest_##p##_sel = 0xf000;                                                                  \
    v->guest_##p##_base = 0xf0000;                                                                \
    v->guest_##p##_limit = 0xffff;                                                                \
    v->guest_##p##_ar = 0x93;
    REAL(cs) REAL(ss) REAL(ds) REAL(es) REAL(fs) REAL(gs)
#undef REAL
}
