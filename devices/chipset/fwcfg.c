/*
 * devices/chipset/fwcfg.c: firmware configuration device (abi/fwcfg.h): selected item is read byte
 * by byte or by DMA. Items: signature, id, RAM size, processors, file directory, files.
 * Not modelled: writes to items (ignored; DMA writes report an error).
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/fwcfg.h"
#include "devices/chipset/chipset.h"

struct item {
    const void *bytes;
    size_t len;
};

struct fwcfg {
    struct dev dev;
    struct dma dma;
    struct fwcfg_config cfg;
    uint8_t *dir; /* big-endian directory */
    uint16_t cpus;
    uint32_t id;
    /* state */
    uint16_t selected;
    uint32_t offset, dma_high;
};

static const struct field fields[] = {
    FIELD(struct fwcfg, selected, 0, "selected item"),
    FIELD(struct fwcfg, offset, 0, "offset in it"),
    FIELD(struct fwcfg, dma_high, 0, "high half of the DMA address"),
    FIELD_END,
};

static struct item find(const struct fwcfg *f)
{
    const unsigned n = f->selected - FWCFG_FILE_FIRST;
    if (f->selected >= FWCFG_FILE_FIRST && n < f->cfg.count)
        return (struct item){f->cfg.files[n].bytes, f->cfg.files[n].len};
    for (unsigned i = 0; i < f->cfg.item_count; i++) {
        if (f->cfg.items[i].key == f->selected)
            return (struct item){f->cfg.items[i].bytes, f->cfg.items[i].len};
    }
    switch (f->selected) {
    case FWCFG_SIGNATURE:
        return (struct item){"QEMU", 4};
    case FWCFG_ID:
        return (struct item){&f->id, 4};
    case FWCFG_RAM_SIZE:
        return (struct item){&f->cfg.ram, 8};
    case FWCFG_NB_CPUS:
    case FWCFG_MAX_CPUS:
        return (struct item){&f->cpus, 2};
    case FWCFG_FILE_DIR:
        return (struct item){f->dir, 4 + 64u * f->cfg.count};
    default:
        return (struct item){NULL, 0};
    }
}

static uint8_t next_byte(struct fwcfg *f)
{
    const struct item it = find(f);
    return f->offset < it.len ? ((const uint8_t *)it.bytes)[f->offset++] : 0;
}

static void select_item(struct fwcfg *f, uint16_t n)
{
    f->selected = n;
    f->offset = 0;
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return offset == 1 ? next_byte(dev) : 0;
}

static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    if (offset == 0 && size == 2)
        select_item(dev, (uint16_t)v);
}

/* Copy or skip; bytes beyond the item read as 0. */
static bool transfer(struct fwcfg *f, uint32_t control, uint64_t to, uint32_t len)
{
    static const uint8_t zero[4096];
    const struct item it = find(f);
    if (control & FWCFG_DMA_WRITE)
        return false;
    while (len && (control & FWCFG_DMA_READ)) {
        const uint32_t left = f->offset < it.len ? (uint32_t)(it.len - f->offset) : 0;
        uint32_t n = left ? (len < left ? len : left) : len;
        n = !left && n > sizeof zero ? (uint32_t)sizeof zero : n;
        if (!dma_write(&f->dma, iova(to), left ? (const uint8_t *)it.bytes + f->offset : zero, n))
            return false;
        f->offset += left ? n : 0;
        to += n;
        len -= n;
    }
    if (control & FWCFG_DMA_SKIP)
        f->offset = it.len - f->offset < len ? (uint32_t)it.len : f->offset + len;
    return true;
}

static void run_dma(struct fwcfg *f, uint64_t at)
{
    struct {
        uint32_t control, length;
        uint64_t address;
    } d;
    if (!dma_read(&f->dma, iova(at), &d, sizeof d))
        return;
    const uint32_t control = __builtin_bswap32(d.control);
    if (control & FWCFG_DMA_SELECT)
        select_item(f, (uint16_t)(control >> 16));
    const bool ok = transfer(f, control, __builtin_bswap64(d.address), __builtin_bswap32(d.length));
    const uint32_t answer = ok ? 0 : __builtin_bswap32(FWCFG_DMA_ERROR);
    dma_write(&f->dma, iova(at), &answer, sizeof answer);
}

static uint64_t dma_port_read(void *dev, uint64_t offset, unsigned size)
{
    static const char signature[] = "QEMU CFG"; /* tells that DMA is there */
    uint64_t v = 0;
    (void)dev;
    for (unsigned i = 0; i < size && offset + i < 8; i++)
        v |= (uint64_t)(uint8_t)signature[offset + i] << 8 * i;
    return v;
}

static void dma_port_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct fwcfg *const f = dev;
    if (size == 4 && offset == 0) {
        f->dma_high = __builtin_bswap32((uint32_t)v);
    } else if (size == 4 && offset == 4) {
        run_dma(f, (uint64_t)f->dma_high << 32 | __builtin_bswap32((uint32_t)v));
        f->dma_high = 0;
    }
}

static const struct bus_ops data_ops = {data_read, data_write, 2},
                            dma_ops = {dma_port_read, dma_port_write, 4};

static void fwcfg_free(struct dev *d)
{
    free(((struct fwcfg *)d)->dir);
    free(d);
}
static const struct dev_class fwcfg_class = {"fw_cfg", fields, NULL, fwcfg_free, NULL};

static uint8_t *directory(const struct fwcfg_file *files, unsigned count)
{
    uint8_t *const dir = calloc(1, 4 + 64u * count);
    if (!dir)
        return NULL;
    const uint32_t n = __builtin_bswap32(count);
    memcpy(dir, &n, 4);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *const e = dir + 4 + 64 * i;
        const uint32_t len = __builtin_bswap32((uint32_t)files[i].len);
        const uint16_t key = __builtin_bswap16((uint16_t)(FWCFG_FILE_FIRST + i));
        memcpy(e, &len, 4);
        memcpy(e + 4, &key, 2);
        strncpy((char *)e + 8, files[i].name, 55);
    }
    return dir;
}

struct dev *fwcfg_new(struct bus *bus, const struct dma *dma, const struct fwcfg_config *cfg)
{
    struct fwcfg *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->dev = (struct dev){.cls = &fwcfg_class, .id = "fwcfg0"};
    f->dma = *dma;
    f->cfg = *cfg;
    f->cpus = (uint16_t)cfg->cpus;
    f->id = 3;
    f->dir = directory(cfg->files, cfg->count);
    if (!f->dir || bus_map_port(bus, FWCFG_PORT_SELECT, 2, &data_ops, f, "fw_cfg") ||
        bus_map_port(bus, FWCFG_PORT_DMA, 8, &dma_ops, f, "fw_cfg-dma")) {
        fwcfg_free(&f->dev);
        return NULL;
    }
    return &f->dev;
}
