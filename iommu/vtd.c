/*
 * iommu/vtd.c: the remapping unit's registers (VT-d 10.4); see vtd.h for what is modelled. A 64-bit
 * store is two stores of 32 bits, the lower first; smaller ones are ignored.
 */
#include "iommu/vtd_int.h"

#include <stdlib.h>

#include "lib/log.h"

/* ---- stores that do something ---- */

static void gcmd_written(struct vtd *v, unsigned dword, uint32_t value)
{
    const uint32_t levels = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
    const uint32_t old = vtd_get32(v, VTD_GSTS);
    uint32_t status = (old & ~levels) | (value & levels);
    (void)dword;
    if (value & VTD_G_RTP) {
        v->root = vtd_get64(v, VTD_RTADDR);
        status |= VTD_G_RTP;
    }
    if (value & VTD_G_IRTP) {
        v->irta = vtd_get64(v, VTD_IRTA);
        status |= VTD_G_IRTP;
    }
    if ((old ^ status) & VTD_G_QIE)
        vtd_set64(v, VTD_IQH, 0);
    vtd_set32(v, VTD_GSTS, status);
    vtd_run_queue(v);
}

static void ccmd_written(struct vtd *v, unsigned dword, uint32_t value)
{
    const uint64_t r = vtd_get64(v, VTD_CCMD);
    const unsigned granularity = value >> VTD_CCMD_CIRG_SHIFT & 3;
    if (dword != 1 || !(value & VTD_CCMD_ICC))
        return;
    vtd_drop_contexts(v, granularity, (uint16_t)r, (uint16_t)(r >> 16), r >> 32 & 3);
    vtd_set32(v, VTD_CCMD + 4, (uint32_t)(r >> 32) | granularity << VTD_CCMD_CAIG_SHIFT);
}

static void iotlb_written(struct vtd *v, unsigned dword, uint32_t value)
{
    const uint64_t iva = vtd_get64(v, VTD_IVA);
    const unsigned granularity = value >> VTD_IOTLB_IIRG_SHIFT & 3;
    if (dword != 1 || !(value & VTD_IOTLB_IVT))
        return;
    vtd_drop_pages(v, granularity, (uint16_t)value, iva & VTD_ADDRESS, iva & VTD_QI_AM);
    vtd_set32(v, VTD_IOTLB + 4, vtd_get32(v, VTD_IOTLB + 4) | granularity << VTD_IOTLB_IAIG_SHIFT);
}

static void iqt_written(struct vtd *v, unsigned dword, uint32_t value)
{
    (void)value;
    if (dword == 0)
        vtd_run_queue(v);
}

static void fsts_written(struct vtd *v, unsigned dword, uint32_t value)
{
    (void)dword, (void)value;
    vtd_faults_changed(v);
    vtd_run_queue(v); /* it goes on when its error is cleared */
}

static void fectl_written(struct vtd *v, unsigned dword, uint32_t value)
{
    (void)dword, (void)value;
    vtd_event_unmasked(v, VTD_FECTL);
}

static void iectl_written(struct vtd *v, unsigned dword, uint32_t value)
{
    (void)dword, (void)value;
    vtd_event_unmasked(v, VTD_IECTL);
}

static void ics_written(struct vtd *v, unsigned dword, uint32_t value)
{
    (void)dword, (void)value;
    if (!vtd_get32(v, VTD_ICS))
        v->reg[VTD_IECTL / 4] &= ~VTD_EVENT_PENDING;
}

/* ---- the table ---- */

struct reg {
    const char *name, *help;
    uint16_t at, bytes;
    uint64_t reset, writable, clear;
    void (*written)(struct vtd *v, unsigned dword, uint32_t value);
};

static const struct reg regs[] = {
#define REG(name, bytes, reset, writable, clear, written, help) \
    {#name, help, VTD_##name, bytes, reset, writable, clear, written},
#include "iommu/vtd_regs.def"
#undef REG
};
#define REGS (sizeof regs / sizeof regs[0])

static const struct reg *find(unsigned at)
{
    for (size_t n = 0; n < REGS; n++) {
        if (at >= regs[n].at && at < regs[n].at + (unsigned)regs[n].bytes)
            return &regs[n];
    }
    return NULL;
}

static void store(struct vtd *v, unsigned at, uint32_t value)
{
    if (at >= VTD_FRCD) { /* F of a fault record: write 1 to clear */
        if (at % 16 == 12) {
            v->reg[at / 4] &= ~(value & (uint32_t)(VTD_FRCD_F >> 32));
            vtd_faults_changed(v);
        }
        return;
    }
    const struct reg *const r = find(at);
    if (!r)
        return;
    const unsigned dword = (at - r->at) / 4;
    const uint32_t writable = (uint32_t)(r->writable >> 32 * dword);
    uint32_t *const p = &v->reg[at / 4];
    *p = (*p & ~writable) | (value & writable);
    *p &= ~(value & (uint32_t)(r->clear >> 32 * dword));
    if (r->written)
        r->written(v, dword, value);
}

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned size)
{
    const struct vtd *const v = dev;
    uint64_t value = 0;
    if (offset + size <= VTD_REG_SIZE) {
        for (unsigned n = 0; n < size; n++) {
            const unsigned at = (unsigned)offset + n;
            value |= (uint64_t)(v->reg[at / 4] >> 8 * (at % 4) & 0xff) << 8 * n;
        }
    }
    return value;
}

static void mmio_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vtd *const v = dev;
    if (size < 4 || offset % 4 || offset + size > VTD_REG_SIZE) {
        LOG_GUEST("vtd", "store of %u bytes at 0x%llx", size, (unsigned long long)offset);
        return;
    }
    store(v, (unsigned)offset, (uint32_t)value);
    if (size == 8)
        store(v, (unsigned)offset + 4, (uint32_t)(value >> 32));
}

static const struct bus_ops ops = {mmio_read, mmio_write, 8};

/* ---- the device ---- */

static const struct field fields[] = {
    FIELD_ARRAY(struct vtd, reg, 0, "registers"),
    FIELD(struct vtd, root, 0, "root table in use"),
    FIELD(struct vtd, irta, 0, "interrupt-remapping table in use"),
    FIELD(struct vtd, next_record, 0, "fault record to be written next"),
    FIELD_END,
};

static void reset(struct dev *d)
{
    struct vtd *const v = (struct vtd *)d;
    for (size_t n = 0; n < REGS; n++) {
        if (regs[n].bytes == 8)
            vtd_set64(v, regs[n].at, regs[n].reset);
        else
            vtd_set32(v, regs[n].at, (uint32_t)regs[n].reset);
    }
    vtd_drop_contexts(v, VTD_INV_GLOBAL, 0, 0, 0);
    vtd_drop_pages(v, VTD_INV_GLOBAL, 0, 0, 0);
}

static void vtd_free(struct dev *d)
{
    free(d);
}

static const struct dev_class vtd_class = {"vtd", fields, reset, vtd_free, NULL};

struct vtd *vtd_new(const struct vtd_config *cfg)
{
    struct vtd *const v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->dev = (struct dev){.cls = &vtd_class, .id = "vtd0"};
    v->cfg = *cfg;
    v->filter = (struct dma_filter){vtd_translate, v};
    if (bus_map_mmio(cfg->bus, hpa(VTD_BASE), VTD_SIZE, &ops, v, "vtd")) {
        free(v);
        return NULL;
    }
    return v;
}

struct dev *vtd_dev(struct vtd *v)
{
    return &v->dev;
}

const struct dma_filter *vtd_dma(struct vtd *v)
{
    return &v->filter;
}

struct msi_sink vtd_msi(struct vtd *v)
{
    return (struct msi_sink){.send = vtd_remap, .opaque = v};
}

bool vtd_register(const struct vtd *v, unsigned n, const char **name, const char **help,
                  uint64_t *value)
{
    if (n >= REGS)
        return false;
    *name = regs[n].name;
    *help = regs[n].help;
    *value = regs[n].bytes == 8 ? vtd_get64(v, regs[n].at) : vtd_get32(v, regs[n].at);
    return true;
}
