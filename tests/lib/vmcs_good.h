/* A VMCS that passes every check of VM entry, in several modes. */
#ifndef TESTS_LIB_VMCS_GOOD_H
#define TESTS_LIB_VMCS_GOOD_H

#include "cpu/vmx/vmcs.h"

void vmcs_good64(struct vmcs *v);       /* 64-bit guest, EPT, VPID, unrestricted guest */
void vmcs_good64_plain(struct vmcs *v); /* 64-bit guest, no secondary controls */
void vmcs_good32_pae(struct vmcs *v);   /* protected mode with PAE paging and EPT */
void vmcs_good_v86(struct vmcs *v);     /* virtual-8086 guest */
void vmcs_good_real(struct vmcs *v);    /* real-mode unrestricted guest */
void vmx_env_good(struct vmx_env *e);

#endif
