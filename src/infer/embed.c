/* Running an encoder (infer/embed.h). */
#include "infer/embed.h"
#include "exec/plan.h"
#include "graph/rewrite.h"
#include "model/kit/pooling.h"
#include "ops/cast.h"

enum { DEFAULT_TOKENS = 2048, DEFAULT_SEQUENCES = 64 };

struct embedder {
    context *cx;
    engine_model model;
    embedder_options options;
    graph *g;
    states *store;
    plan *p;
    pool *workers, *own_workers;
    int64_t longest; /* tokens of one text */
    value vectors;
    /* inputs of the plan; NULL: the graph does not ask */
    int32_t *ids, *positions, *offsets, *firsts, *of_row;
    float *lengths;
};

static status plain_graph(const embedder *e, graph *g) {
    model_build b = {.g = g,
                     .config = e->model.config,
                     .def = e->model.def,
                     .format = e->model.format,
                     .user = e->model.user};
    model_inputs in = model_build_inputs(g, e->options.tokens, e->options.sequences);
    model_pooling_inputs pooling;
    value y = model_embed(&b, model_hidden(&b, in), in, &pooling);
    if (!value_absent(y)) y = build_cast(g, y, num_find("f32"));
    graph_mark(g, MARK_OUTPUT, "vectors", y, NO_VALUE);
    return graph_verify(g);
}

static void *input_of(const embedder *e, const char *name) {
    value v = plan_find_input(e->p, name);
    return value_absent(v) ? NULL : plan_tensor(e->p, v)->data;
}

static status build(embedder *e) {
    uint32_t facts = 0;
    graph *plain = graph_new(e->cx);
    e->store = states_new(e->cx);
    status st = plain && e->store ? plain_graph(e, plain) : STATUS_NO_MEMORY;
    if (st == STATUS_OK) st = e->model.fill(e->model.user, e->store, plain);
    if (st == STATUS_OK) st = rewrite_run(rewrite_find("fuse"), plain, NULL, &facts, &e->g);
    graph_free(plain);
    TRY(st);
    TRY(plan_new(e->cx, e->g, e->store, e->workers, &(plan_options){.isa_limit = ISA_COUNT - 1},
                 &e->p));
    TRY(plan_load(e->p));
    e->ids = input_of(e, "ids");
    e->positions = input_of(e, "positions");
    e->offsets = input_of(e, "offsets");
    e->firsts = input_of(e, "firsts");
    e->of_row = input_of(e, "row sequences");
    e->lengths = input_of(e, "lengths");
    e->vectors = plan_find_output(e->p, "vectors");
    return STATUS_OK;
}

status embedder_open(context *cx, const engine_model *m, const embedder_options *o,
                     embedder **out) {
    *out = NULL;
    embedder *e = context_zalloc(cx, sizeof *e);
    if (!e) return STATUS_NO_MEMORY;
    *e = (embedder){.cx = cx, .model = *m, .options = *o, .workers = o->workers};
    if (!o->tokens) e->options.tokens = DEFAULT_TOKENS;
    if (!o->sequences) e->options.sequences = DEFAULT_SEQUENCES;
    e->longest = m->config->positions > 0 ? m->config->positions : e->options.tokens;
    e->options.tokens = MAX_OF(e->options.tokens, e->longest);
    status st = STATUS_OK;
    if (!e->workers) {
        st = pool_new(cx, (int)o->threads, &e->own_workers);
        e->workers = e->own_workers;
    }
    if (st == STATUS_OK) st = build(e);
    if (st == STATUS_OK)
        *out = e;
    else
        embedder_close(e);
    return st;
}

void embedder_close(embedder *e) {
    if (!e) return;
    context *cx = e->cx;
    plan_free(e->p);
    states_free(e->store);
    graph_free(e->g);
    pool_free(e->own_workers);
    context_release(cx, e);
}

int64_t embedder_width(const embedder *e) {
    return e->model.config->hidden;
}

int64_t embedder_longest(const embedder *e) {
    return e->longest;
}

static status check_text(const embedder *e, const embedder_text *t, int64_t number) {
    int64_t vocabulary = e->model.config->vocabulary;
    if (t->n < 1) FAIL(e->cx, STATUS_BAD_ARGUMENT, "text %lld is empty", (long long)number + 1);
    if (t->n > e->longest)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "text %lld has %lld tokens; the model takes %lld",
             (long long)number + 1, (long long)t->n, (long long)e->longest);
    for (int64_t i = 0; i < t->n; i++)
        if (t->ids[i] < 0 || t->ids[i] >= vocabulary)
            FAIL(e->cx, STATUS_BAD_ARGUMENT, "token %d of text %lld: the vocabulary is 0 .. %lld",
                 t->ids[i], (long long)number + 1, (long long)vocabulary - 1);
    return STATUS_OK;
}

static void put_text(embedder *e, int32_t line, const embedder_text *t, int32_t at) {
    e->offsets[line] = at;
    if (e->firsts) e->firsts[line] = at;
    if (e->lengths) e->lengths[line] = (float)t->n;
    for (int64_t i = 0; i < t->n; i++) {
        e->ids[at + i] = t->ids[i];
        if (e->positions) e->positions[at + i] = (int32_t)i;
        if (e->of_row) e->of_row[at + i] = line;
    }
}

/* One step over `n` texts of `tokens` tokens in all. */
static status run_step(embedder *e, const embedder_text *texts, int32_t n, int64_t tokens,
                       float *out) {
    int64_t symbols[MAX_SYMBOLS] = {0};
    int32_t at = 0;
    for (int32_t i = 1; i <= e->g->n_symbols; i++)
        symbols[i] = !strcmp(e->g->symbols[i].name, "tokens") ? tokens : n;
    TRY(plan_bind(e->p, symbols));
    for (int32_t i = 0; i < n; i++) {
        put_text(e, i, &texts[i], at);
        at += (int32_t)texts[i].n;
    }
    e->offsets[n] = at;
    plan_run(e->p, 0);
    memcpy(out, plan_tensor(e->p, e->vectors)->data, (size_t)(n * embedder_width(e)) * sizeof *out);
    return STATUS_OK;
}

status embedder_run(embedder *e, const embedder_text *texts, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++) TRY(check_text(e, &texts[i], i));
    for (int64_t from = 0; from < n;) {
        int64_t to = from, tokens = 0;
        while (to < n && to - from < e->options.sequences &&
               tokens + texts[to].n <= e->options.tokens)
            tokens += texts[to++].n;
        TRY(run_step(e, texts + from, (int32_t)(to - from), tokens,
                     out + from * embedder_width(e)));
        from = to;
    }
    return STATUS_OK;
}
