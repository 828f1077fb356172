/*
 * user/ulib.c: entry and system calls of the root's processes.
 */
#include "partitions/root/user/ulib.h"

static char u_name[48] = "?";

void u_start(const char *args);

__asm__(".section .text.start,\"ax\"\n"
        ".globl _start\n"
        "_start: call u_start\n"
        "    ud2\n"
        ".previous\n");

int64_t u_call(unsigned number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    int64_t result = number;
    register uint64_t r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
                     :
                     : "rcx", "r8", "r9", "r11", "memory", "cc");
    return result;
}

void u_exit(int64_t code)
{
    for (;;)
        u_call1(SYS_EXIT, (uint64_t)code);
}

__attribute__((force_align_arg_pointer)) void u_start(const char *args)
{
    u_exit(u_main(args));
}

void u_set_name(const char *name)
{
    rt_strcpy(u_name, name, sizeof(u_name));
}

void u_log(const char *fmt, ...)
{
    char line[240];
    va_list ap;
    size_t n = (size_t)rt_format(line, sizeof(line), "%s: ", u_name);
    va_start(ap, fmt);
    n += (size_t)rt_vformat(line + n, sizeof(line) - 1 - n, fmt, ap);
    va_end(ap);
    if (n > sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n++] = '\n';
    u_call2(SYS_LOG, (uint64_t)line, n);
}

int64_t u_send(uint64_t queue, uint32_t type, const void *data, size_t n)
{
    return u_call(SYS_SEND, queue, type, (uint64_t)data, n);
}

int64_t u_thread(void (*entry)(void *arg), void *arg, size_t stack_size)
{
    int64_t stack = u_call1(SYS_MEMORY, stack_size);
    if (stack < 0)
        return stack;
    /* An entry function finds the stack as after a call. */
    return u_call3(SYS_THREAD, (uint64_t)entry, (uint64_t)arg, (uint64_t)stack + stack_size - 8);
}

void u_lock(struct u_lock *l)
{
    uint32_t expected = 0;
    if (__atomic_compare_exchange_n(&l->word, &expected, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
        u_call1(SYS_MUTEX, (uint64_t)&l->word);
}

void u_unlock(struct u_lock *l)
{
    if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2)
        u_call1(SYS_WAKE, (uint64_t)&l->word);
}
