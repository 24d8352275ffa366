/* Dry runs of jobs (plan/estimate.h). */
#include "plan/estimate.h"
#include "base/footprint.h"
#include "train/language.h"

int64_t estimate_count_parameters(const graph *g) {
    int64_t count = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == &op_state && g->nodes[i]->tag == TAG_PARAMETER)
            count += type_bound_elems(g, &g->nodes[i]->out[0]);
    return count;
}

void estimate_add_plan(estimate_bytes *b, const plan *p) {
    if (!p) return;
    for (int t = 0; t < TAG_COUNT; t++) b->tag[t] = MAX_OF(b->tag[t], p->peak_bytes[t]);
    b->total += p->planned_bytes + p->packed_bytes + p->scratch_bytes;
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
    estimate_add_plan(&out->bytes, s->learn);
    estimate_add_plan(&out->bytes, s->update);
    out->bytes.total += step_state_bytes(s);
    out->parameters = estimate_count_parameters(s->learn_graph);
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
    step *dry = NULL;
    if (!o.optimiser) return optimiser_unknown(cx, s->optimiser);
    o.optimiser_options = (optimiser_options){
        .decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .momentum = 0.9};
    pool *workers;
    TRY(pool_new(cx, (int)m->threads, &workers)); /* which have scratch memory each */
    int64_t before = footprint_heap_bytes();
    status st = step_new(cx, &model, &o, NULL, workers, &dry);
    if (st == STATUS_OK) {
        out->bytes.total = out->bytes.tables = footprint_heap_bytes() - before;
        read_step(dry, s, m, out);
        price_work(out, m);
    }
    step_free(dry);
    pool_free(workers);
    return st;
}

status estimate_parameters(context *cx, const model_config *c, int64_t *out) {
    graph *g = graph_new(cx);
    if (!g) return STATUS_NO_MEMORY;
    model_build b = {.g = g, .config = c};
    value hidden = model_hidden(&b, model_build_inputs(g, 16, 1));
    if (graph_status(g) == STATUS_OK)
        graph_mark(g, MARK_OUTPUT, "logits", model_logits(&b, hidden), NO_VALUE);
    status st = graph_status(g);
    if (st == STATUS_OK) *out = estimate_count_parameters(g);
    graph_free(g);
    return st;
}
