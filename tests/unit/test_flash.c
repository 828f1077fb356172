/* Unit tests of the flash for firmware variables, of ROMs and of switched pages in memory. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "devices/chipset/chipset.h"
#include "mmu/ram.h"

#define BASE 0xffe00000ull
#define SIZE 0x20000u

static struct bus *bus;
static struct ram *ram;
static struct dev *flash;
static uint8_t image[SIZE];

static void setup(void)
{
    for (unsigned i = 0; i < SIZE; i++)
        image[i] = (uint8_t)(i * 7 + 1);
    bus = bus_new();
    ram = ram_new(4 << 20);
    ck_assert_int_eq(ram_add_rom(ram, 0x100000000ull - 0x10000, image, 0x10000), 0);
    ck_assert_int_eq(ram_add_rom(ram, BASE, image, SIZE), 1);
    flash = flash_new(bus, ram, 1);
    ck_assert_ptr_nonnull(flash);
    dev_reset(flash);
}
static void teardown(void)
{
    flash->cls->free(flash);
    ram_free(ram);
    bus_free(bus);
}

static void cmd(uint32_t at, uint8_t v)
{
    bus_mmio_write(bus, hpa(BASE + at), 1, v);
}
static uint8_t get(uint32_t at)
{
    uint8_t v;
    return ram_read(ram, hpa(BASE + at), &v, 1) ? v
                                                : (uint8_t)bus_mmio_read(bus, hpa(BASE + at), 1);
}
static bool array_is_memory(void)
{
    return ram_index(ram, BASE) != UINT64_MAX;
}

START_TEST(an_array_is_memory_that_takes_no_stores)
{
    setup();
    uint8_t v = 0;
    ck_assert(array_is_memory());
    ck_assert_uint_eq(get(5), image[5]);
    ck_assert(!ram_write(ram, hpa(BASE), &v, 1));
    ck_assert(ram_frame(ram, BASE)->flags & FRAME_READ_ONLY);
    teardown();
}
END_TEST

START_TEST(a_firmware_can_tell_flash_from_ram_and_rom)
{
    setup();
    cmd(0, 0x50);
    ck_assert_uint_ne(get(0), 0x50);
    cmd(0, 0x70);
    ck_assert_uint_eq(get(0), 0);
    ck_assert(!array_is_memory());
    cmd(0, 0xff);
    ck_assert_uint_eq(get(0), image[0]);
    ck_assert(array_is_memory());
    teardown();
}
END_TEST

START_TEST(programming_clears_bits_and_erasing_sets_a_block)
{
    setup();
    cmd(0x1005, 0x40);
    cmd(0x1005, 0x0f);
    ck_assert_uint_eq(get(0), 0x80);
    cmd(0, 0xff);
    ck_assert_uint_eq(get(0x1005), image[0x1005] & 0x0f);
    cmd(0x1234, 0x20);
    cmd(0x1234, 0xd0);
    ck_assert_uint_eq(get(0), 0x80);
    cmd(0, 0xff);
    ck_assert_uint_eq(get(0x1000), 0xff);
    ck_assert_uint_eq(get(0x1fff), 0xff);
    ck_assert_uint_eq(get(0x0fff), image[0x0fff]);
    ck_assert_uint_eq(get(0x2000), image[0x2000]);
    teardown();
}
END_TEST

START_TEST(an_erase_without_confirmation_is_an_error)
{
    setup();
    cmd(0, 0x20);
    cmd(0, 0x55);
    ck_assert_uint_eq(get(0), 0xb0);
    cmd(0, 0x50);
    ck_assert_uint_eq(get(0), image[0]);
    teardown();
}
END_TEST

START_TEST(a_buffer_is_programmed_at_once_within_its_block)
{
    setup();
    cmd(0x3000, 0x20);
    cmd(0x3000, 0xd0);
    cmd(0x3000, 0xe8);
    ck_assert_uint_eq(get(0x3000) & 0x80, 0x80);
    cmd(0x3000, 3);
    for (unsigned i = 0; i < 4; i++)
        cmd(0x3010 + i, (uint8_t)(0xa0 + i));
    cmd(0x3000, 0xd0);
    cmd(0, 0xff);
    ck_assert_uint_eq(get(0x3010), 0xa0);
    ck_assert_uint_eq(get(0x3013), 0xa3);
    ck_assert_uint_eq(get(0x3014), 0xff);
    cmd(0x3000, 0xe8); /* out of the block */
    cmd(0x3000, 0);
    cmd(0x5000, 0);
    cmd(0x3000, 0xd0);
    ck_assert_uint_ne(get(0) & 0x10, 0);
    cmd(0, 0x50);
    ck_assert_uint_eq(get(0x5000), image[0x5000]);
    teardown();
}
END_TEST

START_TEST(the_query_table_tells_size_and_blocks)
{
    setup();
    cmd(0x55, 0x98);
    ck_assert_uint_eq(get(0x10), 'Q');
    ck_assert_uint_eq(get(0x11), 'R');
    ck_assert_uint_eq(get(0x12), 'Y');
    ck_assert_uint_eq(1u << get(0x27), SIZE);
    ck_assert_uint_eq((get(0x2d) | get(0x2e) << 8) + 1u, SIZE / 4096);
    ck_assert_uint_eq((get(0x2f) | get(0x30) << 8) * 256u, 4096);
    ck_assert_uint_eq(get(get(0x15)), 'P');
    cmd(0, 0x90);
    ck_assert_uint_eq(get(0), 0x89);
    teardown();
}
END_TEST

START_TEST(contents_survive_a_reset_and_modes_do_not)
{
    setup();
    cmd(7, 0x10);
    cmd(7, 0);
    ck_assert(!array_is_memory());
    dev_reset(flash);
    ck_assert(array_is_memory());
    ck_assert_uint_eq(get(7), 0);
    teardown();
}
END_TEST

START_TEST(pages_below_1_mib_show_the_end_of_the_rom_or_ram)
{
    setup();
    uint8_t v = 0x5a;
    ck_assert(ram_write(ram, hpa(0xf0010), &v, 1));
    ram_legacy_set(ram, 0xf0000, RAM_IS_ROM, false);
    ck_assert(ram_read(ram, hpa(0xf0010), &v, 1));
    ck_assert_uint_eq(v, image[0x10]);
    ck_assert(!ram_write(ram, hpa(0xf0010), &v, 1));
    ram_legacy_set(ram, 0xf0000, RAM_IS_NOTHING, true);
    ck_assert(!ram_read(ram, hpa(0xf0010), &v, 1));
    ram_legacy_set(ram, 0xf0000, RAM_IS_RAM, false);
    ck_assert(ram_read(ram, hpa(0xf0010), &v, 1));
    ck_assert_uint_eq(v, 0x5a);
    ck_assert(!ram_write(ram, hpa(0xf0010), &v, 1));
    ram_legacy_set(ram, 0xf0000, RAM_IS_RAM, true);
    ck_assert(ram_write(ram, hpa(0xf0010), &v, 1));
    /* the ROM of 64 KiB has nothing for the page before */
    ram_legacy_set(ram, 0xef000, RAM_IS_ROM, false);
    ck_assert(!ram_read(ram, hpa(0xef000), &v, 1));
    teardown();
}
END_TEST

START_TEST(roms_that_do_not_fit_are_refused)
{
    setup();
    ck_assert_int_lt(ram_add_rom(ram, 0xc0000000, image, 4096), 0); /* a third one */
    ram_free(ram);
    ram = ram_new(4 << 20);
    ck_assert_int_lt(ram_add_rom(ram, 0xfffff000, image, 8192), 0);
    ck_assert_int_lt(ram_add_rom(ram, 0x1000, image, 4096), 0);
    ck_assert_int_lt(ram_add_rom(ram, 0xfffff001, image, 4), 0);
    ram_free(ram);
    bus_free(bus);
    flash->cls->free(flash);
}
END_TEST

START_TEST(random_commands_do_no_harm)
{
    uint64_t x = 88172645463325252ull;
    setup();
    for (unsigned i = 0; i < 300000; i++) {
        static const uint8_t often[] = {0x10, 0x20, 0xd0, 0xe8, 0x70, 0xff, 0x98, 0x60};
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const unsigned size = 1u << (x & 3);
        const uint32_t at = (uint32_t)(x >> 8) % (SIZE - 8);
        const uint64_t v = x & 16 ? often[x >> 5 & 7] : x >> 24;
        bus_mmio_write(bus, hpa(BASE + at), size, v);
        get((uint32_t)(x >> 40) % SIZE);
        if (i % 1000 == 0)
            fields_hash(flash, flash->cls->fields, 0);
    }
    teardown();
}
END_TEST

SUITE("flash", an_array_is_memory_that_takes_no_stores, a_firmware_can_tell_flash_from_ram_and_rom,
      programming_clears_bits_and_erasing_sets_a_block, an_erase_without_confirmation_is_an_error,
      a_buffer_is_programmed_at_once_within_its_block, the_query_table_tells_size_and_blocks,
      contents_survive_a_reset_and_modes_do_not, pages_below_1_mib_show_the_end_of_the_rom_or_ram,
      roms_that_do_not_fit_are_refused, random_commands_do_no_harm)
