/*
 * What a file is, by its first bytes.
 */
#include <stdio.h>
#include <string.h>

#include "frontends/cli/images.h"

static bool has(const uint8_t *bytes, size_t size, size_t at, const char *magic, size_t len)
{
    return at + len <= size && memcmp(bytes + at, magic, len) == 0;
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((bytes[i] < 0x20 && !strchr("\t\r\n", bytes[i])) || bytes[i] == 0)
            return false;
    }
    return true;
}

enum image_kind image_kind_of(const uint8_t *b, size_t size)
{
    if (has(b, size, 0, "\177ELF", 4))
        return IMAGE_ELF;
    if (size > 0x260 && has(b, size, 0x202, "HdrS", 4))
        return IMAGE_BZIMAGE;
    if (has(b, size, 0, "07070", 5) || has(b, size, 0, "\x1f\x8b", 2) ||
        has(b, size, 0,
            "\xfd"
            "7zXZ",
            5) ||
        has(b, size, 0, "\x28\xb5\x2f\xfd", 4))
        return IMAGE_CPIO;
    if (has(b, size, 0, "QFI\xfb", 4) || has(b, size, 0, "vhdxfile", 8) ||
        has(b, size, 0, "conectix", 8) || has(b, size, 510, "\x55\xaa", 2))
        return IMAGE_DISK;
    if (has(b, size, 0x8001, "CD001", 5))
        return IMAGE_CDROM;
    return size && is_text(b, size < 4096 ? size : 4096) ? IMAGE_TEXT : IMAGE_UNKNOWN;
}

enum image_kind image_kind_of_file(const char *path)
{
    static uint8_t head[65536];
    FILE *const f = fopen(path, "rbe");

    if (!f)
        return IMAGE_UNKNOWN;
    const size_t n = fread(head, 1, sizeof(head), f);
    fclose(f);
    return image_kind_of(head, n);
}
