/*
 * devices/virtio/virtio_rng.c: virtio-rng (virtio 1.2 5.4). The bytes come from a counter and the
 * machine's seed (splitmix64), never from the host: two runs with one seed get the same ones.
 */
#include "devices/virtio/virtio_rng.h"

#include <stdlib.h>

#include "devices/virtio/virtio.h"

#define PIECE 4096u /* at most so much for a request; the driver asks again */

struct vrng {
    struct virtio v; /* first */
    uint64_t seed;
    uint64_t draws; /* state: words given */
};

static const struct field fields[] = {
    VIRTIO_FIELDS,
    FIELD(struct vrng, draws, 0, "random words given"),
    FIELD_END,
};

static uint64_t draw(struct vrng *r)
{
    /* another sequence than that of RDRAND, which counts up from the seed itself */
    uint64_t z = ~r->seed + ++r->draws * 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void kick(struct virtio *v, unsigned n)
{
    struct vrng *const r = (struct vrng *)v;
    struct virtq_chain c;
    for (unsigned left = v->q[n].size; left && virtq_pop(v, n, &c); left--) {
        uint64_t words[PIECE / 8];
        const size_t len = c.in_len < PIECE ? (size_t)c.in_len : PIECE;
        if (!len) {
            virtio_break(v, "a buffer that cannot be written");
            return;
        }
        for (size_t i = 0; i < (len + 7) / 8; i++)
            words[i] = draw(r);
        if (!virtq_write(v, &c, 0, words, len))
            return;
        virtq_return(v, n, &c, (uint32_t)len);
    }
}

static const struct virtio_class virtio_class = {"virtio-rng", kick, NULL, NULL};

static void vrng_free(struct dev *d)
{
    free(d);
}
static const struct dev_class vrng_class = {"virtio-rng", fields, virtio_reset, vrng_free, NULL};

struct pci_func *virtio_rng_new(const struct dma *dma, const struct msi_sink *msi, uint64_t seed)
{
    struct vrng *const r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->seed = seed;
    r->v.f.dev = (struct dev){.cls = &vrng_class, .id = "virtio-rng"};
    const struct virtio_setup setup = {.id = VIRTIO_ID_ENTROPY,
                                       .class_rev = 0x00ff0001,
                                       .queues = 1,
                                       .queue_size = 64,
                                       .vectors = 2,
                                       .features = VIRTIO_F_RING};
    virtio_init(&r->v, &virtio_class, &setup, dma, msi);
    return &r->v.f;
}
