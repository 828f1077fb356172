/* Fuzz target: command lines, machine files and VM specifications. */
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/images.h"
#include "frontends/cli/options.h"
#include "tests/fuzz/fuzz.h"

/* The input's lines are the words. */
static void command_line(char *text)
{
    static struct options o;
    struct err err;
    char *words[64];
    int n = 0;
    for (char *w = strtok(text, "\n"); w && n < 64; w = strtok(NULL, "\n"))
        words[n++] = w;
    err_clear(&err);
    options_parse(&o, 'r', n, words, &err);
    for (unsigned i = 0; i < opt_list_count(&o, OPT_ID_VM); i++) {
        struct vm_spec vm;
        err_clear(&err);
        vm_spec_parse(&vm, opt_list(&o, OPT_ID_VM, i), i, &err);
        vm_spec_free(&vm);
    }
}

static void machine_file(char *text)
{
    static struct options o;
    struct err err;
    err_clear(&err);
    options_parse(&o, 'r', 0, NULL, &err);
    options_parse_file(&o, "file", text, &err);
}

static void one(const uint8_t *data, size_t len)
{
    char *const text = malloc(len + 1);
    if (!text)
        return;
    memcpy(text, data, len);
    text[len] = 0;
    machine_file(text);
    memcpy(text, data, len);
    command_line(text);
    image_kind_of(data, len);
    free(text);
}

static size_t seed(unsigned n, uint8_t *to)
{
    static const char *const texts[] = {
        "--vm=name=a,memory=16M,kernel=/dev/null,append='x y=z',cpus=2\n--smp\n2\n-m\n512M\n",
        "machine.cpus = 2\nboot.append = \"a b\" # c\nvm = name=a\nrun.timeout = 90s\n",
        "-nographic\n-kernel\nk\n-append\nconsole=ttyS0\n--trace=vmx:*\n-o\nrun.until=x\n--gdb="
        "12\n",
    };
    if (n >= sizeof texts / sizeof texts[0])
        return 0;
    memcpy(to, texts[n], strlen(texts[n]));
    return strlen(texts[n]);
}

const struct fuzz_target fuzz_options = {
    "options", "command lines, machine files, VM specifications", NULL, one, seed, 200};
