/*
 * tools/mkcpio.c: writes a cpio archive in the "newc" format: mkcpio OUT NAME=FILE... Entries
 * carry fixed times and owners, so that equal inputs give equal archives.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long written;

static void put(FILE *f, const void *data, size_t n)
{
    if (fwrite(data, 1, n, f) != n) {
        perror("mkcpio: write");
        exit(1);
    }
    written += n;
}

static void pad(FILE *f)
{
    static const char zero[4];
    put(f, zero, (4 - written % 4) % 4);
}

static void entry(FILE *f, unsigned inode, const char *name, const void *data, size_t n)
{
    char header[111];
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             inode, inode ? 0100755u : 0u, 0u, 0u, 1u, 0u, (unsigned)n, 0u, 0u, 0u, 0u,
             (unsigned)strlen(name) + 1, 0u);
    put(f, header, 110);
    put(f, name, strlen(name) + 1);
    pad(f);
    put(f, data, n);
    pad(f);
}

static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) {
        perror(path);
        exit(1);
    }
    long n = ftell(f);
    rewind(f);
    char *data = malloc((size_t)n + 1);
    if (!data || fread(data, 1, (size_t)n, f) != (size_t)n) {
        perror(path);
        exit(1);
    }
    fclose(f);
    *size = (size_t)n;
    return data;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: mkcpio OUT NAME=FILE...\n");
        return 2;
    }
    FILE *f = fopen(argv[1], "wb");
    if (!f) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq) {
            fprintf(stderr, "mkcpio: %s: no NAME=FILE\n", argv[i]);
            return 2;
        }
        *eq = 0;
        size_t n;
        void *data = read_file(eq + 1, &n);
        entry(f, (unsigned)i - 1, argv[i], data, n);
        free(data);
    }
    entry(f, 0, "TRAILER!!!", "", 0);
    if (fclose(f)) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
