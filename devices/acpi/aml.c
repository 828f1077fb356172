/* devices/acpi/aml.c: the AML writer (aml.h). */
#include "devices/acpi/aml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/acpi.h"

#define DEPTH 8

struct aml {
    uint8_t *bytes;
    size_t len, cap;
    bool failed;
    unsigned depth;
    struct {
        size_t length_at; /* of the package length */
        bool buffer;      /* a BufferSize integer follows it */
    } open[DEPTH];
};

struct aml *aml_new(void)
{
    return calloc(1, sizeof(struct aml));
}

void aml_bytes(struct aml *a, const void *bytes, size_t len)
{
    if (a->len + len > a->cap) {
        const size_t cap = (a->len + len) * 2 + 256;
        uint8_t *const grown = realloc(a->bytes, cap);
        if (!grown) {
            a->failed = true;
            return;
        }
        a->bytes = grown;
        a->cap = cap;
    }
    memcpy(a->bytes + a->len, bytes, len);
    a->len += len;
}

void aml_byte(struct aml *a, uint8_t v)
{
    aml_bytes(a, &v, 1);
}

uint8_t *aml_finish(struct aml *a, size_t *len)
{
    uint8_t *bytes = a->bytes;
    *len = a->len;
    if (a->failed) {
        free(bytes);
        bytes = NULL;
    }
    free(a);
    return bytes;
}

void aml_integer(struct aml *a, uint64_t v)
{
    if (v <= 1) {
        aml_byte(a, (uint8_t)v);
        return;
    }
    const unsigned size = v <= 0xff ? 1 : v <= 0xffff ? 2 : v <= 0xffffffff ? 4 : 8;
    aml_byte(a, size == 1 ? AML_BYTE : size == 2 ? AML_WORD : size == 4 ? AML_DWORD : AML_QWORD);
    aml_bytes(a, &v, size);
}

void aml_string(struct aml *a, const char *text)
{
    aml_byte(a, AML_STRING);
    aml_bytes(a, text, strlen(text) + 1);
}

static unsigned hex(char ch)
{
    return ch <= '9' ? (unsigned)(ch - '0') : (unsigned)(ch - 'A' + 10);
}

void aml_eisaid(struct aml *a, const char *id)
{
    const uint32_t v = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
                       (uint32_t)(id[2] - '@') << 16 | hex(id[3]) << 12 | hex(id[4]) << 8 |
                       hex(id[5]) << 4 | hex(id[6]);
    const uint32_t swapped = __builtin_bswap32(v);
    aml_byte(a, AML_DWORD);
    aml_bytes(a, &swapped, 4);
}

void aml_path(struct aml *a, const char *path)
{
    if (*path == '\\')
        aml_byte(a, (uint8_t)*path++);
    if (strlen(path) == 8)
        aml_byte(a, AML_DUAL_NAME);
    aml_bytes(a, path, strlen(path));
}

void aml_name(struct aml *a, const char *name)
{
    aml_byte(a, AML_NAME);
    aml_path(a, name);
}

static void open_block(struct aml *a, bool buffer)
{
    static const uint8_t room[4 + 3];
    a->open[a->depth].length_at = a->len;
    a->open[a->depth++].buffer = buffer;
    aml_bytes(a, room, buffer ? 7 : 4);
}

void aml_close(struct aml *a)
{
    const size_t at = a->open[--a->depth].length_at;
    if (a->failed)
        return;
    const size_t n = a->len - at;
    a->bytes[at] = (uint8_t)(3 << 6 | (n & 15));
    a->bytes[at + 1] = (uint8_t)(n >> 4);
    a->bytes[at + 2] = (uint8_t)(n >> 12);
    a->bytes[at + 3] = (uint8_t)(n >> 20);
    if (a->open[a->depth].buffer) {
        const size_t size = n - 7;
        a->bytes[at + 4] = AML_WORD;
        a->bytes[at + 5] = (uint8_t)size;
        a->bytes[at + 6] = (uint8_t)(size >> 8);
    }
}

void aml_method(struct aml *a, const char *name, uint8_t flags)
{
    aml_byte(a, AML_METHOD);
    open_block(a, false);
    aml_path(a, name);
    aml_byte(a, flags);
}

void aml_if(struct aml *a)
{
    aml_byte(a, AML_IF);
    open_block(a, false);
}

void aml_region_pci(struct aml *a, const char *name, uint8_t offset, uint8_t len)
{
    aml_byte(a, AML_EXT);
    aml_byte(a, AML_EXT_REGION);
    aml_path(a, name);
    aml_byte(a, ACPI_SPACE_PCI_CONFIG);
    aml_integer(a, offset);
    aml_integer(a, len);
}

void aml_field(struct aml *a, const char *region)
{
    aml_byte(a, AML_EXT);
    aml_byte(a, AML_EXT_FIELD);
    open_block(a, false);
    aml_path(a, region);
    aml_byte(a, 1); /* accessed by bytes, no lock, the rest is preserved */
}

void aml_field_unit(struct aml *a, const char *name, uint8_t bits)
{
    if (name)
        aml_bytes(a, name, 4);
    else
        aml_byte(a, 0);
    aml_byte(a, bits);
}

void aml_scope(struct aml *a, const char *path)
{
    aml_byte(a, AML_SCOPE);
    open_block(a, false);
    aml_path(a, path);
}

void aml_device(struct aml *a, const char *name)
{
    aml_byte(a, AML_EXT);
    aml_byte(a, AML_EXT_DEVICE);
    open_block(a, false);
    aml_path(a, name);
}

void aml_package(struct aml *a, uint8_t elements)
{
    aml_byte(a, AML_PACKAGE);
    open_block(a, false);
    aml_byte(a, elements);
}

void aml_buffer(struct aml *a)
{
    aml_byte(a, AML_BUFFER);
    open_block(a, true);
}

void aml_res_io(struct aml *a, uint16_t base, uint8_t len)
{
    const uint8_t d[8] = {
        0x47, 1, (uint8_t)base, (uint8_t)(base >> 8), (uint8_t)base, (uint8_t)(base >> 8), 1, len};
    aml_bytes(a, d, sizeof d);
}

void aml_res_irq(struct aml *a, unsigned irq)
{
    const uint8_t d[3] = {0x22, (uint8_t)(1u << irq), (uint8_t)(1u << irq >> 8)};
    aml_bytes(a, d, sizeof d);
}

void aml_res_irq_shared(struct aml *a, uint16_t mask)
{
    const uint8_t d[4] = {0x23, (uint8_t)mask, (uint8_t)(mask >> 8), 0x18};
    aml_bytes(a, d, sizeof d);
}

void aml_res_memory32(struct aml *a, uint32_t base, uint32_t len)
{
    const uint8_t d[4] = {0x86, 9, 0, 1};
    aml_bytes(a, d, sizeof d);
    aml_bytes(a, &base, 4);
    aml_bytes(a, &len, 4);
}

static void word_window(struct aml *a, uint8_t type, uint8_t flags, uint16_t first, uint16_t last)
{
    const uint16_t v[5] = {0, first, last, 0, (uint16_t)(last - first + 1)};
    const uint8_t d[6] = {0x88, 13, 0, type, 0x0c, flags};
    aml_bytes(a, d, sizeof d);
    aml_bytes(a, v, sizeof v);
}

void aml_res_bus(struct aml *a, uint16_t first, uint16_t last)
{
    word_window(a, 2, 0, first, last);
}
void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last)
{
    word_window(a, 1, 3, first, last);
}

void aml_res_window32(struct aml *a, uint32_t first, uint32_t last)
{
    const uint32_t v[5] = {0, first, last, 0, last - first + 1};
    const uint8_t d[6] = {0x87, 23, 0, 0, 0x0c, 1}; /* memory, producer, read-write */
    aml_bytes(a, d, sizeof d);
    aml_bytes(a, v, sizeof v);
}

void aml_res_window64(struct aml *a, uint64_t first, uint64_t last)
{
    const uint64_t v[5] = {0, first, last, 0, last - first + 1};
    const uint8_t d[6] = {0x8a, 43, 0, 0, 0x0c, 1};
    aml_bytes(a, d, sizeof d);
    aml_bytes(a, v, sizeof v);
}

void aml_res_end(struct aml *a)
{
    const uint8_t d[2] = {0x79, 0};
    aml_bytes(a, d, sizeof d);
}
