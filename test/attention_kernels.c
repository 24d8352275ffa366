/* Attention's kernels of every instruction set here: against the reference with all options, and equal bits
 * for a row of a sequence however it is chunked, paged, batched and dealt out. */
#include "test.h"
#include "base/cpu.h"
#include "kit/attention_case.h"
#include <math.h>
#include <stdlib.h>

static attention_params plain(int head, int group) {
    return (attention_params){
        .head = head, .group = group, .scale = 1 / sqrt(head), .causal = true};
}

static void check_reference(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
    context *cx = context_new();
    setting s;
    CHECK(t, case_set_up(&s, cx, x) && case_run(k, &s, x->upside), "memory");
    attention_params other = x->p;
    other.scale *= 1.5;
    if (x->spoil) s.ref.params = &other;
    op_attention.reference(&s.ref);
    double out = case_worst(&s, 0), lse = case_worst(&s, 1);
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

static void kernel_matches_reference(test *t) {
    context *cx = context_new();
    static const char *const formats[][2] = {
        {"bf16", "bf16"}, {"f32", "f32"}, {"bf16", "f16"}, {"f32", "bf16"}, {"bf16", "int8_row"}};
    static const int heads[] = {64, 128, 80, 40, 256, 8};
    int n = 0;
    for (int i = 0; i < 36; i++) {
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
        x.spoil = i >= 34;
        n += case_each_kernel(cx, &x, &op_attention, t, check_reference);
    }
    context_free(cx);
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
        bool fine = case_set_up(&s, cx, &x) && case_run(k, &s, x.upside);
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

static void check_cuts(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
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
    context *cx = context_new();
    static const char *const formats[][2] = {
        {"bf16", "bf16"}, {"f32", "f32"}, {"bf16", "int8_row"}};
    int n = 0;
    for (int i = 0; i < 10; i++) {
        bool steep = i == 9; /* scores that exceed what came before by far, again and again */
        bool far =
            i % 3 == 1; /* a short run of queries deep into a long sequence: cut by segments */
        problem x = {.p = plain(i % 2 ? 64 : 32, i % 3 ? 2 : 1),
                     .q_format = formats[i / 3 % 3][0],
                     .kv_format = formats[i / 3 % 3][1],
                     .n = 1,
                     .sinks = i % 4 == 3,
                     .seq = {{1, far ? 20 : 600, far ? 3300 : 600}}};
        x.heads = x.p.group;
        x.p.window = i == 5 ? 150 : i == 7 ? 2000 : 0;
        if (steep) x.p.scale *= 16;
        n += case_each_kernel(cx, &x, &op_attention, t, check_cuts);
    }
    context_free(cx);
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* Slots without a key hold NaN here; the control claims one key too many. */
static void check_stale(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
    context *cx = context_new();
    setting s;
    CHECK(t, case_set_up(&s, cx, x) && case_run(k, &s, 0), "memory");
    float got;
    s.c.out[0].format->unpack(s.c.out[0].data, 0, 1, &got);
    CHECK(t, isnan(got) == (x->overcount > 0), "%s: %g", k->name, got);
    arena_free(&s.mem);
    context_free(cx);
}

static void stale_pages(test *t) {
    context *cx = context_new();
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
        n += case_each_kernel(cx, &x, &op_attention, t, check_stale);
    }
    context_free(cx);
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* A value that is not a number is the matter of those who see it: every row before position `at` keeps its bits
 * when all values from there on are infinite or NaN, and every later row notices. */
static void check_wild(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
    int queries = x->seq[0].queries, before = x->seq[0].keys - queries, at = before + queries / 2;
    context *cx = context_new();
    setting s;
    CHECK(t, case_set_up(&s, cx, x) && case_run(k, &s, 0), "memory");
    const tensor *out = &s.c.out[0], *v = &s.c.in[ATTENTION_V];
    int64_t columns = out->dim[1], bytes = num_row_bytes(out->format, columns);
    char *tame = malloc((size_t)(queries * bytes));
    float bad[256], row[512];
    CHECK(t, tame && v->dim[1] <= COUNT_OF(bad) && columns <= COUNT_OF(row), "room");
    memcpy(tame, out->data, (size_t)(queries * bytes));
    for (int64_t i = 0; i < v->dim[1]; i++) bad[i] = i % 3 ? INFINITY : NAN;
    for (int64_t r = at; r < x->seq[0].keys; r++)
        v->format->pack(bad, v->dim[1], (char *)v->data + r * num_row_bytes(v->format, v->dim[1]));
    CHECK(t, case_run(k, &s, 0), "memory");
    for (int64_t q = 0; q < queries; q++) {
        const char *now = (const char *)out->data + q * bytes;
        bool same = !memcmp(now, tame + q * bytes, (size_t)bytes), finite = true;
        out->format->unpack(now, 0, columns, row);
        for (int64_t i = 0; i < columns; i++) finite = finite && isfinite(row[i]);
        bool sees = before + q >= at;
        CHECK(t, sees ? !finite : same, "%s: query %ld of %d, %s", k->name, (long)q, queries,
              sees ? "sees it and stays finite" : "does not see it and differs");
    }
    free(tame);
    arena_free(&s.mem);
    context_free(cx);
}

static void wild_values(test *t) {
    context *cx = context_new();
    static const char *const formats[][2] = {
        {"bf16", "bf16"}, {"f32", "f32"}, {"bf16", "f16"}, {"f32", "bf16"}};
    static const request shapes[] = {{1, 150, 150}, {1, 4, 90}, {1, 3, 2100}, {1, 40, 200}};
    int n = 0;
    for (int i = 0; i < 16; i++) {
        problem x = {.p = plain(i % 3 ? 64 : 40, i % 2 + 1),
                     .q_format = formats[i % 4][0],
                     .kv_format = formats[i % 4][1],
                     .n = 1,
                     .seq = {shapes[i / 4]}};
        x.heads = x.p.group * 2;
        x.p.window = i % 5 == 4 ? 50 : 0;
        n += case_each_kernel(cx, &x, &op_attention, t, check_wild);
    }
    context_free(cx);
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* ---- backward ---- */
/* Makes the backward call out of a setting: out and lse are the reference's, rounded to their formats. */
static bool set_up_backward(setting *s, context *cx, const problem *x, setting *forward) {
    if (!case_set_up(forward, cx, x) || !case_set_up(s, cx, x)) return false;
    op_attention.reference(&forward->ref);
    s->node.op = &op_attention_bwd;
    s->c.n_in = s->ref.n_in = ATTENTION_BWD_OPERANDS;
    s->c.n_out = s->ref.n_out = 4;
    int64_t tokens = s->c.in[ATTENTION_Q].dim[0], cols = s->c.in[ATTENTION_Q].dim[1];
    int64_t keys = s->c.in[ATTENTION_K].dim[0], kv = s->c.in[ATTENTION_K].dim[1];
    if (!case_tensor(s, ATTENTION_OUT, false, x->q_format, tokens, cols) ||
        !case_tensor(s, ATTENTION_DOUT, false, x->q_format, tokens, cols) ||
        !case_tensor(s, ATTENTION_LSE, false, "f32", tokens, x->heads) ||
        !case_tensor(s, ATTENTION_DLSE, false, "f32", tokens, x->heads) ||
        !case_tensor(s, ATTENTION_DQ, true, x->q_format, tokens, cols) ||
        !case_tensor(s, ATTENTION_DK, true, x->kv_format, keys, kv) ||
        !case_tensor(s, ATTENTION_DV, true, x->kv_format, keys, kv) ||
        !case_tensor(s, ATTENTION_DSINKS, true, "f32", 1, x->heads))
        return false;
    for (int32_t o = 0; o < 2; o++) {
        tensor *t = &s->c.in[ATTENTION_OUT + o], *twin = &s->ref.in[ATTENTION_OUT + o];
        memcpy(twin->data, forward->ref.out[o].data, (size_t)(tokens * t->dim[1]) * sizeof(double));
        for (int64_t r = 0; r < tokens; r++) {
            char *row = (char *)t->data + r * num_row_bytes(t->format, t->dim[1]);
            double *exact = (double *)twin->data + r * t->dim[1];
            num_pack_f64(t->format, exact, t->dim[1], row);
            num_unpack_f64(t->format, row, 0, t->dim[1], exact);
        }
    }
    const int32_t *offsets = s->c.in[ATTENTION_Q_OFFSETS].data;
    for (int i = 0; i < x->n; i++)
        for (int64_t r = offsets[i]; r < offsets[i + 1]; r++) {
            case_fill(s, ATTENTION_DOUT, r, x->seq[i].id, r - offsets[i], 4);
            case_fill(s, ATTENTION_DLSE, r, x->seq[i].id, r - offsets[i], 5);
        }
    if (!x->sinks) s->c.out[ATTENTION_DSINKS].data = s->ref.out[ATTENTION_DSINKS].data = NULL;
    return true;
}

static double largest(const tensor *t) {
    double most = 1;
    for (int64_t i = 0; i < t->dim[0] * t->dim[1]; i++)
        most = MAX_OF(most, fabs(((const double *)t->data)[i]));
    return most;
}

static void check_backward(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
    context *cx = context_new();
    setting s, forward;
    CHECK(t, set_up_backward(&s, cx, x, &forward) && case_run(k, &s, x->upside), "memory");
    attention_params other = x->p;
    other.scale *= 1.5;
    if (x->spoil) s.ref.params = &other;
    op_attention_bwd.reference(&s.ref);
    for (int32_t o = 0; o < 4; o++) {
        if (!s.c.out[o].data || (x->spoil && o == ATTENTION_DSINKS)) continue;
        bool narrow = !strcmp(x->q_format, "bf16") || s.c.out[o].format->error > 1e-4;
        double off = case_worst(&s, o) / largest(&s.ref.out[o]);
        CHECK(t, (off <= (narrow ? 1e-2 : 2e-5)) == !x->spoil,
              "%s: output %d, head %d group %d window %d cap %g %s/%s causal %d: off by %g",
              k->name, o, x->p.head, x->p.group, x->p.window, x->p.soft_cap, x->q_format,
              x->kv_format, x->p.causal, off);
    }
    arena_free(&s.mem);
    arena_free(&forward.mem);
    context_free(cx);
}

static void backward_matches_reference(test *t) {
    static const char *const formats[][2] = {{"bf16", "bf16"}, {"f32", "f32"}, {"f32", "bf16"}};
    static const int heads[] = {64, 128, 80, 40, 8};
    context *cx = context_new();
    int n = 0;
    for (int i = 0; i < 18; i++) {
        problem x = {.p = plain(heads[i % 5], 1 + i % 3),
                     .q_format = formats[i % 3][0],
                     .kv_format = formats[i % 3][1],
                     .sinks = i % 4 == 1,
                     .n = 3,
                     .seq = {{1, 1, 1}, {2, 150 + i, 150 + i}, {3, 100, 300 - i}},
                     .upside = i & 1};
        x.heads = x.p.group * 2;
        x.p.window = i % 5 == 3 ? 33 + i : 0;
        x.p.soft_cap = i % 7 == 5 ? 2 : 0;
        x.p.causal = i % 8 != 6;
        x.spoil = i >= 17;
        n += case_each_kernel(cx, &x, &op_attention_bwd, t, check_backward);
    }
    context_free(cx);
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* The gradients of the first sequence are the same whoever follows and however units are dealt out. */
static void check_backward_alone(void *to, const kernel_def *k, const problem *x) {
    test *t = to;
    for (int variant = 1; variant < 4; variant++) {
        context *cx = context_new();
        problem y = *x;
        setting a, b, forward[2];
        y.upside = variant == 1;
        y.n = 1 + variant;
        y.spoil = variant == 3;
        CHECK(t, set_up_backward(&a, cx, x, &forward[0]) && case_run(k, &a, false), "memory");
        CHECK(t, set_up_backward(&b, cx, &y, &forward[1]) && case_run(k, &b, y.upside), "memory");
        for (int32_t o = 0; o < 3; o++) {
            const tensor *m = &a.c.out[o];
            size_t bytes = (size_t)(m->dim[0] * num_row_bytes(m->format, m->dim[1]));
            CHECK(t, !memcmp(m->data, b.c.out[o].data, bytes) == !y.spoil,
                  "%s: output %d of variant %d", k->name, o, variant);
        }
        arena_free(&a.mem);
        arena_free(&b.mem);
        for (int i = 0; i < 2; i++) arena_free(&forward[i].mem);
        context_free(cx);
    }
}

static void backward_equal_bits(test *t) {
    context *cx = context_new();
    int n = 0;
    for (int i = 0; i < 4; i++) {
        const char *format = i & 1 ? "f32" : "bf16";
        problem x = {.p = plain(i & 2 ? 64 : 40, 1 + i),
                     .q_format = format,
                     .kv_format = format,
                     .n = 1,
                     .seq = {{1, 330, 330}, {2, 70, 70}, {3, 1, 90}, {4, 10, 10}}};
        x.heads = x.p.group;
        n += case_each_kernel(cx, &x, &op_attention_bwd, t, check_backward_alone);
    }
    context_free(cx);
    if (!n) test_skip(t, "no attention kernel runs on this CPU");
}

/* At length 8192 what a call holds beside its tensors, for two threads, stays within 8 MiB. */
static void workspace_is_small(test *t) {
    static const int heads[] = {64, 128};
    for (int i = 0; i < 2; i++) {
        attention_params p = plain(heads[i], 1);
        int64_t cols = 16 * heads[i];
        tensor ids = {.rank = 1, .dim = {2}};
        call c = {.params = &p, .n_in = ATTENTION_BWD_OPERANDS, .n_out = 4};
        c.in[ATTENTION_Q] = (tensor){.format = num_find("bf16"), .rank = 2, .dim = {8192, cols}};
        c.in[ATTENTION_K] = c.in[ATTENTION_V] = c.in[ATTENTION_Q];
        c.in[ATTENTION_Q_OFFSETS] = c.in[ATTENTION_K_OFFSETS] = ids;
        for (int f = 0; registry_kernel[f]; f++) {
            for (const kernel_def *const *k = registry_kernel[f]; *k; k++) {
                if ((*k)->op != &op_attention && (*k)->op != &op_attention_bwd) continue;
                int64_t bytes = 2 * (*k)->scratch_bytes(&c) + (*k)->shared_bytes(&c);
                CHECK(t, bytes <= 8 << 20, "%s, heads of %d: %lld", (*k)->name, heads[i],
                      (long long)bytes);
            }
        }
    }
}

/* Says aloud which kernels the cases above could not try. */
static void every_instruction_set(test *t) {
    for (int f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            if (((*k)->op == &op_attention || (*k)->op == &op_attention_bwd) &&
                !cpu_isa_allowed((*k)->isa))
                test_skip(t, "%s: this CPU lacks %s", (*k)->name, (*k)->isa);
}

const test_case suite_attention_kernels[] = {
    {"kernel_matches_reference", kernel_matches_reference},
    {"equal_bits", equal_bits},
    {"stale_pages", stale_pages},
    {"wild_values", wild_values},
    {"backward_matches_reference", backward_matches_reference},
    {"backward_equal_bits", backward_equal_bits},
    {"workspace_is_small", workspace_is_small},
    {"every_instruction_set", every_instruction_set},
    {0}};
