/* Unit tests of the root partition's shared helpers: cpio, ELF, text. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partitions/root/lib/cpio.c"
#include "partitions/root/lib/elf.c"
#include "partitions/root/lib/text.c"

static size_t add(char *at, const char *name, const char *data)
{
    const size_t n = strlen(data), name_size = strlen(name) + 1;
    char header[160];
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
             1, 0100644, 0, 0, 1, 0, n, 0, 0, 0, 0, name_size, 0);
    memcpy(at, header, 110);
    size_t p = 110;
    memcpy(at + p, name, name_size);
    p = (p + name_size + 3) & ~3ul;
    memcpy(at + p, data, n);
    return (p + n + 3) & ~3ul;
}

START_TEST(cpio_lists_its_files_in_order)
{
    char archive[1024] = {0};
    size_t n = add(archive, "a", "one");
    n += add(archive + n, "dir/b", "second");
    n += add(archive + n, "TRAILER!!!", "");
    struct rt_cpio_entry e;
    uint64_t pos = 0;
    ck_assert(rt_cpio_next(archive, n, &pos, &e));
    ck_assert_str_eq(e.name, "a");
    ck_assert_uint_eq(e.size, 3);
    ck_assert_mem_eq(e.data, "one", 3);
    ck_assert(rt_cpio_next(archive, n, &pos, &e));
    ck_assert_str_eq(e.name, "dir/b");
    ck_assert_mem_eq(e.data, "second", 6);
    ck_assert(!rt_cpio_next(archive, n, &pos, &e));
}
END_TEST

START_TEST(cpio_survives_every_truncation_and_bad_byte)
{
    char archive[512] = {0};
    size_t n = add(archive, "file", "contents");
    n += add(archive + n, "TRAILER!!!", "");
    for (size_t cut = 0; cut <= n; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, archive, cut);
        struct rt_cpio_entry e;
        uint64_t pos = 0;
        while (rt_cpio_next(copy, cut, &pos, &e))
            ck_assert_uint_le(e.size, cut);
        free(copy);
    }
    for (size_t i = 0; i < 110; i++) {
        char copy[512];
        memcpy(copy, archive, sizeof(copy));
        copy[i] = 'F';
        struct rt_cpio_entry e;
        uint64_t pos = 0;
        for (unsigned k = 0; k < 10 && rt_cpio_next(copy, n, &pos, &e); k++)
            continue;
    }
}
END_TEST

struct tiny_elf {
    uint8_t header[64];
    struct elf64_phdr phdr[2];
    uint32_t note[5];
    uint8_t code[16];
};

static void make_elf(struct tiny_elf *f)
{
    memset(f, 0, sizeof(*f));
    memcpy(f->header, "\177ELF\2\1\1", 7);
    f->header[16] = 2;
    f->header[18] = EM_X86_64;
    f->header[24 + 2] = 0x10; /* entry 0x100000 */
    f->header[32] = 64;
    f->header[54] = sizeof(struct elf64_phdr);
    f->header[56] = 2;
    f->phdr[0] = (struct elf64_phdr){
        PT_LOAD, 5, offsetof(struct tiny_elf, code), 0x100000, 0x100000, 16, 4096, 4096};
    f->phdr[1] = (struct elf64_phdr){PT_NOTE, 4, offsetof(struct tiny_elf, note), 0, 0, 20, 20, 4};
    const uint32_t note[5] = {4, 4, 18, 0x6e6558, 0x100008};
    memcpy(f->note, note, sizeof(note));
}

START_TEST(elf_gives_segments_and_the_pvh_entry)
{
    struct tiny_elf f;
    struct rt_elf e;
    make_elf(&f);
    ck_assert(rt_elf_parse(&f, sizeof(f), &e));
    ck_assert(e.is_64 && e.has_pvh);
    ck_assert_uint_eq(e.entry, 0x100000);
    ck_assert_uint_eq(e.pvh_entry, 0x100008);
    ck_assert_uint_eq(e.segments, 1);
    ck_assert_uint_eq(e.segment[0].mem_size, 4096);
    ck_assert_uint_eq(e.segment[0].file_size, 16);
}
END_TEST

START_TEST(elf_refuses_what_points_outside_of_the_file)
{
    struct tiny_elf f;
    struct rt_elf e;
    for (size_t cut = 0; cut < offsetof(struct tiny_elf, code) + sizeof(f.code); cut++) {
        make_elf(&f);
        char *copy = malloc(cut + 1);
        memcpy(copy, &f, cut);
        ck_assert(!rt_elf_parse(copy, cut, &e));
        free(copy);
    }
    make_elf(&f);
    f.phdr[0].offset = ~0ull;
    ck_assert(!rt_elf_parse(&f, sizeof(f), &e));
    make_elf(&f);
    f.phdr[0].memsz = ~0ull;
    ck_assert(!rt_elf_parse(&f, sizeof(f), &e));
    make_elf(&f);
    f.note[0] = 0xffffffff;
    ck_assert(rt_elf_parse(&f, sizeof(f), &e));
    ck_assert(!e.has_pvh);
}
END_TEST

START_TEST(format_prints_numbers_strings_and_widths)
{
    char buf[64];
    ck_assert_int_eq(rt_format(buf, sizeof(buf), "%d %u %04x %lx %s %c%%", -5, 7u, 0xabu,
                               0x123456789abcdeful, "x", 'y'),
                     30);
    ck_assert_str_eq(buf, "-5 7 00ab 123456789abcdef x y%");
    ck_assert_int_eq(rt_format(buf, 4, "abcdef"), 6);
    ck_assert_str_eq(buf, "abc");
}
END_TEST

START_TEST(options_are_found_quoted_or_not_and_only_by_their_whole_name)
{
    char v[32];
    const char *line = "name=a kernel=vm/k append=\"console=ttyS0 name=z\" memory=512";
    ck_assert(rt_option(line, "name", v, sizeof(v)));
    ck_assert_str_eq(v, "a");
    ck_assert(rt_option(line, "append", v, sizeof(v)));
    ck_assert_str_eq(v, "console=ttyS0 name=z");
    ck_assert(rt_option(line, "memory", v, sizeof(v)));
    ck_assert_uint_eq(rt_parse_u64(v), 512);
    ck_assert(!rt_option(line, "console", v, sizeof(v)));
    ck_assert(!rt_option(line, "nam", v, sizeof(v)));
    ck_assert(rt_option(line, "append", v, 5));
    ck_assert_str_eq(v, "cons");
    ck_assert_uint_eq(rt_parse_u64("0x1F"), 31);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rt_lib");
    TCase *tc = tcase_create("rt_lib");
    tcase_add_test(tc, cpio_lists_its_files_in_order);
    tcase_add_test(tc, cpio_survives_every_truncation_and_bad_byte);
    tcase_add_test(tc, elf_gives_segments_and_the_pvh_entry);
    tcase_add_test(tc, elf_refuses_what_points_outside_of_the_file);
    tcase_add_test(tc, format_prints_numbers_strings_and_widths);
    tcase_add_test(tc, options_are_found_quoted_or_not_and_only_by_their_whole_name);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
