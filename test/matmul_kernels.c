/* Every matrix kernel of this CPU against a product in double: odd tails, every layout, batches,
 * epilogues, non-finite values; and bit by bit against itself: alone and among others, in any
 * division into units. Buffers end at an inaccessible page, so reading or writing past the end
 * crashes, and no pointer is aligned by luck. */
#include "test.h"
#include "base/cpu.h"
#include "kern/kit/matmul.h"
#include "kern/kit/quants.h"
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, GUARD = 256, MAX_BUFFERS = 16 };

typedef struct shape {
    int64_t batch, m, n, k;
    bool batched_b, trans_a, trans_b, packed, bias, rest;
    int32_t act;
    const num_format *a, *b, *y;
} shape;

typedef struct product {
    const kernel_def *kernel;
    shape s;
    matmul_params params;
    node node;
    call c;
    tensor plain_b;
    char *maps[MAX_BUFFERS], *shared, *thread;
    int64_t map_bytes[MAX_BUFFERS], shared_bytes, thread_bytes, n_maps;
    double floor; /* of the size that the allowed error is measured by */
} product;

/* `bytes` bytes that end where an inaccessible page begins; NULL if there is no memory. */
static void *edge(product *p, int64_t bytes) {
    int64_t size = round_up(bytes, PAGE) + PAGE;
    char *at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || p->n_maps == MAX_BUFFERS) abort();
    mprotect(at + size - PAGE, PAGE, PROT_NONE);
    p->maps[p->n_maps] = at;
    p->map_bytes[p->n_maps++] = size;
    return at + size - PAGE - bytes;
}

static int64_t rows_of(const tensor *t) {
    int64_t rows = 1;
    for (int32_t i = 0; i < t->rank - 1; i++) rows *= t->dim[i];
    return rows;
}

static tensor make_tensor(product *p, sample *r, const num_format *f, int64_t batch, int64_t rows,
                          int64_t cols) {
    tensor t = {.format = f, .rank = 2, .dim = {rows, cols}};
    if (batch > 1) t = (tensor){.format = f, .rank = 3, .dim = {batch, rows, cols}};
    int64_t bytes = num_row_bytes(f, cols), n = rows_of(&t);
    t.data = edge(p, n * bytes);
    float *x = malloc(sizeof *x * (size_t)(n * cols));
    for (int64_t i = 0; i < n * cols; i++) x[i] = (float)sample_real(r, -1, 1);
    if (f->pack_tensor) f->pack_tensor(x, n, cols, t.data);
    for (int64_t i = 0; i < n && !f->pack_tensor; i++)
        f->pack(x + i * cols, cols, (char *)t.data + i * bytes);
    free(x);
    return t;
}

static void product_free(product *p) {
    for (int64_t i = 0; i < p->n_maps; i++) munmap(p->maps[i], (size_t)p->map_bytes[i]);
    free(p->shared);
    free(p->thread);
    free(p);
}

static kernel_query query_of(product *p, const graph *g, type *types) {
    kernel_query q = {.g = g, .node = &p->node};
    for (int32_t i = 0; i < p->c.n_in; i++) {
        if (!p->c.in[i].format) continue;
        types[i] = type_fixed(p->c.in[i].format, p->c.in[i].rank, p->c.in[i].dim);
        q.in[i] = &types[i];
    }
    types[MAX_IN] = type_fixed(p->c.out[0].format, p->c.out[0].rank, p->c.out[0].dim);
    q.out[0] = &types[MAX_IN];
    return q;
}

/* A product with random contents, b that of `weights` or drawn and packed if asked; NULL where the kernel refuses. */
static product *product_with(const kernel_def *kernel, const graph *g, const shape *s,
                             uint64_t seed, const product *weights) {
    product *p = calloc(1, sizeof *p);
    sample r = {.state = seed};
    p->kernel = kernel;
    p->s = *s;
    p->floor = 1;
    p->params = (matmul_params){
        .trans_a = s->trans_a, .trans_b = s->trans_b, .format = s->y, .act = s->act};
    p->node = (node){.op = kernel->op, .params = &p->params, .n_in = 4, .n_out = 1};
    call *c = &p->c;
    *c = (call){.node = &p->node, .params = &p->params, .n_in = 4, .n_out = 1};
    c->in[0] =
        make_tensor(p, &r, s->a, s->batch, s->trans_a ? s->k : s->m, s->trans_a ? s->m : s->k);
    if (weights)
        c->in[1] = weights->plain_b;
    else
        c->in[1] = make_tensor(p, &r, s->b, s->batched_b ? s->batch : 1, s->trans_b ? s->n : s->k,
                               s->trans_b ? s->k : s->n);
    if (s->bias) {
        c->in[2] = make_tensor(p, &r, s->y, 1, 1, s->n);
        c->in[2].rank = 1;
        c->in[2].dim[0] = s->n;
    }
    if (s->rest) c->in[3] = make_tensor(p, &r, s->y, s->batch, s->m, s->n);
    c->out[0] = make_tensor(p, &r, s->y, s->batch, s->m, s->n);
    p->plain_b = c->in[1];
    type types[MAX_IN + 1];
    kernel_query q = query_of(p, g, types);
    reason why;
    if (!kernel->supports(&q, &why)) {
        product_free(p);
        return NULL;
    }
    if (weights) {
        c->in[1] = weights->c.in[1];
    } else if (s->packed) {
        const pack_def *layout = kernel->wants(&q, MATMUL_B);
        void *packed = edge(p, round_up(layout->bytes(&p->plain_b), CACHE_LINE));
        layout->run(&p->plain_b, packed, 0, layout->units(&p->plain_b));
        c->in[1].data = packed;
        c->in[1].layout = layout;
    }
    p->shared_bytes = round_up(kernel->shared_bytes(c), CACHE_LINE);
    p->thread_bytes = round_up(kernel->scratch_bytes(c), CACHE_LINE);
    p->shared = aligned_alloc(CACHE_LINE, (size_t)(p->shared_bytes + GUARD));
    p->thread = aligned_alloc(CACHE_LINE, (size_t)(p->thread_bytes + GUARD));
    c->scratch = p->shared;
    return p;
}

static product *product_new(const kernel_def *kernel, const graph *g, const shape *s,
                            uint64_t seed) {
    return product_with(kernel, g, s, seed, NULL);
}

/* Runs in pieces of `piece` units, last piece first; scratch is dirty. False: it wrote past it. */
static bool product_run(product *p, int64_t piece) {
    memset(p->shared, 0xff, (size_t)(p->shared_bytes + GUARD));
    memset(p->thread, 0xff, (size_t)(p->thread_bytes + GUARD));
    memset(p->c.out[0].data, 0xff, (size_t)(rows_of(&p->c.out[0]) * num_row_bytes(p->s.y, p->s.n)));
    int64_t ready = p->kernel->prepare_units(&p->c), units = p->kernel->units(&p->c);
    for (int64_t u = (div_up(ready, piece) - 1) * piece; u >= 0; u -= piece)
        p->kernel->prepare(&p->c, u, MIN_OF(u + piece, ready), p->thread);
    for (int64_t u = (div_up(units, piece) - 1) * piece; u >= 0; u -= piece)
        p->kernel->run(&p->c, u, MIN_OF(u + piece, units), p->thread);
    for (int i = 0; i < GUARD; i++)
        if ((p->shared + p->shared_bytes)[i] != (char)0xff ||
            (p->thread + p->thread_bytes)[i] != (char)0xff)
            return false;
    return true;
}

static double element(const tensor *t, int64_t at, int64_t row, int64_t col) {
    float x[256];
    int64_t rows = t->rank > 1 ? t->dim[t->rank - 2] : 1, cols = t->dim[t->rank - 1];
    int64_t within = col % t->format->block_elems;
    const char *from = (const char *)t->data + (at * rows + row) * num_row_bytes(t->format, cols);
    t->format->unpack(from, col - within, within + 1, x);
    return x[within];
}

static double act_double(int32_t act, double x) {
    switch (act) {
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_RELU2:
        return x < 0 ? 0 : x * x;
    case ACT_SILU:
        return x / (1 + exp(-x));
    case ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_TANH:
        return tanh(x);
    default:
        return x;
    }
}

/* Matrix `at` as doubles, `outer` rows along K. */
static double *plain(const tensor *t, int64_t at, int64_t outer, int64_t k, bool across) {
    double *x = malloc(sizeof *x * (size_t)(outer * k));
    int64_t bytes = num_row_bytes(t->format, k);
    for (int64_t o = 0; o < outer && !across; o++)
        num_unpack_f64(t->format, (const char *)t->data + (at * outer + o) * bytes, 0, k,
                       x + o * k);
    for (int64_t o = 0; o < outer && across; o++)
        for (int64_t i = 0; i < k; i++) x[o * k + i] = element(t, at, i, o);
    return x;
}

/* The largest error of matrix `at`, in units of what is allowed. */
static double worst_of(const product *p, int64_t at) {
    const shape *s = &p->s;
    double worst = 0;
    double *a = plain(&p->c.in[0], at, s->m, s->k, s->trans_a);
    double *b = plain(&p->plain_b, s->batched_b ? at : 0, s->n, s->k, !s->trans_b);
    for (int64_t m = 0; m < s->m; m++)
        for (int64_t n = 0; n < s->n; n++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < s->k; k++) {
                double x = a[m * s->k + k] * b[n * s->k + k];
                sum += x;
                size += fabs(x);
            }
            if (s->bias) sum += element(&p->c.in[2], 0, 0, n);
            double want = act_double(s->act, sum);
            double slope = s->act == ACT_RELU2 ? 2 * size + 2 : 1.2;
            if (s->rest) want += element(&p->c.in[3], at, m, n);
            double allowed =
                p->kernel->tolerance * slope * (size + p->floor) + s->y->error * fabs(want);
            double error = fabs(element(&p->c.out[0], at, m, n) - want) / allowed;
            if (!(error <= worst)) worst = error;
        }
    free(a);
    free(b);
    return worst;
}

static double worst_error(const product *p) {
    double worst = 0;
    for (int64_t at = 0; at < p->s.batch; at++) {
        double error = worst_of(p, at);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static bool same_rows(const product *p, int64_t row, const product *q, int64_t other,
                      int64_t rows) {
    int64_t bytes = num_row_bytes(p->s.y, p->s.n);
    return !memcmp((char *)p->c.out[0].data + row * bytes, (char *)q->c.out[0].data + other * bytes,
                   (size_t)(rows * bytes));
}

/* The k-th kernel for matmul that may run here, NULL behind the last; counts those that may not. */
static const kernel_def *kernel_at(int k, int *skipped) {
    *skipped = 0;
    for (int f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *at = registry_kernel[f]; *at; at++) {
            if ((*at)->op != &op_matmul || !strncmp((*at)->isa, "scalar", 6)) continue;
            if (!cpu_isa_allowed((*at)->isa))
                ++*skipped;
            else if (k-- == 0)
                return *at;
        }
    return NULL;
}

/* Quantised formats by one of each kind; all of them are for every_format. */
static const char *const formats[][2] = {{"f32", "f32"},
                                         {"bf16", "bf16"},
                                         {"f32", "bf16"},
                                         {"bf16", "f32"},
                                         {"int8_row", "int8_row"},
                                         {"int8_tensor", "int8_tensor"},
                                         {"int8_g32", "q4_0"},
                                         {"int8_g32", "q8_0"},
                                         {"int8_g32", "q4_k"},
                                         {"int8_g32", "q6_k"},
                                         {"int8_g32", "uint4_g128"},
                                         {"bf16", "q4_0"},
                                         {"bf16", "q6_k"},
                                         {"bf16", "nf4"},
                                         {"bf16", "bf16_2of4"},
                                         {"f32", "bf16_2of4"}};

typedef void check(test *t, const kernel_def *k, const graph *g, shape s);

/* Runs `c` where the kernel takes this pair of formats; whether it does. */
static bool try_pair(test *t, check *c, const kernel_def *k, const graph *g, const char *a,
                     const char *b) {
    shape s = {.batch = 1, .trans_b = true, .packed = true, .m = 1, .n = 1, .k = 1};
    s.a = num_find(a);
    s.b = num_find(b);
    s.y = num_find("f32");
    product *p = product_new(k, g, &s, 1);
    if (!p) return false;
    product_free(p);
    c(t, k, g, s);
    return true;
}

/* Runs `c` for every kernel and pair of formats that it takes: those listed above, or all quantised ones. */
static void each(test *t, check *c, bool quantised) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    int skipped, done = 0;
    const kernel_def *k;
    for (int i = 0; (k = kernel_at(i, &skipped)); i++) {
        for (int64_t f = 0; f < COUNT_OF(formats) && !quantised; f++)
            done += try_pair(t, c, k, g, formats[f][0], formats[f][1]);
        for (const quants_family *f = quants_int8; f->format && quantised; f++)
            done += try_pair(t, c, k, g, "int8_g32", f->format);
        for (const quants_family *f = quants_bf16; f->format && quantised; f++)
            done +=
                try_pair(t, c, k, g, "bf16", f->format) + try_pair(t, c, k, g, "f32", f->format);
    }
    graph_free(g);
    context_free(cx);
    if (skipped || !done) test_skip(t, "%d matrix kernels need another CPU", skipped);
}

#define CHECK_PRODUCT(t, p, piece)                                                                 \
    do {                                                                                           \
        bool inside_ = product_run(p, piece);                                                      \
        double error_ = worst_error(p);                                                            \
        if (!inside_ || !(error_ <= 1))                                                            \
            test_fail(t, __FILE__, __LINE__,                                                       \
                      "%s %s x %s -> %s, %ldx%ldx%ld x%ld, ta %d tb %d packed %d act %d: %s, "     \
                      "error %g of what is allowed",                                               \
                      (p)->kernel->name, (p)->s.a->name, (p)->s.b->name, (p)->s.y->name,           \
                      (long)(p)->s.m, (long)(p)->s.n, (long)(p)->s.k, (long)(p)->s.batch,          \
                      (p)->s.trans_a, (p)->s.trans_b, (p)->s.packed, (p)->s.act,                   \
                      inside_ ? "inside" : "wrote past its scratch", error_);                      \
    } while (0)

static void layouts_of(test *t, const kernel_def *k, const graph *g, shape s) {
    static const int64_t sizes[][3] = {{1, 1, 1},    {2, 15, 3},   {5, 65, 31},   {7, 64, 64},
                                       {13, 17, 33}, {33, 79, 66}, {31, 130, 257},
                                       {9, 70, 600}};
    for (int64_t i = 0; i < COUNT_OF(sizes); i++)
        for (int layout = 0; layout < 32; layout++) {
            s.m = sizes[i][0], s.n = sizes[i][1], s.k = sizes[i][2];
            s.trans_a = layout & 1, s.trans_b = layout & 2, s.packed = layout & 4;
            s.batch = layout & 8 ? 3 : 1, s.batched_b = layout & 16;
            if (s.batched_b && s.batch == 1) continue;
            if (s.b->block_elems > 1 && (s.trans_a || !s.trans_b || s.batched_b)) continue;
            s.y = num_find(i & 1 ? "f32" : "bf16");
            product *p = product_new(k, g, &s, (uint64_t)(i * 32 + layout));
            if (!p) continue; /* int8 whose scales would lie along K */
            CHECK_PRODUCT(t, p, 1);
            product_free(p);
        }
}

/* Several blocks of K, and of rows: b is then packed before, else where it is used. */
static void blocks_of(test *t, const kernel_def *k, const graph *g, shape s) {
    bool quant = s.b->block_elems > 1;
    s.n = 67, s.k = s.a->kind == NUM_BLOCK ? 4400 : 4400 / s.b->block_bytes;
    for (int packed = quant; packed < 2; packed++)
        for (s.m = 40; s.m <= (quant ? 40 : 540); s.m += 500) {
            s.packed = packed;
            product *p = product_new(k, g, &s, 3);
            CHECK_PRODUCT(t, p, 2);
            product_free(p);
        }
}

/* Many rows across K against few panels: packed by the units. */
static void tall_of(test *t, const kernel_def *k, const graph *g, shape s) {
    s.m = 8300, s.n = 70, s.k = 19;
    s.trans_a = true, s.packed = false;
    product *p = product_new(k, g, &s, 5);
    if (!p) return; /* int8 rows have no scales along K */
    CHECK_PRODUCT(t, p, 7);
    product_free(p);
}

static void epilogues_of(test *t, const kernel_def *k, const graph *g, shape s) {
    s.m = 9, s.n = 83, s.k = 40, s.batch = 2;
    for (int i = 0; i < 32; i++) {
        s.act = i / 4, s.bias = i & 1, s.rest = i & 2;
        s.y = num_find(i & 4 ? "bf16" : "f32");
        product *p = product_new(k, g, &s, (uint64_t)i);
        CHECK_PRODUCT(t, p, 1);
        product_free(p);
    }
}

/* Rows i.. of a larger product: the same operands, `rows` of them. */
static product *some_rows(const kernel_def *k, const graph *g, const product *all, int64_t row,
                          int64_t rows) {
    shape s = all->s;
    s.m = rows;
    product *p = product_with(k, g, &s, 5, all);
    int64_t bytes = num_row_bytes(s.a, s.k);
    memcpy(p->c.in[0].data, (char *)all->c.in[0].data + row * bytes, (size_t)(rows * bytes));
    product_run(p, 1000);
    return p;
}

static void alone_of(test *t, const kernel_def *k, const graph *g, shape s) {
    s.m = 70, s.n = 150, s.k = 1100;
    product *all = product_new(k, g, &s, 11), *again = product_new(k, g, &s, 11);
    product_run(all, 1000);
    for (int64_t m = 1; m <= s.m; m++) {
        product *first = some_rows(k, g, all, 0, m), *one = some_rows(k, g, all, m - 1, 1);
        bool same = same_rows(all, 0, first, 0, m) && same_rows(all, m - 1, one, 0, 1);
        product_free(first);
        product_free(one);
        CHECK(t, same, "%s: %ld rows are not those among %ld", k->name, (long)m, (long)s.m);
    }
    for (int64_t piece = 1; piece <= 3; piece++) {
        product_run(again, piece);
        CHECK(t, same_rows(all, 0, again, 0, s.m), "%s in pieces of %ld units", k->name,
              (long)piece);
    }
    /* Packed on the call or before: the same panels. */
    s.packed = false;
    product *plain = product_new(k, g, &s, 11);
    product_run(plain, 1);
    CHECK(t, same_rows(all, 0, plain, 0, s.m), "%s packed on the call", k->name);
    product_free(plain);
    product_free(again);
    product_free(all);
}

static void reverse(tensor *t) {
    int64_t cols = t->dim[t->rank - 1], rows = rows_of(t), bytes = num_row_bytes(t->format, cols);
    float *x = malloc(sizeof *x * (size_t)cols);
    for (int64_t r = 0; r < rows; r++) {
        char *row = (char *)t->data + r * bytes;
        t->format->unpack(row, 0, cols, x);
        for (int64_t i = 0; i < cols / 2; i++) {
            float y = x[i];
            x[i] = x[cols - 1 - i];
            x[cols - 1 - i] = y;
        }
        t->format->pack(x, cols, row);
    }
    free(x);
}

/* The control: K walked backwards is as right, and bit-equality must notice it; sums of int8 are
 * exact in any order, so there it must notice one code instead. */
static void order_of(test *t, const kernel_def *k, const graph *g, shape s) {
    s.m = 20, s.n = 100, s.k = 500, s.packed = false;
    product *p = product_new(k, g, &s, 17), *q = product_new(k, g, &s, 17);
    product_run(p, 1);
    product_run(q, 1);
    CHECK(t, same_rows(p, 0, q, 0, s.m), "%s twice", k->name);
    if (s.a->kind == NUM_BLOCK) {
        ((char *)q->c.in[0].data)[4 + 77] ^= 1;
    } else {
        reverse(&q->c.in[0]);
        reverse(&q->c.in[1]);
        q->plain_b = q->c.in[1];
    }
    product_run(q, 1);
    CHECK(t, !same_rows(p, 0, q, 0, s.m), "%s: another order of K went unnoticed", k->name);
    CHECK(t, worst_error(q) <= 1, "%s backwards", k->name);
    /* and the error bound must notice one wrong product */
    float *y = p->c.out[0].data;
    y[3 * s.n + 5] += 0.5f + fabsf(y[3 * s.n + 5]);
    CHECK(t, worst_error(p) > 1, "%s: a wrong element went unnoticed", k->name);
    product_free(p);
    product_free(q);
}

static void not_finite_of(test *t, const kernel_def *k, const graph *g, shape s) {
    static const float bad[] = {NAN, INFINITY};
    s.m = 37, s.n = 70, s.k = 45;
    for (int round = 0; round < 4; round++) {
        s.packed = round & 1;
        product *p = product_new(k, g, &s, 23);
        int64_t bytes = num_row_bytes(s.a, s.k);
        float x[64];
        char *row = (char *)p->c.in[0].data + 33 * bytes;
        s.a->unpack(row, 0, s.k, x);
        x[44] = bad[round / 2];
        s.a->pack(x, s.k, row);
        product_run(p, 1);
        for (int64_t m = 0; m < s.m; m++)
            for (int64_t n = 0; n < s.n; n++) {
                double y = element(&p->c.out[0], 0, m, n);
                CHECK(t, isfinite(y) == (m != 33), "%s: %g at %ld, %ld", k->name, y, (long)m,
                      (long)n);
            }
        product_free(p);
    }
}

static void scale_row(const tensor *t, int64_t row, float by) {
    int64_t cols = t->dim[t->rank - 1];
    char *at = (char *)t->data + row * num_row_bytes(t->format, cols);
    float x[256];
    t->format->unpack(at, 0, cols, x);
    for (int64_t i = 0; i < cols; i++) x[i] *= by;
    t->format->pack(x, cols, at);
}

/* Rows and outputs of zeros, below the smallest normal number, and as large as formats with scales of 16 bits hold.
 * (The dot product of bf16 takes what is below the smallest normal number for zero.) */
static void extremes_of(test *t, const kernel_def *k, const graph *g, shape s) {
    static const float rows[] = {0, 1e-40f, 1e-30f, 1e30f, 1},
                       outputs[] = {0, 0x1p-20f, 0x1p12f, 1};
    if (s.b->block_elems == 1 || s.b->pack_tensor) return;
    s.m = 15, s.n = 36, s.k = 200, s.packed = false;
    product *p = product_new(k, g, &s, 31);
    p->floor = 1e-27;
    for (int64_t m = 0; m < s.m; m++) scale_row(&p->c.in[0], m, rows[m % COUNT_OF(rows)]);
    for (int64_t n = 0; n < s.n; n++) scale_row(&p->plain_b, n, outputs[n % COUNT_OF(outputs)]);
    CHECK_PRODUCT(t, p, 1);
    float *y = (float *)p->c.out[0].data + 2 * s.n, *most = y; /* rows of 1e-30: the control */
    for (int64_t n = 1; n < s.n; n++)
        if (fabsf(y[n]) > fabsf(*most)) most = y + n;
    *most *= 2;
    CHECK(t, worst_error(p) > 1, "%s %s: a wrong small element went unnoticed", k->name, s.b->name);
    product_free(p);
}

/* Rows of packed weights read back are the plain ones (int8: within its own rounding of scale x code). */
static void rows_back_of(test *t, const kernel_def *k, const graph *g, shape s) {
    s.m = 1, s.n = 131, s.k = 77;
    product *p = product_new(k, g, &s, 29);
    for (int64_t n = 0; n < s.n; n++) {
        float x[77];
        p->c.in[1].layout->row(&p->plain_b, p->c.in[1].data, n, x);
        for (int64_t i = 0; i < s.k; i++)
            CHECK(t, (double)x[i] == element(&p->plain_b, 0, n, i), "%s %s row %ld", k->name,
                  s.b->name, (long)n);
    }
    product_free(p);
}

#define EACH(name)                                                                                 \
    static void name(test *t) {                                                                    \
        each(t, name##_of, false);                                                                 \
    }
EACH(layouts)
EACH(blocks)
EACH(tall)
EACH(epilogues)
EACH(alone)
EACH(order)
EACH(not_finite)
EACH(extremes)
EACH(rows_back)

static const kernel_def *kernel_named(const char *name) {
    const kernel_def *k;
    int skipped;
    for (int i = 0; (k = kernel_at(i, &skipped)); i++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

/* Whole numbers are summed exactly, so that instruction sets give equal bits. */
static void sets_agree(test *t) {
    const kernel_def *few = kernel_named("avx2.matmul_quants"),
                     *wide = kernel_named("avx512.matmul_quants");
    if (!few || !wide) {
        test_skip(t, "this CPU lacks AVX-512");
        return;
    }
    context *cx = context_new();
    graph *g = graph_new(cx);
    for (const quants_family *f = quants_int8; f->format; f++) {
        shape s = {.batch = 1, .trans_b = true, .packed = true, .n = 40, .k = 700};
        s.a = num_find("int8_g32");
        s.b = num_find(f->format);
        s.y = num_find("f32");
        for (s.m = 1; s.m <= 13; s.m += 4) {
            product *p = product_new(few, g, &s, 37), *q = product_new(wide, g, &s, 37);
            product_run(p, 1);
            product_run(q, 1);
            CHECK(t, same_rows(p, 0, q, 0, s.m), "%s, %ld rows", f->format, (long)s.m);
            product_free(p);
            product_free(q);
        }
    }
    graph_free(g);
    context_free(cx);
}

static void every_of(test *t, const kernel_def *k, const graph *g, shape s) {
    layouts_of(t, k, g, s);
    blocks_of(t, k, g, s);
    alone_of(t, k, g, s);
    order_of(t, k, g, s);
    not_finite_of(t, k, g, s);
    extremes_of(t, k, g, s);
    rows_back_of(t, k, g, s);
}
static void every_format(test *t) {
    each(t, every_of, true);
}

const test_case suite_matmul_kernels[] = {{"layouts", layouts},
                                          {"blocks", blocks},
                                          {"tall", tall},
                                          {"epilogues", epilogues},
                                          {"alone", alone},
                                          {"order", order},
                                          {"not_finite", not_finite},
                                          {"extremes", extremes},
                                          {"rows_back", rows_back},
                                          {"sets_agree", sets_agree},
                                          {"every_format", every_format, .slow = true},
                                          {0}};
