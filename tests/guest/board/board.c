/*
 * tests/guest/board: a multiboot guest that tests a PC's old board logic: the A20 gate by both its
 * handles, x87 errors by IRQ 13, the PM block moved, the test device's bytes. Linked at 2 MiB,
 * where a closed gate changes no address of its own. Prints "ok NAME" or "not ok NAME".
 */
#include "abi/pci.h"
#include "tests/lib/ports.h"

#define IRQ13    0x75 /* vectors: the pair at 0x68 and 0x70 */
#define MASTER   0x20
#define SLAVE    0xa0
#define CR0_NE   0x20u
#define LPC      31
#define PMBASE   0x40
#define ACPI_ON  0x44
#define PM_USUAL 0x600
#define PM_OTHER 0xb000

static int failures;

static void check(int good, const char *name)
{
    print(good ? "ok board: " : "not ok board: ");
    print(name);
    print("\n");
    failures += !good;
}

/* ---- A20 ---- */

static volatile uint32_t *const even = (uint32_t *)0x400010, *const odd = (uint32_t *)0x500010;

/* Bit 20 of addresses: 1 reaches memory, 0 is cut off. */
static int is_open(void)
{
    *even = 0x11111111;
    *odd = 0x22222222;
    return *even == 0x11111111 && *odd == 0x22222222;
}

static void controller(uint8_t command, int argument)
{
    outb(0x64, command);
    if (argument >= 0)
        outb(0x60, (uint8_t)argument);
}

static void test_a20(void)
{
    check(is_open(), "the gate is open at first");
    *odd = 0x33333333;
    outb(0x92, 0);
    check(!is_open() && *even == 0x22222222, "port 92 closes the gate: odd megabytes are the even");
    check(!(inb(0x92) & 2), "port 92 says so");
    outb(0x92, 2);
    check(*odd == 0x33333333, "what was behind the gate is still there");
    check(is_open() && (inb(0x92) & 2), "port 92 opens the gate");
    controller(0xd1, 0xdd);
    check(!is_open(), "the keyboard controller's output port closes it");
    controller(0xdf, -1);
    check(is_open(), "command DF opens it");
    controller(0xdd, -1);
    check(!is_open(), "command DD closes it");
    controller(0xd1, 0xdf);
    check(is_open(), "the output port opens it");
    /* code, too: the same bytes at both places only while the gate is closed */
    static const uint8_t one[] = {0xb8, 1, 0, 0, 0, 0xc3}, two[] = {0xb8, 2, 0, 0, 0, 0xc3};
    for (unsigned i = 0; i < sizeof one; i++) {
        ((volatile uint8_t *)0x400100)[i] = one[i];
        ((volatile uint8_t *)0x500100)[i] = two[i];
    }
    int (*const code)(void) = (int (*)(void))(uintptr_t)0x500100;
    const int before = code();
    outb(0x92, 0);
    const int closed = code();
    outb(0x92, 2);
    check(before == 2 && closed == 1 && code() == 2, "instructions are fetched through the gate");
}

/* ---- IRQ 13 ---- */

static struct {
    uint16_t low, sel, type, high;
} idt[256] __attribute__((aligned(8)));
static volatile unsigned irqs, faults;
static volatile uint16_t status; /* x87, as the handler found it */

__attribute__((used)) static void on_irq13(void)
{
    uint16_t sw;
    irqs++;
    __asm__ volatile("fnstsw %0" : "=m"(sw));
    status = sw;
    outb(0xf0, 0);
    __asm__ volatile("fld1\n\tfstp %%st(0)" : : : "memory"); /* waits for ever without IGNNE# */
    __asm__ volatile("fnclex");
    outb(SLAVE, 0x20);
    outb(MASTER, 0x20);
}
__attribute__((used)) static void on_fault(void)
{
    faults++;
    __asm__ volatile("fnclex");
}
void irq13_entry(void), fault_entry(void);
__asm__(".globl irq13_entry, fault_entry\n"
        "irq13_entry: pusha\n\tcld\n\tcall on_irq13\n\tpopa\n\tiret\n"
        "fault_entry: pusha\n\tcld\n\tcall on_fault\n\tpopa\n\tiret\n");

static void set_gate(unsigned n, void (*fn)(void))
{
    uint16_t cs;
    __asm__("mov %%cs, %0" : "=r"(cs));
    idt[n].low = (uint16_t)(uintptr_t)fn;
    idt[n].sel = cs;
    idt[n].type = 0x8e00;
    idt[n].high = (uint16_t)((uintptr_t)fn >> 16);
}

static void set_cr0(uint32_t clear, uint32_t set)
{
    uint32_t v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    __asm__ volatile("mov %0, %%cr0" : : "r"((v & ~clear) | set) : "memory");
}

/* 1/0 with the exception unmasked, then an instruction that waits. */
static void divide(void)
{
    static const uint16_t cw = 0x37b;
    __asm__ volatile("fninit\n\tfldcw %0\n\tfldz\n\tfld1\n\tfdivp\n\tfwait\n\tfninit" : : "m"(cw));
}

static void test_ferr(void)
{
    const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) idtr = {sizeof idt - 1, (uint32_t)(uintptr_t)idt};

    set_gate(IRQ13, irq13_entry);
    set_gate(16, fault_entry);
    __asm__ volatile("lidt %0" : : "m"(idtr));
    static const uint8_t init[][2] = {
        {MASTER, 0x11}, {MASTER + 1, 0x68}, {MASTER + 1, 4}, {MASTER + 1, 1}, {MASTER + 1, 0xfb},
        {SLAVE, 0x11},  {SLAVE + 1, 0x70},  {SLAVE + 1, 2},  {SLAVE + 1, 1},  {SLAVE + 1, 0xdf}};
    for (unsigned i = 0; i < sizeof init / sizeof init[0]; i++)
        outb(init[i][0], init[i][1]);

    set_cr0(CR0_NE | 12, 2); /* EM and TS off, MP on */
    __asm__ volatile("sti");
    divide();
    check(irqs == 1 && faults == 0, "with CR0.NE clear an x87 error is IRQ 13");
    check((status & 0x84) == 0x84, "its handler finds the error pending");
    divide();
    check(irqs == 2, "the next error interrupts again");
    __asm__ volatile("cli");
    set_cr0(0, CR0_NE);
    divide();
    check(irqs == 2 && faults == 1, "with CR0.NE set it is #MF");
    /* an error that is gone before anything waits interrupts nobody */
    set_cr0(CR0_NE, 0);
    static const uint16_t cw = 0x37b;
    __asm__ volatile("sti\n\tfninit\n\tfldcw %0\n\tfldz\n\tfld1\n\tfdivp\n\tfnclex\n\tfwait\n\t"
                     "fninit\n\tcli"
                     :
                     : "m"(cw));
    check(irqs == 2, "an error that was cleared does not interrupt");
}

/* ---- PM block ---- */

static void config_write(unsigned reg, uint32_t v)
{
    outl(PCI_CONFIG_ADDRESS, PCI_CF8(0, LPC, 0, reg));
    outl(PCI_CONFIG_DATA, v);
}
static uint32_t config_read(unsigned reg)
{
    outl(PCI_CONFIG_ADDRESS, PCI_CF8(0, LPC, 0, reg));
    return inl(PCI_CONFIG_DATA);
}

static int timer_runs(uint16_t base)
{
    const uint32_t a = inl(base + 8);
    for (volatile unsigned i = 0; i < 1000; i++)
        ;
    return a != 0xffffffff && inl(base + 8) != a;
}

static void test_pm(void)
{
    check(timer_runs(PM_USUAL) && config_read(PMBASE) == (PM_USUAL | 1), "the PM block's place");
    config_write(PMBASE, PM_OTHER | 1);
    check(timer_runs(PM_OTHER) && inl(PM_USUAL + 8) == 0xffffffff, "PMBASE moves the PM block");
    check(config_read(PMBASE) == (PM_OTHER | 1), "PMBASE reads back");
    config_write(ACPI_ON, 0);
    check(inl(PM_OTHER + 8) == 0xffffffff, "ACPI_CNTL switches it off");
    config_write(ACPI_ON, 0x80);
    check(timer_runs(PM_OTHER), "and on");
    config_write(PMBASE, COM1 & 0xff80); /* onto the serial ports: refused, these go on */
    check(inb(COM1 + 5) & 0x20, "a PM block on other ports takes none away");
    config_write(PMBASE, PM_USUAL | 1);
    check(timer_runs(PM_USUAL), "it can be moved back");
}

/* ---- test device ---- */

static void test_bytes(void)
{
    outl(0xe0, 0x44332211);
    check(inb(0xe8) == 0x11 && inb(0xea) == 0x33 && inb(0xeb) == 0x44, "bytes behind e8, ea, eb");
    outb(0xe8, 0xa1);
    outb(0xeb, 0xa4);
    check(inl(0xe0) == 0xa43322a1, "and written");
}

__attribute__((used)) static void guest(void)
{
    test_a20();
    test_ferr();
    test_pm();
    test_bytes();
    outb(0xf4, failures != 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* The header lies in the first 8 KiB of the file, as multiboot wants it. */
__asm__(".section .text\n\t.balign 4\n\t.long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n_start: mov $0x3ff000, %esp\n\tcld\n\tcall guest\n");
