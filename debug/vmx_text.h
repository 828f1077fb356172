/* VT-x values in words: what a VM exit was about, control bits by name. */
#ifndef DEBUG_VMX_TEXT_H
#define DEBUG_VMX_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* "out 4 bytes to port 0x3f8", "mov cr3, rax", "#PF error 0x2 at 0x1000"; empty when the reason
 * says it all. Returns buf. */
char *vmx_exit_text(uint32_t reason, uint64_t qual, uint64_t gpa, uint32_t intr_info, char *buf,
                    size_t size);
/* Names of the bits that are 1 in a control field, or NULL when the field is not one. */
char *vmx_ctl_text(uint32_t encoding, uint32_t value, char *buf, size_t size);

#endif
