/*
 * devices/acpi/place.c: the blob of tables linked for an address, and as files for firmware with
 * a script (abi/fwcfg.h): allocate both files, add the addresses to the pointers, set checksums.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/fwcfg.h"
#include "devices/acpi/acpi_int.h"
#include "mmu/ram.h"

#define TABLES "etc/acpi/tables"
#define RSDP   "etc/acpi/rsdp"

uint8_t acpi_sum(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint8_t s = 0;
    while (len--)
        s = (uint8_t)(s + *p++);
    return s;
}

static void link_at(const struct acpi_tables *t, uint8_t *bytes, struct acpi_rsdp *rsdp,
                    uint64_t at)
{
    for (unsigned i = 0; i < t->ptrs; i++) {
        uint8_t *const p = (t->ptr[i].rsdp ? (uint8_t *)rsdp : bytes) + t->ptr[i].at;
        uint64_t v = 0;
        memcpy(&v, p, t->ptr[i].size);
        v += at;
        memcpy(p, &v, t->ptr[i].size);
    }
    for (unsigned i = 0; i < t->sums; i++) {
        uint8_t *const p = t->sum[i].rsdp ? (uint8_t *)rsdp : bytes;
        p[t->sum[i].at] = 0;
        p[t->sum[i].at] = (uint8_t)-acpi_sum(p + t->sum[i].start, t->sum[i].len);
    }
}

/* The blob comes after the RSDP, and begins with the FACS. */
uint64_t acpi_tables_facs(uint64_t rsdp)
{
    return (rsdp + sizeof(struct acpi_rsdp) + 63) & ~63ull;
}

uint64_t acpi_tables_place(const struct acpi_tables *t, struct ram *ram, uint64_t at, size_t len)
{
    const uint64_t tables_at = acpi_tables_facs(at);
    uint8_t *const bytes = malloc(t->len);
    struct acpi_rsdp rsdp = t->rsdp;
    bool ok = false;
    if (bytes && tables_at - at + t->len <= len) {
        memcpy(bytes, t->bytes, t->len);
        link_at(t, bytes, &rsdp, tables_at);
        ok = ram_write(ram, hpa(tables_at), bytes, t->len) &&
             ram_write(ram, hpa(at), &rsdp, sizeof rsdp);
    }
    free(bytes);
    return ok ? at : 0;
}

bool acpi_build_loader(struct acpi_tables *t)
{
    struct fwcfg_loader *const e = calloc(2u + t->ptrs + t->sums, sizeof *e), *n = e;
    if (!e)
        return false;
    *n = (struct fwcfg_loader){.command = FWCFG_LOADER_ALLOCATE,
                               .allocate = {RSDP, 16, FWCFG_ZONE_FSEG}};
    *++n = (struct fwcfg_loader){.command = FWCFG_LOADER_ALLOCATE,
                                 .allocate = {TABLES, 64, FWCFG_ZONE_HIGH}};
    for (unsigned i = 0; i < t->ptrs; i++) {
        (++n)->command = FWCFG_LOADER_ADD_POINTER;
        strcpy(n->pointer.in, t->ptr[i].rsdp ? RSDP : TABLES);
        strcpy(n->pointer.to, TABLES);
        n->pointer.offset = t->ptr[i].at;
        n->pointer.size = t->ptr[i].size;
    }
    for (unsigned i = 0; i < t->sums; i++) {
        (++n)->command = FWCFG_LOADER_ADD_CHECKSUM;
        strcpy(n->checksum.file, t->sum[i].rsdp ? RSDP : TABLES);
        n->checksum.offset = t->sum[i].at;
        n->checksum.start = t->sum[i].start;
        n->checksum.len = t->sum[i].len;
    }
    t->loader = (uint8_t *)e;
    t->loader_len = (size_t)(n + 1 - e) * sizeof *e;
    return true;
}

struct acpi_blob acpi_tables_file(const struct acpi_tables *t)
{
    return (struct acpi_blob){t->bytes, t->len};
}
struct acpi_blob acpi_rsdp_file(const struct acpi_tables *t)
{
    return (struct acpi_blob){&t->rsdp, sizeof t->rsdp};
}
struct acpi_blob acpi_loader_file(const struct acpi_tables *t)
{
    return (struct acpi_blob){t->loader, t->loader_len};
}
