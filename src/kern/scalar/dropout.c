/* Dropout in floats: a unit's random numbers are drawn first, then compared. Words of the counter belong to places in
 * the whole tensor (ops/dropout.h), so units are free. */
#include "dev/kernel.h"
#include "ops/dropout.h"

enum { UNIT = 1024 };

static int64_t units(const call *c) {
    int64_t n = 1;
    for (int32_t d = 0; d < c->out[0].rank; d++) n *= c->out[0].dim[d];
    return div_up(n, UNIT);
}

static int64_t scratch_bytes(const call *c) {
    (void)c;
    return 2 * UNIT * (int64_t)sizeof(float);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const dropout_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    const float least = (float)p->p, rest = (float)(1 - p->p);
    const int64_t each = x->format->block_bytes;
    float *drawn = scratch, *kept = drawn + UNIT;
    int64_t n = 1;
    for (int32_t d = 0; d < y->rank; d++) n *= y->dim[d];
    for (int64_t at = from * UNIT; at < MIN_OF(to * UNIT, n); at += UNIT) {
        int64_t count = MIN_OF(UNIT, n - at);
        rng_fill_uniform(c->step_seed, (uint64_t)p->stream, at, count, drawn);
        x->format->unpack((const char *)x->data + at * each, 0, count, kept);
        for (int64_t i = 0; i < count; i++) kept[i] = drawn[i] >= least ? kept[i] / rest : 0;
        y->format->pack(kept, count, (char *)y->data + at * each);
    }
}

static bool supports(const kernel_query *q, reason *why) {
    const num_format *f = q->in[0]->format;
    return !f->unpack_f64 || refuse(why, "%s would lose digits", f->name);
}

static const kernel_def kernel = {.name = "scalar.dropout",
                                  .op = &op_dropout,
                                  .isa = "scalar",
                                  .order = 1,
                                  .supports = supports,
                                  .scratch_bytes = scratch_bytes,
                                  .units = units,
                                  .run = run,
                                  .tolerance = 0x1p-22};

const kernel_def *const kernels_scalar_dropout[] = {&kernel, NULL};
