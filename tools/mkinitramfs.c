/*
 * Build tool: an initial RAM disk of one static busybox and an init script.
 *
 *     mkinitramfs OUT BUSYBOX INIT [NAME=FILE...]
 *
 * Further files land in the root folder, or in the folders that their names have. The result
 * depends on nothing else: no times, no owners.
 */
#include <stdio.h>
#include <string.h>

#include "lib/cpio.h"
#include "lib/file.h"

#define FILE_LIMIT (256u << 20)

static int add(struct cpio *c, const char *name, const char *path, unsigned mode)
{
    struct file f;
    struct err err;

    if (file_read(&f, path, FILE_LIMIT, &err) < 0) {
        err_print(&err);
        return -1;
    }
    cpio_add_file(c, name, mode, f.data, f.size);
    file_free(&f);
    return 0;
}

static int write_out(const struct cpio *c, const char *path)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(c->data, 1, c->size, f) != c->size) {
        perror(path);
        if (f)
            fclose(f);
        return -1;
    }
    return fclose(f);
}

static void add_folders(struct cpio *c)
{
    static const char *const folders[] = {"bin", "dev", "etc", "proc", "sys", "tmp", "root"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        cpio_add_dir(c, folders[i], 0755);
    cpio_add_node(c, "dev/console", 0020600, 5, 1);
    cpio_add_node(c, "dev/null", 0020666, 1, 3);
    cpio_add_link(c, "bin/sh", "busybox");
}

/* Folders of a name; one that is there already is no error to the kernel. */
static void add_parents(struct cpio *c, const char *name)
{
    char folder[256];

    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
        cpio_add_dir(c, folder, 0755);
    }
}

int main(int argc, char **argv)
{
    struct cpio c;

    if (argc < 4) {
        fprintf(stderr, "usage: mkinitramfs OUT BUSYBOX INIT [NAME=FILE...]\n");
        return 2;
    }
    cpio_init(&c);
    add_folders(&c);
    if (add(&c, "bin/busybox", argv[2], 0755) < 0 || add(&c, "init", argv[3], 0755) < 0)
        return 1;
    for (int i = 4; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq)
            return 2;
        *eq = 0;
        add_parents(&c, argv[i]);
        if (add(&c, argv[i], eq + 1, 0755) < 0)
            return 1;
    }
    if (cpio_finish(&c) < 0 || write_out(&c, argv[1]) < 0)
        return 1;
    cpio_free(&c);
    return 0;
}
