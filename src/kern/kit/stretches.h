/* Slice, place and concat: along the axis and all axes inside of it, a line of the output is a few stretches, each of
 * which is copied from a line of an operand or holds zeros. Units count elements of the output, so that one long line
 * is shared too. */
#ifndef KERN_KIT_STRETCHES_H
#define KERN_KIT_STRETCHES_H

#include "kern/kit/flat.h"
#include "ops/shape.h"
#include <string.h>

typedef struct stretch {
    const char *from;      /* NULL: zeros */
    int64_t bytes, stride; /* of the stretch, and between lines of the operand */
} stretch;
typedef struct stretches {
    int32_t count;
    int64_t line_bytes;
    stretch part[MAX_IN];
} stretches;

static void stretches_add(stretches *s, const char *from, int64_t bytes, int64_t stride) {
    s->part[s->count++] = (stretch){from, bytes, stride};
    s->line_bytes += bytes;
}

/* Bytes of one position of the axis. */
static int64_t position_bytes(const tensor *t, int32_t axis) {
    int64_t bytes = vec_bytes(vec_format_of(t->format));
    for (int32_t d = axis + 1; d < t->rank; d++) bytes *= t->dim[d];
    return bytes;
}

static void stretches_copy(const stretches *s, char *y, int64_t from, int64_t to) {
    while (from < to) {
        int64_t line = from / s->line_bytes, at = from % s->line_bytes;
        for (const stretch *p = s->part; from < to && p < s->part + s->count; p++) {
            int64_t bytes = MIN_OF(p->bytes - at, to - from);
            if (bytes > 0) {
                if (p->from)
                    memcpy(y + from, p->from + line * p->stride + at, (size_t)bytes);
                else
                    memset(y + from, 0, (size_t)bytes);
                from += bytes;
            }
            at = MAX_OF(0, at - p->bytes);
        }
    }
}

static void stretches_run(const call *c, stretches *s, int64_t from, int64_t to) {
    const int64_t bytes = vec_bytes(vec_format_of(c->out[0].format));
    flat_range(&c->out[0], &from, &to);
    stretches_copy(s, c->out[0].data, from * bytes, to * bytes);
}

static void run_slice(const call *c, int64_t from, int64_t to, void *scratch) {
    const slice_params *p = c->params;
    const tensor *x = &c->in[0];
    int64_t each = position_bytes(x, p->axis);
    stretches s = {0};
    (void)scratch;
    stretches_add(&s, (const char *)x->data + p->start * each, p->length * each,
                  x->dim[p->axis] * each);
    stretches_run(c, &s, from, to);
}

static void run_place(const call *c, int64_t from, int64_t to, void *scratch) {
    const place_params *p = c->params;
    int64_t each = position_bytes(&c->out[0], p->axis), taken = c->in[0].dim[p->axis];
    stretches s = {0};
    (void)scratch;
    stretches_add(&s, NULL, p->start * each, 0);
    stretches_add(&s, c->in[0].data, taken * each, taken * each);
    stretches_add(&s, NULL, (c->out[0].dim[p->axis] - p->start - taken) * each, 0);
    stretches_run(c, &s, from, to);
}

static void run_concat(const call *c, int64_t from, int64_t to, void *scratch) {
    int32_t axis = ((const concat_params *)c->params)->axis;
    int64_t each = position_bytes(&c->out[0], axis);
    stretches s = {0};
    (void)scratch;
    for (int32_t i = 0; i < c->n_in; i++)
        stretches_add(&s, c->in[i].data, c->in[i].dim[axis] * each, c->in[i].dim[axis] * each);
    stretches_run(c, &s, from, to);
}

static bool stretches_support(const kernel_query *q, reason *why) {
    kernel_query read = *q;
    if (q->node->op == &op_place) read.in[1] = NULL; /* lends its shape only */
    if (!flat_supports(&read, why)) return false;
    for (int32_t i = 0; i < q->node->n_in; i++)
        if (read.in[i] && read.in[i]->format != q->out[0]->format)
            return refuse(why, "operand %d and the output differ in format", i);
    return true;
}

#define STRETCHES(id)                                                                              \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = stretches_support,          \
                                           .units = flat_units, .run = run_##id, .tolerance = 0};

STRETCHES(slice)
STRETCHES(place)
STRETCHES(concat)

const kernel_def *const VEC_NAME(stretches)[] = {&kernel_slice, &kernel_place, &kernel_concat,
                                                 NULL};

#endif
