/* What the fast matrix products share: geometry, operands in panels, the walk over blocks, the
 * epilogue.
 *
 * K is counted in groups of 32 bits: one f32, two bf16, four int8. b lies in panels of 64 columns,
 *   panel = [head][group 0: 64 x 32 bits][group 1] ...      head: int8 only, 64 f32 scales
 * with zeros behind N and K (groups are filled up to a multiple of 16). Vector kernels read four
 * registers a group, tile units four tiles of 16 groups x 16 columns side by side (row stride 256
 * bytes), so one layout serves all instruction sets and all M. int8 weights are stored as code + 128
 * (unsigned), a stays signed, and 128 times the row's sum of codes is taken off at the end.
 * a is read in place if its rows already are whole groups (of int8 rows only the sums are then taken), else packed
 * on the call, row by row.
 *
 *   for block of K: for panel of the unit: for strip of rows: acc = chain(acc, a strip, b block)
 *
 * A b that was not packed beforehand is packed where it is used, one block of a panel at a time into
 * the thread's scratch, so that it never leaves the core's cache; only where several blocks of rows
 * would each do so, the whole of it is packed once, before. So is a, unless it is tall (many blocks of
 * rows against few panels): then the unit that takes a block of it through all of b packs that block
 * into its thread's scratch. While the strips go through one block of b,
 * each fetches its share of the next, and the next strip of a.
 *
 * Order of additions: one chain from zero over ascending groups for each output element. Between
 * blocks of K the accumulators wait in f32 (int32), which changes no bit; so blocks, strips, units
 * and M are free, and never show in the result. */
#ifndef KERN_KIT_MATMUL_H
#define KERN_KIT_MATMUL_H

#include "dev/kernel.h"
#include "ops/matmul.h"

/* Sums of int8 are exact, so every kernel gives the same bits. */
enum { MATMUL_INT8_ORDER = 0x18000001 };
enum { PANEL = 64, GROUP_BYTES = 4 * PANEL, GROUP_FILL = 16, INT8_HEAD = 4 * PANEL };
/* In front of a row of codes: its scale. */
enum { INT8_ROW_HEAD = 4 };

typedef enum matmul_kind { MATMUL_F32, MATMUL_BF16, MATMUL_INT8 } matmul_kind;

/* One strip against one block of a panel: c[row * 64 + column] += ..., starting from zero if `first`. `next` is this
 * strip's share of what comes next of b: next_bytes of it where b is packed; 0 where it is packed on the way, then
 * `next` is line number `line` in a row of `lines`, and the row below begins `jump` bytes behind the last. */
typedef struct matmul_tile {
    const char *a, *b; /* at the block's first group */
    const char *next;
    int64_t next_bytes, line, lines, jump;
    const char *next_a; /* the strip that comes next */
    int64_t a_stride, groups;
    float *c;              /* or int32_t, for int8 */
    int32_t rows, vectors; /* vectors of 16 columns that exist */
    bool first;
} matmul_tile;

typedef struct matmul_family {
    matmul_kind kind;
    int32_t strip;        /* rows of a full strip */
    bool even;            /* strips may be of any height, so rows are shared out evenly */
    int32_t block_rows;   /* rows of a unit at most */
    int32_t block_groups; /* of K */
    int32_t near_groups;  /* of K where b is for two strips: the nearest cache holds them for the second */
    int32_t unit_groups;  /* a's rows must be a multiple of this to be read in place */
    int32_t max_chunk;    /* panels of a unit at most */
    void (*tile)(const matmul_tile *t, void *state);
    void (*begin)(void *state); /* before a range of units, on its thread; or NULL */
    void (*end)(void);
} matmul_family;

typedef struct matmul_plan {
    const matmul_family *f;
    const matmul_params *p;
    int64_t batch, m, n, k;
    int64_t per_group, groups;            /* k's in a group, groups that exist */
    int64_t panels, panel_bytes, b_bytes; /* of one matrix */
    bool pack_a, pack_b, shared_b;
    bool pack_first;           /* all of b, before the units run */
    bool tall;                 /* a is packed by the units, block by block */
    int64_t a_stride, a_bytes; /* of rows as the tiles read them, of one matrix */
    int64_t block, blocks, chunk, chunks;
    int64_t part; /* groups of a block of K */
} matmul_plan;

/* A plain matrix as packing sees it: `outer` is M or N. */
typedef struct matmul_view {
    const char *data;
    int64_t outer, k, stride; /* stride in bytes between its rows */
    bool across;              /* rows run along `outer`, not along K */
    bool f32;                 /* elements are f32 (else bf16, or int8 rows) */
    bool streams;             /* the panels, of whole lines, are stored past the caches */
} matmul_view;

/* The sums that int8 rows of a need, behind the packed rows. */
typedef struct matmul_row {
    float scale;
    int32_t sum128;
} matmul_row;

typedef struct matmul_epilogue {
    bool bias_bf16, rest_bf16, out_bf16;
    int32_t act;
    int64_t stride; /* elements between rows of `out` and `rest` */
    char *out;
    const char *rest, *bias; /* NULL: absent; at the element of `out`, at its column */
    const matmul_row *row;   /* int8 */
    const float *scale;      /* int8: of the columns */
} matmul_epilogue;

/* What the epilogues read and write: f32 or bf16. Whether output, bias and residual are so, for any product. */
bool matmul_is_plain(const num_format *f);
bool matmul_epilogue_supports(const kernel_query *q, reason *why_not);

bool matmul_supports(const matmul_family *f, const kernel_query *q, reason *why_not);
const pack_def *matmul_wants(const matmul_family *f, const kernel_query *q, int32_t operand);
int64_t matmul_scratch(const matmul_family *f, const call *c);
int64_t matmul_shared(const matmul_family *f, const call *c);
int64_t matmul_prepare_units(const matmul_family *f, const call *c);
void matmul_prepare(const matmul_family *f, const call *c, int64_t from, int64_t to);
int64_t matmul_units(const matmul_family *f, const call *c);
void matmul_run(const matmul_family *f, const call *c, int64_t from, int64_t to, void *scratch);

/* Groups from..to of one panel of b, both multiples of GROUP_FILL; rows from..to of a (`out` NULL: they are read where
 * they lie, and only `row` is filled); the end of rows x columns of accumulators, row stride 64: each by the best
 * instruction set that may be used. */
typedef void matmul_groups_packer(matmul_kind kind, const matmul_view *v, int64_t panel,
                                  int64_t from, int64_t to, char *out);
typedef void matmul_rows_packer(matmul_kind kind, const matmul_view *v, int64_t from, int64_t to,
                                int64_t stride, char *out, matmul_row *row);
typedef void matmul_finisher(const matmul_epilogue *e, const float *acc, int64_t rows,
                             int64_t columns);
matmul_groups_packer matmul_pack_groups, matmul_pack_groups_avx2, matmul_pack_groups_avx512;
matmul_rows_packer matmul_pack_rows, matmul_pack_rows_avx2, matmul_pack_rows_avx512;
matmul_finisher matmul_finish, matmul_finish_avx2, matmul_finish_avx512;
/* The epilogue of a call from that element of its output [.., n] on, without what is particular to int8. */
matmul_epilogue matmul_epilogue_at(const call *c, int64_t n, int64_t row, int64_t column);
/* The head of an int8 panel. */
void matmul_pack_head(const matmul_view *v, int64_t panel, char *out);

/* The functions of one family, as a kernel_def wants them. */
#define MATMUL_KERNEL(F, isa_, order_, tolerance_)                                                 \
    static bool F##_supports(const kernel_query *q, reason *why) {                                 \
        return matmul_supports(&F, q, why);                                                        \
    }                                                                                              \
    static const pack_def *F##_wants(const kernel_query *q, int32_t operand) {                     \
        return matmul_wants(&F, q, operand);                                                       \
    }                                                                                              \
    static int64_t F##_scratch(const call *c) {                                                    \
        return matmul_scratch(&F, c);                                                              \
    }                                                                                              \
    static int64_t F##_shared(const call *c) {                                                     \
        return matmul_shared(&F, c);                                                               \
    }                                                                                              \
    static int64_t F##_prepare_units(const call *c) {                                              \
        return matmul_prepare_units(&F, c);                                                        \
    }                                                                                              \
    static void F##_prepare(const call *c, int64_t from, int64_t to, void *scratch) {              \
        (void)scratch;                                                                             \
        matmul_prepare(&F, c, from, to);                                                           \
    }                                                                                              \
    static int64_t F##_units(const call *c) {                                                      \
        return matmul_units(&F, c);                                                                \
    }                                                                                              \
    static void F##_run(const call *c, int64_t from, int64_t to, void *scratch) {                  \
        matmul_run(&F, c, from, to, scratch);                                                      \
    }                                                                                              \
    static const kernel_def F##_kernel = {                                                         \
        .name = "matmul_" #F,                                                                      \
        .op = &op_matmul,                                                                          \
        .isa = isa_,                                                                               \
        .order = order_,                                                                           \
        .supports = F##_supports,                                                                  \
        .wants = F##_wants,                                                                        \
        .scratch_bytes = F##_scratch,                                                              \
        .shared_bytes = F##_shared,                                                                \
        .prepare_units = F##_prepare_units,                                                        \
        .prepare = F##_prepare,                                                                    \
        .units = F##_units,                                                                        \
        .run = F##_run,                                                                            \
        .tolerance = tolerance_,                                                                   \
    }

#endif
