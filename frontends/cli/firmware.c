/*
 * --firmware: a short name of Debian's packages or a file; UEFI firmware in two files brings the
 * template of its variables, which the machine gets a copy of.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontends/cli/images.h"

#define FIRMWARE_LIMIT (16u << 20)

static const struct {
    const char *name, *path;
} known[] = {
    {"seabios", "/usr/share/seabios/bios-256k.bin"},
    {"seabios", "/usr/share/seabios/bios.bin"},
    {"ovmf", "/usr/share/OVMF/OVMF_CODE.fd"},
    {"ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd"},
    {"ovmf", "/usr/share/ovmf/OVMF.fd"},
};

static bool is_short(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0)
            return true;
    }
    return false;
}

const char *firmware_find(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0 && access(known[i].path, R_OK) == 0)
            return known[i].path;
    }
    return NULL;
}

static const char *path_of(const char *name, struct err *err)
{
    if (access(name, F_OK) == 0 || !is_short(name))
        return name; /* when there is none, reading it says what is wrong */
    const char *const path = firmware_find(name);
    if (!path) {
        err_set(err, "E-FILE-001", -ENOENT, "firmware \"%s\" is not installed", name);
        err_hint(err, "Debian: apt-get install %s; or give a file", name);
    }
    return path;
}

/* .../OVMF_CODE.fd has its variables in .../OVMF_VARS.fd: false when there is no such file. */
static bool find_vars(char *out, size_t size, const char *code)
{
    const char *const base = strrchr(code, '/'), *const at = strstr(base ? base : code, "_CODE");

    if (!at || strlen(code) >= size)
        return false;
    snprintf(out, size, "%.*s_VARS%s", (int)(at - code), code, at + 5);
    return access(out, R_OK) == 0;
}

int firmware_prepare(struct images *im, const struct options *o, struct err *err)
{
    const char *const name = opt_text(o, OPT_ID_FIRMWARE);
    const char *const path = path_of(name ? name : "seabios", err);
    const char *const vars = opt_text(o, OPT_ID_FIRMWARE_VARS);

    if (!path)
        return err->code;
    if (file_read(&im->firmware, path, FIRMWARE_LIMIT, err) < 0)
        return err_wrap(err, "cannot load the firmware");
    snprintf(im->firmware_path, sizeof(im->firmware_path), "%s", path);
    if (vars)
        snprintf(im->vars_path, sizeof(im->vars_path), "%s", vars);
    else if (!find_vars(im->vars_path, sizeof(im->vars_path), path))
        return 0;
    if (file_read(&im->firmware_vars, im->vars_path, FIRMWARE_LIMIT, err) < 0)
        return err_wrap(err, "cannot load the firmware's variables");
    return 0;
}

const char *firmware_vga_rom(const struct images *im)
{
    static const char rom[] = "/usr/share/seabios/vgabios-stdvga.bin";

    if (strncmp(im->firmware_path, "/usr/share/seabios/", 19) != 0 || access(rom, R_OK) != 0)
        return NULL;
    return rom;
}

int firmware_save(const struct options *o, struct machine *m, struct err *err)
{
    const char *const path = opt_text(o, OPT_ID_FIRMWARE_VARS);
    size_t len;
    const void *const bytes = machine_firmware_vars(m, &len);

    if (!opt_text(o, OPT_ID_FIRMWARE_SAVE) || !path || !bytes)
        return 0;
    FILE *const f = fopen(path, "wb");
    if (!f)
        return err_set(err, "E-FILE-005", -errno, "%s", path);
    const bool ok = fwrite(bytes, 1, len, f) == len;
    if (fclose(f) != 0 || !ok)
        return err_set(err, "E-FILE-005", -EIO, "%s", path);
    return 0;
}
