/* Ragged attention (ops/attention.h): the op that serves training, prefill, chunks and decoding
 * alike. FlashAttention: Dao et al. 2022; sinks: Xiao et al. 2023; soft-cap: Gemma 2. A row that
 * sees no key gives 0, and -inf as its log-sum-exp (or its sink). */
#include "ops/attention.h"
#include <math.h>
#include <string.h>

static bool is_i32(const graph *g, value v) {
    return !strcmp(value_type(g, v)->format->name, "i32");
}

static status check_params(const graph *g, const node *n, const attention_params *p) {
    if (p->head < 1 || p->group < 1)
        return op_fail(g, n, "head size %d and group %d must be positive", p->head, p->group);
    if (p->window < 0 || p->page < 0 || !(p->soft_cap >= 0) || !isfinite(p->soft_cap) ||
        !isfinite(p->scale))
        return op_fail(g, n, "window %d, page %d, soft-cap %g, scale %g are not all sound",
                       p->window, p->page, p->soft_cap, p->scale);
    return STATUS_OK;
}

static status check_offsets(const graph *g, const node *n, const attention_params *p) {
    value offsets = n->in[ATTENTION_Q_OFFSETS], keys = n->in[ATTENTION_K_OFFSETS];
    value table = n->in[ATTENTION_TABLE];
    const type *o = value_type(g, offsets);
    if (o->rank != 1 || !is_i32(g, offsets))
        return op_fail(g, n, "query offsets (operand 3) must be i32 [sequences + 1]");
    if (!value_absent(keys) && (!type_same_dims(value_type(g, keys), o) || !is_i32(g, keys)))
        return op_fail(g, n, "key offsets (operand 4) must be like the query offsets");
    if (value_absent(table) != (p->page == 0))
        return op_fail(g, n, "a page table (operand 5) belongs to pages, and the page is %d slots",
                       p->page);
    if (value_absent(table)) return STATUS_OK;
    const type *t = value_type(g, table);
    if (value_absent(keys)) return op_fail(g, n, "pages need key offsets (operand 4)");
    if (t->rank != 2 || !is_i32(g, table) ||
        !extent_same(extent_affine(t->dim[0].sym, t->dim[0].mul, t->dim[0].add + 1), o->dim[0]))
        return op_fail(g, n,
                       "the page table (operand 5) must be i32 [sequences, pages a sequence]");
    return STATUS_OK;
}

status attention_check(const graph *g, const node *n) {
    const attention_params *p = n->params;
    TRY(check_params(g, n, p));
    const type *q = value_type(g, n->in[ATTENTION_Q]), *k = value_type(g, n->in[ATTENTION_K]);
    bool whole = true;
    if (q->rank != 2 || q->format->kind != NUM_FLOAT)
        return op_fail(g, n, "q (operand 0) must be floats [tokens, heads * head]");
    if (q->dim[1].sym || q->dim[1].add < 1 || q->dim[1].add % ((int64_t)p->head * p->group))
        return op_fail(g, n, "columns of q (operand 0) are not groups of %d heads of %d", p->group,
                       p->head);
    if (k->rank != 2 || !extent_is(k->dim[1], q->dim[1].add / p->group))
        return op_fail(g, n, "k (operand 1) must be [keys, %lld]",
                       (long long)(q->dim[1].add / p->group));
    if (!type_same(k, value_type(g, n->in[ATTENTION_V])))
        return op_fail(g, n, "v (operand 2) must be like k (operand 1)");
    TRY(check_offsets(g, n, p));
    if (p->page) (void)extent_divide(k->dim[0], p->page, &whole);
    if (!whole) return op_fail(g, n, "rows of k (operand 1) are not pages of %d", p->page);
    if (value_absent(n->in[ATTENTION_K_OFFSETS]) && !extent_same(k->dim[0], q->dim[0]))
        return op_fail(g, n,
                       "without key offsets k (operand 1) must have the rows of q (operand 0)");
    value sinks = n->in[ATTENTION_SINKS];
    if (value_absent(sinks)) return STATUS_OK;
    const type *s = value_type(g, sinks);
    if (s->rank != 1 || !extent_is(s->dim[0], q->dim[1].add / p->head))
        return op_fail(g, n, "sinks (operand 6) must be [%lld]",
                       (long long)(q->dim[1].add / p->head));
    return STATUS_OK;
}

static status shape(const graph *g, const node *n, type *out) {
    const attention_params *p = n->params;
    TRY(attention_check(g, n));
    const type *q = value_type(g, n->in[ATTENTION_Q]);
    bool wide = !strcmp(q->format->name, "f64");
    out[0] = *q;
    out[1] = *q;
    out[1].format = wide ? q->format : num_find("f32");
    out[1].dim[1] = extent_of(q->dim[1].add / p->head);
    return STATUS_OK;
}

enum { LABEL_TOKENS = 1, LABEL_HEADS, LABEL_KEYS };

void attention_labels(const node *n, labels *l) {
    const attention_params *p = n->params;
    bool own_keys = value_absent(n->in[ATTENTION_K_OFFSETS]);
    axis_label row = {LABEL_TOKENS, 1}, key = own_keys ? row : (axis_label){LABEL_KEYS, 1};
    axis_label wide = {LABEL_HEADS, (int64_t)p->head * p->group}, narrow = {LABEL_HEADS, p->head};
    l->how[LABEL_TOKENS] = LABEL_RAGGED;
    l->how[LABEL_KEYS] = LABEL_WHOLE;
    l->in[ATTENTION_Q][0] = row;
    l->in[ATTENTION_Q][1] = wide;
    l->in[ATTENTION_K][0] = l->in[ATTENTION_V][0] = key;
    l->in[ATTENTION_K][1] = l->in[ATTENTION_V][1] = narrow;
    l->in[ATTENTION_SINKS][0] = (axis_label){LABEL_HEADS, p->group};
}

static void forward_labels(const graph *g, const node *n, labels *l) {
    (void)g;
    attention_labels(n, l);
    l->out[0][0] = l->out[1][0] = l->in[ATTENTION_Q][0];
    l->out[0][1] = l->in[ATTENTION_Q][1];
    l->out[1][1] = l->in[ATTENTION_SINKS][0];
}

/* One head of one query row, and where its keys lie. */
typedef struct row {
    const attention_params *p;
    attention_sequence a;
    int64_t from, to, kv; /* keys [from, to); columns of k */
    const double *q, *k, *v;
} row;

static double score(const row *r, int64_t j) {
    const double *k = r->k + attention_key_row(r->p, &r->a, j) * r->kv;
    double s = 0;
    for (int32_t d = 0; d < r->p->head; d++) s += r->q[d] * k[d];
    s *= r->p->scale;
    return r->p->soft_cap > 0 ? r->p->soft_cap * tanh(s / r->p->soft_cap) : s;
}

/* Adds exp(s) to sum * exp(most). */
static void gather(double s, double *most, double *sum) {
    if (s > *most) {
        *sum = *sum * exp(*most - s) + 1;
        *most = s;
    } else {
        *sum += *most == -INFINITY && s == *most ? 0 : exp(s - *most);
    }
}

static void reference_row(const call *c, const row *r, double sink, double *out, double *lse) {
    double most = sink, sum = sink > -INFINITY ? 1 : 0;
    for (int64_t j = r->from; j < r->to; j++) gather(score(r, j), &most, &sum);
    if (c->out[1].data) *lse = sum == 0 ? -INFINITY : most + log(sum);
    if (!c->out[0].data) return;
    for (int32_t d = 0; d < r->p->head; d++) out[d] = 0;
    for (int64_t j = r->from; j < r->to; j++) {
        double p = exp(score(r, j) - most) / sum;
        const double *v = r->v + attention_key_row(r->p, &r->a, j) * r->kv;
        for (int32_t d = 0; d < r->p->head; d++) out[d] += p * v[d];
    }
}

static void reference(const call *c) {
    const attention_params *p = c->params;
    int64_t cols = c->in[ATTENTION_Q].dim[1], heads = cols / p->head, kv = cols / p->group;
    const double *q = c->in[ATTENTION_Q].data, *k = c->in[ATTENTION_K].data;
    const double *v = c->in[ATTENTION_V].data, *sinks = c->in[ATTENTION_SINKS].data;
    double *out = c->out[0].data, *lse = c->out[1].data;
    for (int64_t s = 0; s + 1 < c->in[ATTENTION_Q_OFFSETS].dim[0]; s++) {
        row r = {.p = p, .a = attention_sequence_at(c, s), .kv = kv};
        for (int64_t i = 0; i < r.a.queries; i++) {
            attention_range(p, r.a.keys - r.a.queries + i, r.a.keys, &r.from, &r.to);
            for (int64_t h = 0; h < heads; h++) {
                int64_t at = (r.a.q_first + i) * heads + h, first = h / p->group * p->head;
                r.q = q + at * p->head;
                r.k = k + first;
                r.v = v + first;
                reference_row(c, &r, sinks ? sinks[h] : -INFINITY, out ? out + at * p->head : NULL,
                              lse ? lse + at : NULL);
            }
        }
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    value in[ATTENTION_BWD_OPERANDS];
    memcpy(in, n->in, ATTENTION_OPERANDS * sizeof *in);
    in[ATTENTION_OUT] = (value){y.node, 0};
    in[ATTENTION_LSE] = (value){y.node, 1};
    in[ATTENTION_DOUT] = dy[0];
    in[ATTENTION_DLSE] = dy[1];
    value d = graph_add(g, &op_attention_bwd, n->params, ATTENTION_BWD_OPERANDS, in);
    if (value_absent(d)) return;
    if (want >> ATTENTION_Q & 1) dx[ATTENTION_Q] = (value){d.node, ATTENTION_DQ};
    if (want >> ATTENTION_K & 1) dx[ATTENTION_K] = (value){d.node, ATTENTION_DK};
    if (want >> ATTENTION_V & 1) dx[ATTENTION_V] = (value){d.node, ATTENTION_DV};
    if (want >> ATTENTION_SINKS & 1) dx[ATTENTION_SINKS] = (value){d.node, ATTENTION_DSINKS};
}

/* Bounds i of the offsets: from the tensor, else sequences of equal length. */
static int64_t offset(const call *c, int32_t operand, int64_t i, int64_t rows) {
    int64_t sequences = c->in[ATTENTION_Q_OFFSETS].dim[0] - 1;
    if (c->in[operand].data) return ((const int32_t *)c->in[operand].data)[i];
    return rows * i / MAX_OF(sequences, 1);
}

double attention_pairs(const call *c) {
    const attention_params *p = c->params;
    bool own = c->in[ATTENTION_K_OFFSETS].rank == 0;
    double pairs = 0;
    for (int64_t s = 0; s + 1 < c->in[ATTENTION_Q_OFFSETS].dim[0]; s++) {
        int64_t rows = c->in[ATTENTION_Q].dim[0], key_rows = c->in[ATTENTION_K].dim[0];
        int64_t queries =
            offset(c, ATTENTION_Q_OFFSETS, s + 1, rows) - offset(c, ATTENTION_Q_OFFSETS, s, rows);
        int64_t keys = own ? queries
                           : offset(c, ATTENTION_K_OFFSETS, s + 1, key_rows) -
                                 offset(c, ATTENTION_K_OFFSETS, s, key_rows);
        for (int64_t i = 0; i < queries; i++) {
            int64_t from, to;
            attention_range(p, keys - queries + i, keys, &from, &to);
            pairs += (double)(to - from);
        }
    }
    return pairs * (double)(c->in[ATTENTION_Q].dim[1] / p->head);
}

double attention_bytes(const tensor *t) {
    if (!t->format || !t->rank) return 0;
    double rows = 1;
    for (int32_t d = 0; d + 1 < t->rank; d++) rows *= (double)t->dim[d];
    return rows * (double)num_row_bytes(t->format, t->dim[t->rank - 1]);
}

static void cost_of(const call *c, cost *out) {
    const attention_params *p = c->params;
    out->flops = 4 * attention_pairs(c) * p->head;
    out->bytes = 0;
    for (int32_t i = 0; i < c->n_in; i++) out->bytes += attention_bytes(&c->in[i]);
    for (int32_t o = 0; o < c->n_out; o++) out->bytes += attention_bytes(&c->out[o]);
    if (!p->page) return;
    /* of the pages, only the slots in use */
    int64_t rows = c->in[ATTENTION_K].dim[0], last = c->in[ATTENTION_Q_OFFSETS].dim[0] - 1;
    double used = (double)offset(c, ATTENTION_K_OFFSETS, last, rows) / (double)MAX_OF(rows, 1);
    out->bytes -= 2 * (1 - used) * attention_bytes(&c->in[ATTENTION_K]);
}

/* Running sums of `n` lengths; NO_VALUE when memory is short. */
static value sample_offsets(sample *s, int64_t n, const int64_t *length) {
    int64_t offsets[8] = {0};
    for (int64_t i = 0; i < n; i++) offsets[i + 1] = offsets[i] + length[i];
    return sample_given_ids(s, n + 1, offsets);
}

/* A table of distinct pages, laid out from the last page down so that order is not an accident. */
static value sample_table(sample *s, int64_t n, int64_t width, int64_t pages) {
    int64_t dim[2] = {n, width};
    value v = sample_ids(s, 2, dim, 1);
    if (value_absent(v)) return v;
    for (int64_t i = 0; i < n * width; i++) s->inputs[s->n_inputs - 1].ids[i] = pages - 1 - i;
    return v;
}

attention_params attention_sample(sample *s, value in[ATTENTION_OPERANDS]) {
    int64_t n = sample_int(s, 1, 3), kv_heads = sample_extent(s, 1, 2), tokens = 0, keys = 0;
    int64_t queries[4], total[4], longest = 1;
    attention_params p = {.head = (int32_t)sample_int(s, 1, 3) * 4,
                          .group = (int32_t)sample_int(s, 1, 3),
                          .causal = sample_int(s, 0, 2) > 0,
                          .window = sample_int(s, 0, 2) ? 0 : (int32_t)sample_int(s, 1, 6),
                          .soft_cap = sample_int(s, 0, 2) ? 0 : sample_real(s, 0.5, 3),
                          .page = sample_int(s, 0, 2) ? 0 : (int32_t)sample_int(s, 1, 4)};
    p.scale = sample_real(s, 0.2, 1);
    bool own_keys = !p.page && sample_int(s, 0, 1);
    for (int64_t i = 0; i < n; i++) {
        queries[i] = sample_int(s, 1, 9);
        total[i] = queries[i] + (own_keys ? 0 : sample_int(s, 0, 8));
        tokens += queries[i];
        keys += total[i];
        longest = MAX_OF(longest, total[i]);
    }
    int64_t width = p.page ? div_up(longest, p.page) : 0, pages = n * width + 1;
    int64_t q_dim[2] = {tokens, kv_heads * p.group * p.head};
    int64_t k_dim[2] = {p.page ? pages * p.page : keys, kv_heads * p.head};
    int64_t heads = kv_heads * p.group;
    in[ATTENTION_Q] = sample_floats(s, 2, q_dim, -2, 2);
    in[ATTENTION_K] = sample_floats(s, 2, k_dim, -2, 2);
    in[ATTENTION_V] = sample_floats(s, 2, k_dim, -2, 2);
    in[ATTENTION_Q_OFFSETS] = sample_offsets(s, n, queries);
    in[ATTENTION_K_OFFSETS] = own_keys ? NO_VALUE : sample_offsets(s, n, total);
    in[ATTENTION_TABLE] = p.page ? sample_table(s, n, width, pages) : NO_VALUE;
    in[ATTENTION_SINKS] = sample_int(s, 0, 2) ? NO_VALUE : sample_floats(s, 1, &heads, -2, 2);
    return p;
}

static status sample_case(sample *s) {
    value in[ATTENTION_OPERANDS];
    attention_params p = attention_sample(s, in);
    s->y = build_attention(s->g, &p, in);
    return graph_status(s->g);
}

value build_attention(graph *g, const attention_params *p, const value in[ATTENTION_OPERANDS]) {
    return graph_add(g, &op_attention, p, ATTENTION_OPERANDS, in);
}

const field attention_fields[] = {
    FIELD(attention_params, head, FIELD_INT32),   FIELD(attention_params, group, FIELD_INT32),
    FIELD(attention_params, scale, FIELD_DOUBLE), FIELD(attention_params, soft_cap, FIELD_DOUBLE),
    FIELD(attention_params, window, FIELD_INT32), FIELD(attention_params, causal, FIELD_BOOL),
    FIELD(attention_params, page, FIELD_INT32),   {0}};

enum {
    IDS = 1u << ATTENTION_Q_OFFSETS | 1u << ATTENTION_K_OFFSETS | 1u << ATTENTION_TABLE,
    OPTIONAL = 1u << ATTENTION_K_OFFSETS | 1u << ATTENTION_TABLE | 1u << ATTENTION_SINKS
};
const op_def op_attention = {
    .name = "attention",
    .help = "softmax(scale * q.k, masked, with sinks) . v over ragged sequences",
    .params_bytes = sizeof(attention_params),
    .fields = attention_fields,
    .n_in = ATTENTION_OPERANDS,
    .n_out = 2,
    .optional = OPTIONAL,
    .index_in = IDS,
    .no_grad_in = IDS,
    .linear = 1u << ATTENTION_V,
    .grad_once = true,
    .precision = PRECISION_DOT,
    .narrow_in = 1u << ATTENTION_Q | 1u << ATTENTION_K | 1u << ATTENTION_V,
    .shape = shape,
    .labels = forward_labels,
    .reference = reference,
    .gradient = gradient,
    .cost = cost_of,
    .sample = sample_case};
