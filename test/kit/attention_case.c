#include "kit/attention_case.h"
#include "base/cpu.h"
#include <math.h>
#include <string.h>

static float content(int id, int64_t position, int64_t column, int what) {
    uint64_t z = (uint64_t)id * 0x9e3779b97f4a7c15u + (uint64_t)position * 0xbf58476d1ce4e5b9u +
                 (uint64_t)column * 0x94d049bb133111ebu + (uint64_t)what * 0xd6e8feb86659fd93u;
    z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 32)) * 0x94d049bb133111ebu;
    return (float)((double)(z >> 40) * 0x1p-23 - 1) * (what == 0 ? 3 : 1);
}

bool case_tensor(setting *s, int32_t at, bool output, const char *format, int64_t rows,
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

void case_fill(setting *s, int32_t at, int64_t row, int id, int64_t position, int what) {
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

bool case_set_up(setting *s, context *cx, const problem *x) {
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
    if (!case_tensor(s, ATTENTION_Q, false, x->q_format, tokens, cols) ||
        !case_tensor(s, ATTENTION_K, false, x->kv_format, page ? pages * page : keys, kv) ||
        !case_tensor(s, ATTENTION_V, false, x->kv_format, page ? pages * page : keys, kv) ||
        !case_tensor(s, 0, true, x->q_format, tokens, cols) ||
        !case_tensor(s, 1, true, "f32", tokens, x->heads) ||
        !make_ids(s, ATTENTION_Q_OFFSETS, 1, x->n + 1, 0) ||
        !make_ids(s, ATTENTION_K_OFFSETS, 1, x->n + 1, 0) ||
        (page && !make_ids(s, ATTENTION_TABLE, 2, x->n, width)) ||
        (x->sinks && !case_tensor(s, ATTENTION_SINKS, false, "f32", 1, x->heads)))
        return false;
    if (x->sinks) {
        case_fill(s, ATTENTION_SINKS, 0, 0, 0, 3);
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
            case_fill(s, ATTENTION_Q, a.q_first + j, r.id, r.keys - r.queries + j, 0);
        for (int j = 0; j < r.keys; j++) {
            int64_t row = attention_key_row(&x->p, &a, j);
            bool spoilt = x->spoil && j == r.keys * 2 / 3;
            case_fill(s, ATTENTION_K, row, r.id + (spoilt ? 100 : 0), j, 1);
            case_fill(s, ATTENTION_V, row, r.id, j, 2);
        }
    }
    return true;
}

bool case_applies(const kernel_def *k, const setting *s) {
    type in[MAX_IN];
    kernel_query q = {.node = &s->node};
    reason why;
    for (int i = 0; i < s->c.n_in; i++) {
        in[i] = (type){.format = s->c.in[i].format};
        q.in[i] = s->c.in[i].data ? &in[i] : NULL;
    }
    return k->op == s->node.op && cpu_isa_allowed(k->isa) && k->supports(&q, &why);
}

bool case_run(const kernel_def *k, setting *s, bool upside) {
    int64_t own = k->scratch_bytes ? k->scratch_bytes(&s->c) : 0;
    int64_t shared = k->shared_bytes ? k->shared_bytes(&s->c) : 0;
    char *scratch = arena_alloc_lines(&s->mem, (size_t)own + 64);
    s->c.scratch = arena_alloc_lines(&s->mem, (size_t)shared + 64);
    if (!scratch || !s->c.scratch) return false;
    memset(s->c.scratch, 0xff, (size_t)shared);
    int64_t (*const units[])(const call *) = {k->prepare_units, k->units, k->merge_units};
    void (*const pass[])(const call *, int64_t, int64_t, void *) = {k->prepare, k->run, k->merge};
    for (int i = 0; i < 3; i++) {
        int64_t n = units[i] ? units[i](&s->c) : 0;
        memset(scratch, 0xff, (size_t)own);
        if (!upside && n) pass[i](&s->c, 0, n, scratch);
        for (int64_t u = n; upside && u > 0; u--) {
            pass[i](&s->c, u - 1, u, scratch);
            memset(scratch, 0xff, (size_t)own);
        }
    }
    return true;
}

double case_worst(const setting *s, int32_t o) {
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

int case_each_kernel(context *cx, const problem *x, const op_def *op, void *to,
                     void (*check)(void *to, const kernel_def *, const problem *)) {
    setting s;
    int n = 0;
    bool fine = case_set_up(&s, cx, x);
    if (op == &op_attention_bwd)
        fine = fine && case_tensor(&s, ATTENTION_OUT, false, x->q_format, 1, 1) &&
               case_tensor(&s, ATTENTION_DOUT, false, x->q_format, 1, 1) &&
               case_tensor(&s, ATTENTION_LSE, false, "f32", 1, 1);
    s.node.op = op;
    if (op == &op_attention_bwd) s.c.n_in = ATTENTION_BWD_OPERANDS;
    for (int f = 0; fine && registry_kernel[f]; f++) {
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++) {
            if (!case_applies(*k, &s)) continue;
            check(to, *k, x);
            n++;
        }
    }
    arena_free(&s.mem);
    return n;
}
