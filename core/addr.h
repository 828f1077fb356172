/*
 * core/addr.h: the five address spaces as types (style.md 2.4).
 *
 * Nesting plus DMA makes it easy to pass an address of one space where another is meant, so at
 * module boundaries each space is a one-member struct. Inside a module plain uint64_t is fine.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <stdint.h>

typedef struct { uint64_t v; } gva_t;  /* logical: offset within a segment */
typedef struct { uint64_t v; } gla_t;  /* linear */
typedef struct { uint64_t v; } gpa_t;  /* guest physical: before EPT */
typedef struct { uint64_t v; } hpa_t;  /* machine physical: after EPT, what the bus sees */
typedef struct { uint64_t v; } iova_t; /* device address: before the IOMMU */

static inline gla_t gla(uint64_t v) { return (gla_t){v}; }
static inline gpa_t gpa(uint64_t v) { return (gpa_t){v}; }
static inline hpa_t hpa(uint64_t v) { return (hpa_t){v}; }
static inline iova_t iova(uint64_t v) { return (iova_t){v}; }

#endif
