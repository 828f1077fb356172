/*
 * tests/lib/root_mem.h: memory of the root's kernel for tests that include one of its drivers:
 * physical addresses are host addresses; root_mem_end() gives all back at once.
 */
#ifndef TESTS_ROOT_MEM_H
#define TESTS_ROOT_MEM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct {
    void *page[4096];
    unsigned pages;
} root_mem;

static inline void *phys_to_virt(uint64_t pa)
{
    return (void *)(uintptr_t)pa;
}
static inline uint64_t mm_alloc(unsigned order)
{
    void *const p = aligned_alloc(4096, (size_t)4096 << order);
    root_mem.page[root_mem.pages++] = p;
    return (uintptr_t)p;
}
static inline uint64_t mm_alloc_zeroed(void)
{
    const uint64_t pa = mm_alloc(0);
    memset(phys_to_virt(pa), 0, 4096);
    return pa;
}
static inline void mm_free(uint64_t pa, unsigned order)
{
    (void)pa;
    (void)order; /* root_mem_end gives all back */
}
static inline void *kmalloc(size_t n)
{
    void *const p = calloc(1, n);
    root_mem.page[root_mem.pages++] = p;
    return p;
}
static inline void root_mem_end(void)
{
    for (unsigned i = 0; i < root_mem.pages; i++)
        free(root_mem.page[i]);
    root_mem.pages = 0;
}

#endif
