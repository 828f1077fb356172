/*
 * kern/ramfs.c: the files of all cpio modules in one flat name space; names without leading "./"
 * or "/". Read only, data stay where the loader put them.
 */
#include "partitions/root/kern/kern.h"

#define RAMFS_FILES 64u

static struct ramfs_file ramfs_table[RAMFS_FILES];
static unsigned ramfs_count;

static const char *ramfs_name(const char *name)
{
    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name += name[0] == '/' ? 1 : 2;
    return name;
}

void ramfs_init(void)
{
    for (unsigned i = 0; i < rt_boot.modules; i++) {
        const void *archive = phys_to_virt(rt_boot.module[i].paddr);
        struct rt_cpio_entry e;
        uint64_t pos = 0;
        while (rt_cpio_next(archive, rt_boot.module[i].size, &pos, &e)) {
            if (ramfs_count == RAMFS_FILES) {
                rt_log("ramfs: more than %u files", RAMFS_FILES);
                return;
            }
            ramfs_table[ramfs_count++] = (struct ramfs_file){ramfs_name(e.name), e.data, e.size};
        }
    }
}

const struct ramfs_file *ramfs_find(const char *name)
{
    name = ramfs_name(name);
    for (unsigned i = 0; i < ramfs_count; i++)
        if (!strcmp(ramfs_table[i].name, name))
            return &ramfs_table[i];
    return 0;
}
