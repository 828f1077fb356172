/*
 * What to boot: files and built-in images read, recognised and put together as the machine wants
 * them. Three plans: a kernel on the bare machine; the stack with children of the user's; the demo.
 */
#ifndef VITRINE_FRONTENDS_CLI_IMAGES_H
#define VITRINE_FRONTENDS_CLI_IMAGES_H

#include <stdbool.h>

#include "frontends/cli/options.h"
#include "lib/cpio.h"
#include "lib/err.h"
#include "lib/file.h"
#include "devices/boot/boot.h"
#include "machine/machine.h"

enum plan { PLAN_BARE, PLAN_CHILDREN, PLAN_DEMO };

#define IMAGES_MODULES 8
#define IMAGES_LINE    2048 /* a module's command line */
#define IMAGES_ROMS    4
#define IMAGES_DISKS   24
#define IMAGES_PORTS   (OPT_LIST_MAX + 2)
#define VM_DISKS       16

struct vm_spec {
    char name[32];
    uint64_t memory; /* bytes */
    unsigned cpus;
    uint64_t stop_after;                  /* ns of virtual time; 0: never */
    const char *kernel, *initrd, *append; /* point into the specification's copy */
    const char *disk[VM_DISKS];
    bool is_dvd[VM_DISKS];
    unsigned nsid[VM_DISKS]; /* their namespaces on the machine's NVMe controller */
    unsigned disks;
    bool net, net_user; /* a card on the switch; the machine wants a user network */
    bool has_mac;
    uint8_t mac[6];
    unsigned vlan; /* 0: untagged; 4095: all, with their tags */
    char *copy;
};

struct images {
    enum plan plan;
    struct file kernel, vga_rom;
    struct file firmware, firmware_vars;
    struct file option_rom[IMAGES_ROMS];
    struct boot_module option_roms[IMAGES_ROMS];
    unsigned option_rom_count;
    char firmware_path[1024], vars_path[1024];
    struct file module_file[IMAGES_MODULES];
    struct boot_module module[IMAGES_MODULES];
    char module_line[IMAGES_MODULES][IMAGES_LINE];
    unsigned module_count;
    struct vm_spec vm[OPT_LIST_MAX];
    unsigned vm_count;
    struct cpio vms;
    struct machine_disk disk[IMAGES_DISKS];
    unsigned disk_count;
    const char *port[IMAGES_PORTS];
    char port_text[IMAGES_PORTS][40];
    unsigned port_count;
    char cmdline[2048];
    const void *kernel_bytes;
    size_t kernel_len;
    const char *kernel_name;
};

/* Kinds of file by their first bytes. */
enum image_kind {
    IMAGE_UNKNOWN,
    IMAGE_BZIMAGE,
    IMAGE_ELF,
    IMAGE_CPIO,  /* also compressed: an initial RAM disk */
    IMAGE_DISK,  /* qcow2, VHD, VHDX, or with a boot sector */
    IMAGE_CDROM, /* ISO 9660 without one */
    IMAGE_TEXT,
};
enum image_kind image_kind_of(const uint8_t *bytes, size_t size);
/* Of a file, by its first 64 KiB; IMAGE_UNKNOWN when it cannot be read. */
enum image_kind image_kind_of_file(const char *path);

/* Parse one --vm value; vm_spec_free takes it back, also after an error. */
int vm_spec_parse(struct vm_spec *vm, const char *text, unsigned index, struct err *err);
void vm_spec_free(struct vm_spec *vm);
/* A --vm says net=user. Malformed ones do not count: images_prepare tells of them. */
bool vms_want_user_net(const struct options *o);

/* vms.cpio from the specifications (reads the kernels and initrds). */
int vms_build(struct cpio *out, const struct vm_spec *vm, unsigned count, bool stay,
              uint64_t *image_bytes, struct err *err);

/* Everything that the options say, into a machine configuration. Pointers stay valid until
 * images_free. */
int images_prepare(struct images *im, const struct options *o, struct machine_config *cfg,
                   struct err *err);
/* The VGA BIOS that Debian's package brings for a firmware image; NULL: none is there. */
const char *firmware_vga_rom(const struct images *im);
/* File of a short name ("seabios", "ovmf"); NULL: not installed, or no such name. */
const char *firmware_find(const char *name);
/* --firmware and its variables into im; the variables back into their file (--firmware-save). */
int firmware_prepare(struct images *im, const struct options *o, struct err *err);
int firmware_save(const struct options *o, struct machine *m, struct err *err);
/* disks.c: --disk and --cdrom opened; one more by its name alone. */
int disks_prepare(struct images *im, const struct options *o, struct err *err);
/* One more disk, as --disk says it. */
int disks_add(struct images *im, const char *text, struct err *err);
int disks_add_file(struct images *im, const char *path, bool is_cdrom, struct err *err);
int disks_add_dvd(struct images *im, const char *path, struct err *err); /* of a child */
void disks_free(struct images *im);

void images_free(struct images *im);

#endif
