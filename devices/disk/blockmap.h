/*
 * devices/disk/blockmap.h: images made of equal blocks that a table places in the file, as VHD and
 * VHDX are. This part reads, writes and zeroes; the format keeps the table.
 *
 * A block that is written for the first time is put together from what the disk showed there (from
 * the parent, or from a block that has only some of its sectors) and is whole from then on, so
 * nothing here ever writes a bitmap of sectors.
 */
#ifndef DEVICES_DISK_BLOCKMAP_H
#define DEVICES_DISK_BLOCKMAP_H

#include "devices/disk/disk_int.h"

enum blockmap_kind {
    BLOCKMAP_NONE, /* the parent shows, or zeros without one */
    BLOCKMAP_ZEROS,
    BLOCKMAP_WHOLE, /* stands in the file */
    BLOCKMAP_SOME,  /* some sectors stand in the file, the parent shows for the others */
};

struct blockmap;
struct blockmap_ops {
    /* *offset: where in the file, checked against its size (WHOLE, SOME). */
    int (*find)(struct blockmap *m, uint64_t block, enum blockmap_kind *kind, uint64_t *offset);
    /* SOME: whether a sector of the block stands in the file, and *run: so do so many from it on,
     * at least 1, at most what was in *run. */
    int (*has_sector)(struct blockmap *m, uint64_t block, uint64_t sector, bool *has,
                      uint64_t *run);
    /* Room of zeros for a block at the end of the file; in the table only after `place`. */
    int (*grow)(struct blockmap *m, uint64_t block, uint64_t *offset);
    /* Into the table: WHOLE at an offset, or ZEROS if the format has that. */
    int (*place)(struct blockmap *m, uint64_t block, enum blockmap_kind kind, uint64_t offset);
};

struct blockmap {
    struct disk disk;
    struct hostfile file;
    struct disk *parent; /* NULL: none */
    const struct blockmap_ops *ops;
    uint64_t block_size; /* bytes */
    bool has_zeros;      /* the table can say that a block is zeros */
    bool damaged;        /* was said once */
};

int blockmap_read(struct disk *d, uint64_t at, void *to, size_t len);
int blockmap_write(struct disk *d, uint64_t at, const void *from, size_t len);
int blockmap_zero(struct disk *d, uint64_t at, uint64_t len);
bool blockmap_has_data(struct disk *d, uint64_t at, uint64_t *len);

/* -EIO; said once per image. */
int blockmap_damaged(struct blockmap *m, const char *what, uint64_t value);
/* E-DISK-013, for opening. */
int blockmap_bad(const struct blockmap *m, struct err *err, const char *what, uint64_t value);
/* The parent of a differencing image by a name that Windows may have written: folders apart by
 * backslashes; of a name with a drive letter only the last part counts. */
int blockmap_open_parent(struct blockmap *m, const char *name, enum disk_format format,
                         unsigned depth, struct err *err);

/* UTF-16 of len bytes, little or big endian, as ASCII; what is not becomes '?'. */
void blockmap_get_text(char *out, size_t size, const uint8_t *utf16, size_t len, bool is_big);
/* Returns bytes written, without an end mark. */
size_t blockmap_put_text(uint8_t *utf16, size_t room, const char *text, bool is_big);

#endif
