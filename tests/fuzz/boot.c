/*
 * Fuzz target: kernels and modules for the boot loaders. Seeds are an ELF with multiboot header,
 * one with PVH note, and a bzImage.
 */
#include <elf.h>
#include <string.h>

#include "abi/bootparam.h"
#include "abi/multiboot.h"
#include "devices/boot/boot.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pc.h"

static void one(const uint8_t *data, size_t len)
{
    struct machine *const m = pc_reset();
    const struct boot_module mods[2] = {{"initrd", data, len}, {"two", data, len / 2}};
    const struct boot_images images = {.kernel = data,
                                       .kernel_len = len,
                                       .kernel_name = "image",
                                       .cmdline = "a=b",
                                       .modules = mods,
                                       .module_count = 2};
    struct err err;
    struct boot b = {.cfg = &images, .ram = m->ram, .cpu = m->cpu[0], .rsdp = 0xe0000, .err = &err};
    b.e820[0] = (struct boot_e820){0, 0xa0000, E820_RAM};
    b.e820[1] = (struct boot_e820){0x100000, PC_MEMORY - 0x100000, E820_RAM};
    b.e820_count = 2;
    err_clear(&err);
    if (boot_load(&b) == 0)
        machine_run(m, 200, UINT64_MAX);
}

static size_t make_elf(uint8_t *to, bool pvh)
{
    const Elf32_Ehdr h = {.e_ident = "\177ELF\1\1\1",
                          .e_type = ET_EXEC,
                          .e_machine = EM_386,
                          .e_entry = 0x100020,
                          .e_phoff = sizeof h,
                          .e_phentsize = sizeof(Elf32_Phdr),
                          .e_phnum = 2};
    const Elf32_Phdr p[2] = {{.p_type = PT_LOAD,
                              .p_offset = 0x200,
                              .p_paddr = 0x100000,
                              .p_filesz = 0x100,
                              .p_memsz = 0x3000},
                             {.p_type = PT_NOTE, .p_offset = 0x180, .p_filesz = 20}};
    const uint32_t mb[3] = {MULTIBOOT_MAGIC, 3, (uint32_t) - (MULTIBOOT_MAGIC + 3)};
    const uint32_t note[5] = {4, 4, 18, 0x6e6558, 0x100020};
    memset(to, 0, 0x300);
    memcpy(to, &h, sizeof h);
    memcpy(to + sizeof h, p, sizeof p);
    if (pvh)
        memcpy(to + 0x180, note, sizeof note);
    else
        memcpy(to + 0x200, mb, sizeof mb);
    memset(to + 0x220, 0xf4, 16);
    return 0x300;
}

static size_t make_bzimage(uint8_t *to)
{
    const uint16_t version = 0x20f, flag = 0xaa55, xload = 1;
    const uint32_t code32 = 0x100000, align = 0x200000, init = 0x10000, cmdline = 2047;
    memset(to, 0, 0x1400);
    to[0x1f1] = 4;
    memcpy(to + 0x1fe, &flag, 2);
    memcpy(to + 0x202, "HdrS", 4);
    memcpy(to + 0x206, &version, 2);
    to[0x201] = 0x6a;
    to[0x211] = 1;
    memcpy(to + 0x214, &code32, 4);
    memcpy(to + 0x230, &align, 4);
    to[0x234] = 1;
    memcpy(to + 0x236, &xload, 2);
    memcpy(to + 0x238, &cmdline, 4);
    memcpy(to + 0x260, &init, 4);
    return 0x1400;
}

static size_t seed(unsigned n, uint8_t *to)
{
    return n == 0   ? make_elf(to, false)
           : n == 1 ? make_elf(to, true)
           : n == 2 ? make_bzimage(to)
                    : 0;
}

const struct fuzz_target fuzz_boot = {"boot", "kernel images for the boot loaders", NULL, one, seed,
                                      4096};
