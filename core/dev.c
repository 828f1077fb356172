/* core/dev.c: what field tables drive: reset and hash (core/dev.h, style.md 2.13). */
#include "core/dev.h"

#include <string.h>

static uint64_t element_get(const uint8_t *at, uint32_t size)
{
    uint64_t v = 0;
    memcpy(&v, at, size);
    return v;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v;
    h *= 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

void fields_reset(void *object, const struct field *fields)
{
    for (const struct field *f = fields; f && f->name; f++) {
        for (uint32_t i = 0; i < f->count; i++)
            memcpy((uint8_t *)object + f->offset + (size_t)i * f->size, &f->reset, f->size);
    }
}

uint64_t fields_hash(const void *object, const struct field *fields, uint64_t seed)
{
    uint64_t h = seed;
    for (const struct field *f = fields; f && f->name; f++) {
        const uint8_t *at = (const uint8_t *)object + f->offset;
        for (uint32_t i = 0; i < f->count; i++)
            h = mix(h, element_get(at + (size_t)i * f->size, f->size));
    }
    return h;
}

uint64_t fields_hash_changed(const void *object, const struct field *fields, uint64_t seed)
{
    uint64_t h = seed;
    for (const struct field *f = fields; f && f->name; f++) {
        const uint8_t *at = (const uint8_t *)object + f->offset;
        for (uint32_t i = 0; i < f->count; i++) {
            const uint64_t v = element_get(at + (size_t)i * f->size, f->size);
            if (v != f->reset)
                h = mix(mix(h, (uint64_t)(f - fields) << 32 | i), v);
        }
    }
    return h;
}

void dev_reset(struct dev *d)
{
    fields_reset(d, d->cls->fields);
    if (d->cls->reset)
        d->cls->reset(d);
}
