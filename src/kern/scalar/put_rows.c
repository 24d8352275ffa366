/* Rows written into a state, through the formats' own packing: what execution would otherwise do for the whole
 * state, done for the rows that are named. A unit is one row. */
#include "dev/kernel.h"
#include "ops/gather.h"
#include <string.h>

enum { TARGET, IDS, ROWS };

/* Rows of a tensor whose first axis is cut, and elements of one row of a format. */
static int64_t lines_of(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 1; d + 1 < t->rank; d++) n *= t->dim[d];
    return n;
}
static int64_t columns_of(const tensor *t) {
    return t->rank > 1 ? t->dim[t->rank - 1] : 1;
}

static int64_t units(const call *c) {
    return c->in[IDS].dim[0];
}

static int64_t scratch_bytes(const call *c) {
    return columns_of(&c->in[ROWS]) * (int64_t)sizeof(float);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const tensor *rows = &c->in[ROWS], *y = &c->out[0];
    const int32_t *ids = c->in[IDS].data;
    int64_t lines = lines_of(rows), columns = columns_of(rows);
    int64_t in_bytes = num_row_bytes(rows->format, columns);
    int64_t out_bytes = num_row_bytes(y->format, columns);
    for (int64_t i = from; i < to; i++) {
        if (ids[i] < 0 || ids[i] >= y->dim[0]) continue;
        const char *in = (const char *)rows->data + i * lines * in_bytes;
        char *out = (char *)y->data + ids[i] * lines * out_bytes;
        if (rows->format == y->format) {
            memcpy(out, in, (size_t)(lines * in_bytes));
            continue;
        }
        for (int64_t line = 0; line < lines; line++) {
            rows->format->unpack(in + line * in_bytes, 0, columns, scratch);
            y->format->pack(scratch, columns, out + line * out_bytes);
        }
    }
}

static bool supports(const kernel_query *q, reason *why) {
    const num_format *to = q->in[TARGET]->format, *from = q->in[ROWS]->format;
    if (strcmp(q->in[IDS]->format->name, "i32"))
        return refuse(why, "ids are %s", q->in[IDS]->format->name);
    if (from != to && (from->unpack_f64 || to->pack_f64))
        return refuse(why, "%s into %s would lose digits", from->name, to->name);
    if (to->pack_tensor) return refuse(why, "rows of %s share a scale", to->name);
    bool alone = q->in[TARGET]->rank > 1 || (to->block_elems == 1 && !to->row_head_bytes);
    return alone || refuse(why, "single numbers in %s", to->name);
}

static const kernel_def kernel = {.name = "scalar.put_rows",
                                  .op = &op_put_rows,
                                  .isa = "scalar",
                                  .order = 1,
                                  .supports = supports,
                                  .scratch_bytes = scratch_bytes,
                                  .units = units,
                                  .run = run,
                                  .tolerance = 0};

const kernel_def *const kernels_scalar_put_rows[] = {&kernel, NULL};
