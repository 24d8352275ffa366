/* Products with quantised weights as a kernel_def wants them. */
#ifndef KERN_KIT_QUANTS_KERNEL_H
#define KERN_KIT_QUANTS_KERNEL_H

#include "kern/kit/quants.h"
#include "ops/matmul.h"

extern const pack_def quants_pack;

bool quants_supports(const quants_kind *kind, const kernel_query *q, reason *why);
const pack_def *quants_wants(const kernel_query *q, int32_t operand);
int64_t quants_scratch(const quants_kind *kind, const call *c);
int64_t quants_shared(const quants_kind *kind, const call *c);
int64_t quants_prepare_units(const quants_kind *kind, const call *c);
void quants_prepare(const quants_kind *kind, const call *c, int64_t from, int64_t to);
int64_t quants_units(const quants_kind *kind, const call *c);
bool quants_streams(const quants_kind *kind, const call *c);
void quants_run_units(const quants_kind *kind, const call *c, int64_t from, int64_t to,
                      void *scratch);

/* Nothing has to be rounded to bf16: activations are in it, and values are whole, unlike those of NF4. */
bool quants_is_exact(const kernel_query *q, reason *why);

/* The functions of the kind KIND, under its name. */
#define QUANTS_FUNCTIONS(KIND)                                                                     \
    static bool KIND##_supports(const kernel_query *q, reason *why) {                              \
        return quants_supports(&KIND, q, why);                                                     \
    }                                                                                              \
    static int64_t KIND##_scratch(const call *c) {                                                 \
        return quants_scratch(&KIND, c);                                                           \
    }                                                                                              \
    static int64_t KIND##_shared(const call *c) {                                                  \
        return quants_shared(&KIND, c);                                                            \
    }                                                                                              \
    static int64_t KIND##_prepare_units(const call *c) {                                           \
        return quants_prepare_units(&KIND, c);                                                     \
    }                                                                                              \
    static void KIND##_prepare(const call *c, int64_t from, int64_t to, void *scratch) {           \
        (void)scratch;                                                                             \
        quants_prepare(&KIND, c, from, to);                                                        \
    }                                                                                              \
    static int64_t KIND##_units(const call *c) {                                                   \
        return quants_units(&KIND, c);                                                             \
    }                                                                                              \
    static bool KIND##_streams(const call *c) {                                                    \
        return quants_streams(&KIND, c);                                                           \
    }                                                                                              \
    static void KIND##_run(const call *c, int64_t from, int64_t to, void *scratch) {               \
        quants_run_units(&KIND, c, from, to, scratch);                                             \
    }

/* As a kernel_def. */
#define QUANTS_KERNEL(NAME, ISA, KIND, SUPPORTS, ORDER, TOLERANCE)                                 \
    {                                                                                              \
        .name = NAME, .op = &op_matmul, .isa = ISA, .order = ORDER, .supports = SUPPORTS,          \
        .wants = quants_wants, .scratch_bytes = KIND##_scratch, .shared_bytes = KIND##_shared,     \
        .prepare_units = KIND##_prepare_units, .prepare = KIND##_prepare, .units = KIND##_units,   \
        .streams = KIND##_streams, .run = KIND##_run, .tolerance = TOLERANCE,                      \
    }

#endif
