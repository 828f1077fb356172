/*
 * drv/con.c: named consoles. With a virtio-console, console NAME is the port of that name, and
 * text is sent a line at a time or after 10 ms; without it (or for names without a port) lines of
 * the log and of VMs go to COM1 with the prefix "[NAME] ", and what is typed there goes to the
 * first VM. Other names need a port.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"

#define CON_BUFFER   2048u
#define CON_FLUSH_NS 10000000ull
#define CON_SPIN     1000000u

struct con {
    struct con *next;
    char name[RT_NAME + 8];
    int port; /* of the virtio-console; -1: COM1 */
    bool open;
    bool line_start; /* COM1: prefix due */
    struct queue *input;
    size_t fill;
    uint64_t since; /* when the first byte of the buffer came */
    char buffer[CON_BUFFER];
    struct ktimer timer;
};

static struct con *con_list;
static struct con *con_root;
static struct con *con_last; /* who wrote to COM1 last */
static bool con_virtio;

static const char *con_label(const struct con *c)
{
    return !strncmp(c->name, "vm.", 3) ? c->name + 3 : c->name;
}

static void con_uart_prefix(struct con *c)
{
    uart_write("[", 1);
    uart_write(con_label(c), strlen(con_label(c)));
    uart_write("] ", 2);
    c->line_start = false;
}

static void con_uart(struct con *c, const char *text, size_t n)
{
    if (con_last && con_last != c && !con_last->line_start) {
        uart_write("\n", 1);
        con_last->line_start = true;
    }
    con_last = c;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r')
            continue; /* uart_write makes its own */
        if (c->line_start)
            con_uart_prefix(c);
        uart_write(&text[i], 1);
        c->line_start = text[i] == '\n';
    }
}

static void con_flush(struct con *c)
{
    if (!c->fill)
        return;
    if (c->port < 0) {
        con_uart(c, c->buffer, c->fill);
        c->fill = 0;
        return;
    }
    for (unsigned i = 0; i < CON_SPIN; i++) {
        if (vcons_write(c->port, c->buffer, c->fill)) {
            c->fill = 0;
            return;
        }
        __asm__ volatile("pause");
    }
    c->fill = 0; /* nobody takes it: the text is lost */
}

/* The timer is not stopped when a line leaves before it; it then goes on for the next one. */
static void con_timer(void *arg)
{
    struct con *c = arg;
    if (c->fill && time_now() < c->since + CON_FLUSH_NS)
        time_arm(&c->timer, c->since + CON_FLUSH_NS);
    else
        con_flush(c);
}

void con_write(struct con *c, const char *text, size_t n)
{
    bool line = false;
    for (size_t i = 0; i < n; i++) {
        if (!c->fill)
            c->since = time_now();
        c->buffer[c->fill++] = text[i];
        line |= text[i] == '\n';
        if (c->fill == CON_BUFFER)
            con_flush(c);
    }
    if (line)
        con_flush(c);
    else if (c->fill && !c->timer.armed)
        time_arm(&c->timer, c->since + CON_FLUSH_NS);
}

void con_flush_all(void)
{
    for (struct con *c = con_list; c; c = c->next) {
        con_flush(c);
        for (unsigned i = 0; c->port >= 0 && i < CON_SPIN && !vcons_idle(c->port); i++)
            __asm__ volatile("pause");
    }
}

static void con_deliver(struct con *c, const uint8_t *data, size_t n)
{
    while (c->input && n) {
        size_t part = n < RT_MSG_DATA ? n : RT_MSG_DATA;
        queue_send(c->input, RT_MSG_CONSOLE, 0, data, part);
        data += part;
        n -= part;
    }
}

void con_input(int port, const uint8_t *data, size_t n)
{
    for (struct con *c = con_list; c; c = c->next)
        if (c->port == port)
            con_deliver(c, data, n);
}

static void con_uart_input(uint8_t ch)
{
    struct con *first = 0;
    for (struct con *c = con_list; c; c = c->next)
        if (c->port < 0 && c->input && c != con_root)
            first = c; /* the list grows at its head */
    if (first)
        con_deliver(first, &ch, 1);
}

struct con *con_open(const char *name, struct queue *q)
{
    struct con *c = con_list;
    while (c && strcmp(c->name, name))
        c = c->next;
    if (c && c->open && (c != con_root || c->input))
        return 0; /* the log's console takes a reader */
    if (!c) {
        const int port = con_virtio ? vcons_port(name) : -1;
        const bool on_com1 = !con_root || !strncmp(name, "vm.", 3);
        c = port >= 0 || on_com1 ? kmalloc(sizeof(*c)) : 0;
        if (!c)
            return 0;
        rt_strcpy(c->name, name, sizeof(c->name));
        c->port = port;
        c->line_start = true;
        c->timer.fn = con_timer;
        c->timer.arg = c;
        c->next = con_list;
        con_list = c;
    }
    c->open = true;
    c->input = q;
    queue_ref(q);
    return c;
}

void con_close(struct con *c)
{
    con_flush(c);
    queue_unref(c->input);
    c->input = 0;
    c->open = false;
}

static void con_log(const char *text, size_t n)
{
    con_write(con_root, text, n);
}

void con_init(void)
{
    con_virtio = vcons_init();
    irq_off();
    con_root = con_open("root", 0);
    if (!con_root)
        rt_panic("no memory for the console");
    rt_log_set_sink(con_log);
    if (con_root->port < 0)
        uart_listen(con_uart_input);
    irq_on();
}
