/*
 * machine/board_net.c: the network cards of the board (machine_config.nics) with their back ends,
 * and virtio-rng.
 */
#include "devices/net/virtio_net.h"
#include "devices/virtio/virtio_rng.h"
#include "machine/machine_int.h"

static int add_card(struct machine *m, const struct net_card_config *cfg, struct err *err)
{
    struct pci_func *const f = virtio_net_new(m->clock, m->input, &m->dma, &m->msi, cfg, err);
    if (!f)
        return err->code;
    const int rc = board_plug(m, f, BOARD_ANY_SLOT, "virtio-net", err);
    if (rc || !cfg->backend || !cfg->backend->ops->dev)
        return rc;
    return board_add(m, cfg->backend->ops->dev(cfg->backend), cfg->backend->ops->kind, err);
}

int board_nics(struct machine *m, struct err *err)
{
    for (size_t i = 0; i < m->cfg.nic_count; i++) {
        if (add_card(m, &m->cfg.nics[i], err))
            return err->code;
    }
    return 0;
}

int board_rng(struct machine *m, struct err *err)
{
    return m->cfg.rng ? board_plug(m, virtio_rng_new(&m->dma, &m->msi, m->cfg.seed), BOARD_ANY_SLOT,
                                   "virtio-rng", err)
                      : 0;
}
