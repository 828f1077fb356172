/*
 * The machine boots a multiboot program of one HLT: 32-bit protected mode, paging off.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/multiboot.h"
#include "cpu/sys/sys.h"
#include "devices/boot/boot.h"
#include "devices/disk/disk.h"
#include "devices/net/virtio_net.h"
#include "tests/fuzz/pc.h"

static struct machine *machine;

static void *make_kernel(size_t *len)
{
    static struct {
        Elf32_Ehdr h;
        Elf32_Phdr p;
        uint32_t mb[3];
        uint8_t code[4];
    } k = {
        .h = {.e_ident = "\177ELF\1\1\1",
              .e_type = ET_EXEC,
              .e_machine = EM_386,
              .e_entry = 0x100000,
              .e_phoff = sizeof(Elf32_Ehdr),
              .e_phentsize = sizeof(Elf32_Phdr),
              .e_phnum = 1},
        .mb = {MULTIBOOT_MAGIC, 0, (uint32_t)-MULTIBOOT_MAGIC},
        .code = {0xf4, 0xeb, 0xfd},
    };
    k.p = (Elf32_Phdr){.p_type = PT_LOAD,
                       .p_offset = offsetof(__typeof__(k), code),
                       .p_paddr = 0x100000,
                       .p_filesz = sizeof k.code,
                       .p_memsz = sizeof k.code};
    *len = sizeof k;
    return &k;
}

static void discard(void *opaque, const char *source, const void *bytes, size_t len)
{
    (void)opaque, (void)source, (void)bytes, (void)len;
}

struct machine *pc_reset(void)
{
    static const char *const ports[] = {"root", "vm.a"};
    struct err err;
    err_clear(&err);
    if (!machine) {
        static struct net_card_config nics[2];
        struct net_hub *const hub = net_hub_new();
        for (unsigned i = 0; i < 2; i++)
            nics[i] = (struct net_card_config){
                .index = i, .mac = {2, 0, 0, 0, 0, (uint8_t)i}, .backend = net_hub_port(hub)};
        static struct machine_disk disk;
        disk = (struct machine_disk){memdisk_new(1 << 20), MACHINE_VIRTIO, false};
        struct machine_config cfg = {.memory = PC_MEMORY,
                                     .smp = 2,
                                     .kernel_name = "kernel",
                                     .console_ports = ports,
                                     .console_port_count = 2,
                                     .test_devices = true,
                                     .display = true,
                                     .nics = nics,
                                     .nic_count = 2,
                                     .disks = &disk,
                                     .disk_count = 1,
                                     .rng = true,
                                     .iommu = true,
                                     .output = discard};
        cfg.kernel = make_kernel(&cfg.kernel_len);
        machine = machine_new(&cfg, &err);
    }
    if (!machine || machine_reset(machine, &err)) {
        err_print(&err);
        exit(1);
    }
    return machine;
}

void pc_enter_64(struct machine *m, uint64_t rip)
{
    struct boot b = {.ram = m->ram, .cpu = m->cpu[0]};
    boot_enter_64(&b, rip);
}

void pc_enter_16(struct machine *m, uint32_t ip)
{
    struct cpu *const c = m->cpu[0];
    cpu_reset(c);
    c->seg[SEG_CS].sel = 0;
    c->seg[SEG_CS].base = 0;
    c->rip = ip;
    cpu_update_mode(c);
}

void pc_write(struct machine *m, uint64_t at, const void *bytes, size_t len)
{
    ram_write(m->ram, hpa(at), bytes, len);
}
