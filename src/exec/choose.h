/* Which kernel runs a node: the best instruction set that is there and not masked, and on it the
 * first kernel that supports the node. Why the others were refused is kept for `hone explain`. */
#ifndef EXEC_CHOOSE_H
#define EXEC_CHOOSE_H

#include "base/cpu.h"
#include "dev/plugin.h"

typedef struct refusal {
    const kernel_def *kernel;
    char why[REASON_BYTES];
    struct refusal *next;
} refusal;

typedef struct choice {
    const kernel_def *kernel; /* NULL: the reference */
    refusal *refused;         /* those that would have come first */
} choice;

/* `isa_limit`: the best instruction set that may be used. `plugins`: their tables, closed by NULL, or NULL. */
status choose_kernel(const kernel_query *q, cpu_isa isa_limit, const plugin_table *const *plugins,
                     arena *mem, choice *out);

#endif
