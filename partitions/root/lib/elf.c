/*
 * lib/elf.c: checks an ELF executable and extracts its loadable segments and the Xen note of type
 * 18 (PVH entry). All offsets are validated against the file size: files come from users.
 */
#include "partitions/root/lib/elf.h"
#include "partitions/root/lib/rt_lib.h"
#include "abi/pvh.h"

#define PT_LOAD   1u
#define PT_NOTE   4u
#define EM_386    3
#define EM_X86_64 62

struct elf64_phdr {
    uint32_t type;
    uint32_t flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf32_phdr {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

static uint64_t elf_get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void elf_notes(const uint8_t *p, uint64_t size, struct rt_elf *out)
{
    uint64_t pos = 0;
    while (size - pos >= 12) {
        uint64_t name_size = elf_get(p + pos, 4);
        uint64_t desc_size = elf_get(p + pos + 4, 4);
        uint64_t type = elf_get(p + pos + 8, 4);
        uint64_t name = pos + 12;
        uint64_t desc = name + ((name_size + 3) & ~3ull);
        uint64_t next = desc + ((desc_size + 3) & ~3ull);
        if (desc > size || desc_size > size - desc)
            return;
        if (type == PVH_NOTE_PHYS32_ENTRY && name_size == 4 &&
            !memcmp(p + name, PVH_NOTE_NAME, 4) && desc_size >= 4) {
            out->has_pvh = true;
            out->pvh_entry = elf_get(p + desc, desc_size >= 8 ? 8 : 4);
        }
        if (next > size)
            return;
        pos = next;
    }
}

static void elf_phdr(const uint8_t *base, bool is_64, uint64_t at, struct elf64_phdr *out)
{
    if (is_64) {
        memcpy(out, base + at, sizeof(*out));
        return;
    }
    struct elf32_phdr p;
    memcpy(&p, base + at, sizeof(p));
    *out = (struct elf64_phdr){p.type,  p.flags,  p.offset, p.vaddr,
                               p.paddr, p.filesz, p.memsz,  p.align};
}

bool rt_elf_parse(const void *file, uint64_t size, struct rt_elf *out)
{
    const uint8_t *b = file;
    memset(out, 0, sizeof(*out));
    if (size < 64 || memcmp(b, "\177ELF", 4) || (b[4] != 1 && b[4] != 2) || b[5] != 1)
        return false;
    out->is_64 = b[4] == 2;
    uint64_t machine = elf_get(b + 18, 2);
    if (elf_get(b + 16, 2) != 2 || machine != (out->is_64 ? EM_X86_64 : EM_386))
        return false;
    out->entry = out->is_64 ? elf_get(b + 24, 8) : elf_get(b + 24, 4);
    uint64_t phoff = out->is_64 ? elf_get(b + 32, 8) : elf_get(b + 28, 4);
    uint64_t phentsize = elf_get(b + (out->is_64 ? 54 : 42), 2);
    uint64_t phnum = elf_get(b + (out->is_64 ? 56 : 44), 2);
    uint64_t want = out->is_64 ? sizeof(struct elf64_phdr) : sizeof(struct elf32_phdr);
    if (phentsize < want || phoff > size || phnum * phentsize > size - phoff)
        return false;
    for (uint64_t i = 0; i < phnum; i++) {
        struct elf64_phdr p;
        elf_phdr(b, out->is_64, phoff + i * phentsize, &p);
        if (p.type != PT_LOAD && p.type != PT_NOTE)
            continue;
        if (p.offset > size || p.filesz > size - p.offset)
            return false;
        if (p.type == PT_NOTE) {
            elf_notes(b + p.offset, p.filesz, out);
            continue;
        }
        if (p.memsz < p.filesz || p.vaddr + p.memsz < p.vaddr || p.paddr + p.memsz < p.paddr)
            return false;
        if (!p.memsz)
            continue;
        if (out->segments == RT_ELF_MAX_SEGMENTS)
            return false;
        out->segment[out->segments++] = (struct rt_elf_segment){p.vaddr,  p.paddr, p.offset,
                                                                p.filesz, p.memsz, p.flags & 7};
    }
    return out->segments > 0;
}
