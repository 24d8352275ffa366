/* Attention problems by hand: contents are a function of (sequence, position, column), so that any two ways
 * of asking for a row can be compared; every tensor has a twin in doubles for the reference. */
#ifndef TEST_KIT_ATTENTION_CASE_H
#define TEST_KIT_ATTENTION_CASE_H

#include "dev/kernel.h"
#include "ops/attention.h"

enum { MAX_SEQUENCES = 8 };

typedef struct request {
    int id, queries, keys; /* the last `queries` of `keys` positions of sequence `id` */
} request;

typedef struct problem {
    attention_params p;
    int heads;
    const char *q_format, *kv_format;
    bool sinks;
    int n;
    request seq[MAX_SEQUENCES];
    bool upside;   /* units are run one by one from the last to the first */
    bool spoil;    /* one key differs, or for the reference the scale */
    int overcount; /* claims this many keys more than were filled */
} problem;

typedef struct setting {
    call c, ref; /* `ref` in doubles */
    arena mem;
    node node;
} setting;

/* Adds a tensor full of NaN in `format`, as operand or output `at`, with its twin. */
bool case_tensor(setting *s, int32_t at, bool output, const char *format, int64_t rows,
                 int64_t cols);
/* Fills row `row` of operand `at` with contents of kind `what`; the twin holds what the format made of them. */
void case_fill(setting *s, int32_t at, int64_t row, int id, int64_t position, int what);
/* Everything that attention takes; the caller frees s->mem in any case. */
bool case_set_up(setting *s, context *cx, const problem *x);
/* Whether `k` can run the setting's node on this CPU. */
bool case_applies(const kernel_def *k, const setting *s);
/* Runs all passes over fresh scratch full of NaN; `upside`: unit by unit, from the last to the first. */
bool case_run(const kernel_def *k, setting *s, bool upside);
/* The largest distance of output `o` from its twin; infinite where one of them is not a number. */
double case_worst(const setting *s, int32_t o);
/* Calls `check` with each kernel that applies to the problem; returns how many. */
int case_each_kernel(context *cx, const problem *x, const op_def *op, void *to,
                     void (*check)(void *to, const kernel_def *, const problem *));

#endif
