/*
 * kern/queue.c: message queues, the root's only form of inter-process communication: bounded,
 * copied messages, any number of senders, one receiver at a time.
 */
#include "partitions/root/kern/kern.h"

#define QUEUE_LIMIT 256u

struct queue_node {
    struct queue_node *next;
    struct rt_msg msg;
};

struct queue {
    unsigned references, length;
    struct queue_node *head, **tail;
    struct thread *waiter;
};

struct queue *queue_new(void)
{
    struct queue *q = kmalloc(sizeof(*q));
    if (q) {
        q->references = 1;
        q->tail = &q->head;
    }
    return q;
}

void queue_ref(struct queue *q)
{
    if (q)
        q->references++;
}

void queue_unref(struct queue *q)
{
    if (!q || --q->references)
        return;
    for (struct queue_node *n = q->head; n;) {
        struct queue_node *next = n->next;
        kfree(n);
        n = next;
    }
    kfree(q);
}

int queue_send(struct queue *q, uint32_t type, uint64_t sender, const void *data, size_t n)
{
    if (n > RT_MSG_DATA)
        return -RT_EINVAL;
    struct queue_node *node = q->length < QUEUE_LIMIT ? kmalloc(sizeof(*node)) : 0;
    if (!node)
        return -RT_ENOMEM;
    node->msg.type = type;
    node->msg.length = (uint32_t)n;
    node->msg.sender = sender;
    memcpy(node->msg.data, data, n);
    *q->tail = node;
    q->tail = &node->next;
    q->length++;
    if (q->waiter)
        sched_wake(q->waiter);
    return 0;
}

int queue_recv(struct queue *q, struct rt_msg *out, uint64_t deadline)
{
    while (!q->head) {
        if (q->waiter)
            return -RT_EPERM;
        if (!sched_wait(&q->waiter, deadline) && !q->head)
            return -RT_ETIMEDOUT;
    }
    struct queue_node *n = q->head;
    q->head = n->next;
    if (!q->head)
        q->tail = &q->head;
    q->length--;
    *out = n->msg;
    kfree(n);
    return 0;
}
