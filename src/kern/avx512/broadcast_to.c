/* x repeated to another shape, by rows of the output: a row is one element of x over and over, or a row of x. */
#include "kern/kit/rows_avx512.h"
#include "ops/reduce.h"

/* For each axis of the output the stride in x, 0 where x is repeated. */
static void strides_of(const call *c, int64_t *stride) {
    const broadcast_to_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    int64_t next = 1;
    for (int32_t a = y->rank - 1, d = x->rank - 1; a >= 0; a--) {
        stride[a] = 0;
        if (p->axes >> a & 1) continue;
        if (x->dim[d] != 1) stride[a] = next;
        next *= x->dim[d--];
    }
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    const broadcast_to_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = rows_columns(y), unit_rows = rows_in_unit(n);
    const float repeats = p->average ? (float)(flat_elems(y) / MAX_OF(1, flat_elems(x))) : 1;
    int64_t stride[MAX_RANK] = {0};
    strides_of(c, stride);
    const bool repeated = !y->rank || !stride[y->rank - 1];
    for (int64_t r = from * unit_rows; r < MIN_OF(to * unit_rows, rows_count(y)); r++) {
        int64_t at = 0, left = r;
        for (int32_t a = y->rank - 2; a >= 0; a--) {
            at += left % y->dim[a] * stride[a];
            left /= y->dim[a];
        }
        const __m512 times = vec_set(repeats);
        __m512 one =
            _mm512_broadcastss_ps(_mm512_castps512_ps128(vec_load_some(f, x->data, at, 1)));
        for (int64_t i = 0; i < n; i += 16) {
            __mmask16 keep = vec_mask(n - i);
            __m512 v = repeated ? one : vec_load_some(f, x->data, at + i, keep);
            vec_store_some(f, y->data, r * n + i, keep, _mm512_div_ps(v, times));
        }
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    vec_format f = vec_format_of(c->out[0].format);
    (void)scratch;
    if (f == VEC_F32)
        run_rows(VEC_F32, c, from, to);
    else if (f == VEC_BF16)
        run_rows(VEC_BF16, c, from, to);
    else
        run_rows(VEC_F16, c, from, to);
}

static bool supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[1] = NULL; /* lends its shape only */
    if (!flat_supports(&floats, why)) return false;
    return q->in[0]->format == q->out[0]->format || refuse(why, "x and y differ in format");
}

static const kernel_def broadcast_to = {.name = "avx512.broadcast_to",
                                        .op = &op_broadcast_to,
                                        .isa = "avx512",
                                        .order = 1,
                                        .supports = supports,
                                        .units = rows_units,
                                        .run = run,
                                        .tolerance = 0x1p-22};

const kernel_def *const kernels_avx512_broadcast_to[] = {&broadcast_to, NULL};
