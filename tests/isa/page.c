/*
 * tests/isa/page.c: the page of all instructions: encoding, feature, how many cases of the last run
 * each one got, what was not compared. Written as Markdown by test_random --page.
 */
#include <stdio.h>
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "tests/isa/isatest.h"

static uint64_t counts[8192];

void page_count(const struct isa_row *row)
{
    const uint64_t n = (uint64_t)(row - isa_rows);
    if (n < sizeof counts / sizeof counts[0])
        counts[n]++;
}

static void write_vex(const struct isa_row *r)
{
    static const char *const length[4] = {"", ".128", ".256", ""};
    static const char *const pp[5] = {"", "", ".66", ".F3", ".F2"};
    printf("VEX%s%s%s ", length[r->vex & VX_LX], pp[r->prefix],
           (r->vex & VX_WIG) == VX_W0   ? ".W0"
           : (r->vex & VX_WIG) == VX_W1 ? ".W1"
                                        : "");
}

static void write_encoding(const struct isa_row *r)
{
    static const char *const map[MAP_COUNT] = {"", "0F ", "0F 38 ", "0F 3A "};
    static const char *const prefix[5] = {"", "", "66 ", "F3 ", "F2 "};
    const unsigned form = r->modrm & 0xf00, low = r->modrm & 0xff;
    if (r->vex)
        write_vex(r);
    else
        printf("%s", prefix[r->prefix]);
    printf("%s%02X", map[r->map], r->opcode);
    if (r->attrs & A_REGOP)
        printf("+r");
    if (r->attrs & A_COND)
        printf("+cc");
    if (form == MR_R || form == MR_RM || form == MR_RR)
        printf(" /r");
    else if (form >= MR_X0 && form < MR_BYTE)
        printf(" /%u", low);
    else if (form == MR_BYTE)
        printf(" %02X", low);
    if (form == MR_RM || form == MR_XM0)
        printf(" (memory)");
    if (form == MR_RR || form == MR_XR0)
        printf(" (register)");
}

static const char *feature_name(const struct isa_row *r)
{
    for (unsigned n = 0; n < cpuid_bit_count && r->feature != F_BASE; n++) {
        if (cpuid_bits[n].feature == r->feature)
            return cpuid_bits[n].name;
    }
    return "";
}

static void write_cases(const struct isa_row *r, uint64_t n)
{
    if (n)
        printf("%llu", (unsigned long long)n);
    else if (!native_has(r->feature))
        printf("the host has none");
    else if (r->attrs & A_I64)
        printf("not in 64-bit mode");
    else if (r->attrs & (A_NOTEST | A_PRIV))
        printf("system or implementation's own");
    else
        printf("0");
}

void page_write(uint64_t cases, uint64_t seed)
{
    printf("# Instructions\n\n");
    printf("Written by `test_random --page`: %llu random cases, seed %llu, each run by the host's "
           "processor\nand by the engine, registers, flags, memory and faults compared. The count "
           "is of cases that\nbegin with the instruction; chains of up to four run more. Rows "
           "without a count are covered by\nthe programs of tests/guest and tests/unit.\n\n",
           (unsigned long long)cases, (unsigned long long)seed);
    printf("| instruction | encoding | feature | cases | not compared |\n|---|---|---|--:|---|\n");
    for (unsigned k = 0; k < isa_row_count; k++) {
        const struct isa_row *r = &isa_rows[k];
        printf("| %s | ", r->mnemonic);
        write_encoding(r);
        printf(" | %s | ", feature_name(r));
        write_cases(r, counts[k]);
        printf(" | ");
        const char *why;
        for (unsigned n = 0; (why = differ_reason(r, n)); n++)
            printf("%s%s", n ? "; " : "", why);
        printf(" |\n");
    }
}
