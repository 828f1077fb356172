/*
 * devices/boot/bzimage.c: Linux/x86 boot protocol, direct (abi/bootparam.h): the 64-bit entry when
 * the kernel has one, else the 32-bit entry. The real-mode setup code is not run.
 */
#include <errno.h>
#include <string.h>

#include "abi/bootparam.h"
#include "cpu/cpu.h"
#include "devices/boot/boot.h"
#include "mmu/ram.h"

#define MIN_VERSION 0x206

static int truncated(struct boot *b, const char *what)
{
    return err_set(b->err, "E-BOOT-002", -EINVAL, "%s: %s", b->cfg->kernel_name, what);
}

static int put_cmdline(struct boot *b, struct boot_params *p)
{
    const char *const text = b->cfg->cmdline ? b->cfg->cmdline : "";
    const size_t len = strlen(text);
    if (len > p->hdr.cmdline_size || len > 0x10000)
        return err_set(b->err, "E-BOOT-003", -E2BIG,
                       "command line of %zu bytes; the kernel takes %u", len, p->hdr.cmdline_size);
    p->hdr.cmd_line_ptr = BOOT_CMDLINE;
    return boot_put(b, BOOT_CMDLINE, text, len + 1, "command line");
}

static int put_initrd(struct boot *b, struct boot_params *p)
{
    if (!b->cfg->module_count)
        return 0;
    const struct boot_module *const m = &b->cfg->modules[0];
    const uint64_t limit = p->hdr.initrd_addr_max ? (uint64_t)p->hdr.initrd_addr_max + 1
                                                  : 0x37ffffff;
    const uint64_t at = boot_put_high(b, m->bytes, m->len, limit, "initial RAM disk");
    if (!at && m->len)
        return b->err->code;
    p->hdr.ramdisk_image = (uint32_t)at;
    p->hdr.ramdisk_size = (uint32_t)m->len;
    return 0;
}

int boot_bzimage(struct boot *b)
{
    const uint8_t *const k = b->cfg->kernel;
    const size_t len = b->cfg->kernel_len;
    struct boot_params p;
    if (len < BP_HEADER_OFFSET + sizeof p.hdr)
        return truncated(b, "ends inside its setup header");
    memset(&p, 0, sizeof p);
    const size_t header_end = 0x202u + k[0x201];
    const size_t n = header_end - BP_HEADER_OFFSET < sizeof p.hdr ? header_end - BP_HEADER_OFFSET
                                                                  : sizeof p.hdr;
    memcpy(&p.hdr, k + BP_HEADER_OFFSET, n);
    if (p.hdr.version < MIN_VERSION)
        return err_set(b->err, "E-BOOT-004", -ENOEXEC, "%s: protocol %u.%02u", b->cfg->kernel_name,
                       p.hdr.version >> 8, p.hdr.version & 0xff);
    const size_t setup = ((p.hdr.setup_sects ? p.hdr.setup_sects : 4u) + 1u) * BP_SECTOR;
    if (setup >= len)
        return truncated(b, "no kernel after the setup sectors");
    if ((uint64_t)p.hdr.syssize * 16 > len - setup + 15)
        return truncated(b, "shorter than its header says");
    const uint64_t size = len - setup;
    const uint64_t at = p.hdr.version >= 0x20a && p.hdr.pref_address ? p.hdr.pref_address
                                                                     : 0x100000;
    const uint64_t need = p.hdr.version >= 0x20a && p.hdr.init_size > size ? p.hdr.init_size : size;
    if (at < 0x100000 || at > 1ull << 32 || at + need > b->ram->low) {
        err_set(b->err, "E-BOOT-003", -ENOSPC, "%s needs memory from 0x%llx to 0x%llx",
                b->cfg->kernel_name, (unsigned long long)at, (unsigned long long)(at + need));
        return err_hint(b->err, "give the machine more with --memory");
    }
    int rc;
    if ((rc = boot_put(b, at, k + setup, size, b->cfg->kernel_name)) || (rc = put_cmdline(b, &p)) ||
        (rc = put_initrd(b, &p)))
        return rc;
    if (b->cfg->module_count && b->top < at + need)
        return err_set(b->err, "E-BOOT-003", -ENOSPC, "kernel and initial RAM disk overlap");
    p.hdr.type_of_loader = BP_LOADER_UNDEFINED;
    p.hdr.code32_start = (uint32_t)at;
    p.hdr.loadflags = (uint8_t)((p.hdr.loadflags & ~BP_CAN_USE_HEAP) | BP_LOADED_HIGH);
    p.acpi_rsdp_addr = b->rsdp;
    p.screen_info = b->screen;
    p.e820_entries = (uint8_t)b->e820_count;
    for (unsigned i = 0; i < b->e820_count; i++)
        p.e820[i] = (struct bp_e820){b->e820[i].addr, b->e820[i].size, b->e820[i].type};
    if ((rc = boot_put(b, BOOT_PARAMS, &p, sizeof p, "boot parameters")))
        return rc;
    if (p.hdr.version >= BP_VERSION_64BIT && (p.hdr.xloadflags & BP_XLF_KERNEL_64))
        boot_enter_64(b, at + BP_ENTRY64_OFFSET);
    else
        boot_enter_32(b, (uint32_t)at);
    b->cpu->r[R_SI] = BOOT_PARAMS;
    return 0;
}
