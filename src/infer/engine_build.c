/* The graph of a step and its plan: the model's plain graph, with logits of chosen rows only, rewritten. */
#include "infer/engine_parts.h"
#include "infer/weights.h"
#include "ops/cast.h"
#include "ops/gather.h"
#include "rewrite/paged.h"
#include <string.h>
#include <stdio.h>

enum { DEFAULT_TOKENS = 512, DEFAULT_SEQUENCES = 32, DEFAULT_QUEUE = 1024, DEFAULT_PAGE = 16 };
enum { MOST_TOKENS = 1 << 20, MOST_SEQUENCES = 4096, MOST_GUESSED = 64 };

static int64_t or_default(int64_t asked, int64_t otherwise) {
    return asked ? asked : otherwise;
}

static const num_format *kv_format_of(const engine_options *o) {
    return num_find(o->kv_format ? o->kv_format : "bf16");
}

/* Bytes of keys and values of one token, over all layers. */
static int64_t kv_token_bytes(const model_config *c, const engine_options *o) {
    return 2 * c->layers * num_row_bytes(kv_format_of(o), c->kv_heads * c->head_size);
}

static status check_options(context *cx, const engine_options *o) {
    static const char *const formats[] = {"f32", "bf16", "f16", "int8_row"};
    const struct {
        const char *name;
        int64_t value, most;
    } ranges[] = {{"context", o->context, MOST_TOKENS},
                  {"tokens in a step", o->tokens, MOST_TOKENS},
                  {"sequences in a step", o->sequences, MOST_SEQUENCES},
                  {"the queue", o->queue, MOST_TOKENS},
                  {"slots in a page", o->page, MOST_TOKENS},
                  {"guesses at once", o->guesses, SPECULATE_MOST}};
    for (int64_t i = 0; i < COUNT_OF(ranges); i++)
        if (ranges[i].value < 0 || ranges[i].value > ranges[i].most)
            FAIL(cx, STATUS_BAD_ARGUMENT, "%s: %lld must be 1 .. %lld", ranges[i].name,
                 (long long)ranges[i].value, (long long)ranges[i].most);
    bool known = !o->kv_format;
    for (int64_t i = 0; i < COUNT_OF(formats); i++)
        known |= o->kv_format && !strcmp(o->kv_format, formats[i]);
    if (!known)
        FAIL(cx, STATUS_BAD_ARGUMENT, "keys and values in '%s': must be f32, bf16, f16 or int8_row",
             o->kv_format);
    if (o->policy && !policy_find(o->policy))
        FAIL(cx, STATUS_BAD_ARGUMENT, "there is no policy '%s'", o->policy);
    const speculate_def *def = o->speculate ? speculate_find(o->speculate) : NULL;
    if (o->speculate && !def)
        FAIL(cx, STATUS_BAD_ARGUMENT, "there is no way of speculating '%s'", o->speculate);
    if (o->draft && !(def && def->needs_draft))
        FAIL(cx, STATUS_BAD_ARGUMENT, "a draft model is given, but speculation is '%s'",
             def ? def->name : "off");
    if (def && def->needs_draft && !o->draft)
        FAIL(cx, STATUS_BAD_ARGUMENT, "speculation by a draft needs a draft model: give --draft");
    return STATUS_OK;
}

status engine_settle(context *cx, const engine_model *m, const engine_options *o,
                     engine_options *out) {
    const model_config *c = m->config;
    TRY(check_options(cx, o));
    *out = *o;
    bool grows = c->rope.type == MODEL_ROPE_DYNAMIC; /* its angles follow the context */
    if (o->context > c->positions && c->positions > 0 && !grows)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a context of %lld tokens: the model was made for %lld",
             (long long)o->context, (long long)c->positions);
    int64_t positions = c->positions > 0 ? c->positions : ENGINE_CONTEXT;
    out->context = or_default(o->context, MIN_OF(positions, ENGINE_CONTEXT));
    out->tokens = or_default(o->tokens, DEFAULT_TOKENS);
    out->sequences = MIN_OF(or_default(o->sequences, DEFAULT_SEQUENCES), out->tokens);
    out->queue = or_default(o->queue, DEFAULT_QUEUE);
    out->page = MIN_OF(or_default(o->page, DEFAULT_PAGE), out->context);
    int64_t whole = round_up(out->context, out->page);
    out->kv_tokens = round_up(or_default(o->kv_tokens, whole), out->page);
    if (out->kv_tokens < out->page)
        FAIL(cx, STATUS_BAD_ARGUMENT, "%lld slots for keys and values: must be positive",
             (long long)o->kv_tokens);
    return STATUS_OK;
}

/* A draw for each sequence, and for guesses behind them. */
static int64_t rows_of(const engine_options *o) {
    const speculate_def *def = o->speculate ? speculate_find(o->speculate) : NULL;
    int64_t each = def ? or_default(o->guesses, def->most) : 0;
    return MIN_OF(o->sequences + MIN_OF(o->sequences * each, MOST_GUESSED), o->tokens);
}
int64_t engine_rows(const engine *e) {
    return rows_of(&e->options);
}

static status plain_graph(const engine_model *m, const engine_options *o, graph *g) {
    model_config config = *m->config;
    config.context = o->context; /* what fixes the angles that would switch with length */
    model_build b = {
        .g = g, .config = &config, .def = m->def, .format = m->format, .user = m->user};
    value hidden = model_hidden(&b, model_build_inputs(g, o->tokens, o->sequences));
    extent rows = extent_symbol(graph_symbol(g, "rows", rows_of(o)));
    value at = graph_input(g, "rows", type_of(num_find("i32"), 1, &rows));
    value logits = model_logits(&b, build_gather(g, hidden, at));
    if (!value_absent(logits) && strcmp(value_type(g, logits)->format->name, "f32"))
        logits = build_cast(g, logits, num_find("f32"));
    graph_mark(g, MARK_OUTPUT, "logits", logits, NO_VALUE);
    return graph_verify(g);
}

static status rewrite_by_name(const char *name, const void *options, uint32_t *facts, graph **g) {
    graph *next;
    const rewrite_def *def = rewrite_find(name);
    TRY(rewrite_run(def, *g, options, facts, &next));
    graph_free(*g);
    *g = next;
    return STATUS_OK;
}

status engine_measure(context *cx, const engine_model *m, const engine_options *o,
                      engine_need *out) {
    engine_options settled;
    TRY(engine_settle(cx, m, o, &settled));
    graph *g = graph_new(cx);
    if (!g) return STATUS_NO_MEMORY;
    status st = plain_graph(m, &settled, g);
    *out = (engine_need){.kv_token_bytes = kv_token_bytes(m->config, &settled),
                         .context = settled.context};
    out->kv_bytes = out->kv_token_bytes * settled.kv_tokens;
    for (int32_t i = 0; st == STATUS_OK && i < g->n_nodes; i++)
        if (g->nodes[i]->op == &op_state)
            out->parameter_bytes += type_bound_bytes(g, &g->nodes[i]->out[0]);
    graph_free(g);
    return st;
}

/* ---- the plan ---- */

static int32_t *input_of(const engine *e, const char *name) {
    value v = plan_find_input(e->p, name);
    return value_absent(v) ? NULL : plan_tensor(e->p, v)->data;
}

static status find_inputs(engine *e) {
    e->ids = input_of(e, "ids");
    e->positions = input_of(e, "positions");
    e->offsets = input_of(e, "offsets");
    e->slots = input_of(e, "slots");
    e->k_offsets = input_of(e, "k_offsets");
    e->table = input_of(e, "table");
    e->rows = input_of(e, "rows");
    e->logits = plan_find_output(e->p, "logits");
    if (!e->ids || !e->offsets || !e->slots || !e->rows)
        FAIL(e->cx, STATUS_UNSUPPORTED, "a %s has no attention over earlier tokens to continue",
             e->model.config->model_type);
    return STATUS_OK;
}

static status find_kv(engine *e) {
    e->kv = ARENA_NEW(&e->mem, kv_state, states_count(e->store) + 1);
    if (!e->kv) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < states_count(e->store); i++) {
        state *s = states_at(e->store, i);
        if (s->tag == TAG_KV)
            e->kv[e->n_kv++] =
                (kv_state){s->t.data, s->size_bytes / (e->options.kv_tokens / e->options.page)};
    }
    return STATUS_OK;
}

static status make_spaces(engine *e) {
    int threads = pool_threads(e->workers);
    e->spaces = ARENA_NEW(&e->mem, sampling_space, threads);
    e->jobs = ARENA_NEW(&e->mem, row_job, engine_rows(e));
    if (!e->spaces || !e->jobs) return STATUS_NO_MEMORY;
    for (int i = 0; i < threads; i++)
        TRY(sampling_space_make(&e->mem, (int32_t)e->model.config->vocabulary, &e->spaces[i]));
    return STATUS_OK;
}

/* Products on 16 bits where the weights are no finer, and keys and values neither. */
static bool bears_16_bits(const graph *g, const engine_options *o) {
    if (kv_format_of(o) != num_find("bf16")) return false;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const node *n = g->nodes[i];
        if (n->op == &op_state && n->tag == TAG_PARAMETER && n->out[0].rank > 1 &&
            n->out[0].format == num_find("f32"))
            return false;
    }
    return true;
}

status engine_build(engine *e) {
    const engine_options *o = &e->options;
    int64_t pages = o->kv_tokens / o->page, table = MIN_OF(div_up(o->context, o->page), pages);
    paged_options paged = {
        .format = kv_format_of(o), .page = (int32_t)o->page, .pages = pages, .table = table};
    uint32_t facts = 0;
    e->g = graph_new(e->cx);
    e->store = states_new(e->cx);
    if (!e->g || !e->store) return STATUS_NO_MEMORY;
    TRY(plain_graph(&e->model, o, e->g));
    if (!o->dry_run) TRY(e->model.fill(e->model.user, e->store, e->g));
    if (bears_16_bits(e->g, o)) TRY(rewrite_by_name("precision", NULL, &facts, &e->g));
    static const char *const acts[] = {"auto", "bf16", "int8", "int8_row"};
    bool known = !o->act;
    for (int64_t i = 0; i < COUNT_OF(acts) && !known; i++) known = !strcmp(o->act, acts[i]);
    if (!known)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "activations as '%s': must be bf16, int8 or int8_row",
             o->act);
    if (o->act && !strcmp(o->act, "int8_row")) TRY(rewrite_by_name("w8a8", NULL, &facts, &e->g));
    if (!o->act || strcmp(o->act, "bf16")) TRY(rewrite_by_name("act_int8", NULL, &facts, &e->g));
    if (!o->unfused) TRY(rewrite_by_name("fuse", NULL, &facts, &e->g));
    TRY(rewrite_by_name("paged", &paged, &facts, &e->g));
    plan_options how = {.isa_limit = ISA_COUNT - 1,
                        .dry_run = o->dry_run,
                        .release = e->model.file ? weights_release : NULL,
                        .release_user = e->model.file};
    if (e->model.key && !o->dry_run)
        TRY(weights_pack_file(&e->mem, e->model.key, &how.pack_file, &how.pack_key));
    TRY(plan_new(e->cx, e->g, e->store, e->workers, &how, &e->p));
    if (!o->dry_run) {
        TRY(plan_load(e->p));
        TRY(find_inputs(e));
        TRY(find_kv(e));
    }
    TRY(make_spaces(e));
    schedule_limits limits = {.tokens = o->tokens,
                              .keeps_prefixes = !o->forgets_prefixes,
                              .sequences = o->sequences,
                              .rows = engine_rows(e),
                              .page = (int32_t)o->page,
                              .table = (int32_t)table,
                              .queue = o->queue};
    return schedule_make(&e->mem, &limits, policy_find(o->policy ? o->policy : "first_come"),
                         (int32_t)pages, &e->schedule);
}
