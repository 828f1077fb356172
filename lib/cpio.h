/*
 * Writer of cpio archives in the "newc" format (the kernel's initramfs format,
 * Documentation/driver-api/early-userspace/buffer-format.rst of Linux) into a growing buffer.
 * The result is a pure function of what is added: inode numbers count up, times are zero.
 */
#ifndef VITRINE_LIB_CPIO_H
#define VITRINE_LIB_CPIO_H

#include <stddef.h>
#include <stdint.h>

struct cpio {
    uint8_t *data;
    size_t size;
    size_t capacity;
    uint32_t next_inode;
    int failed; /* out of memory somewhere; everything after is a no-op */
};

void cpio_init(struct cpio *c);
void cpio_free(struct cpio *c);
void cpio_add_dir(struct cpio *c, const char *path, uint32_t mode);
void cpio_add_file(struct cpio *c, const char *path, uint32_t mode, const void *data, size_t len);
void cpio_add_link(struct cpio *c, const char *path, const char *target);
void cpio_add_node(struct cpio *c, const char *path, uint32_t mode, uint32_t major, uint32_t minor);
/* Trailer; 0 or -ENOMEM. The buffer then is complete. */
int cpio_finish(struct cpio *c);

#endif
