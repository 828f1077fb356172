/*
 * A root partition small enough to debug the hypervisor with: one thread, no processes. It creates
 * the children, serves COM1's transmitter and the exit port, and counts intercepts. Module n is the
 * ELF image (PVH entry) of child n, the last one also that of those after it; it is loaded into
 * 16 MiB of memory. On its command line:
 *   children=N  that many, 2 unless it says so
 *   hostile     child 0 may do anything, the end of it by a triple fault is a good one
 *   hash        memory and registers of each child that ends by the exit port are hashed
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/guest/mini_root.h"

#define CHILD_MEMORY (16ull << 20)
#define CHILD_BASE   0x6000000ull /* of child n: + n * 32 MiB */
#define POOL_BASE    0x5000000ull
#define VECTOR       0x60
#define VPS          2u
#define LINUX_MEMORY (256ull << 20)

void mini_main(uint32_t info);
void mini_interrupt(void);
void mini_isr(void);

static uint8_t in_page[4096] __attribute__((aligned(4096)));
static uint8_t out_page[4096] __attribute__((aligned(4096)));
static uint8_t call_page[4096] __attribute__((aligned(4096)));
static struct hv_message messages[16] __attribute__((aligned(4096)));
static volatile uint32_t wakeups;

struct kid {
    uint64_t id, base;
    bool hostile, over;
    char line[120]; /* what it printed of its current line */
    unsigned used;
};
static struct kid kids[4];
static unsigned kid_count;
static bool want_hash;

static void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static void put_char(uint8_t c)
{
    uint8_t status;
    do
        __asm__ volatile("inb %1, %0" : "=a"(status) : "Nd"((uint16_t)0x3fd));
    while (!(status & 0x20));
    outb(0x3f8, c);
}

static void put(const char *s)
{
    while (*s)
        put_char((uint8_t)*s++);
}

static void put_hex(const char *name, uint64_t v)
{
    put(name);
    for (int i = 60; i >= 0; i -= 4)
        put_char((uint8_t) "0123456789abcdef"[v >> i & 15]);
    put("\n");
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static uint64_t hypercall(uint64_t control)
{
    uint64_t result;
    register uint64_t out __asm__("r8") = (uint64_t)out_page;
    __asm__ volatile("call *%4"
                     : "=a"(result), "+c"(control)
                     : "d"(in_page), "r"(out), "r"(call_page)
                     : "memory", "r9", "r10", "r11", "cc");
    return result;
}

static void check(const char *what, uint64_t result)
{
    if (HV_HC_STATUS(result))
        put_hex(what, result);
}

static uint64_t simple(uint32_t code)
{
    return hypercall(code);
}

static struct hv_reg_assoc *regs_begin(uint64_t partition, uint32_t vp)
{
    struct hv_in_vp_registers *h = (void *)in_page;
    *h = (struct hv_in_vp_registers){.partition = partition, .vp = vp};
    return (void *)(h + 1);
}

static void regs_end(const struct hv_reg_assoc *end)
{
    const struct hv_reg_assoc *first = (void *)(in_page + sizeof(struct hv_in_vp_registers));
    check("set registers ", hypercall(HV_HC_REP(HVCALL_SET_VP_REGISTERS, end - first)));
}

struct hv_reg_assoc *mini_reg(struct hv_reg_assoc *a, uint32_t name, uint64_t value)
{
    *a = (struct hv_reg_assoc){.name = name, .value.q = {value, 0}};
    return a + 1;
}

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

void mini_copy(void *d, const void *s, uint64_t n)
{
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
}

static uint32_t load(const uint8_t *elf, uint64_t base)
{
    const uint64_t phoff = *(const uint64_t *)(elf + 32);
    const uint16_t phnum = *(const uint16_t *)(elf + 56);
    uint32_t entry = 0;
    const struct elf_segment *s = (const void *)(elf + phoff);
    for (unsigned i = 0; i < phnum; i++) {
        if (s[i].type == 1)
            mini_copy((void *)(base + s[i].paddr), elf + s[i].offset, s[i].filesz);
        else if (s[i].type == 4)
            entry = *(const uint32_t *)(elf + s[i].offset + 16);
    }
    return entry;
}

static bool has(const char *text, const char *word)
{
    for (; *text; text++) {
        unsigned i = 0;
        while (word[i] && text[i] == word[i])
            i++;
        if (!word[i])
            return true;
    }
    return false;
}

static void map(uint64_t id, uint64_t base, uint64_t memory)
{
    const uint32_t flags = HV_MAP_READ | HV_MAP_WRITE | HV_MAP_KEXEC | HV_MAP_LARGE;
    *(struct hv_in_map_gpa *)in_page = (struct hv_in_map_gpa){.partition = id, .flags = flags};
    uint64_t *list = (uint64_t *)(in_page + sizeof(struct hv_in_map_gpa));
    for (uint64_t i = 0; i < memory >> 21; i++)
        list[i] = (base >> 12) + i * 512;
    check("map ", hypercall(HV_HC_REP(HVCALL_MAP_GPA_PAGES, memory >> 21)));
}

static void create_linux(uint64_t id, const uint64_t *mods, const char *cmdline)
{
    map(id, CHILD_BASE, LINUX_MEMORY);
    const uint64_t entry = mini_linux_load(CHILD_BASE, LINUX_MEMORY, (const void *)mods[0], mods[1],
                                           (const void *)mods[4], mods[5], cmdline);
    const unsigned vps = has(cmdline, "vps=2") ? 2 : 1;
    mini_acpi(CHILD_BASE, vps);
    for (uint32_t vp = 0; vp < vps; vp++) {
        *(struct hv_in_create_vp *)in_page = (struct hv_in_create_vp){.partition = id, .vp = vp};
        check("create VP ", simple(HVCALL_CREATE_VP));
    }
    if (vps == 2)
        regs_end(mini_reg(regs_begin(id, 1), HV_REG_EXPLICIT_SUSPEND, 0));
    struct hv_reg_assoc *a = mini_linux_registers(regs_begin(id, 0), entry);
    regs_end(mini_reg(a, HV_REG_EXPLICIT_SUSPEND, 0));
}

static uint64_t new_partition(unsigned n)
{
    *(struct hv_in_create_partition *)in_page = (struct hv_in_create_partition){
        .flags = HV_PART_FLAG_LAPIC | HV_PART_FLAG_X2APIC};
    check("create ", simple(HVCALL_CREATE_PARTITION));
    const uint64_t id = *(uint64_t *)out_page;
    uint64_t *list = (uint64_t *)in_page;
    list[0] = id;
    for (unsigned i = 0; i < 511; i++)
        list[1 + i] = (POOL_BASE >> 12) + n * 512 + i;
    check("deposit ", hypercall(HV_HC_REP(HVCALL_DEPOSIT_MEMORY, 511)));
    list[0] = id;
    check("initialize ", simple(HVCALL_INITIALIZE_PARTITION));
    return id;
}

static void map_small(uint64_t id, uint64_t base)
{
    for (uint64_t page = 0; page < CHILD_MEMORY >> 12; page += 256) {
        *(struct hv_in_map_gpa *)in_page = (struct hv_in_map_gpa){
            .partition = id, .gpfn = page, .flags = HV_MAP_READ | HV_MAP_WRITE | HV_MAP_KEXEC};
        uint64_t *list = (uint64_t *)(in_page + sizeof(struct hv_in_map_gpa));
        for (unsigned i = 0; i < 256; i++)
            list[i] = (base >> 12) + page + i;
        check("map ", hypercall(HV_HC_REP(HVCALL_MAP_GPA_PAGES, 256)));
    }
}

static void create(unsigned n, const uint64_t *mods, const char *cmdline)
{
    const uint8_t *elf = (const void *)mods[0];
    struct kid *k = &kids[n];
    const uint64_t id = new_partition(n);
    k->id = id;
    k->base = CHILD_BASE + n * 0x2000000ull;
    k->hostile = !n && has(cmdline, "hostile");
    if (mini_is_linux(elf)) {
        create_linux(id, mods, cmdline);
        return;
    }
    map_small(id, k->base);
    const uint32_t entry = load(elf, k->base);
    for (uint32_t vp = 0; vp < VPS; vp++) {
        *(struct hv_in_create_vp *)in_page = (struct hv_in_create_vp){.partition = id, .vp = vp};
        check("create VP ", simple(HVCALL_CREATE_VP));
    }
    struct hv_reg_assoc *a = regs_begin(id, 0);
    for (unsigned s = 0; s < 6; s++) {
        a->name = HV_REG_ES + s;
        a->value.segment = (struct hv_segment){.limit = 0xffffffff,
                                               .selector = s == 1 ? 8 : 16,
                                               .attributes = s == 1 ? 0xc09b : 0xc093};
        a++;
    }
    a = mini_reg(a, HV_REG_CR0, CR0_PE | CR0_ET);
    a = mini_reg(a, HV_REG_RIP, entry);
    a = mini_reg(a, HV_REG_RBX, 0);
    a = mini_reg(a, HV_REG_RFLAGS, 2);
    a = mini_reg(a, HV_REG_EXPLICIT_SUSPEND, 0);
    regs_end(a);
    regs_end(mini_reg(regs_begin(id, 1), HV_REG_EXPLICIT_SUSPEND, 0));
}

static unsigned running, failed, intercepts;

static uint8_t com1[8];

static struct kid *find(uint64_t id)
{
    for (unsigned i = 0; i < kid_count; i++) {
        if (kids[i].id == id)
            return &kids[i];
    }
    return &kids[0];
}

/* Lines of several children come out whole; a single one may ask questions. */
static void print(struct kid *k, uint8_t c)
{
    if (kid_count == 1) {
        put_char(c);
        return;
    }
    k->line[k->used++] = (char)c;
    if (c != '\n' && k->used < sizeof(k->line) - 1)
        return;
    k->line[k->used] = 0;
    put_char('[');
    put_char((uint8_t)('0' + (k - kids)));
    put("] ");
    put(k->line);
    k->used = 0;
}

static uint64_t mix(uint64_t hash, uint64_t v)
{
    hash = (hash ^ v) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

/* Memory and the registers that hold no time. */
static void hash(const struct kid *k)
{
    static const uint32_t names[] = {
        HV_REG_RAX, HV_REG_RCX,       HV_REG_RDX, HV_REG_RBX,   HV_REG_RSP,
        HV_REG_RBP, HV_REG_RSI,       HV_REG_RDI, HV_REG_RIP,   HV_REG_RFLAGS,
        HV_REG_CR0, HV_REG_CR3,       HV_REG_CR4, HV_REG_EFER,  HV_REG_CS,
        HV_REG_SS,  HV_REG_APIC_BASE, HV_REG_CR8, HV_REG_LSTAR, HV_REG_GUEST_OS_ID};
    const unsigned n = sizeof(names) / sizeof(names[0]);
    uint64_t h = 0;
    for (uint64_t i = 0; i < CHILD_MEMORY / 8; i++)
        h = mix(h, ((const uint64_t *)k->base)[i]);
    regs_begin(k->id, 0);
    mini_copy(in_page + sizeof(struct hv_in_vp_registers), names, sizeof(names));
    check("get registers ", hypercall(HV_HC_REP(HVCALL_GET_VP_REGISTERS, n)));
    for (unsigned i = 0; i < 2 * n; i++)
        h = mix(h, ((const uint64_t *)out_page)[i]);
    put_hex("mini root: state ", h);
}

static void end(struct kid *k, bool good)
{
    if (k->over)
        return;
    k->over = true;
    running--;
    failed += !good;
    if (want_hash && !k->hostile)
        hash(k);
    *(uint64_t *)in_page = k->id;
    check("finalize ", simple(HVCALL_FINALIZE_PARTITION));
    *(uint64_t *)in_page = k->id;
    check("delete ", simple(HVCALL_DELETE_PARTITION));
}

static void serve_io(struct kid *k, const struct hv_intercept_io *m)
{
    uint64_t rax = m->rax;
    const bool in = m->header.access == HV_INTERCEPT_READ;
    if (in)
        rax = m->port == 0x3fd ? 0x60 : (m->port & 0xfff8) == 0x3f8 ? com1[m->port & 7] : 0xff;
    else if (m->port > 0x3f8 && m->port < 0x400)
        com1[m->port & 7] = (uint8_t)rax; /* what was written, and no more of a 16550 */
    else if (m->port == 0x3f8 && !(com1[3] & 0x80))
        print(k, (uint8_t)rax);
    if (!in && m->port == 0xf4) {
        end(k, !(uint8_t)rax);
        return;
    }
    struct hv_reg_assoc *a = regs_begin(k->id, m->header.vp);
    if (in)
        a = mini_reg(a, HV_REG_RAX, rax);
    a = mini_reg(a, HV_REG_RIP, m->header.rip + (m->header.length_cr8 & 15));
    a = mini_reg(a, HV_REG_INTERCEPT_SUSPEND, 0);
    regs_end(a);
}

/* Memory that nobody has: MOV AL, (RDX) reads ones, MOV (RDX), AL is lost, the rest is #GP. */
static void serve_gpa(struct kid *k, const struct hv_intercept_gpa *m)
{
    const bool mov = m->byte_count >= 2 && m->bytes[1] == 0x02 &&
                     (m->bytes[0] == 0x8a || m->bytes[0] == 0x88);
    struct hv_reg_assoc *a = regs_begin(k->id, m->header.vp);
    if (!mov)
        a = mini_reg(a, HV_REG_PENDING_INTERRUPTION,
                     HV_PENDING_INT_VALID | HV_PENDING_TYPE_EXCEPTION << HV_PENDING_INT_TYPE_SHIFT |
                         HV_PENDING_INT_ERRCODE | EXC_GP << HV_PENDING_INT_VECTOR_SHIFT);
    if (mov && m->bytes[0] == 0x8a)
        a = mini_reg(a, HV_REG_RAX, 0xff);
    if (mov)
        a = mini_reg(a, HV_REG_RIP, m->header.rip + 2);
    a = mini_reg(a, HV_REG_INTERCEPT_SUSPEND, 0);
    regs_end(a);
}

/* A crash is reported: nothing to do about it. */
static void serve_msr(struct kid *k, const struct hv_intercept_msr *m)
{
    struct hv_reg_assoc *a = regs_begin(k->id, m->header.vp);
    a = mini_reg(a, HV_REG_RIP, m->header.rip + (m->header.length_cr8 & 15));
    a = mini_reg(a, HV_REG_INTERCEPT_SUSPEND, 0);
    regs_end(a);
}

static void serve(void)
{
    static struct hv_message m;
    struct hv_message *slot = &messages[HV_SINT_INTERCEPT];
    mini_copy(&m, slot, sizeof(m));
    *(volatile uint32_t *)&slot->type = HV_MSG_NONE;
    __sync_synchronize();
    if (slot->flags & HV_MESSAGE_FLAG_PENDING)
        wrmsr(HV_MSR_EOM, 0);
    intercepts++;
    struct kid *k = find(m.sender);
    const struct hv_intercept_gpa *g = (const void *)m.payload;
    if (k->over)
        return; /* its other VP had one more */
    if (m.type == HV_MSG_IO_PORT) {
        serve_io(k, (const void *)m.payload);
        return;
    }
    if (k->hostile && (m.type == HV_MSG_UNMAPPED_GPA || m.type == HV_MSG_GPA_INTERCEPT)) {
        serve_gpa(k, g);
        return;
    }
    if (k->hostile && m.type == HV_MSG_MSR) {
        serve_msr(k, (const void *)m.payload);
        return;
    }
    if (k->hostile && g->header.vp)
        return; /* one VP of it is stuck, the other goes on */
    put_hex("mini root: message ", m.type);
    put_hex("  rip ", g->header.rip);
    if (!k->hostile)
        put_hex("  gpa ", g->gpa);
    end(k, k->hostile && m.type == HV_MSG_UNRECOVERABLE_EXCEPTION);
}

void mini_interrupt(void)
{
    wakeups++;
    wrmsr(MSR_X2APIC_BASE + 0x0b, 0);
}

static void setup_interrupts(void)
{
    static uint64_t idt[512] __attribute__((aligned(16)));
    const uint64_t at = (uint64_t)mini_isr;
    idt[2 * VECTOR] = (at & 0xffff) | 8ull << 16 | 0x8eull << 40 | (at >> 16 & 0xffff) << 48;
    idt[2 * VECTOR + 1] = at >> 32;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) const idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EN | APIC_BASE_EXTD);
    wrmsr(MSR_X2APIC_BASE + 0x0f, 0x1ff);
    wrmsr(HV_MSR_GUEST_OS_ID, 0x8100000000000001ull);
    wrmsr(HV_MSR_HYPERCALL, (uint64_t)call_page | HV_MSR_ENABLE);
    wrmsr(HV_MSR_SIMP, (uint64_t)messages | HV_MSR_ENABLE);
    wrmsr(HV_MSR_SINT0, VECTOR);
    wrmsr(HV_MSR_SCONTROL, HV_MSR_ENABLE);
}

void mini_main(uint32_t info)
{
    const uint32_t *start = (const void *)(uint64_t)info;
    put("mini root: up\n");
    setup_interrupts();
    const uint64_t *mods = (const void *)(uint64_t) * (const uint64_t *)(start + 4);
    const char *cmdline = (const void *)*(const uint64_t *)(start + 6);
    want_hash = has(cmdline, "hash");
    kid_count = has(cmdline, "children=1") ? 1 : has(cmdline, "children=3") ? 3 : 2;
    for (unsigned n = 0; start[3] && n < kid_count; n++) {
        running++;
        create(n, mods + 4 * (n < start[3] ? n : start[3] - 1), cmdline);
    }
    if (has(cmdline, "dma"))
        put(mini_dma(POOL_BASE) ? "mini root: DMA is confined\n" : "mini root: DMA FAIL\n");
    while (running) {
        __asm__ volatile("cli");
        if (messages[HV_SINT_INTERCEPT].type)
            serve();
        else
            __asm__ volatile("sti; hlt");
    }
    put_hex("mini root: intercepts ", intercepts);
    put(failed ? "mini root: FAIL\n" : "mini root: done\n");
    outb(0xf4, failed != 0);
    outb(0x8900, 'S'); /* Bochs: shut down */
    for (const char *s = "Shutdown"; *s; s++)
        outb(0x8900, (uint8_t)*s);
}
