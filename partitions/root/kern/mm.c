/*
 * kern/mm.c: physical memory as buddy blocks of 2^order pages, and small objects on top.
 *
 * One byte per page tells whether it heads a free block and of which order. The lists run through
 * free blocks smaller than 2 MiB themselves, and through a table for larger ones: memory that
 * nobody had is never written, so a child gets it clean and the machine need not back it. Memory
 * below 1 MiB, the image, modules and start info stay out.
 */
#include "partitions/root/kern/kern.h"

#define MM_ORDERS 11u
#define MM_USED   0xff

struct mm_block {
    struct mm_block *next, *prev;
};

extern char rt_image_end[];

static struct mm_block mm_list[MM_ORDERS];
static struct mm_block *mm_big; /* list nodes of blocks of 2 MiB and more, by address / 2 MiB */
static uint64_t mm_big_count;
static uint8_t *mm_state;
static uint64_t mm_pages; /* page numbers below this are tracked */
static uint64_t mm_free_pages;
static uint8_t *mm_touched; /* per 2 MiB: handed out at least once since power-on */

static struct mm_block *mm_node(uint64_t page, unsigned order)
{
    if (order >= MM_ORDER_2M)
        return &mm_big[page >> MM_ORDER_2M];
    return phys_to_virt(page << X86_PAGE_SHIFT);
}

static uint64_t mm_page_of(const struct mm_block *b)
{
    if (b >= mm_big && b < mm_big + mm_big_count)
        return (uint64_t)(b - mm_big) << MM_ORDER_2M;
    return virt_to_phys(b) >> X86_PAGE_SHIFT;
}

static void mm_link(uint64_t page, unsigned order)
{
    struct mm_block *b = mm_node(page, order);
    b->next = mm_list[order].next;
    b->prev = &mm_list[order];
    b->next->prev = b;
    mm_list[order].next = b;
    mm_state[page] = (uint8_t)order;
}

static void mm_unlink(uint64_t page)
{
    struct mm_block *b = mm_node(page, mm_state[page]);
    b->prev->next = b->next;
    b->next->prev = b->prev;
    mm_state[page] = MM_USED;
}

/* The smallest free block that has room, or false. */
static bool mm_find(unsigned order, uint64_t *page, unsigned *found)
{
    for (unsigned o = order; o < MM_ORDERS; o++) {
        if (mm_list[o].next != &mm_list[o]) {
            *page = mm_page_of(mm_list[o].next);
            *found = o;
            return true;
        }
    }
    return false;
}

uint64_t mm_alloc(unsigned order)
{
    uint64_t page;
    unsigned o;
    if (!mm_find(order, &page, &o))
        return 0;
    mm_unlink(page);
    while (o > order) {
        o--;
        mm_link(page + (1ull << o), o);
    }
    mm_free_pages -= 1ull << order;
    for (uint64_t b = page >> MM_ORDER_2M; b <= (page + (1ull << order) - 1) >> MM_ORDER_2M; b++)
        mm_touched[b] = 1;
    return page << X86_PAGE_SHIFT;
}

void mm_free(uint64_t pa, unsigned order)
{
    uint64_t page = pa >> X86_PAGE_SHIFT;
    mm_free_pages += 1ull << order;
    for (; order + 1 < MM_ORDERS; order++) {
        uint64_t buddy = page ^ (1ull << order);
        if (buddy >= mm_pages || mm_state[buddy] != order)
            break;
        mm_unlink(buddy);
        page &= ~(1ull << order);
    }
    mm_link(page, order);
}

uint64_t mm_alloc_zeroed(void)
{
    uint64_t pa = mm_alloc(0);
    if (pa)
        memset(phys_to_virt(pa), 0, PAGE);
    return pa;
}

/* Memory that nobody had since power-on is left as it is: a machine's RAM starts out clean, and
 * zeroing gigabytes that a guest may never touch costs more than its boot. */
uint64_t mm_alloc_guest(void)
{
    uint64_t page = 0;
    unsigned order;
    bool touched = !mm_find(MM_ORDER_2M, &page, &order) || mm_touched[page >> MM_ORDER_2M];
    uint64_t pa = mm_alloc(MM_ORDER_2M);
    if (pa && touched)
        memset(phys_to_virt(pa), 0, PAGE_2M);
    return pa;
}

uint64_t mm_free_bytes(void)
{
    return mm_free_pages << X86_PAGE_SHIFT;
}

/* ---- start: ranges that must not be handed out ---- */
struct mm_range {
    uint64_t from, to;
};
#define MM_MAX_RESERVED (RT_MAX_MODULES + 4)
static struct mm_range mm_reserved[MM_MAX_RESERVED];
static unsigned mm_reserved_count;

static void mm_reserve(uint64_t from, uint64_t size)
{
    RT_ASSERT(mm_reserved_count < MM_MAX_RESERVED);
    mm_reserved[mm_reserved_count++] = (struct mm_range){from & ~(PAGE - 1),
                                                         (from + size + PAGE - 1) & ~(PAGE - 1)};
}

/* The first reserved range that overlaps [from, to), or none. */
static const struct mm_range *mm_overlap(uint64_t from, uint64_t to)
{
    const struct mm_range *best = 0;
    for (unsigned i = 0; i < mm_reserved_count; i++) {
        const struct mm_range *r = &mm_reserved[i];
        if (r->from < to && r->to > from && (!best || r->from < best->from))
            best = r;
    }
    return best;
}

static void mm_release(uint64_t from, uint64_t to)
{
    while (from < to) {
        unsigned order = 0;
        while (order + 1 < MM_ORDERS && !(from & ((PAGE << (order + 1)) - 1)) &&
               from + (PAGE << (order + 1)) <= to)
            order++;
        mm_free(from, order);
        from += PAGE << order;
    }
}

static void mm_release_free_parts(uint64_t from, uint64_t to)
{
    while (from < to) {
        const struct mm_range *r = mm_overlap(from, to);
        uint64_t end = r ? (r->from > from ? r->from : from) : to;
        mm_release(from, end);
        from = r ? r->to : to;
    }
}

static uint64_t mm_place(uint64_t size)
{
    for (unsigned i = 0; i < rt_boot.memmaps; i++) {
        const struct hvm_memmap_entry *e = &rt_boot.memmap[i];
        uint64_t at = (e->addr + PAGE - 1) & ~(PAGE - 1), end = e->addr + e->size;
        if (e->type != HVM_MEM_RAM || e->addr >= 1ull << 32)
            continue;
        if (at < 0x100000)
            at = 0x100000;
        for (const struct mm_range *r; at + size <= end && (r = mm_overlap(at, at + size));)
            at = r->to;
        if (at + size <= end && at + size <= 1ull << 32)
            return at;
    }
    rt_panic("no room for %lu bytes of page states", size);
}

void mm_init(void)
{
    uint64_t top = 0;
    for (unsigned i = 0; i < rt_boot.memmaps; i++) {
        const struct hvm_memmap_entry *e = &rt_boot.memmap[i];
        if (e->type == HVM_MEM_RAM && e->addr + e->size > top)
            top = e->addr + e->size;
    }
    mm_pages = top >> X86_PAGE_SHIFT;
    mm_reserve(0, 0x100000);
    mm_reserve(0x4000000, virt_to_phys(rt_image_end) - 0x4000000);
    for (unsigned i = 0; i < rt_boot.modules; i++)
        mm_reserve(rt_boot.module[i].paddr, rt_boot.module[i].size);
    uint64_t blocks = (mm_pages >> MM_ORDER_2M) + 1;
    uint64_t size = blocks * sizeof(*mm_big) + mm_pages + blocks, at = mm_place(size);
    mm_reserve(at, size);
    mm_big = phys_to_virt(at);
    mm_big_count = blocks;
    mm_state = (uint8_t *)(mm_big + blocks);
    mm_touched = mm_state + mm_pages;
    memset(mm_state, MM_USED, mm_pages);
    memset(mm_touched, 0, blocks);
    for (unsigned o = 0; o < MM_ORDERS; o++)
        mm_list[o].next = mm_list[o].prev = &mm_list[o];
    /* Memory above 4 GiB follows when vm_init has extended the direct map. */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < rt_boot.memmaps; i++) {
            const struct hvm_memmap_entry *e = &rt_boot.memmap[i];
            uint64_t from = (e->addr + PAGE - 1) & ~(PAGE - 1);
            uint64_t to = (e->addr + e->size) & ~(PAGE - 1);
            const uint64_t edge = 1ull << 32;
            if (e->type != HVM_MEM_RAM)
                continue;
            if (pass == 0)
                to = to < edge ? to : edge;
            else
                from = from > edge ? from : edge;
            if (from < to)
                mm_release_free_parts(from, to);
        }
        if (pass == 0)
            vm_init();
    }
}

/* ---- small objects: powers of two from 32 bytes, larger ones as page blocks ---- */
struct km_header {
    uint32_t class; /* size = 32 << class; from KM_CLASSES on: page order + KM_CLASSES */
    uint32_t magic;
    struct km_header *next;
};
#define KM_CLASSES 7u /* up to 2048 */
#define KM_MAGIC   0x4b4d454du

static struct km_header *km_free_list[KM_CLASSES];

void *kmalloc(size_t n)
{
    size_t total = n + sizeof(struct km_header);
    unsigned class = 0;
    struct km_header *h;
    while (class < KM_CLASSES && (32u << class) < total)
        class ++;
    if (class == KM_CLASSES) {
        unsigned order = 0;
        while ((PAGE << order) < total)
            order++;
        uint64_t pa = order < MM_ORDERS ? mm_alloc(order) : 0;
        if (!pa)
            return 0;
        h = phys_to_virt(pa);
        class += order;
    } else {
        size_t size = 32u << class;
        if (!km_free_list[class]) {
            uint64_t pa = mm_alloc(0);
            if (!pa)
                return 0;
            for (size_t at = 0; at < PAGE; at += size) {
                struct km_header *f = phys_to_virt(pa + at);
                f->next = km_free_list[class];
                km_free_list[class] = f;
            }
        }
        h = km_free_list[class];
        km_free_list[class] = h->next;
    }
    h->class = class;
    h->magic = KM_MAGIC;
    memset(h + 1, 0, n);
    return h + 1;
}

void kfree(void *p)
{
    if (!p)
        return;
    struct km_header *h = (struct km_header *)p - 1;
    RT_ASSERT(h->magic == KM_MAGIC);
    h->magic = 0;
    if (h->class >= KM_CLASSES) {
        mm_free(virt_to_phys(h), h->class - KM_CLASSES);
        return;
    }
    h->next = km_free_list[h->class];
    km_free_list[h->class] = h;
}
