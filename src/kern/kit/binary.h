/* Ops that treat every element of two operands alone. The output is seen as [outer, inner]; an operand moves along
 * both (all), along inner only (a row, repeated), along outer only (a column), or stands still (one number). */
#ifndef KERN_KIT_BINARY_H
#define KERN_KIT_BINARY_H

#include "kern/kit/flat.h"
#include "ops/binary.h"

typedef enum move { MOVE_ALL, MOVE_ROW, MOVE_COLUMN, MOVE_NONE } move;

typedef struct operand {
    const char *data;
    vec_format format;
    move how;
} operand;

/* How an operand with these extents moves in an output with those, and the split of the output that it needs
 * (0: any). False where it is neither. */
static bool find_move(int32_t rank, const int64_t *dim, int32_t out_rank, const int64_t *out_dim,
                      move *how, int64_t *inner) {
    int64_t elems = 1, out_elems = 1, tail = 1, head = 1;
    int32_t d, gap = out_rank - rank;
    for (d = 0; d < out_rank; d++) out_elems *= out_dim[d];
    for (d = 0; d < rank; d++) elems *= dim[d];
    *inner = 0;
    *how = elems == out_elems ? MOVE_ALL : MOVE_NONE;
    if (elems == out_elems || elems == 1) return true;
    for (d = rank - 1; d >= 0 && dim[d] == out_dim[d + gap]; d--) tail *= dim[d];
    *how = MOVE_ROW;
    *inner = tail;
    if (tail == elems) return true;
    for (d = 0; d < out_rank; d++) {
        if ((d < gap ? 1 : dim[d - gap]) != out_dim[d]) break;
        head *= out_dim[d];
    }
    *how = MOVE_COLUMN;
    *inner = out_elems / head;
    return head == elems;
}

static bool split(const call *c, move how[2], int64_t *inner) {
    int64_t need[2];
    for (int i = 0; i < 2; i++)
        if (!find_move(c->in[i].rank, c->in[i].dim, c->out[0].rank, c->out[0].dim, &how[i],
                       &need[i]))
            return false;
    *inner = need[0] ? need[0] : need[1] ? need[1] : MAX_OF(1, flat_elems(&c->out[0]));
    return !need[0] || !need[1] || need[0] == need[1];
}

static bool supports(const kernel_query *q, reason *why) {
    call c = {0};
    const type *types[3] = {q->in[0], q->in[1], q->out[0]};
    tensor *t[3] = {&c.in[0], &c.in[1], &c.out[0]};
    move how[2];
    int64_t inner;
    if (!flat_supports(q, why)) return false;
    /* a symbol stands for its bound, which is more than 1 unless it can only be 1 */
    for (int i = 0; i < 3; i++) {
        t[i]->rank = types[i]->rank;
        for (int32_t d = 0; d < types[i]->rank; d++)
            t[i]->dim[d] = extent_bound(q->g, types[i]->dim[d]);
    }
    return split(&c, how, &inner) || refuse(why, "the operands repeat along axes that do not nest");
}

typedef vec element(vec a, vec b);

typedef struct piece_job {
    vec_format fa, fb;
    const operand *a, *b;
    int64_t ia, ib; /* where they begin */
    vec still_a, still_b;
    element *at;
} piece_job;

ALWAYS_INLINE vec piece_step(const void *context, int64_t k, vec_part part) {
    const piece_job *j = context;
    vec a = j->still_a, b = j->still_b;
    if (j->a->how <= MOVE_ROW) a = vec_load_some(j->fa, j->a->data, j->ia + k, part);
    if (j->b->how <= MOVE_ROW) b = vec_load_some(j->fb, j->b->data, j->ib + k, part);
    return j->at(a, b);
}

ALWAYS_INLINE vec still(vec_format f, const operand *x, int64_t row) {
    if (x->how <= MOVE_ROW) return vec_zero();
    return vec_set(vec_number(f, x->data, x->how == MOVE_COLUMN ? row : 0));
}

/* One piece of a row: elements i.. of the output, element j.. of the row. */
ALWAYS_INLINE void piece(vec_format fa, vec_format fb, vec_format fy, const operand *a,
                         const operand *b, char *y, int64_t i, int64_t j, int64_t row,
                         int64_t count, element *at) {
    const piece_job job = {.fa = fa,
                           .fb = fb,
                           .a = a,
                           .b = b,
                           .ia = a->how == MOVE_ROW ? j : i,
                           .ib = b->how == MOVE_ROW ? j : i,
                           .still_a = still(fa, a, row),
                           .still_b = still(fb, b, row),
                           .at = at};
    vec_map(fy, y + i * vec_bytes(fy), 0, count, &job, piece_step);
}

ALWAYS_INLINE void run_all(const call *c, int64_t from, int64_t to, element *at) {
    move how[2];
    int64_t inner;
    split(c, how, &inner);
    operand a = {c->in[0].data, vec_format_of(c->in[0].format), how[0]};
    operand b = {c->in[1].data, vec_format_of(c->in[1].format), how[1]};
    vec_format fy = vec_format_of(c->out[0].format);
    char *y = c->out[0].data;
    bool floats = a.format == VEC_F32 && b.format == VEC_F32 && fy == VEC_F32;
    bool halves = a.format == VEC_BF16 && b.format == VEC_BF16 && fy == VEC_BF16;
    int64_t i = from * FLAT_UNIT, end = MIN_OF(to * FLAT_UNIT, flat_elems(&c->out[0]));
    while (i < end) {
        int64_t row = i / inner, j = i % inner, count = MIN_OF(inner - j, end - i);
        if (floats)
            piece(VEC_F32, VEC_F32, VEC_F32, &a, &b, y, i, j, row, count, at);
        else if (halves)
            piece(VEC_BF16, VEC_BF16, VEC_BF16, &a, &b, y, i, j, row, count, at);
        else
            piece(a.format, b.format, fy, &a, &b, y, i, j, row, count, at);
        i += count;
    }
}

#define ELEMENT(id, expression)                                                                    \
    ALWAYS_INLINE vec at_##id(vec a, vec b) {                                                      \
        return (expression);                                                                       \
    }                                                                                              \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        run_all(c, from, to, at_##id);                                                             \
    }                                                                                              \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = supports,                   \
                                           .units = flat_units, .run = run_##id,                   \
                                           .tolerance = 0x1p-23};

ELEMENT(add, vec_add(a, b))
ELEMENT(sub, vec_sub(a, b))
ELEMENT(mul, vec_mul(a, b))
ELEMENT(div, vec_div(a, b))
ELEMENT(max, vec_max(b, a)) /* the second where equal or NaN */
ELEMENT(min, vec_min(b, a))

const kernel_def *const VEC_NAME(binary)[] = {&kernel_add, &kernel_sub, &kernel_mul, &kernel_div,
                                              &kernel_max, &kernel_min, NULL};

#endif
