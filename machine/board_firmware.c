/*
 * machine/board_firmware.c: firmware images in the address space, the flash for its variables, and
 * what fw_cfg tells it: memory map, ACPI tables, a kernel to start, consoles (machine/devices.def).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/bootparam.h"
#include "abi/fwcfg.h"
#include "cpu/sys/sys.h"
#include "devices/boot/boot.h"
#include "machine/machine_int.h"

#define PAGE         4096u
#define FIRMWARE_MAX (8u << 20)

int board_add_file(struct machine *m, const char *name, const void *bytes, size_t len,
                   struct err *err)
{
    struct board_fw *const fw = &m->fw;
    if (fw->files == BOARD_FW_FILES)
        return err_set(err, "E-MACH-001", -ENOSPC, "too many fw_cfg files: %s", name);
    fw->file[fw->files++] = (struct fwcfg_file){name, bytes, len};
    return 0;
}

static int add_rom(struct machine *m, uint64_t base, const void *bytes, size_t len,
                   const char *name, struct err *err)
{
    const int n = ram_add_rom(m->ram, base, bytes, len);
    return n < 0 ? err_set(err, "E-MACH-003", n, "%s: %zu bytes", name, len) : n;
}

static int check_size(size_t len, const char *name, struct err *err)
{
    if (len && len % PAGE == 0 && len <= FIRMWARE_MAX)
        return 0;
    err_set(err, "E-MACH-003", -EINVAL, "%s: %zu bytes", name, len);
    return err_hint(err, "firmware and its variables are whole pages of 4 KiB, at most 8 MiB");
}

/* Code ends at 4 GiB; the variables lie right below it. */
int board_firmware(struct machine *m, struct err *err)
{
    const struct machine_config *const c = &m->cfg;
    if (pci_host_memory(m->pci, m->ram, c->firmware != NULL))
        return err_set(err, "E-MACH-001", -EBUSY, "PAM range");
    if (!c->firmware)
        return 0;
    const uint64_t base = (1ull << 32) - c->firmware_len;
    int rc = check_size(c->firmware_len, c->firmware_name, err);
    if (!rc)
        rc = add_rom(m, base, c->firmware, c->firmware_len, c->firmware_name, err);
    if (rc < 0 || !c->firmware_vars)
        return rc < 0 ? rc : 0;
    rc = check_size(c->firmware_vars_len, c->firmware_vars_name, err);
    if (!rc)
        rc = add_rom(m, base - c->firmware_vars_len, c->firmware_vars, c->firmware_vars_len,
                     c->firmware_vars_name, err);
    if (rc < 0)
        return rc;
    m->fw.vars_rom = (unsigned)rc;
    return board_add(m, flash_new(m->bus, m->ram, m->fw.vars_rom), "flash", err);
}

const void *machine_firmware_vars(struct machine *m, size_t *len)
{
    *len = m->cfg.firmware && m->cfg.firmware_vars ? m->cfg.firmware_vars_len : 0;
    return *len ? ram_rom_bytes(m->ram, m->fw.vars_rom) : NULL;
}

/* ---- fw_cfg ---- */

static void add_item(struct board_fw *fw, uint16_t key, const void *bytes, size_t len)
{
    fw->item[fw->items++] = (struct fwcfg_item){key, bytes, len};
}

static void add_number(struct board_fw *fw, uint16_t key, size_t value)
{
    uint32_t *const at = &fw->number[fw->items];
    *at = (uint32_t)value;
    add_item(fw, key, at, sizeof *at);
}

/* A bzImage for firmware that starts one (UEFI): its setup part and the rest, initrd, command
 * line. */
static int add_kernel(struct machine *m, struct err *err)
{
    const struct machine_config *const c = &m->cfg;
    struct board_fw *const fw = &m->fw;
    const uint8_t *const k = c->kernel;
    uint32_t magic = 0;
    if (c->kernel_len > BP_HEADER_OFFSET + 0x40)
        memcpy(&magic, k + 0x202, 4);
    const size_t setup = magic == BP_MAGIC ? ((k[0x1f1] ? k[0x1f1] : 4u) + 1u) * BP_SECTOR : 0;
    if (!setup || setup >= c->kernel_len) {
        err_set(err, "E-BOOT-001", -ENOEXEC, "%s: no bzImage", c->kernel_name);
        return err_hint(err, "firmware starts nothing else from --kernel");
    }
    const char *const cmdline = c->cmdline ? c->cmdline : "";
    add_number(fw, FWCFG_SETUP_SIZE, setup);
    add_item(fw, FWCFG_SETUP_DATA, k, setup);
    add_number(fw, FWCFG_KERNEL_SIZE, c->kernel_len - setup);
    add_item(fw, FWCFG_KERNEL_DATA, k + setup, c->kernel_len - setup);
    add_number(fw, FWCFG_CMDLINE_SIZE, strlen(cmdline) + 1);
    add_item(fw, FWCFG_CMDLINE_DATA, cmdline, strlen(cmdline) + 1);
    if (c->module_count) {
        add_number(fw, FWCFG_INITRD_SIZE, c->modules[0].len);
        add_item(fw, FWCFG_INITRD_DATA, c->modules[0].bytes, c->modules[0].len);
    }
    return 0;
}

static void fill_e820(struct machine *m)
{
    struct fwcfg_e820 *const e = m->fw.e820;
    e[m->fw.e820_count++] = (struct fwcfg_e820){0, m->ram->low, E820_RAM};
    if (m->ram->size > m->ram->low)
        e[m->fw.e820_count++] = (struct fwcfg_e820){1ull << 32, m->ram->size - m->ram->low,
                                                    E820_RAM};
}

static int add_files(struct machine *m, struct err *err)
{
    static const uint64_t com1 = 0x3f8;
    /* by sleep state, bit 7: usable, below it the sleep type */
    static const uint8_t states[6] = {0x80, 0, 0, 0x80 | PM_SLP_TYP_S3, 0, 0x80 | PM_SLP_TYP_S5};
    const struct acpi_blob tables = acpi_tables_file(m->acpi), rsdp = acpi_rsdp_file(m->acpi),
                           loader = acpi_loader_file(m->acpi);
    fill_e820(m);
    int rc;
    if ((rc = board_add_file(m, "etc/e820", m->fw.e820, m->fw.e820_count * sizeof m->fw.e820[0],
                             err)) ||
        (rc = board_add_file(m, "etc/acpi/tables", tables.bytes, tables.len, err)) ||
        (rc = board_add_file(m, "etc/acpi/rsdp", rsdp.bytes, rsdp.len, err)) ||
        (rc = board_add_file(m, "etc/table-loader", loader.bytes, loader.len, err)) ||
        (rc = board_add_file(m, "etc/system-states", states, sizeof states, err)))
        return rc;
    for (size_t i = 0; i < m->cfg.option_rom_count; i++) {
        static const char *const name[] = {"genroms/0.rom", "genroms/1.rom", "genroms/2.rom",
                                           "genroms/3.rom"};
        const struct boot_module *const r = &m->cfg.option_roms[i];
        if (i == sizeof name / sizeof name[0])
            return err_set(err, "E-MACH-001", -ENOSPC, "more than %zu option ROMs", i);
        if ((rc = board_add_file(m, name[i], r->bytes, r->len, err)))
            return rc;
    }
    if (!m->cfg.display && (rc = board_add_file(m, "etc/sercon-port", &com1, sizeof com1, err)))
        return rc;
    if (m->cfg.boot_order)
        return board_add_file(m, "bootorder", m->cfg.boot_order, strlen(m->cfg.boot_order) + 1,
                              err);
    return 0;
}

int board_fwcfg(struct machine *m, struct err *err)
{
    struct board_fw *const fw = &m->fw;
    const uint64_t high = m->ram->size - m->ram->low;
    const struct acpi_config ac = {
        .cpus = m->cfg.smp,
        .iommu_bits = m->vtd ? CPU_PHYS_BITS : 0,
        .ram_end = high ? (1ull << 32) + high : m->ram->low,
        .boot_arch = (uint16_t)(ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_ASPM |
                                (m->cfg.display ? 0 : ACPI_BOOT_NO_VGA) |
                                (board_has_keyboard(m) ? ACPI_BOOT_8042 : 0)),
    };
    m->acpi = acpi_tables_new(&ac);
    if (!m->acpi)
        return err_set(err, "E-MACH-002", -ENOMEM, "ACPI tables");
    if (m->cfg.firmware) {
        const int rc = add_files(m, err);
        if (rc || (m->cfg.kernel && add_kernel(m, err)))
            return err->code;
    }
    const struct dma dma = {.ram = m->ram}; /* no PCI function */
    const struct fwcfg_config cfg = {.files = fw->file,
                                     .count = fw->files,
                                     .items = fw->item,
                                     .item_count = fw->items,
                                     .cpus = m->cfg.smp,
                                     .ram = m->cfg.memory};
    return board_add(m, fwcfg_new(m->bus, &dma, &cfg), "fw_cfg", err);
}
