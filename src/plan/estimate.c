/* Dry runs of jobs (plan/estimate.h). */
#include "plan/estimate.h"
#include "train/language.h"
#include <string.h>

static int64_t count_parameters(const graph *g) {
    int64_t count = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == &op_state && g->nodes[i]->tag == TAG_PARAMETER)
            count += type_bound_elems(g, &g->nodes[i]->out[0]);
    return count;
}

/* A plan's peaks by tag, on top of what is there; states are in them already. */
static void add_plan(estimate_bytes *b, const plan *p) {
    if (!p) return;
    for (int t = 0; t < TAG_COUNT; t++) b->tag[t] = MAX_OF(b->tag[t], p->peak_bytes[t]);
    b->tag[TAG_PACKED] = MAX_OF(b->tag[TAG_PACKED], p->packed_bytes);
    b->tag[TAG_SCRATCH] = MAX_OF(b->tag[TAG_SCRATCH], p->scratch_bytes);
}

static void sum(estimate_bytes *b) {
    b->total = 0;
    for (int t = 0; t < TAG_COUNT; t++) b->total += b->tag[t];
}

/* ---- training ---- */

static void price_work(estimate *e, const machine *m) {
    e->joules = e->seconds * m->watts * (double)m->devices;
    e->price = e->seconds / 3600 * m->price * (double)m->devices;
}

static void read_step(const step *s, const train_setting *o, const machine *m, estimate *out) {
    graph_cost update = {0};
    double micro = (double)(o->batch * o->context),
           steps = o->tokens / (micro * (double)o->accumulate);
    add_plan(&out->bytes, s->learn);
    add_plan(&out->bytes, s->update);
    sum(&out->bytes);
    out->parameters = count_parameters(s->learn_graph);
    cost_of_plan(s->learn, m, &out->cost);
    if (s->update) cost_of_plan(s->update, m, &update);
    out->flops = out->cost.all.flops * o->tokens / micro + update.all.flops * steps;
    out->seconds =
        cost_seconds(&out->cost, m) * o->tokens / micro + cost_seconds(&update, m) * steps;
    out->fits = out->bytes.total <= m->memory;
}

status estimate_train(context *cx, const model_config *c, const train_setting *s, const machine *m,
                      estimate *out) {
    *out = (estimate){0};
    language l = {.config = c, .seed = 1};
    step_model model = language_model(&l);
    step_options o = {.tokens = s->batch * s->context,
                      .sequences = s->batch,
                      .gathers = s->accumulate > 1,
                      .clip = 1,
                      .optimiser = optimiser_find(s->optimiser),
                      .precision = s->precision,
                      .recompute = s->recompute,
                      .dry_run = true};
    states *store = states_new(cx);
    step *dry = NULL;
    if (!store) return STATUS_NO_MEMORY;
    if (!o.optimiser) {
        states_free(store);
        FAIL(cx, STATUS_BAD_ARGUMENT, "there is no optimiser '%s'", s->optimiser);
    }
    o.optimiser_options = (optimiser_options){
        .decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .momentum = 0.9};
    status st = step_new(cx, &model, &o, store, NULL, &dry);
    if (st == STATUS_OK) {
        read_step(dry, s, m, out);
        price_work(out, m);
    }
    step_free(dry);
    states_free(store);
    return st;
}

/* ---- generating ---- */

static const num_format *stored_format(void *user, const char *name, int32_t rank) {
    (void)name;
    const serve_setting *s = user;
    return num_find(rank > 1 ? s->weights : "f32");
}

static status build_forward(graph *g, const model_config *c, const serve_setting *s,
                            int64_t tokens) {
    model_build b = {.g = g, .config = c, .format = stored_format, .user = (void *)s};
    model_inputs in = model_build_inputs(g, tokens, MAX_OF(s->users, 1));
    value hidden = model_hidden(&b, in);
    TRY(graph_status(g));
    graph_mark(g, MARK_OUTPUT, "logits", model_logits(&b, hidden), NO_VALUE);
    return graph_status(g);
}

/* The cost of `tokens` rows in `sequences` sequences. */
static status forward_cost(plan *p, const machine *m, int64_t tokens, int64_t sequences,
                           graph_cost *out) {
    int64_t symbols[MAX_SYMBOLS] = {0};
    for (int32_t i = 1; i <= p->g->n_symbols; i++)
        symbols[i] = strcmp(p->g->symbols[i].name, "tokens") ? sequences : tokens;
    TRY(plan_bind(p, symbols));
    cost_of_plan(p, m, out);
    return STATUS_OK;
}

static int64_t kv_bytes_a_token(const model_config *c, const char *format) {
    return c->layers * 2 * num_row_bytes(num_find(format), c->kv_heads * c->head_size);
}

static status read_forward(plan *p, const model_config *c, const serve_setting *s, const machine *m,
                           serve_estimate *out) {
    add_plan(&out->bytes, p);
    TRY(forward_cost(p, m, s->prompt, 1, &out->prefill));
    TRY(forward_cost(p, m, s->users, s->users, &out->decode));
    out->kv_token_bytes = kv_bytes_a_token(c, s->kv);
    out->bytes.tag[TAG_KV] = out->kv_token_bytes * s->users * (s->prompt + s->answer);
    sum(&out->bytes);
    int64_t left = m->memory - (out->bytes.total - out->bytes.tag[TAG_KV]);
    out->most_users = MAX_OF(left, 0) / (out->kv_token_bytes * (s->prompt + s->answer));
    out->fits = out->bytes.total <= m->memory;
    /* each step reads the keys and values of what is there: on the average the prompt and half of the answer */
    double kv = (double)out->kv_token_bytes * (double)s->users *
                ((double)s->prompt + (double)s->answer / 2);
    double seconds = kv / (m->bandwidth * m->carried);
    out->decode.all.bytes += kv;
    out->decode.all.memory += seconds;
    out->decode.all.seconds += seconds;
    out->first_seconds = cost_seconds(&out->prefill, m);
    out->step_seconds = cost_seconds(&out->decode, m);
    /* every user's prompt is read once for each answer */
    double share = out->step_seconds * (double)s->answer + out->first_seconds * (double)s->users;
    out->tokens_per_second = (double)s->users * (double)s->answer / share;
    return STATUS_OK;
}

status estimate_serve(context *cx, const model_config *c, const serve_setting *s, const machine *m,
                      serve_estimate *out) {
    *out = (serve_estimate){0};
    for (int i = 0; i < 2; i++)
        if (!num_find(i ? s->kv : s->weights))
            FAIL(cx, STATUS_BAD_ARGUMENT, "there is no number format '%s'", i ? s->kv : s->weights);
    graph *g = graph_new(cx);
    states *store = states_new(cx);
    plan *p = NULL;
    plan_options how = {.isa_limit = cpu_isa_best(), .dry_run = true};
    status st = g && store ? build_forward(g, c, s, MAX_OF(s->prompt, s->users)) : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        out->parameters = count_parameters(g);
        st = plan_new(cx, g, store, NULL, &how, &p);
    }
    if (st == STATUS_OK) st = read_forward(p, c, s, m, out);
    plan_free(p);
    states_free(store);
    graph_free(g);
    return st;
}

status estimate_parameters(context *cx, const model_config *c, int64_t *out) {
    graph *g = graph_new(cx);
    if (!g) return STATUS_NO_MEMORY;
    serve_setting s = {.users = 1, .weights = "f32"};
    status st = build_forward(g, c, &s, 16);
    if (st == STATUS_OK) *out = count_parameters(g);
    graph_free(g);
    return st;
}
