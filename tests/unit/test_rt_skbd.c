/* The synthetic keyboard of the root's worker: what it sends for text, and when it does not. */
#include <string.h>

#include "tests/lib/suite.h"

#include "partitions/root/vmwp/skbd.c"

static struct {
    struct vmbus_kbd_key key[600];
    unsigned keys, room;
    struct vmbus_kbd_response response;
} seen;

static bool take(void *ctx, const void *data, uint32_t size)
{
    (void)ctx;
    if (!seen.room)
        return false;
    seen.room--;
    if (size == sizeof(seen.response))
        memcpy(&seen.response, data, size);
    else
        memcpy(&seen.key[seen.keys++], data, size);
    return true;
}

static void agree(struct skbd *k, uint32_t version)
{
    const uint32_t request[2] = {VMBUS_KBD_REQUEST, version};
    memset(&seen, 0, sizeof(seen));
    memset(k, 0, sizeof(*k));
    seen.room = 1000;
    k->send = take;
    skbd_receive(k, (const uint8_t *)request, sizeof(request));
}

static void expect_keys(const char *text, const uint16_t *keys, unsigned n)
{
    static struct skbd k;
    agree(&k, VMBUS_KBD_VERSION);
    ck_assert(skbd_type(&k, (const uint8_t *)text, strlen(text)));
    ck_assert_uint_eq(seen.keys, n);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(seen.key[i].type, VMBUS_KBD_KEY);
        ck_assert_uint_eq(seen.key[i].code, keys[i] & 0x7f);
        ck_assert_uint_eq(seen.key[i].flags, keys[i] & 0x80 ? VMBUS_KBD_F_BREAK : 0);
    }
}

START_TEST(only_version_1_0_is_accepted)
{
    static struct skbd k;
    agree(&k, VMBUS_KBD_VERSION);
    ck_assert_uint_eq(seen.response.type, VMBUS_KBD_RESPONSE);
    ck_assert_uint_eq(seen.response.status, VMBUS_KBD_ACCEPTED);
    ck_assert(k.ready);
    agree(&k, 0x00020000);
    ck_assert_uint_eq(seen.response.type, VMBUS_KBD_RESPONSE);
    ck_assert_uint_eq(seen.response.status, 0);
    ck_assert(!k.ready);
    ck_assert(!skbd_type(&k, (const uint8_t *)"a", 1));
    ck_assert_uint_eq(seen.keys, 0);
}
END_TEST

START_TEST(text_becomes_make_and_break_codes)
{
    const uint16_t a[] = {0x1e, 0x9e}, upper[] = {0x2a, 0x1e, 0x9e, 0xaa};
    const uint16_t enter[] = {0x1c, 0x9c}, tilde[] = {0x2a, 0x29, 0xa9, 0xaa};
    const uint16_t space[] = {0x39, 0xb9}, zero[] = {0x0b, 0x8b};
    expect_keys("a", a, 2);
    expect_keys("A", upper, 4);
    expect_keys("\n", enter, 2);
    expect_keys("~", tilde, 4);
    expect_keys(" ", space, 2);
    expect_keys("0", zero, 2);
    expect_keys("\x01\xc3\xa9", a, 0); /* nothing for what has no key */
}
END_TEST

START_TEST(every_printable_character_has_a_key_of_its_own)
{
    bool used[256] = {false};
    for (unsigned c = ' '; c <= '~'; c++) {
        const uint8_t code = us_code((uint8_t)c);
        ck_assert_uint_ne(code, 0);
        ck_assert(!used[code]);
        used[code] = true;
    }
}
END_TEST

START_TEST(prefixes_become_flags)
{
    static const uint8_t del[] = {0xe0, 0x53, 0xe0, 0xd3, 0xe1, 0x1d};
    static struct skbd k;
    agree(&k, VMBUS_KBD_VERSION);
    ck_assert(skbd_scancodes(&k, del, sizeof(del)));
    ck_assert_uint_eq(seen.keys, 3);
    ck_assert_uint_eq(seen.key[0].code, 0x53);
    ck_assert_uint_eq(seen.key[0].flags, VMBUS_KBD_F_E0);
    ck_assert_uint_eq(seen.key[1].flags, VMBUS_KBD_F_E0 | VMBUS_KBD_F_BREAK);
    ck_assert_uint_eq(seen.key[2].flags, VMBUS_KBD_F_E1);
}
END_TEST

START_TEST(keys_wait_for_room_and_are_lost_when_there_are_too_many)
{
    static struct skbd k;
    agree(&k, VMBUS_KBD_VERSION);
    seen.room = 3;
    ck_assert(skbd_type(&k, (const uint8_t *)"ab", 2));
    ck_assert_uint_eq(seen.keys, 3);
    seen.room = 1000;
    skbd_flush(&k);
    ck_assert_uint_eq(seen.keys, 4);
    ck_assert_uint_eq(seen.key[3].code, 0x30);
    seen.room = 0;
    for (unsigned i = 0; i < SKBD_QUEUE / 2; i++)
        ck_assert(skbd_type(&k, (const uint8_t *)"c", 1));
    ck_assert(!skbd_type(&k, (const uint8_t *)"d", 1));
    skbd_reset(&k); /* the channel closes */
    seen.room = 1000;
    skbd_flush(&k);
    ck_assert_uint_eq(seen.keys, 4);
}
END_TEST

START_TEST(short_and_foreign_messages_do_no_harm)
{
    static struct skbd k;
    uint8_t data[64];
    agree(&k, VMBUS_KBD_VERSION);
    memset(data, 0xff, sizeof(data));
    for (uint32_t n = 0; n < sizeof(data); n++)
        skbd_receive(&k, data, n);
    ck_assert(k.ready);
}
END_TEST

SUITE("rt_skbd", only_version_1_0_is_accepted, text_becomes_make_and_break_codes,
      every_printable_character_has_a_key_of_its_own, prefixes_become_flags,
      keys_wait_for_room_and_are_lost_when_there_are_too_many,
      short_and_foreign_messages_do_no_harm)
