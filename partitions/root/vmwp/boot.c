/*
 * vmwp/boot.c: direct boot: a bzImage by its 64-bit entry (abi/bootparam.h) or an ELF with a PVH
 * note by its 32-bit entry (abi/pvh.h). Low memory: page tables and GDT from 0x1000, boot_params
 * at 0x10000, command line at 0x20000, ACPI tables at 0xe0000.
 */
#include "partitions/root/vmwp/vmwp.h"
#include "partitions/root/lib/elf.h"
#include "partitions/root/vmwp/acpi_build.h"
#include "abi/acpi.h"
#include "abi/bootparam.h"
#include "abi/pvh.h"
#include "abi/x86.h"

#define GDT_GPA         0x1000u
#define PML4_GPA        0x2000u /* then PDPT, and four page directories */
#define PVH_INFO_GPA    0x9000u
#define BOOT_PARAMS_GPA 0x10000u
#define CMDLINE_GPA     0x20000u
#define EBDA_GPA        0x9fc00u
#define MIB             0x100000ull
#define REGS_MAX        32

struct file {
    int64_t handle;
    uint64_t size;
};

static bool file_open(const char *path, struct file *f)
{
    f->handle = u_call1(SYS_OPEN, (uint64_t)path);
    if (f->handle < 0) {
        u_log("no file %s", path);
        return false;
    }
    f->size = (uint64_t)u_call1(SYS_SIZE, (uint64_t)f->handle);
    return true;
}

static bool file_read(const struct file *f, uint64_t offset, void *to, uint64_t n)
{
    return u_call(SYS_READ, (uint64_t)f->handle, offset, (uint64_t)to, n) == (int64_t)n;
}

/* ---- registers ---- */
struct regs {
    unsigned n;
    struct hv_reg_assoc a[REGS_MAX];
};

static void reg(struct regs *r, uint32_t name, uint64_t value)
{
    r->a[r->n++] = (struct hv_reg_assoc){.name = name, .value = {.q = {value, 0}}};
}

static void segment(struct regs *r, uint32_t name, uint16_t selector, uint32_t limit, uint16_t attr)
{
    r->a[r->n++] = (struct hv_reg_assoc){.name = name,
                                         .value = {.segment = {0, limit, selector, attr}}};
}

static void segments(struct regs *r, uint16_t code, uint16_t data, uint16_t code_attr)
{
    const uint16_t data_attr = SA_G | SA_DB | SA_P | SA_S | SA_RW | SA_ACCESSED;
    segment(r, HV_REG_CS, code, 0xffffffff, code_attr);
    segment(r, HV_REG_DS, data, 0xffffffff, data_attr);
    segment(r, HV_REG_ES, data, 0xffffffff, data_attr);
    segment(r, HV_REG_SS, data, 0xffffffff, data_attr);
    segment(r, HV_REG_FS, data, 0xffffffff, data_attr);
    segment(r, HV_REG_GS, data, 0xffffffff, data_attr);
    segment(r, HV_REG_TR, 0x20, 0x67, SA_P | ST_TSS_BUSY);
    segment(r, HV_REG_LDTR, 0, 0, 0);
}

static bool regs_set(struct regs *r)
{
    reg(r, HV_REG_RFLAGS, FL_FIXED1);
    r->a[r->n++] = (struct hv_reg_assoc){.name = HV_REG_GDTR,
                                         .value = {.table = {{0}, 0x27, GDT_GPA}}};
    uint64_t *gdt = (uint64_t *)vm_ram(GDT_GPA, 0x28);
    gdt[2] = 0x00af9b000000ffffull;
    gdt[3] = 0x00cf93000000ffffull;
    return !u_call(SYS_VP_REGS, vm.part, 0, (uint64_t)r->a, r->n);
}

static bool apic_bases(void)
{
    for (unsigned i = 0; i < vm.cpus; i++) {
        struct regs r = {0};
        reg(&r, HV_REG_APIC_BASE,
            VM_LAPIC_GPA | APIC_BASE_EN | APIC_BASE_EXTD | (i ? 0 : APIC_BASE_BSP));
        if (u_call(SYS_VP_REGS, vm.part, i, (uint64_t)r.a, r.n))
            return false;
    }
    return true;
}

/* ---- memory map ---- */
static unsigned memory_map(struct bp_e820 *e)
{
    unsigned n = 0;
    e[n++] = (struct bp_e820){0, EBDA_GPA, E820_RAM};
    e[n++] = (struct bp_e820){EBDA_GPA, 0xa0000 - EBDA_GPA, E820_RESERVED};
    e[n++] = (struct bp_e820){ACPI_AREA_GPA, MIB - ACPI_AREA_GPA, E820_RESERVED};
    e[n++] = (struct bp_e820){MIB, vm.low - MIB, E820_RAM};
    if (vm.high)
        e[n++] = (struct bp_e820){VM_4G, vm.high, E820_RAM};
    return n;
}

/* ---- bzImage ---- */
static void identity_map(void)
{
    uint64_t *table = (uint64_t *)vm_ram(PML4_GPA, 6 * 4096);
    memset(table, 0, 6 * 4096);
    table[0] = (PML4_GPA + 0x1000) | PTE_P | PTE_W;
    for (unsigned i = 0; i < 4; i++)
        table[512 + i] = (PML4_GPA + 0x2000 + i * 0x1000) | PTE_P | PTE_W;
    for (unsigned i = 0; i < 2048; i++)
        table[1024 + i] = (uint64_t)i << 21 | PTE_P | PTE_W | PTE_PS;
}

static bool load_initrd(struct boot_params *bp)
{
    struct file f;
    if (!vm.initrd[0])
        return true;
    if (!file_open(vm.initrd, &f))
        return false;
    uint64_t top = vm.low;
    if (top > (uint64_t)bp->hdr.initrd_addr_max + 1)
        top = (uint64_t)bp->hdr.initrd_addr_max + 1;
    uint64_t kernel_end = (uint64_t)bp->hdr.code32_start + bp->hdr.init_size;
    uint64_t at = f.size <= top ? (top - f.size) & ~4095ull : 0;
    if (at < kernel_end) {
        u_log("the initrd of %lu KiB does not fit into %lu MiB of memory", f.size >> 10,
              vm.memory >> 20);
        return false;
    }
    bp->hdr.ramdisk_image = (uint32_t)at;
    bp->hdr.ramdisk_size = (uint32_t)f.size;
    return file_read(&f, 0, vm_ram(at, f.size), f.size);
}

static bool load_bzimage(const struct file *f)
{
    struct boot_params *bp = (void *)vm_ram(BOOT_PARAMS_GPA, sizeof(*bp));
    uint8_t length = 0;
    memset(bp, 0, sizeof(*bp));
    if (!file_read(f, 0x201, &length, 1) || BP_HEADER_OFFSET + sizeof(bp->hdr) > f->size)
        return false;
    uint64_t n = 0x202u + length - BP_HEADER_OFFSET;
    file_read(f, BP_HEADER_OFFSET, &bp->hdr, n < sizeof(bp->hdr) ? n : sizeof(bp->hdr));
    struct bp_setup_header *h = &bp->hdr;
    if (h->version < BP_VERSION_64BIT || !(h->xloadflags & BP_XLF_KERNEL_64)) {
        u_log("%s has no 64-bit entry (boot protocol %x)", vm.kernel, h->version);
        return false;
    }
    uint64_t setup = (h->setup_sects ? h->setup_sects + 1u : 5u) * BP_SECTOR;
    uint64_t at = h->pref_address, align = h->kernel_alignment ? h->kernel_alignment : 0x200000;
    if (!vm_ram(at, h->init_size) && h->relocatable_kernel)
        at = (MIB + align - 1) / align * align;
    if (setup >= f->size || !vm_ram(at, h->init_size) || f->size - setup > h->init_size) {
        u_log("%s does not fit into %lu MiB of memory", vm.kernel, vm.memory >> 20);
        return false;
    }
    if (!file_read(f, setup, vm_ram(at, f->size - setup), f->size - setup))
        return false;
    h->type_of_loader = BP_LOADER_UNDEFINED;
    h->loadflags = (h->loadflags | BP_LOADED_HIGH) & (uint8_t)~BP_CAN_USE_HEAP;
    h->code32_start = (uint32_t)at;
    h->cmd_line_ptr = CMDLINE_GPA;
    bp->acpi_rsdp_addr = ACPI_AREA_GPA;
    bp->e820_entries = (uint8_t)memory_map(bp->e820);
    if (!load_initrd(bp))
        return false;
    identity_map();
    struct regs r = {0};
    segments(&r, BP_BOOT_CS, BP_BOOT_DS, SA_G | SA_L | SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED);
    reg(&r, HV_REG_CR3, PML4_GPA);
    reg(&r, HV_REG_CR4, CR4_PAE);
    reg(&r, HV_REG_EFER, EFER_LME | EFER_LMA);
    reg(&r, HV_REG_CR0, CR0_PG | CR0_NE | CR0_ET | CR0_PE);
    reg(&r, HV_REG_RIP, at + BP_ENTRY64_OFFSET);
    reg(&r, HV_REG_RSI, BOOT_PARAMS_GPA);
    return regs_set(&r);
}

/* ---- ELF with PVH note ---- */
static void pvh_info(void)
{
    struct hvm_start_info *s = (void *)vm_ram(PVH_INFO_GPA, 4096);
    struct hvm_memmap_entry *m = (void *)(s + 1);
    struct bp_e820 e[8];
    unsigned n = memory_map(e);
    memset(s, 0, 4096);
    s->magic = HVM_START_MAGIC;
    s->version = HVM_START_VERSION;
    s->cmdline_paddr = CMDLINE_GPA;
    s->rsdp_paddr = ACPI_AREA_GPA;
    s->memmap_paddr = PVH_INFO_GPA + sizeof(*s);
    s->memmap_entries = n;
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct hvm_memmap_entry){e[i].addr, e[i].size, e[i].type, 0};
}

static bool load_elf(const struct file *f)
{
    int64_t copy = u_call1(SYS_MEMORY, f->size);
    struct rt_elf elf;
    if (copy < 0 || !file_read(f, 0, (void *)copy, f->size) ||
        !rt_elf_parse((void *)copy, f->size, &elf) || !elf.has_pvh) {
        u_log("%s is no ELF file with a PVH entry", vm.kernel);
        return false;
    }
    for (unsigned i = 0; i < elf.segments; i++) {
        const struct rt_elf_segment *s = &elf.segment[i];
        uint8_t *to = vm_ram(s->paddr, s->mem_size);
        if (!to) {
            u_log("%s: a segment at %lx lies outside of memory", vm.kernel, s->paddr);
            return false;
        }
        memcpy(to, (uint8_t *)copy + s->offset, s->file_size);
        memset(to + s->file_size, 0, s->mem_size - s->file_size);
    }
    pvh_info();
    struct regs r = {0};
    segments(&r, BP_BOOT_CS, BP_BOOT_DS,
             SA_G | SA_DB | SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED);
    reg(&r, HV_REG_CR0, CR0_ET | CR0_PE);
    reg(&r, HV_REG_RIP, elf.pvh_entry);
    reg(&r, HV_REG_RBX, PVH_INFO_GPA);
    return regs_set(&r);
}

bool boot_load(void)
{
    struct file f;
    uint32_t magic[2] = {0};
    acpi_build(vm_ram(ACPI_AREA_GPA, ACPI_AREA_SIZE), vm.cpus, vm.high ? VM_4G + vm.high : vm.low);
    rt_strcpy((char *)vm_ram(CMDLINE_GPA, sizeof(vm.append)), vm.append, sizeof(vm.append));
    if (!file_open(vm.kernel, &f) || !apic_bases())
        return false;
    if (f.size < 0x1000 || !file_read(&f, 0, &magic[0], 4) || !file_read(&f, 0x202, &magic[1], 4)) {
        u_log("%s: too short for a kernel (%lu bytes)", vm.kernel, f.size);
        return false;
    }
    if (magic[1] == BP_MAGIC)
        return load_bzimage(&f);
    if (magic[0] == 0x464c457f)
        return load_elf(&f);
    u_log("%s is neither a bzImage nor an ELF file", vm.kernel);
    return false;
}
