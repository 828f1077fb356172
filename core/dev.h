/*
 * core/dev.h: what every device has: a class with a field table (style.md 2.13).
 *
 * The field table describes the device's state, so reset, hash, inspect and later snapshots need
 * no code per device. State fields are integers or arrays of bytes/integers inside the device's
 * struct; derived and wiring members are simply not listed.
 */
#ifndef CORE_DEV_H
#define CORE_DEV_H

#include <stddef.h>
#include <stdint.h>

struct field {
    const char *name;
    uint32_t offset;
    uint32_t size;  /* bytes of one element: 1, 2, 4, 8 */
    uint32_t count; /* elements */
    uint64_t reset; /* value at reset (of each element) */
    const char *help;
};

#define FIELD(type, member, reset_value, help_text)                                             \
    {                                                                                           \
#member, offsetof(type, member), sizeof(((type *)0)->member), 1, reset_value, help_text \
    }
#define FIELD_ARRAY(type, member, reset_value, help_text)                                        \
    {                                                                                            \
#member, offsetof(type, member), sizeof(((type *)0)->member[0]),                         \
            sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]), reset_value, help_text \
    }
#define FIELD_END              \
    {                          \
        NULL, 0, 0, 0, 0, NULL \
    }

struct dev;

struct dev_class {
    const char *name;
    const struct field *fields;
    void (*reset)(struct dev *d); /* after the fields have their reset values; may be NULL */
    void (*free)(struct dev *d);  /* may be NULL */
    /* at the end of S3, instead of the reset: for what keeps state in it; may be NULL */
    void (*wake)(struct dev *d);
};

/* First member of every device's struct. */
struct dev {
    const struct dev_class *cls;
    const char *id; /* unique in the machine: "lapic0", "uart0" */
    struct dev *next;
};

void dev_reset(struct dev *d); /* applies the field table, then cls->reset */
uint64_t fields_hash(const void *object, const struct field *fields, uint64_t seed);
/* Only what is not at its reset value: fields may be added to a table without changing the hash of
 * those who do not use them. */
uint64_t fields_hash_changed(const void *object, const struct field *fields, uint64_t seed);
void fields_reset(void *object, const struct field *fields);

#endif
