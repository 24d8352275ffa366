/* Stretches of one axis copied whole: slice, place and concat. Seen from outside of the axis a tensor is `outer` runs,
 * one behind the other; a unit is as many runs of the output as make about 16 KiB. */
#include "dev/kernel.h"
#include "ops/shape.h"
#include <string.h>

enum { UNIT_BYTES = 16384 };

/* Runs, and the bytes of one run and of one position of the axis. */
typedef struct runs {
    int64_t outer, bytes, position;
} runs;

static runs runs_of(const tensor *t, int32_t axis) {
    runs r = {.outer = 1, .position = t->format->block_bytes};
    for (int32_t d = 0; d < axis; d++) r.outer *= t->dim[d];
    for (int32_t d = axis + 1; d < t->rank; d++) r.position *= t->dim[d];
    r.bytes = r.position * t->dim[axis];
    return r;
}

static int64_t runs_in_unit(const runs *r) {
    return MAX_OF(1, UNIT_BYTES / MAX_OF(1, r->bytes));
}

/* Runs of output 0 in a range of units. */
static runs runs_range(const call *c, int32_t axis, int64_t *from, int64_t *to) {
    runs r = runs_of(&c->out[0], axis);
    int64_t step = runs_in_unit(&r);
    *from *= step;
    *to = MIN_OF(*to * step, r.outer);
    return r;
}

static int64_t units_along(const call *c, int32_t axis) {
    runs r = runs_of(&c->out[0], axis);
    return div_up(r.outer, runs_in_unit(&r));
}

static bool alike(const kernel_query *q, int32_t operands, reason *why) {
    const num_format *f = q->out[0]->format;
    if (f->block_elems != 1 || f->row_head_bytes) return refuse(why, "y is %s", f->name);
    for (int32_t i = 0; i < operands; i++)
        if (q->in[i]->format != f)
            return refuse(why, "operand %d is %s and y is %s", i, q->in[i]->format->name, f->name);
    return true;
}

static bool supports_one(const kernel_query *q, reason *why) {
    return alike(q, 1, why);
}
static bool supports_all(const kernel_query *q, reason *why) {
    return alike(q, q->node->n_in, why);
}

/* memcpy and memset of nothing may be given no memory. */
static void copy(char *to, const char *from, int64_t bytes) {
    if (bytes > 0) memcpy(to, from, (size_t)bytes);
}
static void clear(char *to, int64_t bytes) {
    if (bytes > 0) memset(to, 0, (size_t)bytes);
}

static void run_slice(const call *c, int64_t from, int64_t to, void *scratch) {
    const slice_params *p = c->params;
    runs y = runs_range(c, p->axis, &from, &to), x = runs_of(&c->in[0], p->axis);
    (void)scratch;
    for (int64_t r = from; r < to; r++)
        copy((char *)c->out[0].data + r * y.bytes,
             (const char *)c->in[0].data + r * x.bytes + p->start * x.position, y.bytes);
}

static void run_place(const call *c, int64_t from, int64_t to, void *scratch) {
    const place_params *p = c->params;
    runs y = runs_range(c, p->axis, &from, &to), x = runs_of(&c->in[0], p->axis);
    int64_t before = p->start * y.position, after = y.bytes - before - x.bytes;
    (void)scratch;
    for (int64_t r = from; r < to; r++) {
        char *at = (char *)c->out[0].data + r * y.bytes;
        clear(at, before);
        copy(at + before, (const char *)c->in[0].data + r * x.bytes, x.bytes);
        clear(at + before + x.bytes, after);
    }
}

static void run_concat(const call *c, int64_t from, int64_t to, void *scratch) {
    int32_t axis = ((const concat_params *)c->params)->axis;
    runs y = runs_range(c, axis, &from, &to);
    (void)scratch;
    for (int64_t r = from; r < to; r++) {
        char *at = (char *)c->out[0].data + r * y.bytes;
        for (int32_t i = 0; i < c->n_in; i++) {
            int64_t bytes = runs_of(&c->in[i], axis).bytes;
            copy(at, (const char *)c->in[i].data + r * bytes, bytes);
            at += bytes;
        }
    }
}

#define LANE(id, covers)                                                                           \
    static int64_t units_##id(const call *c) {                                                     \
        return units_along(c, ((const id##_params *)c->params)->axis);                             \
    }                                                                                              \
    static const kernel_def kernel_##id = {.name = "scalar." #id,                                  \
                                           .op = &op_##id,                                         \
                                           .isa = "scalar",                                        \
                                           .order = 1,                                             \
                                           .supports = (covers),                                   \
                                           .units = units_##id,                                    \
                                           .run = run_##id,                                        \
                                           .tolerance = 0}
LANE(slice, supports_one);
LANE(place, supports_one);
LANE(concat, supports_all);

const kernel_def *const kernels_scalar_lane[] = {&kernel_slice, &kernel_place, &kernel_concat,
                                                 NULL};
