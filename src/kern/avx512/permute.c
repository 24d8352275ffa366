/* Axes in another order. The output falls into rows: the innermost axes that stay where they are, taken as one, or
 * else its innermost axis. A row that stayed is one copy; any other is picked up at a fixed stride. */
#include "kern/kit/rows_avx512.h"
#include "ops/shape.h"
#include <string.h>

typedef struct walk {
    int32_t axes; /* of the output, outside of its rows */
    int64_t n, stride, rows;
    int64_t dim[MAX_RANK], step[MAX_RANK]; /* of those axes: extent, and stride in x */
} walk;

static walk walk_of(const call *c) {
    const permute_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    int64_t stride[MAX_RANK], next = 1;
    walk w = {.axes = y->rank, .n = 1, .stride = 1, .rows = 1};
    for (int32_t d = x->rank - 1; d >= 0; d--) {
        stride[d] = next;
        next *= x->dim[d];
    }
    while (w.axes && p->from[w.axes - 1] == w.axes - 1) w.n *= y->dim[--w.axes];
    if (w.axes && w.axes == y->rank) {
        w.n = y->dim[--w.axes];
        w.stride = stride[p->from[w.axes]];
    }
    for (int32_t d = 0; d < w.axes; d++) {
        w.dim[d] = y->dim[d];
        w.step[d] = stride[p->from[d]];
        w.rows *= y->dim[d];
    }
    return w;
}

static int64_t units(const call *c) {
    walk w = walk_of(c);
    return div_up(w.rows, rows_in_unit(w.n));
}

/* Row `r` of the output begins here in x. */
ALWAYS_INLINE int64_t row_at(const walk *w, int64_t r) {
    int64_t at = 0;
    for (int32_t d = w->axes - 1; d >= 0; d--) {
        at += r % w->dim[d] * w->step[d];
        r /= w->dim[d];
    }
    return at;
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const walk w = walk_of(c);
    const int64_t step = rows_in_unit(w.n), bytes = vec_bytes(vec_format_of(c->out[0].format));
    (void)scratch;
    if (!w.n) return;
    for (int64_t r = from * step; r < MIN_OF(to * step, w.rows); r++) {
        const char *x = (const char *)c->in[0].data + row_at(&w, r) * bytes;
        char *y = (char *)c->out[0].data + r * w.n * bytes;
        if (w.stride == 1)
            memcpy(y, x, (size_t)(w.n * bytes));
        else if (bytes == 4)
            for (int64_t i = 0; i < w.n; i++) memcpy(y + 4 * i, x + 4 * i * w.stride, 4);
        else
            for (int64_t i = 0; i < w.n; i++) memcpy(y + 2 * i, x + 2 * i * w.stride, 2);
    }
}

static bool supports(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    return q->in[0]->format == q->out[0]->format || refuse(why, "x and y differ in format");
}

static const kernel_def permute = {.name = "avx512.permute",
                                   .op = &op_permute,
                                   .isa = "avx512",
                                   .order = 1,
                                   .supports = supports,
                                   .units = units,
                                   .run = run,
                                   .tolerance = 0};

const kernel_def *const kernels_avx512_permute[] = {&permute, NULL};
