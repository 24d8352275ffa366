/* The gradient of attention (ops/attention.h), from its log-sum-exp:
 *   p = exp(s - lse);  delta = out.dout - dlse;  ds = p * (dout.v - delta)
 *   dv = p^T.dout;  with c = soft-cap: ds *= 1 - (s / c)^2;  dq = scale * ds.k;  dk = scale *
 * ds^T.q dsink = sum over rows of -exp(sink - lse) * delta Keys that lie in pages gather the
 * gradients of all sequences that share them. */
#include "ops/attention.h"
#include <math.h>
#include <string.h>

static status check_like(const graph *g, const node *n, int32_t operand, const type *want,
                         bool any_format) {
    if (value_absent(n->in[operand])) return STATUS_OK;
    const type *t = value_type(g, n->in[operand]);
    if (type_same_dims(t, want) && (any_format || t->format == want->format)) return STATUS_OK;
    char is[160];
    return op_fail(g, n, "operand %d must have the shape of %s", operand,
                   type_print(g, want, is, sizeof is));
}

static status shape(const graph *g, const node *n, type *out) {
    const attention_params *p = n->params;
    TRY(attention_check(g, n));
    const type *q = value_type(g, n->in[ATTENTION_Q]), *k = value_type(g, n->in[ATTENTION_K]);
    type rows = *q;
    rows.dim[1] = extent_of(q->dim[1].add / p->head);
    if (k->format->kind != NUM_FLOAT)
        return op_fail(g, n, "k and v (operands 1, 2) must be floats to have a gradient");
    TRY(check_like(g, n, ATTENTION_OUT, q, true));
    TRY(check_like(g, n, ATTENTION_DOUT, q, true));
    TRY(check_like(g, n, ATTENTION_LSE, &rows, true));
    TRY(check_like(g, n, ATTENTION_DLSE, &rows, true));
    out[ATTENTION_DQ] = *q;
    out[ATTENTION_DK] = *k;
    out[ATTENTION_DV] = *k;
    extent heads = rows.dim[1];
    out[ATTENTION_DSINKS] = value_absent(n->in[ATTENTION_SINKS])
                                ? type_of(value_type(g, n->in[ATTENTION_LSE])->format, 1, &heads)
                                : *value_type(g, n->in[ATTENTION_SINKS]);
    return STATUS_OK;
}

static void labels_of(const graph *g, const node *n, labels *l) {
    (void)g;
    attention_labels(n, l);
    for (int32_t d = 0; d < 2; d++) {
        l->in[ATTENTION_OUT][d] = l->in[ATTENTION_DOUT][d] = l->in[ATTENTION_Q][d];
        l->out[ATTENTION_DQ][d] = l->in[ATTENTION_Q][d];
        l->out[ATTENTION_DK][d] = l->out[ATTENTION_DV][d] = l->in[ATTENTION_K][d];
    }
    l->in[ATTENTION_LSE][0] = l->in[ATTENTION_DLSE][0] = l->in[ATTENTION_Q][0];
    l->in[ATTENTION_LSE][1] = l->in[ATTENTION_DLSE][1] = l->in[ATTENTION_SINKS][0];
    l->out[ATTENTION_DSINKS][0] = l->in[ATTENTION_SINKS][0];
}

/* One head of one query row: its lines of every operand and output. */
typedef struct line {
    const double *q, *k, *v, *dout;
    double *dq, *dk, *dv;
    double lse, delta;
} line;

static void reference_pair(const attention_params *p, const line *r, int64_t key) {
    const double *k = r->k + key, *v = r->v + key;
    double s = 0, dp = 0, slope = 1;
    for (int32_t d = 0; d < p->head; d++) {
        s += r->q[d] * k[d];
        if (r->dout) dp += r->dout[d] * v[d];
    }
    s *= p->scale;
    if (p->soft_cap > 0) {
        double t = tanh(s / p->soft_cap);
        s = p->soft_cap * t;
        slope = 1 - t * t;
    }
    double prob = exp(s - r->lse), ds = prob * (dp - r->delta) * slope * p->scale;
    for (int32_t d = 0; d < p->head; d++) {
        if (r->dq) r->dq[d] += ds * k[d];
        if (r->dk) r->dk[key + d] += ds * r->q[d];
        if (r->dv && r->dout) r->dv[key + d] += prob * r->dout[d];
    }
}

static void clear(const tensor *t) {
    int64_t elems = 1;
    for (int32_t d = 0; d < t->rank; d++) elems *= t->dim[d];
    if (t->data) memset(t->data, 0, (size_t)elems * sizeof(double));
}

static double *at_or_null(const tensor *t, int64_t at) {
    return t->data ? (double *)t->data + at : NULL;
}

static void reference_row(const call *c, const attention_sequence *a, int64_t i, int64_t h) {
    const attention_params *p = c->params;
    int64_t cols = c->in[ATTENTION_Q].dim[1], heads = cols / p->head, kv = cols / p->group;
    int64_t at = (a->q_first + i) * heads + h, first = h / p->group * p->head, from, to;
    const double *dlse = c->in[ATTENTION_DLSE].data, *sinks = c->in[ATTENTION_SINKS].data;
    const double *out = (const double *)c->in[ATTENTION_OUT].data + at * p->head;
    double *dsinks = c->out[ATTENTION_DSINKS].data;
    line r = {.q = (const double *)c->in[ATTENTION_Q].data + at * p->head,
              .k = (const double *)c->in[ATTENTION_K].data + first,
              .v = (const double *)c->in[ATTENTION_V].data + first,
              .dout = at_or_null(&c->in[ATTENTION_DOUT], at * p->head),
              .dq = at_or_null(&c->out[ATTENTION_DQ], at * p->head),
              .dk = at_or_null(&c->out[ATTENTION_DK], first),
              .dv = at_or_null(&c->out[ATTENTION_DV], first),
              .lse = ((const double *)c->in[ATTENTION_LSE].data)[at],
              .delta = dlse ? -dlse[at] : 0};
    if (r.lse == -INFINITY) return;
    for (int32_t d = 0; r.dout && d < p->head; d++) r.delta += out[d] * r.dout[d];
    if (sinks && dsinks) dsinks[h] -= exp(sinks[h] - r.lse) * r.delta;
    attention_range(p, a->keys - a->queries + i, a->keys, &from, &to);
    for (int64_t j = from; j < to; j++) reference_pair(p, &r, attention_key_row(p, a, j) * kv);
}

static void reference(const call *c) {
    const attention_params *p = c->params;
    for (int32_t o = 0; o < c->n_out; o++) clear(&c->out[o]);
    for (int64_t s = 0; s + 1 < c->in[ATTENTION_Q_OFFSETS].dim[0]; s++) {
        attention_sequence a = attention_sequence_at(c, s);
        for (int64_t i = 0; i < a.queries; i++)
            for (int64_t h = 0; h < c->in[ATTENTION_Q].dim[1] / p->head; h++)
                reference_row(c, &a, i, h);
    }
}

static void cost_of(const call *c, cost *out) {
    const attention_params *p = c->params;
    out->flops = 10 * attention_pairs(c) * p->head;
    out->bytes = 0;
    for (int32_t i = 0; i < c->n_in; i++) out->bytes += attention_bytes(&c->in[i]);
    for (int32_t o = 0; o < c->n_out; o++) out->bytes += attention_bytes(&c->out[o]);
}

/* The contents of out and lse are those that attention gives. */
static void fill_forward(sample *s, const attention_params *p, const value *in, double *out,
                         double *lse) {
    call c = {.params = p, .n_in = ATTENTION_OPERANDS, .n_out = 2};
    int32_t *ids[ATTENTION_OPERANDS] = {0};
    for (int32_t i = 0; i < ATTENTION_OPERANDS; i++) {
        if (value_absent(in[i])) continue;
        const type *t = value_type(s->g, in[i]);
        const sample_input *x = s->inputs;
        while (!value_same(x->v, in[i])) x++;
        c.in[i] = (tensor){.data = x->numbers, .format = t->format, .rank = t->rank};
        for (int32_t d = 0; d < t->rank; d++) c.in[i].dim[d] = t->dim[d].add;
        if (!x->ids) continue;
        ids[i] = ARENA_NEW(&s->g->mem, int32_t, x->count);
        if (!ids[i]) return;
        for (int64_t j = 0; j < x->count; j++) ids[i][j] = (int32_t)x->ids[j];
        c.in[i].data = ids[i];
    }
    c.out[0].data = out;
    c.out[1].data = lse;
    op_attention.reference(&c);
}

static status sample_case(sample *s) {
    value in[ATTENTION_BWD_OPERANDS];
    attention_params p = attention_sample(s, in);
    TRY(graph_status(s->g));
    int64_t q_dim[2] = {value_type(s->g, in[ATTENTION_Q])->dim[0].add,
                        value_type(s->g, in[ATTENTION_Q])->dim[1].add};
    int64_t lse_dim[2] = {q_dim[0], q_dim[1] / p.head};
    in[ATTENTION_DOUT] = sample_floats(s, 2, q_dim, -1, 1);
    in[ATTENTION_DLSE] = sample_int(s, 0, 1) ? NO_VALUE : sample_floats(s, 2, lse_dim, -1, 1);
    in[ATTENTION_OUT] = sample_floats(s, 2, q_dim, 0, 0);
    in[ATTENTION_LSE] = sample_floats(s, 2, lse_dim, 0, 0);
    TRY(graph_status(s->g));
    fill_forward(s, &p, in, s->inputs[s->n_inputs - 2].numbers, s->inputs[s->n_inputs - 1].numbers);
    s->y = graph_add(s->g, &op_attention_bwd, &p, ATTENTION_BWD_OPERANDS, in);
    return graph_status(s->g);
}

enum {
    IDS = 1u << ATTENTION_Q_OFFSETS | 1u << ATTENTION_K_OFFSETS | 1u << ATTENTION_TABLE,
    OPTIONAL = 1u << ATTENTION_K_OFFSETS | 1u << ATTENTION_TABLE | 1u << ATTENTION_SINKS |
               1u << ATTENTION_DOUT | 1u << ATTENTION_DLSE
};
const op_def op_attention_bwd = {.name = "attention_bwd",
                                 .help = "dq, dk, dv, dsinks of attention, from its log-sum-exp",
                                 .params_bytes = sizeof(attention_params),
                                 .fields = attention_fields,
                                 .n_in = ATTENTION_BWD_OPERANDS,
                                 .n_out = 4,
                                 .optional = OPTIONAL,
                                 .index_in = IDS,
                                 .no_grad_in = IDS,
                                 .no_grad = true,
                                 .precision = PRECISION_DOT,
                                 .narrow_in = 1u << ATTENTION_Q | 1u << ATTENTION_K |
                                              1u << ATTENTION_V | 1u << ATTENTION_OUT |
                                              1u << ATTENTION_DOUT,
                                 .shape = shape,
                                 .labels = labels_of,
                                 .reference = reference,
                                 .cost = cost_of,
                                 .sample = sample_case};
