/* A fast way to run an op on one instruction set. An op works everywhere through its reference; a
 * kernel says for which formats and shapes it can stand in, in how many units the work falls apart,
 * and runs a range of them. What a unit computes never depends on how many units, threads or rows
 * there are: kernels with equal `order` id give equal bits for each output element. */
#ifndef DEV_KERNEL_H
#define DEV_KERNEL_H

#include "graph/op.h"

enum { MAX_VARIANTS = 4, REASON_BYTES = 128 };

typedef struct reason {
    char text[REASON_BYTES];
} reason;
/* Says why not; returns false, so that `return refuse(why, "...")` works. */
bool refuse(reason *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What is known before anything runs: formats and the bounds of the extents. Choice must not depend
 * on the number of rows (tokens), which differs from step to step. */
typedef struct kernel_query {
    const graph *g;
    const node *node;
    const type *in[MAX_IN],
        *out[MAX_OUT]; /* NULL: absent, or an output that nobody reads; one at least is read */
    const num_format *packed[MAX_IN]; /* the packed layout an operand already has, or NULL */
} kernel_query;

/* A layout that a kernel wants a whole operand in (weights in panels). Not a num_format: it is over
 * a matrix. */
typedef struct pack_def {
    const char *name;
    /* `t` is the plain operand. */
    int64_t (*bytes)(const tensor *t);
    int64_t (*units)(const tensor *t);
    void (*run)(const tensor *t, void *packed, int64_t from, int64_t to);
    /* Whether it can also be made straight from a plain operand of this format; NULL: no. */
    bool (*reads)(const num_format *format);
    /* One row of the plain operand back, as floats (embedding tables that are also a head); may be
     * NULL. */
    void (*row)(const tensor *t, const void *packed, int64_t row, float *out);
} pack_def;

typedef struct kernel_def {
    const char *name;
    const op_def *op;
    const char *isa; /* the folder's name */
    uint32_t order;
    bool (*supports)(const kernel_query *q, reason *why_not);
    /* The layout wanted for an operand, or NULL for plain. Given only where the operand is
     * constant. */
    const pack_def *(*wants)(const kernel_query *q, int32_t operand);
    /* Scratch a thread needs, at the bounds in `c` (data pointers are NULL then); NULL: none. */
    int64_t (*scratch_bytes)(const call *c);
    /* Shared scratch for one call (partial results, packed operands); in call.scratch. NULL: none.
     */
    int64_t (*shared_bytes)(const call *c);
    /* Optional first pass over its own units (packing what is not packed), finished before `run`
     * starts. */
    int64_t (*prepare_units)(const call *c);
    void (*prepare)(const call *c, int64_t from, int64_t to, void *thread_scratch);
    int64_t (*units)(const call *c);
    void (*run)(const call *c, int64_t from, int64_t to, void *thread_scratch);
    /* Whether the call only reads memory, for pool_run_stream. NULL: no. */
    bool (*streams)(const call *c);
    /* Whether outputs as large as output 0 are stored past the caches, so that their lines are not fetched to be
     * written over. NULL: no. */
    bool (*past)(const call *c);
    /* Optional last pass: joins what the units left in call.scratch. */
    int64_t (*merge_units)(const call *c);
    void (*merge)(const call *c, int64_t from, int64_t to, void *thread_scratch);
    /* Relative error against the reference, in units of the accumulation; for the kernel check. */
    double tolerance;
} kernel_def;

extern const kernel_def *const *const registry_kernel[];

#endif
