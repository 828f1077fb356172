/*
 * devices/net/pcap.c: capture files: pcap with nanoseconds, link type Ethernet, stamped with
 * virtual time, so that a run that repeats gives the same file. One of the back ends that may
 * touch files.
 */
#include "devices/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define MAGIC_NS          0xa1b23c4du
#define LINKTYPE_ETHERNET 1
#define SECOND_NS         1000000000ull

struct pcap {
    FILE *f;
    char path[256];
    bool failed;
};

struct file_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap_len, link_type;
};

struct frame_head {
    uint32_t seconds, ns, kept, len;
};

static void put(struct pcap *p, const void *bytes, size_t len)
{
    if (!p->failed && fwrite(bytes, 1, len, p->f) != len) {
        LOG_ERROR("pcap", "cannot write %s: %s; the capture ends here", p->path, strerror(errno));
        p->failed = true;
    }
}

struct pcap *pcap_open(const char *path, struct err *err)
{
    const struct file_head h = {MAGIC_NS, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET};
    struct pcap *const p = calloc(1, sizeof *p);
    if (!p) {
        err_set(err, "E-MACH-002", -ENOMEM, "capture");
        return NULL;
    }
    snprintf(p->path, sizeof p->path, "%s", path);
    p->f = fopen(path, "wbe");
    if (!p->f) {
        err_set(err, "E-FILE-005", -errno, "cannot write %s: %s", path, strerror(errno));
        free(p);
        return NULL;
    }
    put(p, &h, sizeof h);
    return p;
}

static void on_frame(void *opaque, unsigned card, bool from_guest, uint64_t now_ns,
                     const uint8_t *frame, size_t len)
{
    struct pcap *const p = opaque;
    const struct frame_head h = {(uint32_t)(now_ns / SECOND_NS), (uint32_t)(now_ns % SECOND_NS),
                                 (uint32_t)len, (uint32_t)len};
    (void)card;
    (void)from_guest;
    put(p, &h, sizeof h);
    put(p, frame, len);
}

struct net_tap pcap_tap(struct pcap *p)
{
    return (struct net_tap){p ? on_frame : NULL, p};
}

int pcap_close(struct pcap *p, struct err *err)
{
    int rc = 0;
    if (!p)
        return 0;
    if (fclose(p->f) != 0 || p->failed)
        rc = err_set(err, "E-FILE-005", -EIO, "%s is not complete", p->path);
    free(p);
    return rc;
}
