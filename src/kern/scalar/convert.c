/* Between floats and formats with shared scales, through the formats' own packing, row by row: what execution would
 * otherwise do for the whole tensor, on one thread. Blocks hold no more than f32 does, so that they are unpacked there
 * at once where that is asked for. */
#include "dev/kernel.h"
#include "ops/cast.h"

static int64_t columns_of(const tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}
static int64_t units(const call *c) {
    int64_t rows = 1;
    for (int32_t d = 0; d + 1 < c->in[0].rank; d++) rows *= c->in[0].dim[d];
    return rows;
}
static int64_t scratch_bytes(const call *c) {
    return columns_of(&c->in[0]) * (int64_t)sizeof(double);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    int64_t n = columns_of(x), in = num_row_bytes(x->format, n), out = num_row_bytes(y->format, n);
    bool at_once = !x->format->unpack_f64 && y->format == num_find("f32");
    for (int64_t r = from; r < to; r++) {
        if (at_once) {
            x->format->unpack((const char *)x->data + r * in, 0, n, (float *)y->data + r * n);
            continue;
        }
        num_unpack_f64(x->format, (const char *)x->data + r * in, 0, n, scratch);
        num_pack_f64(y->format, scratch, n, (char *)y->data + r * out);
    }
}

static bool supports(const kernel_query *q, reason *why) {
    const num_format *to = q->out[0]->format;
    return !to->pack_tensor || refuse(why, "rows of %s share a scale", to->name);
}

#define CONVERT(id)                                                                                \
    static const kernel_def id = {.name = "scalar." #id,                                           \
                                  .op = &op_##id,                                                  \
                                  .isa = "scalar",                                                 \
                                  .order = 1,                                                      \
                                  .supports = supports,                                            \
                                  .scratch_bytes = scratch_bytes,                                  \
                                  .units = units,                                                  \
                                  .run = run,                                                      \
                                  .tolerance = 0x1p-22}

CONVERT(quantise);
CONVERT(dequantise);

const kernel_def *const kernels_scalar_convert[] = {&quantise, &dequantise, NULL};
