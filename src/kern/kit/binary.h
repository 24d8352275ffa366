/* Ops that treat every element of two or three operands alone. The output is seen as [outer, inner]; an operand moves
 * along both (all), along inner only (a row, repeated), along outer only (a column), or stands still (one number). */
#ifndef KERN_KIT_BINARY_H
#define KERN_KIT_BINARY_H

#include "kern/kit/flat.h"
#include "ops/binary.h"

enum { MOST_OPERANDS = 3 };

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

/* Of operands that need a split, all must need the same. */
static bool split(const call *c, move *how, int64_t *inner) {
    *inner = 0;
    for (int32_t i = 0; i < c->n_in; i++) {
        int64_t need;
        if (!find_move(c->in[i].rank, c->in[i].dim, c->out[0].rank, c->out[0].dim, &how[i], &need))
            return false;
        if (need && *inner && need != *inner) return false;
        if (need) *inner = need;
    }
    if (!*inner) *inner = MAX_OF(1, flat_elems(&c->out[0]));
    return true;
}

/* A symbol stands for its bound, which is more than 1 unless it can only be 1. */
static void bind_bound(const graph *g, const type *from, tensor *t) {
    t->rank = from->rank;
    for (int32_t d = 0; d < from->rank; d++) t->dim[d] = extent_bound(g, from->dim[d]);
}

static bool supports(const kernel_query *q, reason *why) {
    call c = {.n_in = q->node->n_in};
    move how[MOST_OPERANDS];
    int64_t inner;
    if (!flat_supports(q, why)) return false;
    for (int32_t i = 0; i < c.n_in; i++) bind_bound(q->g, q->in[i], &c.in[i]);
    bind_bound(q->g, q->out[0], &c.out[0]);
    return split(&c, how, &inner) || refuse(why, "the operands repeat along axes that do not nest");
}

typedef vec element(const vec *x);

typedef struct piece_job {
    int n;
    operand x[MOST_OPERANDS];
    int64_t at[MOST_OPERANDS]; /* where they begin */
    vec still[MOST_OPERANDS];
    element *of;
} piece_job;

ALWAYS_INLINE vec piece_step(const void *context, int64_t k, vec_part part) {
    const piece_job *j = context;
    vec x[MOST_OPERANDS];
    for (int i = 0; i < j->n; i++)
        x[i] = j->x[i].how <= MOVE_ROW
                   ? vec_load_some(j->x[i].format, j->x[i].data, j->at[i] + k, part)
                   : j->still[i];
    return j->of(x);
}

ALWAYS_INLINE void run_formats(vec_format f, vec_format fy, int n, const call *c, int64_t from,
                               int64_t to, element *of) {
    move how[MOST_OPERANDS];
    int64_t inner;
    piece_job j = {.n = n, .of = of};
    char *y = c->out[0].data;
    split(c, how, &inner);
    for (int i = 0; i < n; i++)
        j.x[i] = (operand){c->in[i].data, f ? f : vec_format_of(c->in[i].format), how[i]};
    while (from < to) {
        int64_t row = from / inner, column = from % inner,
                count = MIN_OF(inner - column, to - from);
        for (int i = 0; i < n; i++) {
            const operand *x = &j.x[i];
            j.at[i] = x->how == MOVE_ROW ? column : from;
            if (x->how > MOVE_ROW)
                j.still[i] =
                    vec_set(vec_number(x->format, x->data, x->how == MOVE_COLUMN ? row : 0));
        }
        vec_map(fy, y + from * vec_bytes(fy), 0, count, &j, piece_step);
        from += count;
    }
}

ALWAYS_INLINE void run_all(const call *c, int n, int64_t from, int64_t to, element *of) {
    vec_format fy = vec_format_of(c->out[0].format), f = fy;
    for (int i = 0; i < n; i++)
        if (vec_format_of(c->in[i].format) != fy) f = VEC_NONE;
    flat_range(&c->out[0], &from, &to);
    if (f == VEC_F32)
        run_formats(VEC_F32, VEC_F32, n, c, from, to, of);
    else if (f == VEC_BF16)
        run_formats(VEC_BF16, VEC_BF16, n, c, from, to, of);
    else
        run_formats(VEC_NONE, fy, n, c, from, to, of);
}

#define ELEMENT(id, n, expression)                                                                 \
    ALWAYS_INLINE vec of_##id(const vec *x) {                                                      \
        return (expression);                                                                       \
    }                                                                                              \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        run_all(c, n, from, to, of_##id);                                                          \
    }
#define KERNEL(id)                                                                                 \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = supports,                   \
                                           .units = flat_units, .run = run_##id,                   \
                                           .tolerance = 0x1p-23};

ELEMENT(add, 2, vec_add(x[0], x[1]))
ELEMENT(sub, 2, vec_sub(x[0], x[1]))
ELEMENT(mul, 2, vec_mul(x[0], x[1]))
ELEMENT(div, 2, vec_div(x[0], x[1]))
ELEMENT(max, 2, vec_max(x[1], x[0])) /* the first where equal or NaN */
ELEMENT(min, 2, vec_min(x[1], x[0]))
ELEMENT(where, 3, vec_pick(vec_equal(x[0], vec_zero()), x[2], x[1]))
ELEMENT(less, 2, vec_pick(vec_less(x[0], x[1]), vec_set(1), vec_zero()))
ELEMENT(less_equal, 2, vec_pick(vec_less_equal(x[0], x[1]), vec_set(1), vec_zero()))
ELEMENT(equal, 2, vec_pick(vec_equal(x[0], x[1]), vec_set(1), vec_zero()))

static void run_compare(const call *c, int64_t from, int64_t to, void *scratch) {
    switch (((const compare_params *)c->params)->kind) {
    case COMPARE_LT:
        run_less(c, from, to, scratch);
        break;
    case COMPARE_LE:
        run_less_equal(c, from, to, scratch);
        break;
    default:
        run_equal(c, from, to, scratch);
    }
}

KERNEL(add)
KERNEL(sub)
KERNEL(mul)
KERNEL(div)
KERNEL(max)
KERNEL(min)
KERNEL(where)
KERNEL(compare)

const kernel_def *const VEC_NAME(binary)[] = {&kernel_add,   &kernel_sub,     &kernel_mul,
                                              &kernel_div,   &kernel_max,     &kernel_min,
                                              &kernel_where, &kernel_compare, NULL};

#endif
