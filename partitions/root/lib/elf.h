/*
 * lib/elf.h: ELF64 and ELF32 little-endian executables (System V ABI, chapters 4 and 5): enough
 * to load segments and to find the PVH entry note.
 */
#ifndef RT_ELF_H
#define RT_ELF_H

#include <stdbool.h>
#include <stdint.h>

#define RT_ELF_MAX_SEGMENTS 16
#define RT_ELF_X            1u
#define RT_ELF_W            2u
#define RT_ELF_R            4u

struct rt_elf_segment {
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t offset;
    uint64_t file_size;
    uint64_t mem_size;
    uint32_t flags; /* RT_ELF_* */
};

struct rt_elf {
    bool is_64;
    uint64_t entry;
    bool has_pvh;
    uint64_t pvh_entry;
    unsigned segments; /* PT_LOAD only */
    struct rt_elf_segment segment[RT_ELF_MAX_SEGMENTS];
};

/* False when the file is no x86 executable or points outside of itself. */
bool rt_elf_parse(const void *file, uint64_t size, struct rt_elf *out);

#endif
