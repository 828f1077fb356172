/*
 * vmwp/crash.c: what a guest says when it crashes (TLFS "guest crash enlightenment"): five
 * parameters of its own choice or, in place of two of them, address and length of a text: Linux
 * gives the end of its log. The VM goes on: what the guest does next is its own matter.
 */
#include "partitions/root/vmwp/crash.h"
#include "partitions/root/vmwp/vmwp.h"

#define TEXT_MAX  4096u
#define LINE_SAID 160u /* bytes of a line of the guest's text */
#define REPORTS   8u   /* that are heard: a guest that goes on and on fills no queue */

static void say_text(const char *text, uint64_t size)
{
    char line[LINE_SAID + 1];
    unsigned n = 0;
    for (uint64_t i = 0; i <= size; i++) {
        const char c = i < size ? text[i] : '\n';
        if (c != '\n') {
            if (n < LINE_SAID)
                line[n++] = c >= ' ' && c <= '~' ? c : '.';
            continue;
        }
        line[n] = 0;
        if (n)
            u_log("crash: | %s", line);
        n = 0;
    }
}

void crash_reported(uint64_t ctl)
{
    static char text[TEXT_MAX];
    static unsigned reports;
    struct hv_reg_assoc p[RT_CRASH_PARAMETERS] = {{0}};
    struct rt_vm_crash news;
    if (++reports > REPORTS)
        return;
    for (uint32_t i = 0; i < RT_CRASH_PARAMETERS; i++)
        p[i].name = HV_REG_CRASH_P0 + i;
    u_call(SYS_VP_REGS, vm.part, 0, (uint64_t)p, RT_CRASH_PARAMETERS | RT_REGS_GET);
    for (uint32_t i = 0; i < RT_CRASH_PARAMETERS; i++)
        news.parameter[i] = p[i].value.q[0];
    u_send(U_PARENT, RT_MSG_VM_CRASH, &news, sizeof(news));
    const uint64_t *n = news.parameter;
    u_log("crash: the guest reports %lx %lx %lx %lx %lx", n[0], n[1], n[2], n[3], n[4]);
    if (!(ctl & HV_CRASH_MESSAGE))
        return;
    const uint8_t *from = n[4] <= TEXT_MAX ? vm_ram(n[3], n[4]) : 0;
    if (!from) {
        u_log("crash: its text is not there");
        return;
    }
    memcpy(text, from, n[4]);
    say_text(text, n[4]);
}
