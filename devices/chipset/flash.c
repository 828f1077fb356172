/*
 * devices/chipset/flash.c: NOR flash with the Intel command set and CFI (JEDEC JESD68.01, Intel
 * 28F128J3 datasheet) for the variables of UEFI firmware: 4 KiB blocks, one byte wide.
 *
 * In read-array mode the bytes are ROM memory of the machine (mmu/ram.h), so code runs from them
 * and reads cost nothing; stores come here. In the other modes reads come here, too. The contents
 * are no state of a reset: they stay, as in the real thing.
 * Status is 0 after "clear status" (a real part says ready, 0x80): firmware for emulators finds
 * out by this that it has a flash before it. Programming takes no time.
 * Not modelled: block locking, suspend, the protection registers.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chipset/chipset.h"
#include "lib/log.h"
#include "mmu/ram.h"

#define BLOCK      4096u
#define BUFFER     64u
#define ST_READY   0x80u
#define ST_ERASE   0x20u /* erase failed */
#define ST_PROGRAM 0x10u /* program failed */
#define MAKER      0x89
#define DEVICE     0x18

enum mode {
    READ_ARRAY,
    READ_STATUS,
    READ_ID,
    READ_CFI,
    PROGRAM,     /* data byte comes */
    ERASE,       /* confirmation comes */
    LOCK,        /* second byte of a lock command comes */
    BUFFER_SIZE, /* count - 1 comes */
    BUFFER_DATA,
    BUFFER_CONFIRM,
};

struct flash {
    struct dev dev;
    struct ram *ram;
    unsigned rom;
    uint32_t size;
    /* state */
    uint8_t mode, status;
    uint8_t left, count; /* bytes of the buffer still to come; in all */
    uint32_t start;
    uint32_t at[BUFFER];
    uint8_t data[BUFFER];
};

static const struct field fields[] = {
    FIELD(struct flash, mode, READ_ARRAY, "what reads return, what is expected"),
    FIELD(struct flash, status, ST_READY, "status register"),
    FIELD(struct flash, left, 0, "bytes of the write buffer to come"),
    FIELD(struct flash, count, 0, "bytes of the write buffer"),
    FIELD(struct flash, start, 0, "address of the buffered write"),
    FIELD_ARRAY(struct flash, at, 0, "addresses in the write buffer"),
    FIELD_ARRAY(struct flash, data, 0, "bytes in the write buffer"),
    FIELD_END,
};

static void set_mode(struct flash *f, enum mode mode)
{
    f->mode = (uint8_t)mode;
    ram_rom_show(f->ram, f->rom, mode == READ_ARRAY);
}

/* CFI query table from 0x10 on. */
static uint8_t cfi(const struct flash *f, uint32_t at)
{
    const uint32_t blocks = f->size / BLOCK;
    uint8_t log = 0;
    while (1u << log < f->size)
        log++;
    const uint8_t table[] = {
        'Q',
        'R',
        'Y',
        1,
        0,
        0x31,
        0, /* Intel extended command set, table at 0x31 */
        0,
        0,
        0,
        0,
        0x45,
        0x55,
        0,
        0, /* supply 4.5-5.5 V */
        1,
        6,
        10,
        0,
        4,
        5,
        4,
        0, /* time-outs */
        log,
        0,
        0,
        6,
        0,
        1, /* size, x8, buffer of 64 bytes, one region */
        (uint8_t)(blocks - 1),
        (uint8_t)((blocks - 1) >> 8),
        (uint8_t)(BLOCK >> 8),
        (uint8_t)(BLOCK >> 16),
        'P',
        'R',
        'I',
        '1',
        '0',
    };
    return at >= 0x10 && at - 0x10 < sizeof table ? table[at - 0x10] : 0;
}

static uint8_t read_byte(const struct flash *f, uint32_t at)
{
    switch (f->mode) {
    case READ_ARRAY:
        return ram_rom_bytes(f->ram, f->rom)[at];
    case READ_ID:
        return (at & 0xff) == 0 ? MAKER : (at & 0xff) == 1 ? DEVICE : 0;
    case READ_CFI:
        return cfi(f, at & 0xff);
    default:
        return f->status;
    }
}

static void program(struct flash *f, uint32_t at, uint8_t v)
{
    ram_rom_bytes(f->ram, f->rom)[at] &= v; /* bits only go to 0 */
    f->status |= ST_READY;
}

static void erase(struct flash *f, uint32_t at)
{
    memset(ram_rom_bytes(f->ram, f->rom) + (at & ~(BLOCK - 1)), 0xff, BLOCK);
    f->status |= ST_READY;
}

static void command(struct flash *f, uint32_t at, uint8_t v)
{
    switch (v) {
    case 0x00:
    case 0xff:
    case 0xf0:
        set_mode(f, READ_ARRAY);
        break;
    case 0x10:
    case 0x40:
        set_mode(f, PROGRAM);
        break;
    case 0x20:
    case 0x28:
        set_mode(f, ERASE);
        break;
    case 0x50:
        f->status = 0;
        set_mode(f, READ_ARRAY);
        break;
    case 0x60:
        set_mode(f, LOCK);
        break;
    case 0x70:
        set_mode(f, READ_STATUS);
        break;
    case 0x90:
        set_mode(f, READ_ID);
        break;
    case 0x98:
        set_mode(f, READ_CFI);
        break;
    case 0xe8:
        f->status |= ST_READY;
        f->start = at;
        set_mode(f, BUFFER_SIZE);
        break;
    default:
        LOG_GUEST("flash", "command 0x%02x", v);
        set_mode(f, READ_ARRAY);
        break;
    }
}

static void buffer_byte(struct flash *f, uint32_t at, uint8_t v)
{
    const unsigned n = (unsigned)f->count - f->left;
    f->at[n] = at;
    f->data[n] = v;
    if (--f->left == 0)
        f->mode = BUFFER_CONFIRM;
}

static void buffer_confirm(struct flash *f, uint8_t v)
{
    bool ok = v == 0xd0;
    for (unsigned n = 0; n < f->count; n++)
        ok = ok && f->at[n] / BLOCK == f->start / BLOCK;
    for (unsigned n = 0; ok && n < f->count; n++)
        program(f, f->at[n], f->data[n]);
    if (!ok)
        f->status |= ST_READY | ST_PROGRAM | ST_ERASE; /* command sequence error */
    set_mode(f, READ_STATUS);
}

static void write_byte(struct flash *f, uint32_t at, uint8_t v)
{
    switch (f->mode) {
    case PROGRAM:
        program(f, at, v);
        set_mode(f, READ_STATUS);
        break;
    case ERASE:
        if (v == 0xd0)
            erase(f, at);
        else
            f->status |= ST_READY | ST_ERASE | ST_PROGRAM;
        set_mode(f, v == 0xff ? READ_ARRAY : READ_STATUS);
        break;
    case LOCK:
        if (v != 0x01 && v != 0xd0)
            f->status |= ST_ERASE | ST_PROGRAM;
        f->status |= ST_READY;
        set_mode(f, v == 0xff ? READ_ARRAY : READ_STATUS);
        break;
    case BUFFER_SIZE:
        if (v >= BUFFER) {
            f->status |= ST_READY | ST_PROGRAM | ST_ERASE;
            set_mode(f, READ_STATUS);
            break;
        }
        f->count = f->left = (uint8_t)(v + 1);
        f->mode = BUFFER_DATA;
        break;
    case BUFFER_DATA:
        buffer_byte(f, at, v);
        break;
    case BUFFER_CONFIRM:
        buffer_confirm(f, v);
        break;
    default:
        command(f, at, v);
        break;
    }
}

static uint64_t flash_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)read_byte(dev, (uint32_t)offset + i) << 8 * i;
    return v;
}

/* A wider store is one command, or data for as many bytes. */
static void flash_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct flash *const f = dev;
    if (f->mode == PROGRAM) {
        for (unsigned i = 0; i < size; i++)
            program(f, (uint32_t)offset + i, (uint8_t)(v >> 8 * i));
        set_mode(f, READ_STATUS);
        return;
    }
    const unsigned bytes = f->mode == BUFFER_DATA ? size : 1;
    for (unsigned i = 0; i < bytes && (i == 0 || f->mode == BUFFER_DATA); i++)
        write_byte(f, (uint32_t)offset + i, (uint8_t)(v >> 8 * i));
}
static const struct bus_ops ops = {flash_read, flash_write, 8};

static void flash_reset(struct dev *d)
{
    struct flash *const f = (struct flash *)d;
    set_mode(f, READ_ARRAY);
}
static void flash_free(struct dev *d)
{
    free(d);
}
static const struct dev_class flash_class = {"flash", fields, flash_reset, flash_free, NULL};

struct dev *flash_new(struct bus *bus, struct ram *ram, unsigned rom)
{
    struct flash *const f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->dev = (struct dev){.cls = &flash_class, .id = "flash0"};
    f->ram = ram;
    f->rom = rom;
    f->size = (uint32_t)ram->rom[rom].len;
    if (bus_map_mmio(bus, hpa(ram->rom[rom].base), f->size, &ops, f, "flash")) {
        free(f);
        return NULL;
    }
    return &f->dev;
}
