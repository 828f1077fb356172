/*
 * The test root's try at memory that is not the root's, by a device: the edu device (1234:11e8)
 * copies between memory and its buffer. With VT-d the hypervisor refuses what lies in its own image
 * and in deposited pages; what the root owns works.
 */
#include <stdint.h>

#include "tests/guest/mini_root.h"

#define EDU_BUFFER  0x40000u
#define EDU_SOURCE  0x80u
#define EDU_TARGET  0x88u
#define EDU_COUNT   0x90u
#define EDU_COMMAND 0x98u
#define EDU_GO      1u
#define EDU_TO_RAM  2u
#define HV_IMAGE    0x100000ull

static uint64_t mine[512] __attribute__((aligned(4096)));
static uint64_t back[512] __attribute__((aligned(4096)));

static void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static uint32_t config(unsigned device, unsigned reg)
{
    uint32_t v;
    outl(0xcf8, 0x80000000u | device << 11 | reg);
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((uint16_t)0xcfc));
    return v;
}

static volatile uint64_t *find_edu(void)
{
    for (unsigned device = 0; device < 32; device++) {
        if (config(device, 0) != 0x11e81234)
            continue;
        config(device, 4);
        outl(0xcfc, 6); /* memory, bus master */
        return (volatile uint64_t *)(uint64_t)(config(device, 0x10) & ~15u);
    }
    return 0;
}

static void transfer(volatile uint64_t *edu, uint64_t source, uint64_t target, uint32_t command)
{
    edu[EDU_SOURCE / 8] = source;
    edu[EDU_TARGET / 8] = target;
    edu[EDU_COUNT / 8] = 64;
    edu[EDU_COMMAND / 8] = EDU_GO | command;
    while (edu[EDU_COMMAND / 8] & EDU_GO)
        __asm__ volatile("pause");
}

bool mini_dma(uint64_t deposited)
{
    volatile uint64_t *edu = find_edu();
    if (!edu)
        return false;
    for (unsigned i = 0; i < 8; i++)
        mine[i] = 0x0123456789abcdefull * (i + 1);
    transfer(edu, (uint64_t)mine, EDU_BUFFER, 0);
    /* none of these may change the buffer, or anything else */
    transfer(edu, HV_IMAGE, EDU_BUFFER, 0);
    transfer(edu, deposited, EDU_BUFFER, 0);
    transfer(edu, EDU_BUFFER, HV_IMAGE, EDU_TO_RAM);
    transfer(edu, EDU_BUFFER, deposited, EDU_TO_RAM);
    transfer(edu, EDU_BUFFER, (uint64_t)back, EDU_TO_RAM);
    for (unsigned i = 0; i < 8; i++) {
        if (((volatile uint64_t *)back)[i] != mine[i])
            return false;
    }
    return true;
}
