/* Unit tests of devices/boot: bzImage, multiboot and PVH images made here, and broken ones. */
#include "tests/lib/suite.h"

#include <elf.h>
#include <string.h>

#include "abi/bootparam.h"
#include "abi/multiboot.h"
#include "abi/pvh.h"
#include "devices/boot/boot.h"
#include "tests/lib/rig.h"

#define RAM (32ull << 20)

static struct rig r;
static struct err err;
static struct boot_images cfg;
static uint8_t image[16384];

static int load(const void *kernel, size_t len)
{
    struct boot b = {.cfg = &cfg, .ram = r.ram, .cpu = r.c, .rsdp = 0xe0000, .err = &err};
    b.e820[0] = (struct boot_e820){0, 0xa0000, E820_RAM};
    b.e820[1] = (struct boot_e820){0x100000, RAM - 0x100000, E820_RAM};
    b.e820_count = 2;
    cfg.kernel = kernel;
    cfg.kernel_len = len;
    cfg.kernel_name = "image";
    err_clear(&err);
    return boot_load(&b);
}

static void setup(void)
{
    r = rig_new(RAM);
    cfg = (struct boot_images){.cmdline = "a=b"};
}

static void get(uint64_t at, void *to, size_t len)
{
    ck_assert(ram_read(r.ram, hpa(at), to, len));
}

/* A multiboot ELF32: header at 0x1000, 0x100 bytes at 1 MiB, 0x100 more to clear. */
static size_t make_multiboot(void)
{
    const Elf32_Ehdr h = {.e_ident = "\177ELF\1\1\1",
                          .e_type = ET_EXEC,
                          .e_machine = EM_386,
                          .e_entry = 0x100040,
                          .e_phoff = sizeof h,
                          .e_phentsize = sizeof(Elf32_Phdr),
                          .e_phnum = 1};
    const Elf32_Phdr p = {.p_type = PT_LOAD,
                          .p_offset = 0x1000,
                          .p_paddr = 0x100000,
                          .p_filesz = 0x100,
                          .p_memsz = 0x200};
    const uint32_t mb[3] = {MULTIBOOT_MAGIC, 3, (uint32_t) - (MULTIBOOT_MAGIC + 3)};
    memset(image, 0, sizeof image);
    memcpy(image, &h, sizeof h);
    memcpy(image + sizeof h, &p, sizeof p);
    memset(image + 0x1000, 0x90, 0x100);
    memcpy(image + 0x1000, mb, sizeof mb);
    return 0x1100;
}

START_TEST(multiboot_gets_modules_memory_map_and_command_line)
{
    static const struct boot_module mods[] = {{"one x", "first", 5}, {"two", "second!", 7}};
    struct multiboot_info info;
    struct multiboot_module m[2];
    struct multiboot_mmap map[2];
    char text[8];
    setup();
    cfg.modules = mods;
    cfg.module_count = 2;
    ck_assert_int_eq(load(image, make_multiboot()), 0);
    ck_assert_uint_eq(r.c->r[R_AX], MULTIBOOT_BOOTLOADER_MAGIC);
    ck_assert_uint_eq(r.c->rip, 0x100040);
    ck_assert(!(r.c->cr0 & CR0_PG) && (r.c->cr0 & CR0_PE));
    get(r.c->r[R_BX], &info, sizeof info);
    ck_assert_uint_eq(info.mods_count, 2);
    get(info.mods_addr, m, sizeof m);
    ck_assert_uint_eq(m[1].end - m[1].start, 7);
    get(m[1].start, text, 7);
    ck_assert_int_eq(memcmp(text, "second!", 7), 0);
    get(m[0].string, text, 6);
    ck_assert_str_eq(text, "one x");
    get(info.cmdline, text, 4);
    ck_assert_str_eq(text, "a=b");
    ck_assert_uint_eq(info.mmap_length, sizeof map);
    get(info.mmap_addr, map, sizeof map);
    ck_assert_uint_eq(map[1].addr, 0x100000);
    rig_free(&r);
}
END_TEST

START_TEST(pvh_gets_a_start_info)
{
    const Elf64_Ehdr h = {.e_ident = "\177ELF\2\1\1",
                          .e_machine = EM_X86_64,
                          .e_phoff = sizeof h,
                          .e_phentsize = sizeof(Elf64_Phdr),
                          .e_phnum = 2};
    const Elf64_Phdr p[2] = {
        {.p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = 0x200000, .p_filesz = 16, .p_memsz = 16},
        {.p_type = PT_NOTE, .p_offset = 0x2000, .p_filesz = 20}};
    const uint32_t note[5] = {4, 4, PVH_NOTE_PHYS32_ENTRY, 0x006e6558, 0x200008};
    struct hvm_start_info info;
    setup();
    memset(image, 0, sizeof image);
    memcpy(image, &h, sizeof h);
    memcpy(image + sizeof h, p, sizeof p);
    memcpy(image + 0x2000, note, sizeof note);
    ck_assert_int_eq(load(image, 0x2000 + sizeof note), 0);
    ck_assert_uint_eq(r.c->rip, 0x200008);
    get(r.c->r[R_BX], &info, sizeof info);
    ck_assert_uint_eq(info.magic, HVM_START_MAGIC);
    ck_assert_uint_eq(info.rsdp_paddr, 0xe0000);
    ck_assert_uint_eq(info.memmap_entries, 2);
    rig_free(&r);
}
END_TEST

static size_t make_bzimage(void)
{
    struct bp_setup_header h = {.setup_sects = 1,
                                .syssize = 0x100,
                                .boot_flag = BP_BOOT_FLAG,
                                .jump = 0x6aeb,
                                .header = BP_MAGIC,
                                .version = 0x20f,
                                .loadflags = BP_LOADED_HIGH,
                                .initrd_addr_max = 0x7fffffff,
                                .kernel_alignment = 0x200000,
                                .relocatable_kernel = 1,
                                .xloadflags = BP_XLF_KERNEL_64,
                                .cmdline_size = 2047,
                                .pref_address = 0x1000000,
                                .init_size = 0x200000};
    memset(image, 0, sizeof image);
    memcpy(image + BP_HEADER_OFFSET, &h, sizeof h);
    memset(image + 1024, 0xf4, 0x1000);
    return 1024 + 0x1000;
}

START_TEST(a_bzimage_enters_in_64_bit_mode_with_boot_params)
{
    static const struct boot_module initrd = {"", "cpio", 4};
    struct boot_params p;
    char text[4];
    setup();
    cfg.modules = &initrd;
    cfg.module_count = 1;
    ck_assert_int_eq(load(image, make_bzimage()), 0);
    ck_assert_uint_eq(r.c->rip, 0x1000200);
    ck_assert(cpu_code64(r.c));
    get(r.c->r[R_SI], &p, sizeof p);
    ck_assert_uint_eq(p.acpi_rsdp_addr, 0xe0000);
    ck_assert_uint_eq(p.e820_entries, 2);
    ck_assert_uint_eq(p.hdr.ramdisk_size, 4);
    get(p.hdr.ramdisk_image, text, 4);
    ck_assert_int_eq(memcmp(text, "cpio", 4), 0);
    get(p.hdr.cmd_line_ptr, text, 4);
    ck_assert_str_eq(text, "a=b");
    ck_assert(r.c->cr3 != 0);
    rig_free(&r);
}
END_TEST

START_TEST(an_old_bzimage_enters_in_protected_mode)
{
    setup();
    const size_t len = make_bzimage();
    image[BP_HEADER_OFFSET + offsetof(struct bp_setup_header, xloadflags)] = 0;
    ck_assert_int_eq(load(image, len), 0);
    ck_assert_uint_eq(r.c->rip, 0x1000000);
    ck_assert(!(r.c->cr0 & CR0_PG));
    rig_free(&r);
}
END_TEST

START_TEST(other_files_are_clear_errors)
{
    setup();
    ck_assert_int_lt(load("", 0), 0);
    ck_assert_int_lt(load("hello", 5), 0);
    ck_assert_str_eq(err.id, "E-BOOT-001");
    ck_assert_int_lt(load("\177ELF", 4), 0);
    ck_assert_str_eq(err.id, "E-BOOT-002");
    rig_free(&r);
}
END_TEST

START_TEST(a_kernel_too_big_for_the_memory_is_an_error)
{
    setup();
    const size_t len = make_bzimage();
    struct bp_setup_header h;
    memcpy(&h, image + BP_HEADER_OFFSET, sizeof h);
    h.init_size = 0x7fffffff;
    memcpy(image + BP_HEADER_OFFSET, &h, sizeof h);
    ck_assert_int_lt(load(image, len), 0);
    ck_assert_str_eq(err.id, "E-BOOT-003");
    rig_free(&r);
}
END_TEST

static uint32_t seed = 12345;
static uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* Every failure is an error with an id, never a crash (run under ASan in the sanitizer build). */
START_TEST(broken_images_never_crash)
{
    static uint8_t copy[sizeof image];
    static const struct boot_module mod = {"m", "x", 1};
    setup();
    cfg.modules = &mod;
    cfg.module_count = 1;
    for (unsigned i = 0; i < 6000; i++) {
        const size_t full = i & 1 ? make_bzimage() : make_multiboot();
        const size_t head = i & 1 ? 0x290 : 0x60, from = i & 1 ? 0x1f0 : 0;
        for (unsigned n = 1 + rnd() % 4; n; n--)
            image[from + rnd() % (head - from)] = (uint8_t)rnd();
        const size_t len = i % 3 ? full : rnd() % full;
        memcpy(copy, image, sizeof copy);
        if (load(copy, len) < 0)
            ck_assert_ptr_nonnull(err.id);
    }
    rig_free(&r);
}
END_TEST

SUITE("boot", multiboot_gets_modules_memory_map_and_command_line, pvh_gets_a_start_info,
      a_bzimage_enters_in_64_bit_mode_with_boot_params, an_old_bzimage_enters_in_protected_mode,
      other_files_are_clear_errors, a_kernel_too_big_for_the_memory_is_an_error,
      broken_images_never_crash)
