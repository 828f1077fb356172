/*
 * kern/vm.c: 4-level paging (SDM 3A 4.5). The upper half is the same in every address space: its
 * PML4 entries are made once here, so a device mapping made later shows everywhere.
 *
 * Not modelled: demand paging, 1 GiB pages, PCID; a process's mappings only grow.
 */
#include "partitions/root/kern/kern.h"

#define VM_ADDR   0x000ffffffffff000ull
#define MMIO_SLOT ((MMIO_BASE >> 39) & 511)

extern char boot_pml4[], boot_pdpt_low[];

uint64_t vm_kernel_pml4;
static uint64_t vm_mmio_next = MMIO_BASE;

/* The entry for va at level (4 = PML4 ... 1 = PT), creating tables on the way; 0 = no memory. */
static uint64_t *vm_entry(uint64_t pml4, uint64_t va, unsigned level)
{
    uint64_t *table = phys_to_virt(pml4);
    for (unsigned l = 4;; l--) {
        uint64_t *e = &table[(va >> (12 + 9 * (l - 1))) & 511];
        if (l == level)
            return e;
        if (!(*e & PTE_P)) {
            uint64_t pa = mm_alloc_zeroed();
            if (!pa)
                return 0;
            *e = pa | PTE_P | PTE_W | (va < RT_USER_END ? PTE_U : 0);
        }
        if (*e & PTE_PS)
            return 0;
        table = phys_to_virt(*e & VM_ADDR);
    }
}

bool vm_map(uint64_t pml4, uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *e = vm_entry(pml4, va, 1);
    if (!e)
        return false;
    *e = pa | flags | PTE_P | PTE_A | (flags & PTE_W ? PTE_D : 0);
    return true;
}

bool vm_map_2m(uint64_t pml4, uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *e = vm_entry(pml4, va, 2);
    if (!e)
        return false;
    *e = pa | flags | PTE_P | PTE_PS | PTE_A | (flags & PTE_W ? PTE_D : 0);
    return true;
}

uint64_t vm_unmap_2m(uint64_t pml4, uint64_t va)
{
    uint64_t *e = vm_entry(pml4, va, 2);
    if (!e || !(*e & PTE_PS))
        return 0;
    uint64_t pa = *e & VM_ADDR;
    *e = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
    return pa;
}

volatile void *vm_map_mmio(uint64_t pa, uint64_t size)
{
    uint64_t offset = pa & (PAGE - 1), va = vm_mmio_next;
    for (uint64_t at = 0; at < offset + size; at += PAGE)
        if (!vm_map(vm_kernel_pml4, va + at, pa - offset + at,
                    PTE_W | PTE_PCD | PTE_PWT | PTE_NX | PTE_G))
            rt_panic("no memory for page tables");
    vm_mmio_next = va + ((offset + size + PAGE - 1) & ~(PAGE - 1)) + PAGE;
    return (volatile void *)(va + offset);
}

void vm_init(void)
{
    uint64_t *pml4 = (uint64_t *)boot_pml4;
    uint64_t *pdpt = (uint64_t *)boot_pdpt_low;
    uint64_t top = 1ull << 32;
    for (unsigned i = 0; i < rt_boot.memmaps; i++) {
        const struct hvm_memmap_entry *e = &rt_boot.memmap[i];
        if (e->type == HVM_MEM_RAM && e->addr + e->size > top)
            top = e->addr + e->size;
    }
    if (top > 512ull << 30)
        rt_panic("more than 512 GiB of memory");
    for (uint64_t gib = 4; gib << 30 < top; gib++) {
        uint64_t pd = mm_alloc_zeroed();
        uint64_t *table = phys_to_virt(pd);
        for (unsigned i = 0; i < 512; i++)
            table[i] = ((gib << 30) + i * PAGE_2M) | PTE_P | PTE_W | PTE_PS;
        pdpt[gib] = pd | PTE_P | PTE_W;
    }
    pml4[MMIO_SLOT] = mm_alloc_zeroed() | PTE_P | PTE_W;
    pml4[0] = 0;
    vm_kernel_pml4 = virt_to_phys(boot_pml4);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    __asm__ volatile("mov %0, %%cr3" : : "r"(vm_kernel_pml4) : "memory");
}

uint64_t vm_create(void)
{
    uint64_t pml4 = mm_alloc_zeroed();
    if (pml4)
        memcpy((uint64_t *)phys_to_virt(pml4) + 256, (uint64_t *)boot_pml4 + 256, 2048);
    return pml4;
}

static void vm_free_table(uint64_t pa, unsigned level)
{
    uint64_t *table = phys_to_virt(pa);
    unsigned count = level == 4 ? 256 : 512;
    for (unsigned i = 0; i < count; i++) {
        uint64_t e = table[i];
        if (!(e & PTE_P))
            continue;
        if (level > 1 && !(e & PTE_PS))
            vm_free_table(e & VM_ADDR, level - 1);
        else if (e & VM_OWNED)
            mm_free(e & VM_ADDR, level == 2 ? MM_ORDER_2M : 0);
    }
    mm_free(pa, 0);
}

void vm_destroy(uint64_t pml4)
{
    sched_leave_pml4(pml4);
    vm_free_table(pml4, 4);
}
