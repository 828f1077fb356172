/* The decoder: lengths, operands, modes, prefixes and what is illegal. */
#include <check.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/decode/decode.h"

static const uint64_t all_features[F_WORDS] = {~0ull, ~0ull};

static struct insn dec(uint32_t mode, const char *bytes, unsigned len)
{
    struct insn i;
    ck_assert_int_eq(decode(&i, (const uint8_t *)bytes, len, 0x100, mode, all_features), DECODE_OK);
    return i;
}
#define D64(b) dec(MODE_CODE64, b, sizeof(b) - 1)
#define D32(b) dec(MODE_CODE32, b, sizeof(b) - 1)
#define D16(b) dec(MODE_CODE16, b, sizeof(b) - 1)

static const char *name(struct insn i)
{
    return i.op >= OPX_GP ? "bad" : isa_rows[i.op].mnemonic;
}

START_TEST(rex_extends_registers_and_operand_size)
{
    const struct insn i = D64("\x4d\x01\xc8"); /* add r8, r9 */
    ck_assert_str_eq(name(i), "add");
    ck_assert_uint_eq(i.d, 9);
    ck_assert_uint_eq(i.s, 8);
    ck_assert_uint_eq(i.osize, 8);
    ck_assert_uint_eq(i.len, 3);
}
END_TEST

START_TEST(a_rex_before_a_legacy_prefix_is_ignored)
{
    const struct insn i = D64("\x48\x66\x01\xc8");
    ck_assert_uint_eq(i.osize, 2);
    ck_assert_uint_eq(i.len, 4);
}
END_TEST

START_TEST(byte_registers_are_byte_offsets)
{
    ck_assert_uint_eq(D64("\x88\xe0").d, 0 * 8 + 1);  /* mov al, ah */
    ck_assert_uint_eq(D64("\x40\x88\xe0").d, 4 * 8);  /* mov al, spl */
    ck_assert_uint_eq(D64("\x44\x88\xe0").d, 12 * 8); /* mov al, r12b */
    ck_assert_uint_eq(D32("\xb7\x01").d, 3 * 8 + 1);  /* mov bh, 1 */
}
END_TEST

START_TEST(rip_relative_addresses_count_from_the_page)
{
    const struct insn i = D64("\x8b\x05\x10\x00\x00\x00");
    ck_assert_uint_eq(i.b, R_PAGE);
    ck_assert_int_eq(i.disp, 0x100 + 6 + 0x10);
    const struct insn j = D64("\x81\x05\x10\x00\x00\x00\x01\x00\x00\x00"); /* with an immediate */
    ck_assert_int_eq(j.disp, 0x100 + 10 + 0x10);
    const struct insn k = D64("\x8b\x05\xff\xff\xff\x7f"); /* would overflow 32 bits */
    ck_assert_uint_eq(k.b, R_PAGE);
    ck_assert_uint_eq(k.x, R_8K);
    ck_assert_int_eq(k.disp + 8192ll, 0x100 + 6 + 0x7fffffffll);
}
END_TEST

START_TEST(sixteen_bit_addressing)
{
    const struct insn i = D16("\x8b\x42\xfe"); /* mov ax, [bp+si-2] */
    ck_assert_uint_eq(i.b, R_BP);
    ck_assert_uint_eq(i.x, R_SI);
    ck_assert_int_eq(i.disp, -2);
    ck_assert_uint_eq(i.seg, SEG_SS);
    ck_assert(i.flags & INSN_A16);
    const struct insn j = D16("\x8b\x1e\x34\x12"); /* mov bx, [1234] */
    ck_assert_uint_eq(j.b, R_ZERO);
    ck_assert_int_eq(j.disp, 0x1234);
    ck_assert_uint_eq(j.seg, SEG_DS);
}
END_TEST

START_TEST(sib_forms)
{
    const struct insn i = D64("\x42\x8b\x44\xa5\x08"); /* mov eax, [rbp+r12*4+8] */
    ck_assert_uint_eq(i.b, R_BP);
    ck_assert_uint_eq(i.x, R_12);
    ck_assert_uint_eq(i.scale, 2);
    const struct insn j = D64("\x8b\x04\x24"); /* [rsp] */
    ck_assert_uint_eq(j.b, R_SP);
    ck_assert_uint_eq(j.x, R_ZERO);
    const struct insn k = D64("\x8b\x04\x25\x00\x10\x00\x80"); /* [disp32], sign-extended */
    ck_assert_uint_eq(k.b, R_ZERO);
    ck_assert_int_eq(k.disp, (int32_t)0x80001000);
}
END_TEST

START_TEST(segment_overrides_count_only_where_segments_do)
{
    ck_assert_uint_eq(D64("\x2e\x8b\x00").seg, SEG_DS);
    ck_assert_uint_eq(D64("\x65\x8b\x00").seg, SEG_GS);
    ck_assert_uint_eq(D32("\x2e\x8b\x00").seg, SEG_CS);
}
END_TEST

START_TEST(immediates)
{
    ck_assert_uint_eq(D64("\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11").imm64, 0x1122334455667788ull);
    ck_assert_int_eq(D64("\x48\x83\xc0\xff").imm, -1);
    ck_assert_int_eq(D64("\xc8\x34\x12\x05").imm, 0x1234 | 5 << 16);
    ck_assert_uint_eq(D32("\xea\x78\x56\x34\x12\xcd\xab").imm64, 0xabcd12345678ull);
    ck_assert_uint_eq(D64("\xa1\x88\x77\x66\x55\x44\x33\x22\x11").imm64, 0x1122334455667788ull);
}
END_TEST

START_TEST(mandatory_prefixes_choose_the_row)
{
    ck_assert_str_eq(name(D64("\xf3\x90")), "pause");
    ck_assert_str_eq(name(D64("\xf3\x0f\xb8\xc1")), "popcnt");
    ck_assert_str_eq(name(D64("\xf2\x0f\x38\xf0\xc1")), "crc32");
    ck_assert_str_eq(name(D64("\xf3\x0f\x1e\xfa")), "nop"); /* endbr64 */
    ck_assert_str_eq(name(D64("\xf3\x0f\xbd\xc1")), "lzcnt");
}
END_TEST

START_TEST(modes_change_what_a_byte_means)
{
    ck_assert_str_eq(name(D32("\x40")), "inc");
    ck_assert_str_eq(name(D64("\x63\xc1")), "movsxd");
    ck_assert_uint_eq(D64("\x60").op, OPX_UD);
    ck_assert_uint_eq(D64("\x50").osize, 8);
    ck_assert_uint_eq(D64("\x66\x50").osize, 2);
    ck_assert_uint_eq(D16("\x66\x50").osize, 4);
    ck_assert_uint_eq(D64("\x66\xe8\x00\x00\x00\x00").osize, 8);
}
END_TEST

START_TEST(lock_needs_a_memory_destination)
{
    ck_assert_uint_eq(D64("\xf0\x01\xc8").op, OPX_UD);
    ck_assert_str_eq(name(D64("\xf0\x01\x08")), "add");
    ck_assert_uint_eq(D64("\xf0\x03\x08").op, OPX_UD);
    ck_assert_uint_eq(D64("\xf0\x39\x08").op, OPX_UD);
    ck_assert_str_eq(name(D64("\xf0\x0f\xb1\x0a")), "cmpxchg");
}
END_TEST

START_TEST(fifteen_bytes_are_the_limit)
{
    struct insn i;
    uint8_t b[20];
    memset(b, 0x66, sizeof b);
    b[14] = 0x90;
    ck_assert_int_eq(decode(&i, b, 20, 0, MODE_CODE64, all_features), DECODE_OK);
    ck_assert_uint_eq(i.len, 15);
    ck_assert_uint_lt(i.op, OPX_GP);
    b[14] = 0x66;
    b[15] = 0x90;
    decode(&i, b, 20, 0, MODE_CODE64, all_features);
    ck_assert_uint_eq(i.op, OPX_GP);
    ck_assert_int_eq(decode(&i, b, 10, 0, MODE_CODE64, all_features), DECODE_MORE);
}
END_TEST

START_TEST(absent_features_are_undefined_opcodes)
{
    struct insn i;
    const uint64_t base[F_WORDS] = {1};
    decode(&i, (const uint8_t *)"\xf3\x0f\xb8\xc1", 4, 0, MODE_CODE64, base);
    ck_assert_uint_eq(i.op, OPX_UD);
}
END_TEST

START_TEST(without_lzcnt_and_tzcnt_their_prefix_is_ignored)
{
    struct insn i;
    const uint64_t base[F_WORDS] = {1};
    decode(&i, (const uint8_t *)"\xf3\x0f\xbd\xc1", 4, 0, MODE_CODE64, base);
    ck_assert_str_eq(name(i), "bsr");
    decode(&i, (const uint8_t *)"\xf3\x0f\xbc\xc1", 4, 0, MODE_CODE64, base);
    ck_assert_str_eq(name(i), "bsf");
}
END_TEST

START_TEST(vex_has_a_short_and_a_long_prefix)
{
    const struct insn a = D64("\xc5\xf4\x58\xc2"); /* vaddps ymm0, ymm1, ymm2 */
    ck_assert_str_eq(name(a), "vaddps");
    ck_assert_uint_eq(a.len, 4);
    ck_assert_uint_eq(VEX_V(a.aux), 1);
    ck_assert_uint_eq(VEX_L(a.aux), 1);
    const struct insn b = D64("\xc4\x41\x30\x58\xc2"); /* vaddps xmm8, xmm9, xmm10 */
    ck_assert_str_eq(name(b), "vaddps");
    ck_assert_uint_eq(b.d, 8);
    ck_assert_uint_eq(VEX_V(b.aux), 9);
    ck_assert_uint_eq(b.s, 10);
    ck_assert_uint_eq(VEX_L(b.aux), 0);
    const struct insn m = D64("\xc4\xe2\xeb\xf6\x03"); /* mulx rax, rdx, [rbx] */
    ck_assert_str_eq(name(m), "mulx");
    ck_assert_uint_eq(m.osize, 8);
    ck_assert_uint_eq(VEX_V(m.aux), R_DX);
    const struct insn g = D64("\xc4\xe2\x71\x90\x04\xa3"); /* vpgatherdd xmm0, [rbx+xmm4*4], xmm1 */
    ck_assert_str_eq(name(g), "vpgatherdd");
    ck_assert_uint_eq(g.b, R_BX);
    ck_assert_uint_eq(g.x, 4);
    ck_assert_uint_eq(g.scale, 2);
    ck_assert_uint_eq(D64("\xc4\xe2\x71\x90\x03").op, OPX_UD); /* no SIB byte */
}
END_TEST

START_TEST(vex_does_not_take_other_prefixes)
{
    ck_assert_uint_eq(D64("\x66\xc5\xf4\x58\xc2").op, OPX_UD);
    ck_assert_uint_eq(D64("\xf2\xc5\xf4\x58\xc2").op, OPX_UD);
    ck_assert_uint_eq(D64("\xf3\xc5\xf4\x58\xc2").op, OPX_UD);
    ck_assert_uint_eq(D64("\xf0\xc5\xf4\x58\xc2").op, OPX_UD);
    ck_assert_uint_eq(D64("\x48\xc5\xf4\x58\xc2").op, OPX_UD);
    ck_assert_str_eq(name(D64("\x65\xc5\xf4\x58\x02")), "vaddps");
}
END_TEST

START_TEST(vex_fields_that_a_row_forbids_are_undefined)
{
    ck_assert_str_eq(name(D64("\xc5\xf8\x28\xc2")), "vmovaps");
    ck_assert_uint_eq(D64("\xc5\xf0\x28\xc2").op, OPX_UD);         /* vvvv is not used */
    ck_assert_uint_eq(D64("\xc4\xe3\x7d\x00\xc1\x00").op, OPX_UD); /* vpermq wants W */
    ck_assert_str_eq(name(D64("\xc4\xe3\xfd\x00\xc1\x00")), "vpermq");
    ck_assert_uint_eq(D64("\xc4\xe3\xf9\x00\xc1\x00").op, OPX_UD); /* and 256 bits */
    ck_assert_uint_eq(D64("\xc4\xe0\x7c\x28\xc2").op, OPX_UD);     /* map 0 */
    ck_assert_uint_eq(D64("\xc4\xe4\x7c\x28\xc2").op, OPX_UD);     /* map 4 */
}
END_TEST

START_TEST(outside_64_bit_mode_vex_is_told_from_les_and_lds_by_the_next_byte)
{
    ck_assert_str_eq(name(D32("\xc5\x03")), "lds");
    ck_assert_str_eq(name(D32("\xc4\x03")), "les");
    const struct insn i = dec(MODE_CODE32 | MODE_PROT, "\xc5\xf4\x58\xc2", 4);
    ck_assert_str_eq(name(i), "vaddps");
    ck_assert_uint_eq(VEX_V(i.aux), 1);
    ck_assert_uint_eq(D32("\xc5\xf4\x58\xc2").op, OPX_UD); /* real mode, virtual-8086 mode */
    const struct insn w = dec(MODE_CODE32 | MODE_PROT, "\xc4\xe2\xeb\xf6\x03", 5);
    ck_assert_uint_eq(w.osize, 4); /* W is ignored */
}
END_TEST

START_TEST(mov_cr_ignores_mod)
{
    const struct insn i = D64("\x0f\x20\x03"); /* mov rbx, cr0 with mod 0 */
    ck_assert_uint_eq(i.len, 3);
    ck_assert_uint_eq(i.d, 0);
    ck_assert_uint_eq(i.s, R_BX);
    ck_assert_uint_eq(i.osize, 8);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode");
    TCase *t = tcase_create("decode");
    tcase_add_test(t, rex_extends_registers_and_operand_size);
    tcase_add_test(t, a_rex_before_a_legacy_prefix_is_ignored);
    tcase_add_test(t, byte_registers_are_byte_offsets);
    tcase_add_test(t, rip_relative_addresses_count_from_the_page);
    tcase_add_test(t, sixteen_bit_addressing);
    tcase_add_test(t, sib_forms);
    tcase_add_test(t, segment_overrides_count_only_where_segments_do);
    tcase_add_test(t, immediates);
    tcase_add_test(t, mandatory_prefixes_choose_the_row);
    tcase_add_test(t, modes_change_what_a_byte_means);
    tcase_add_test(t, lock_needs_a_memory_destination);
    tcase_add_test(t, fifteen_bytes_are_the_limit);
    tcase_add_test(t, absent_features_are_undefined_opcodes);
    tcase_add_test(t, without_lzcnt_and_tzcnt_their_prefix_is_ignored);
    tcase_add_test(t, vex_has_a_short_and_a_long_prefix);
    tcase_add_test(t, vex_does_not_take_other_prefixes);
    tcase_add_test(t, vex_fields_that_a_row_forbids_are_undefined);
    tcase_add_test(t, outside_64_bit_mode_vex_is_told_from_les_and_lds_by_the_next_byte);
    tcase_add_test(t, mov_cr_ignores_mod);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
