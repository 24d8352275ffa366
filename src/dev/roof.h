/* What this machine can do at most: loops that do nothing but multiply and add, or move memory. What a kernel
 * reaches is told as a share of the roof measured in the same run. There are several forms of most loops, and the
 * best counts: which one is fastest differs between cores. Files of dev/roof/ are named by instruction set, like the
 * folders of kernels.
 *
 * A loop works on the memory that it is given (nobody else's meanwhile, `bytes` long, a multiple of 64 KiB, starting on
 * a cache line) and returns the operations done, or the bytes moved. */
#ifndef DEV_ROOF_H
#define DEV_ROOF_H

#include "base/compiler.h"
#include <stdbool.h>

typedef enum roof_kind {
    ROOF_NONE, /* closes a table */
    ROOF_F32,
    ROOF_BF16,
    ROOF_INT8,
    ROOF_READ,
    ROOF_COPY,        /* plain loads and stores, bytes read + written */
    ROOF_COPY_STREAM, /* with stores past the cache */
    ROOF_UPDATE,      /* in place, bytes read + written: no line is fetched only to be stored */
    ROOF_KINDS
} roof_kind;

typedef struct roof_def {
    roof_kind kind;
    const char *form; /* what tells it from the others of its kind */
    double (*run)(void *memory, int64_t bytes, int64_t rounds);
} roof_def;

extern const roof_def *const registry_roof[];
/* The instruction sets, beside the tables. */
extern const char *const registry_roof_names[];

static inline const char *roof_name(roof_kind kind) {
    static const char *const names[] = {"none", "f32",  "bf16",        "int8",
                                        "read", "copy", "copy.stream", "update"};
    return names[kind];
}
static inline bool roof_is_memory(roof_kind kind) {
    return kind >= ROOF_READ;
}

#endif
