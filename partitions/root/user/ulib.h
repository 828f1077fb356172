/*
 * user/ulib.h: the library of the root's processes: system calls, a lock, log lines.
 */
#ifndef RT_ULIB_H
#define RT_ULIB_H

#include "partitions/root/lib/rt_lib.h"
#include "partitions/root/sysabi.h"

#define U_PARENT 0 /* handle of the parent's queue */

int64_t u_call(unsigned number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

static inline int64_t u_call0(unsigned n)
{
    return u_call(n, 0, 0, 0, 0);
}
static inline int64_t u_call1(unsigned n, uint64_t a)
{
    return u_call(n, a, 0, 0, 0);
}
static inline int64_t u_call2(unsigned n, uint64_t a, uint64_t b)
{
    return u_call(n, a, b, 0, 0);
}
static inline int64_t u_call3(unsigned n, uint64_t a, uint64_t b, uint64_t c)
{
    return u_call(n, a, b, c, 0);
}

static inline uint64_t u_now(void)
{
    return (uint64_t)u_call0(SYS_CLOCK);
}

void u_exit(int64_t code) __attribute__((noreturn));
/* "who: text" as a line of the root's log; u_set_name sets who. */
void u_set_name(const char *name);
void u_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t u_send(uint64_t queue, uint32_t type, const void *data, size_t n);
int64_t u_thread(void (*entry)(void *arg), void *arg, size_t stack_size);

struct u_lock {
    volatile uint32_t word; /* 0 free, 1 taken, 2 taken and waited for */
};
void u_lock(struct u_lock *l);
void u_unlock(struct u_lock *l);

/* The program. */
int64_t u_main(const char *args);

#endif
