/*
 * devices/block/ahci.c: AHCI 1.3.1 host bus adapter: registers (3), command lists and received
 * FISes (4, 5), interrupts, and when things happen.
 *
 * Time: one command at a time over all ports, as in nvme.c: 8 us from an idle adapter, 3 us for
 * each command, and its bytes at 500 MB/s of virtual time; data and completion appear at the end.
 *
 * Not modelled: port multipliers, command completion coalescing, staggered spin-up, link power
 * management, enclosure management, hot plug, the IDE-compatible interface.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/ahci_int.h"
#include "lib/log.h"

#define START_NS    8000u
#define COMMAND_NS  3000u
#define NS_PER_BYTE 2u
#define CAPABILITIES                                                                              \
    (AHCI_CAP_NP(AHCI_PORTS) | AHCI_CAP_NCS(32u) | AHCI_CAP_SAM | AHCI_CAP_GEN3 | AHCI_CAP_SCLO | \
     AHCI_CAP_SNCQ | AHCI_CAP_S64A)

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct ahci, ghc, 0, "global host control"),
    FIELD(struct ahci, is, 0, "interrupt status"),
    FIELD(struct ahci, turn, 0, "port served last"),
    FIELD(struct ahci, due_ns, CLOCK_NEVER, "time of the next command"),
    {"port", offsetof(struct ahci, port), 4, sizeof(struct ahci_port) / 4 * AHCI_PORTS, 0,
     "ports and drives, word by word"},
    FIELD_ARRAY(struct ahci, content, 0, "what was written to each disk"),
    FIELD_END,
};

/* ---- interrupts ---- */

static void update_irq(struct ahci *h, bool is_news)
{
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        if (h->port[i].is & h->port[i].ie)
            h->is |= 1u << i;
    }
    const bool level = h->is && (h->ghc & AHCI_GHC_IE);
    pci_intx_set(&h->f, level);
    if (level && is_news && pci_msi_enabled(&h->f))
        pci_msi_send(&h->f, 0);
}

static void raise(struct ata_cmd *c, uint32_t bits)
{
    c->p->is |= bits;
    update_irq(c->h, true);
}

/* ---- FISes to the host ---- */

static void post_fis(struct ata_cmd *c, unsigned offset, const uint8_t *fis, size_t len)
{
    const uint64_t at = ((uint64_t)c->p->fbu << 32 | c->p->fb) + offset;
    if ((c->p->cmd & AHCI_CMD_FRE) && !dma_write(&c->h->f.dma, iova(at), fis, len))
        LOG_GUEST("ahci", "no memory for received FISes at 0x%llx", (unsigned long long)at);
}

static void set_tfd(struct ata_cmd *c)
{
    c->p->tfd = (uint32_t)c->error << 8 | c->status;
}

static void fill_fis(const struct ata_cmd *c, uint8_t *f, uint8_t type, uint8_t flags)
{
    f[0] = type;
    f[1] = flags;
    f[2] = c->status;
    f[3] = c->error;
    memcpy(f + 4, c->lba, 3);
    f[7] = c->device;
    memcpy(f + 8, c->lba + 3, 3);
    f[12] = (uint8_t)c->count;
    f[13] = (uint8_t)(c->count >> 8);
}

static void post_d2h(struct ata_cmd *c)
{
    uint8_t f[20] = {0};
    fill_fis(c, f, FIS_D2H, 0x40);
    post_fis(c, AHCI_RX_D2H, f, sizeof f);
    set_tfd(c);
    raise(c, AHCI_IS_DHRS | (c->status & ATA_ERR ? AHCI_IS_TFES : 0));
}

static void post_pio(struct ata_cmd *c)
{
    uint8_t f[20] = {0};
    const uint8_t end = c->status;
    c->status |= ATA_DRQ;
    fill_fis(c, f, FIS_PIO, 0x60);
    c->status = end;
    f[15] = end;
    f[16] = (uint8_t)c->bytes;
    f[17] = (uint8_t)(c->bytes >> 8);
    post_fis(c, AHCI_RX_PIO, f, sizeof f);
    set_tfd(c);
    raise(c, AHCI_IS_PSS);
}

static void post_sdb(struct ata_cmd *c)
{
    uint8_t f[8] = {FIS_SDB, 0x40, c->status & 0x77, c->error};
    const uint32_t done = c->status & ATA_ERR ? 0 : 1u << c->slot;
    memcpy(f + 4, &done, 4);
    post_fis(c, AHCI_RX_SDB, f, sizeof f);
    c->p->sact &= ~done;
    set_tfd(c);
    raise(c, AHCI_IS_SDBS | (c->status & ATA_ERR ? AHCI_IS_TFES : 0));
}

/* ---- data ---- */

int ahci_move(struct ata_cmd *c, struct xfer *x, uint64_t len)
{
    struct {
        uint64_t address;
        uint32_t reserved, count;
    } prd[64];
    const unsigned entries = c->header[0] >> 16;
    uint64_t left = len;

    for (unsigned i = 0; i < entries && left && !x->rc; i++) {
        const unsigned k = i % 64, batch = entries - i < 64 ? entries - i : 64;
        if (k == 0 && !dma_read(&c->h->f.dma, iova(c->table + AHCI_TABLE_PRDT + 16ull * i), prd,
                                batch * sizeof prd[0])) {
            x->rc = -EFAULT;
            break;
        }
        const uint64_t room = (prd[k].count & 0x3fffff) + 1, part = room < left ? room : left;
        xfer_piece(x, prd[k].address & ~1ull, part);
        left -= part;
    }
    c->bytes = len - left;
    const int rc = xfer_end(x);
    if (rc == 0 && left)
        LOG_GUEST("ahci", "a scatter list is too short by %llu bytes", (unsigned long long)left);
    return rc;
}

void ahci_reply(struct ata_cmd *c, void *bytes, uint64_t len, bool pio)
{
    struct xfer x;
    xfer_buffer(&x, &c->h->f.dma, bytes, false);
    const int rc = ahci_move(c, &x, len);
    if (rc)
        ata_move_failed(c, rc, true);
    else
        c->is_pio_in = pio;
}

void ata_fail(struct ata_cmd *c, uint8_t error)
{
    c->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    c->error = error;
}

void ata_move_failed(struct ata_cmd *c, int rc, bool is_read)
{
    c->is_bus_error = rc == -EFAULT;
    if (rc != -EFAULT)
        LOG_ERROR("ahci", "port %u: %s fails: %s", (unsigned)(c->p - c->h->port),
                  is_read ? "reading" : "writing", strerror(-rc));
    ata_fail(c, is_read ? ATA_UNC : ATA_ABRT);
}

/* ---- commands ---- */

static void put_signature(struct ata_cmd *c)
{
    c->status = c->drive->is_cdrom ? 0 : ATA_DRDY | ATA_DSC;
    c->error = 1;
    c->lba[0] = 1;
    c->lba[1] = c->drive->is_cdrom ? 0x14 : 0;
    c->lba[2] = c->drive->is_cdrom ? 0xeb : 0;
    c->count = 1;
}

static void reset_drive(struct ahci_port *p)
{
    p->no_cache = p->no_lookahead = p->multiple = 0;
    p->bad_tag = 0x80;
    p->sense = SENSE_NONE;
    p->srst = 0;
}

/* A FIS with C = 0 writes the control register: soft reset is set, later cleared. */
static void control_fis(struct ata_cmd *c)
{
    const bool srst = c->cfis[15] & 4;
    c->p->ci &= ~(1u << c->slot);
    if (c->p->srst && !srst) {
        reset_drive(c->p);
        put_signature(c);
        c->p->sig = c->drive->is_cdrom ? AHCI_SIG_ATAPI : AHCI_SIG_DISK;
        post_d2h(c);
    } else if (srst) {
        c->p->srst = 1;
        c->p->tfd = ATA_BSY;
    }
}

static void finish(struct ata_cmd *c)
{
    const uint64_t at = ((uint64_t)c->p->clbu << 32 | c->p->clb) + AHCI_HDR_BYTES * c->slot + 4;
    const uint32_t bytes = (uint32_t)c->bytes;
    const bool is_bad = (c->status & ATA_ERR) || c->is_bus_error;

    dma_write(&c->h->f.dma, iova(at), &bytes, 4);
    if (!is_bad || c->is_queued) /* the failed command stays in the list */
        c->p->ci &= ~(1u << c->slot);
    c->p->halted = is_bad;
    if (c->is_bus_error) {
        set_tfd(c);
        raise(c, AHCI_IS_HBFS | AHCI_IS_TFES);
    } else if (c->is_queued) {
        post_sdb(c);
    } else if (c->is_pio_in && !is_bad) {
        post_pio(c);
    } else {
        post_d2h(c);
    }
}

static bool fetch(struct ata_cmd *c)
{
    const uint64_t at = ((uint64_t)c->p->clbu << 32 | c->p->clb) + AHCI_HDR_BYTES * c->slot;
    if (!dma_read(&c->h->f.dma, iova(at), c->header, sizeof c->header))
        return false;
    c->table = ((uint64_t)c->header[3] << 32 | c->header[2]) & ~127ull;
    return dma_read(&c->h->f.dma, iova(c->table), c->cfis,
                    (c->header[0] & AHCI_HDR_CFL) * 4 < 64 ? (c->header[0] & AHCI_HDR_CFL) * 4
                                                           : 64);
}

/* One command from fetch to completion; its bytes. */
static uint64_t execute(struct ahci *h, unsigned port, unsigned slot)
{
    struct ata_cmd c = {.h = h, .p = &h->port[port], .drive = &h->drive[port], .slot = slot};
    c.p->slot = slot;
    c.status = ATA_DRDY | ATA_DSC;
    if (!fetch(&c)) {
        LOG_GUEST("ahci", "port %u: no memory behind the command list", port);
        c.p->halted = 1;
        raise(&c, AHCI_IS_HBFS);
        return 0;
    }
    if (c.cfis[0] != FIS_H2D) {
        LOG_GUEST("ahci", "port %u: FIS of type 0x%02x in a command", port, c.cfis[0]);
        ata_fail(&c, ATA_ABRT);
        finish(&c);
        return 0;
    }
    if (!(c.cfis[1] & 0x80)) {
        control_fis(&c);
        return 0;
    }
    memcpy(c.lba, c.cfis + 4, 3);
    memcpy(c.lba + 3, c.cfis + 8, 3);
    c.device = c.cfis[7];
    c.count = (uint16_t)(c.cfis[12] | c.cfis[13] << 8);
    if (c.drive->is_cdrom)
        atapi_execute(&c);
    else
        ata_execute(&c);
    if (c.cfis[2] == ATA_DEVICE_RESET && c.drive->is_cdrom)
        put_signature(&c);
    if (c.drive->disk)
        h->content[port] = c.drive->disk->digest;
    finish(&c);
    return c.bytes;
}

static bool is_there(const struct ahci *h, unsigned port)
{
    return h->drive[port].disk || h->drive[port].is_cdrom;
}

/* The next command of the next port: the slots are served in turn. */
static bool find_work(const struct ahci *h, unsigned *port, unsigned *slot)
{
    for (unsigned k = 1; k <= AHCI_PORTS; k++) {
        const unsigned i = (h->turn + k) % AHCI_PORTS;
        const struct ahci_port *const p = &h->port[i];
        if (!(p->cmd & AHCI_CMD_CR) || p->halted || !p->ci || !is_there(h, i))
            continue;
        for (unsigned n = 1; n <= 32; n++) {
            *slot = (p->slot + n) % 32;
            if (p->ci >> *slot & 1) {
                *port = i;
                return true;
            }
        }
    }
    return false;
}

static void arm(struct ahci *h, uint64_t when)
{
    h->due_ns = when;
    clock_arm(h->clock, &h->work, when);
}

static void kick(struct ahci *h)
{
    unsigned port, slot;
    if (h->due_ns == CLOCK_NEVER && find_work(h, &port, &slot))
        arm(h, clock_now(h->clock) + START_NS);
}

static void work(void *opaque, uint64_t now)
{
    struct ahci *const h = opaque;
    unsigned port, slot;
    h->due_ns = CLOCK_NEVER;
    if (!find_work(h, &port, &slot))
        return;
    h->turn = port;
    const uint64_t bytes = execute(h, port, slot);
    if (find_work(h, &port, &slot))
        arm(h, now + COMMAND_NS + bytes * NS_PER_BYTE);
}

/* ---- registers ---- */

static void stop_list(struct ahci_port *p)
{
    p->cmd &= ~AHCI_CMD_CR;
    p->ci = p->sact = p->halted = 0;
}

/* COMRESET, or a reset of the adapter: the link comes up and the drive says what it is. */
static void reset_link(struct ahci *h, unsigned port)
{
    struct ahci_port *const p = &h->port[port];
    const bool cd = h->drive[port].is_cdrom;
    stop_list(p);
    reset_drive(p);
    p->serr = 0;
    p->ssts = is_there(h, port) ? AHCI_SSTS_UP : 0;
    p->sig = !is_there(h, port) ? AHCI_SIG_NONE : cd ? AHCI_SIG_ATAPI : AHCI_SIG_DISK;
    p->tfd = !is_there(h, port) ? 0x7f : cd ? 0x100 : 0x100 | ATA_DRDY | ATA_DSC;
}

static void reset_hba(struct ahci *h)
{
    h->is = 0;
    h->ghc = AHCI_GHC_AE;
    h->turn = 0;
    h->due_ns = CLOCK_NEVER;
    clock_cancel(h->clock, &h->work);
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *const p = &h->port[i];
        p->is = p->ie = p->sctl = 0;
        p->cmd = AHCI_CMD_SUD | AHCI_CMD_POD;
        p->slot = 31;
        reset_link(h, i);
    }
    update_irq(h, false);
}

static void cmd_write(struct ahci *h, unsigned port, uint32_t v)
{
    struct ahci_port *const p = &h->port[port];
    const uint32_t was = p->cmd;
    p->cmd = (was & ~AHCI_CMD_WRITE) | (v & AHCI_CMD_WRITE);
    if ((v & AHCI_CMD_CLO) && is_there(h, port))
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    p->cmd = p->cmd & AHCI_CMD_FRE ? p->cmd | AHCI_CMD_FR : p->cmd & ~AHCI_CMD_FR;
    if ((p->cmd & AHCI_CMD_ST) && !(was & AHCI_CMD_ST)) {
        p->cmd |= AHCI_CMD_CR;
        p->slot = 31;
    } else if (!(p->cmd & AHCI_CMD_ST) && (was & AHCI_CMD_ST)) {
        stop_list(p);
    }
}

static uint32_t port_read(const struct ahci_port *p, unsigned reg)
{
    switch (reg) {
    case AHCI_PX_CLB:
        return p->clb;
    case AHCI_PX_CLBU:
        return p->clbu;
    case AHCI_PX_FB:
        return p->fb;
    case AHCI_PX_FBU:
        return p->fbu;
    case AHCI_PX_IS:
        return p->is;
    case AHCI_PX_IE:
        return p->ie;
    case AHCI_PX_CMD:
        return p->cmd | (p->cmd & AHCI_CMD_CR ? p->slot << 8 : 0);
    case AHCI_PX_TFD:
        return p->tfd;
    case AHCI_PX_SIG:
        return p->sig;
    case AHCI_PX_SSTS:
        return p->ssts;
    case AHCI_PX_SCTL:
        return p->sctl;
    case AHCI_PX_SERR:
        return p->serr;
    case AHCI_PX_SACT:
        return p->sact;
    case AHCI_PX_CI:
        return p->ci;
    default:
        return 0;
    }
}

static void sctl_write(struct ahci *h, unsigned port, uint32_t v)
{
    struct ahci_port *const p = &h->port[port];
    const unsigned was = p->sctl & 15, is = v & 15;
    p->sctl = v & 0xfff;
    if (is == 1 || is == 4) { /* reset is held, or the link is off */
        stop_list(p);
        p->ssts = is == 4 && is_there(h, port) ? 4 : 0;
        p->tfd = 0x7f;
        p->sig = AHCI_SIG_NONE;
    } else if (was == 1 || was == 4) {
        reset_link(h, port);
    }
}

static void port_write(struct ahci *h, unsigned port, unsigned reg, uint32_t v)
{
    struct ahci_port *const p = &h->port[port];
    switch (reg) {
    case AHCI_PX_CLB:
        p->clb = v & ~1023u;
        break;
    case AHCI_PX_CLBU:
        p->clbu = v;
        break;
    case AHCI_PX_FB:
        p->fb = v & ~255u;
        break;
    case AHCI_PX_FBU:
        p->fbu = v;
        break;
    case AHCI_PX_IS:
        p->is &= ~(v & AHCI_IS_RW1C);
        update_irq(h, false);
        break;
    case AHCI_PX_IE:
        p->ie = v & AHCI_IE_MASK;
        update_irq(h, true);
        break;
    case AHCI_PX_CMD:
        cmd_write(h, port, v);
        break;
    case AHCI_PX_SCTL:
        sctl_write(h, port, v);
        break;
    case AHCI_PX_SERR:
        p->serr &= ~v;
        break;
    case AHCI_PX_SACT:
        if (p->cmd & AHCI_CMD_ST)
            p->sact |= v;
        break;
    case AHCI_PX_CI:
        if (p->cmd & AHCI_CMD_ST)
            p->ci |= v;
        break;
    default:
        break;
    }
    kick(h);
}

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    const struct ahci *const h = dev;
    const unsigned port = (unsigned)(offset - AHCI_PORT) / 0x80;
    uint32_t v = 0;
    (void)size;
    if (offset >= AHCI_PORT)
        v = port < AHCI_PORTS ? port_read(&h->port[port], (unsigned)offset & 0x7c) : 0;
    else if ((offset & ~3ull) == AHCI_CAP)
        v = CAPABILITIES;
    else if ((offset & ~3ull) == AHCI_GHC)
        v = h->ghc;
    else if ((offset & ~3ull) == AHCI_IS)
        v = h->is;
    else if ((offset & ~3ull) == AHCI_PI)
        v = (1u << AHCI_PORTS) - 1;
    else if ((offset & ~3ull) == AHCI_VS)
        v = AHCI_VERSION;
    return v >> 8 * (offset & 3);
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct ahci *const h = dev;
    const unsigned port = (unsigned)(offset - AHCI_PORT) / 0x80;
    const uint32_t v = (uint32_t)value;
    if (size != 4 || offset & 3) {
        LOG_GUEST("ahci", "write of %u bytes at 0x%x", size, (unsigned)offset);
    } else if (offset >= AHCI_PORT) {
        if (port < AHCI_PORTS)
            port_write(h, port, (unsigned)offset & 0x7c, v);
    } else if (offset == AHCI_GHC) {
        if (v & AHCI_GHC_HR)
            reset_hba(h);
        else
            h->ghc = AHCI_GHC_AE | (v & AHCI_GHC_IE);
        update_irq(h, true);
    } else if (offset == AHCI_IS) {
        h->is &= ~v;
        update_irq(h, true); /* a port that still asks is a new message */
    }
}
static const struct bus_ops bar_ops = {bar_read, bar_write, 4};

/* ---- life ---- */

static void ahci_reset(struct dev *d)
{
    struct ahci *const h = (struct ahci *)d;
    reset_hba(h);
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        h->content[i] = h->drive[i].disk ? h->drive[i].disk->digest : 0;
    pci_func_reset(&h->f);
}

static void ahci_free(struct dev *d)
{
    free(d);
}

static const struct dev_class ahci_class = {"ahci", fields, ahci_reset, ahci_free, NULL};

struct pci_func *ahci_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi,
                          const struct ahci_drive *drives, unsigned count)
{
    struct ahci *const h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->f.dev = (struct dev){.cls = &ahci_class, .id = "ahci"};
    h->f.dma = *dma;
    h->f.msi = *msi;
    h->clock = clock;
    memcpy(h->drive, drives, (count < AHCI_PORTS ? count : AHCI_PORTS) * sizeof *drives);
    clock_event_init(clock, &h->work, "ahci", 51, work, h);
    pci_func_init(&h->f, 0x8086, 0x2922, 0x01060102, 0x8086, 0x2922);
    pci_add_bar32(&h->f, 5, 4096, &bar_ops);
    pci_add_msi(&h->f, 1);
    pci_add_intx(&h->f, 1);
    return &h->f;
}
