/* Attention's kernels of every instruction set here: against the reference with all options, and equal bits
 * for a row of a sequence however it is chunked, paged, batched and dealt out. Contents are a function of
 * (sequence, position, column), so that any two ways of asking for a row can be compared. */
#include "test.h"
#include "base/cpu.h"
#include "dev/kernel.h"
#include "ops/attention.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SEQUENCES = 8 };

typedef struct request {
    int id, queries, keys; /* the last `queries` of `keys` positions of sequence `id` */
} request;

typedef struct problem {
    attention_params p;
    int heads;
    const char *q_format, *kv_format;
    bool sinks;
    int n;
    request seq[MAX_SEQUENCES];
    bool upside;   /* units are run one by one from the last to the first */
    bool spoil;    /* one key differs, or for the reference the scale */
    int overcount; /* claims this many keys more than were filled */
} problem;

typedef struct setting {
    call c, ref; /* `ref` in doubles */
    arena mem;
    node node;
} setting;

static float content(int id, int64_t position, int64_t column, int what) {
    uint64_t z = (uint64_t)id * 0x9e3779b97f4a7c15u + (uint64_t)position * 0xbf58476d1ce4e5b9u +
                 (uint64_t)column * 0x94d049bb133111ebu + (uint64_t)what * 0xd6e8feb86659fd93u;
    z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 32)) * 0x94d049bb133111ebu;
    return (float)((double)(z >> 40) * 0x1p-23 - 1) * (what == 0 ? 3 : 1);
}

/* A tensor of `rows` rows in `format`, filled with NaN, and its twin in doubles. */
static bool make(setting *s, int32_t at, bool output, const char *format, int64_t rows,
                 int64_t cols) {
    const num_format *f = num_find(format);
    tensor t = {.format = f, .rank = 2, .dim = {rows, cols}}, d = t;
    int64_t bytes = num_row_bytes(f, cols);
    t.data = arena_alloc_lines(&s->mem, (size_t)(bytes * rows) + 64);
    d.data = ARENA_NEW(&s->mem, double, rows *cols + 1);
    float *nan = ARENA_NEW(&s->mem, float, cols);
    if (!t.data || !d.data || !nan) return false;
    for (int64_t i = 0; i < cols; i++) nan[i] = NAN;
    for (int64_t r = 0; r < rows; r++) f->pack(nan, cols, (char *)t.data + r * bytes);
    *(output ? &s->c.out[at] : &s->c.in[at]) = t;
    *(output ? &s->ref.out[at] : &s->ref.in[at]) = d;
    return true;
}

/* Fills a row with contents; the twin holds what the format made of them. */
static void fill(setting *s, int32_t at, int64_t row, int id, int64_t position, int what) {
    tensor *t = &s->c.in[at];
    int64_t cols = t->dim[1];
    float x[4096];
    for (int64_t i = 0; i < cols; i++) x[i] = content(id, position, i, what);
    char *to = (char *)t->data + row * num_row_bytes(t->format, cols);
    t->format->pack(x, cols, to);
    num_unpack_f64(t->format, to, 0, cols, (double *)s->ref.in[at].data + row * cols);
}

static bool make_ids(setting *s, int32_t at, int32_t rank, int64_t rows, int64_t cols) {
    tensor t = {.format = num_find("i32"), .rank = rank, .dim = {rows, cols}};
    t.data = ARENA_NEW(&s->mem, int32_t, rows * MAX_OF(cols, 1));
    s->c.in[at] = s->ref.in[at] = t;
    return t.data != NULL;
}

static bool set_up(setting *s, context *cx, const problem *x) {
    *s = (setting){.mem = arena_make(cx)};
    s->node = (node){.op = &op_attention, .params = &x->p};
    s->c = s->ref =
        (call){.node = &s->node, .params = &x->p, .n_in = ATTENTION_OPERANDS, .n_out = 2};
    int64_t tokens = 0, keys = 0, longest = 1, page = x->p.page;
    for (int i = 0; i < x->n; i++) {
        tokens += x->seq[i].queries;
        keys += x->seq[i].keys + x->overcount;
        longest = MAX_OF(longest, x->seq[i].keys + x->overcount);
    }
    int64_t width = page ? div_up(longest, page) : 0, pages = x->n * width + 3;
    int64_t cols = (int64_t)x->heads * x->p.head, kv = cols / x->p.group;
    if (!make(s, ATTENTION_Q, false, x->q_format, tokens, cols) ||
        !make(s, ATTENTION_K, false, x->kv_format, page ? pages * page : keys, kv) ||
        !make(s, ATTENTION_V, false, x->kv_format, page ? pages * page : keys, kv) ||
        !make(s, 0, true, x->q_format, tokens, cols) ||
        !make(s, 1, true, "f32", tokens, x->heads) ||
        !make_ids(s, ATTENTION_Q_OFFSETS, 1, x->n + 1, 0) ||
        !make_ids(s, ATTENTION_K_OFFSETS, 1, x->n + 1, 0) ||
        (page && !make_ids(s, ATTENTION_TABLE, 2, x->n, width)) ||
        (x->sinks && !make(s, ATTENTION_SINKS, false, "f32", 1, x->heads)))
        return false;
    if (x->sinks) {
        fill(s, ATTENTION_SINKS, 0, 0, 0, 3);
        s->c.in[ATTENTION_SINKS].rank = s->ref.in[ATTENTION_SINKS].rank = 1;
        s->c.in[ATTENTION_SINKS].dim[0] = s->ref.in[ATTENTION_SINKS].dim[0] = x->heads;
    }
    int32_t *qo = s->c.in[ATTENTION_Q_OFFSETS].data, *ko = s->c.in[ATTENTION_K_OFFSETS].data;
    int32_t *table = s->c.in[ATTENTION_TABLE].data;
    for (int64_t i = 0; page && i < x->n * width; i++) table[i] = (int32_t)(pages - 1 - i);
    for (int i = 0; i < x->n; i++) {
        request r = x->seq[i];
        qo[i + 1] = qo[i] + r.queries;
        ko[i + 1] = ko[i] + r.keys + x->overcount;
        attention_sequence a = attention_sequence_at(&s->c, i);
        for (int j = 0; j < r.queries; j++)
            fill(s, ATTENTION_Q, a.q_first + j, r.id, r.keys - r.queries + j, 0);
        for (int j = 0; j < r.keys; j++) {
            int64_t row = attention_key_row(&x->p, &a, j);
            bool spoilt = x->spoil && j == r.keys * 2 / 3;
            fill(s, ATTENTION_K, row, r.id + (spoilt ? 100 : 0), j, 1);
            fill(s, ATTENTION_V, row, r.id, j, 2);
        }
    }
    return true;
}

static bool applies(const kernel_def *k, const setting *s) {
    type in[ATTENTION_OPERANDS];
    kernel_query q = {.node = &s->node};
    reason why;
    for (int i = 0; i < ATTENTION_OPERANDS; i++) {
        in[i] = (type){.format = s->c.in[i].format};
        q.in[i] = s->c.in[i].data ? &in[i] : NULL;
    }
    return k->op == &op_attention && cpu_isa_allowed(k->isa) && k->supports(&q, &why);
}

/* Runs all units, each with scratch full of NaN as it may come. */
static bool run(const kernel_def *k, setting *s, int upside) {
    int64_t own = k->scratch_bytes ? k->scratch_bytes(&s->c) : 0;
    int64_t shared = k->shared_bytes ? k->shared_bytes(&s->c) : 0;
    char *scratch = arena_alloc_lines(&s->mem, (size_t)own + 64);
    s->c.scratch = arena_alloc_lines(&s->mem, (size_t)shared + 64);
    if (!scratch || !s->c.scratch) return false;
    memset(scratch, 0xff, (size_t)own);
    memset(s->c.scratch, 0xff, (size_t)shared);
    int64_t units = k->units(&s->c);
    for (int64_t u = units; upside && u > 0; u--) {
        k->run(&s->c, u - 1, u, scratch);
        memset(scratch, 0xff, (size_t)own);
    }
    if (!upside) k->run(&s->c, 0, units, scratch);
    units = k->merge_units ? k->merge_units(&s->c) : 0;
    for (int64_t u = units; upside && u > 0; u--) k->merge(&s->c, u - 1, u, scratch);
    if (!upside && units) k->merge(&s->c, 0, units, scratch);
    return true;
}

/* ---- against the reference ---- */
static double worst(const setting *s, int32_t o) {
    const tensor *got = &s->c.out[o], *want = &s->ref.out[o];
    double error = 0;
    for (int64_t r = 0; r < got->dim[0]; r++) {
        for (int64_t i = 0; i < got->dim[1]; i++) {
            double x, y = ((const double *)want->data)[r * got->dim[1] + i];
            num_unpack_f64(got->format,
                           (const char *)got->data + r * num_row_bytes(got->format, got->dim[1]), i,
                           1, &x);
            if (x == y) continue;
            if (!(fabs(x - y) <= 1e30)) return INFINITY;
            error = MAX_OF(error, fabs(x - y));
        }
    }
    return error;
}

static int for_each_kernel(test *t, const problem *x,
                           void (*check)(test *, const kernel_def *, const problem *)) {
    context *cx = context_new();
    setting s;
    int n = 0;
    if (!set_up(&s, cx, x)) test_fail(t, __FILE__, __LINE__, "set_up", "memory");
    for (int f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            if (applies(*k, &s)) {
                check(t, *k, x);
                n++;
            }
    arena_free(&s.mem);
    context_free(cx);
    return n;
}

static void check_reference(test *t, const kernel_def *k, const problem *x) {
    context *cx = context_new();
    setting s;
    CHECK(t, set_up(&s, cx, x) && run(k, &s, x->upside), "memory");
    attention_params other = x->p;
    other.scale *= 1.5;
    if (x->spoil) s.ref.params = &other;
    op_attention.reference(&s.ref);
    double out = worst(&s, 0), lse = worst(&s, 1);
    bool narrow = !strcmp(x->q_format, "bf16"), both = narrow && !strcmp(x->kv_format, "bf16");
    double bound = both ? 1e-2 : narrow ? 4e-3 : 1e-5;
    CHECK(
        t, (out <= bound && lse <= (both ? 1e-3 : 2e-5)) == !x->spoil,
        "%s: head %d group %d window %d cap %g page %d %s/%s causal %d sinks %d: off by %g, lse %g",
        k->name, x->p.head, x->p.group, x->p.window, x->p.soft_cap, x->p.page, x->q_format,
        x->kv_format, x->p.causal, x->sinks, out, lse);
    arena_free(&s.mem);
    context_free(cx);
}

static attention_params plain(int head, int group) {
    return (attention_params){
        .head = head, .group = group, .scale = 1 / sqrt(head), .causal = true};
}

static void kernel_matches_reference(test *t) {
    static const char *const formats[][2] = {
        {"bf16", "bf16"}, {"f32", "f32"}, {"bf16", "f16"}, {"f32", "bf16"}, {"bf16", "int8_row"}};
    static const int heads[] = {64, 128, 80, 40, 256, 8};
    int n = 0;
    for (int i = 0; i < 60; i++) {
        problem x = {.p = plain(heads[i % 6], 1 + i % 4 * (i % 3)),
                     .q_format = formats[i % 5][0],
                     .kv_format = formats[i % 5][1],
                     .sinks = i % 4 == 1,
                     .n = 3,
                     .seq = {{1, 1, 77}, {2, 130 + i, 130 + i}, {3, 5, 300 - i}},
                     .upside = i & 1};
        x.heads = x.p.group * 2;
        x.p.page = i % 7 == 2 ? 16 : i % 7 == 4 ? 5 : 0;
        x.p.window = i % 5 == 3 ? 33 + i : 0;
        x.p.soft_cap = i % 6 == 5 ? 2 : 0;
        x.p.causal = i % 8 != 6;
        x.spoil = i >= 56;
        n += for_each_kernel(t, &x, check_reference);
    }
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* ---- equal bits ---- */
/* The bytes of `rows` rows of both outputs, from row `first`, one row behind the other. */
static char *bits_of(const setting *s, int64_t first, int64_t rows, char *to) {
    for (int64_t r = first; r < first + rows; r++) {
        for (int o = 0; o < 2; o++) {
            const tensor *t = &s->c.out[o];
            int64_t bytes = num_row_bytes(t->format, t->dim[1]);
            memcpy(to, (const char *)t->data + r * bytes, (size_t)bytes);
            to += bytes;
        }
    }
    return to;
}

enum { BITS_BYTES = 8 << 20 };
/* All rows of x.seq[0], whose positions are asked for in chunks. */
static bool gather_bits(const kernel_def *k, problem x, int chunk, char *to) {
    request whole = x.seq[0];
    int start = whole.keys - whole.queries;
    for (int at = 0; at < whole.queries; at += chunk) {
        context *cx = context_new();
        setting s;
        x.seq[0].queries = MIN_OF(chunk, whole.queries - at);
        x.seq[0].keys = start + at + x.seq[0].queries;
        bool fine = set_up(&s, cx, &x) && run(k, &s, x.upside);
        if (fine) to = bits_of(&s, 0, x.seq[0].queries, to);
        arena_free(&s.mem);
        context_free(cx);
        if (!fine) return false;
    }
    return true;
}

static void check_same(test *t, const kernel_def *k, const problem *base, const problem *other,
                       int chunk, bool same) {
    char *a = calloc(1, BITS_BYTES), *b = calloc(1, BITS_BYTES);
    bool fine = a && b && gather_bits(k, *base, base->seq[0].queries, a) &&
                gather_bits(k, *other, chunk, b);
    bool equal = fine && !memcmp(a, b, BITS_BYTES);
    free(a);
    free(b);
    CHECK(t, fine, "memory");
    CHECK(t, equal == same, "%s head %d group %d %s: chunk %d page %d beside %d upside %d: %s",
          k->name, base->p.head, base->p.group, base->kv_format, chunk, other->p.page, other->n,
          other->upside, equal ? "equal in spite of a changed key" : "bits differ");
}

static void check_cuts(test *t, const kernel_def *k, const problem *x) {
    static const int chunks[] = {1, 7, 64, 512}, pages[] = {16, 64, 0};
    problem y = *x;
    for (int i = 0; i < 4; i++)
        if (chunks[i] > 1 || x->seq[0].queries < 200) check_same(t, k, x, &y, chunks[i], true);
    for (int i = 0; i < 3; i++) {
        y = *x;
        y.p.page = pages[i];
        y.upside = i & 1;
        y.n = 1 + i;
        y.seq[1] = (request){7, 3, 90};
        y.seq[2] = (request){8, 70, 1100};
        check_same(t, k, x, &y, 100, true);
    }
    y = *x;
    y.spoil = true;
    check_same(t, k, x, &y, x->seq[0].queries, false);
}

static void equal_bits(test *t) {
    static const char *const formats[][2] = {
        {"bf16", "bf16"}, {"f32", "f32"}, {"bf16", "int8_row"}};
    int n = 0;
    for (int i = 0; i < 9; i++) {
        bool far =
            i % 3 == 1; /* a short run of queries deep into a long sequence: cut by segments */
        problem x = {.p = plain(i % 2 ? 64 : 32, i % 3 ? 2 : 1),
                     .q_format = formats[i / 3][0],
                     .kv_format = formats[i / 3][1],
                     .n = 1,
                     .sinks = i % 4 == 3,
                     .seq = {{1, far ? 20 : 600, far ? 3300 : 600}}};
        x.heads = x.p.group;
        x.p.window = i == 5 ? 150 : i == 7 ? 2000 : 0;
        n += for_each_kernel(t, &x, check_cuts);
    }
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* Slots without a key hold NaN here; the control claims one key too many. */
static void check_stale(test *t, const kernel_def *k, const problem *x) {
    context *cx = context_new();
    setting s;
    CHECK(t, set_up(&s, cx, x) && run(k, &s, 0), "memory");
    float got;
    s.c.out[0].format->unpack(s.c.out[0].data, 0, 1, &got);
    CHECK(t, isnan(got) == (x->overcount > 0), "%s: %g", k->name, got);
    arena_free(&s.mem);
    context_free(cx);
}

static void stale_pages(test *t) {
    int n = 0;
    for (int i = 0; i < 4; i++) {
        problem x = {.p = plain(64, 4),
                     .heads = 4,
                     .q_format = i & 1 ? "f32" : "bf16",
                     .kv_format = i & 1 ? "f32" : "bf16",
                     .n = 1,
                     .seq = {{1, 1, 83}},
                     .overcount = i / 2};
        x.p.page = 16;
        n += for_each_kernel(t, &x, check_stale);
    }
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

const test_case suite_attention_kernels[] = {{"kernel_matches_reference", kernel_matches_reference},
                                             {"equal_bits", equal_bits},
                                             {"stale_pages", stale_pages},
                                             {0}};
