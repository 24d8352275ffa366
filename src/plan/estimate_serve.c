/* Serving, from a dry run of the engine itself: its graph, its packed layouts, its pages. */
#include "base/footprint.h"
#include "infer/engine.h"
#include "ops/attention.h"
#include "ops/gather.h"
#include "plan/estimate.h"
#include <math.h>
#include <string.h>

static const num_format *stored_format(void *user, const char *name, int32_t rank) {
    (void)name;
    const serve_setting *s = user;
    return num_find(rank > 1 ? s->weights : "f32");
}

/* Whether a state's plain contents are let go of once its packed layout is there (plan_options.release), for good. */
static bool is_replaced(const plan *p, int32_t node) {
    for (int32_t i = 0; i < p->n_packs; i++)
        if (p->packs[i].from.node == node) return !plan_reads(p, node);
    return false;
}

void estimate_engine(const plan *p, estimate_bytes *out) {
    int64_t replaced = 0;
    estimate_add_plan(out, p);
    for (int32_t i = 0; i < p->g->n_nodes; i++) {
        const node *n = p->g->nodes[i];
        if (n->op != &op_state) continue;
        int64_t bytes = type_bound_bytes(p->g, &n->out[0]);
        if (is_replaced(p, i))
            replaced += bytes;
        else
            out->total += bytes;
    }
    out->tag[TAG_PARAMETER] -= replaced;
}

/* Whether the state is a table, which steps read by single rows only. */
static bool is_looked_up(const plan *p, int32_t node) {
    if (p->g->nodes[node]->out[0].rank != 2 || !plan_reads(p, node)) return false;
    for (int32_t k = 0; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        for (int32_t i = 0; i < s->node->n_in && !s->skipped; i++)
            if (s->node->in[i].node == node && !s->packed[i] && s->node->op != &op_embedding)
                return false;
    }
    return true;
}

/* Of a table in a mapped file only those stretches come into memory that hold a row which is looked up: Linux maps 64
 * KiB around a fault. So many draws reach w (1 - (1 - 1/w)^draws) of w stretches. */
static void leave_out_rows(const plan *p, double tokens, estimate_bytes *out) {
    enum { STRETCH = 1 << 16 };
    for (int32_t i = 0; i < p->g->n_nodes && tokens > 0; i++) {
        const node *n = p->g->nodes[i];
        if (n->op != &op_state || n->tag != TAG_PARAMETER || !is_looked_up(p, i)) continue;
        double bytes = (double)type_bound_bytes(p->g, &n->out[0]), w = fmax(bytes / STRETCH, 1);
        int64_t untouched = (int64_t)(bytes * pow(1 - 1 / w, tokens));
        out->total -= untouched;
        out->tag[TAG_PARAMETER] -= untouched;
    }
}

/* Running sums of `n` equal lengths. */
static void fill_offsets(int32_t *to, int64_t n, int64_t length) {
    for (int64_t i = 0; i <= n; i++) to[i] = (int32_t)(i * length);
}

typedef struct forward {
    plan *p;
    const machine *m;
    int32_t *rows, *keys; /* offsets, shown to attention: its work depends on the lengths */
} forward;

/* The cost of a step in which each of so many sequences brings `rows` tokens and then has `keys`. */
static status forward_cost(forward *f, int64_t sequences, int64_t rows, int64_t keys,
                           graph_cost *out) {
    plan *p = f->p;
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    for (int32_t i = 1; i <= p->g->n_symbols; i++)
        symbols[i] = strcmp(p->g->symbols[i].name, "tokens") ? sequences : sequences * rows;
    TRY(plan_bind(p, symbols));
    fill_offsets(f->rows, sequences, rows);
    fill_offsets(f->keys, sequences, keys);
    for (int32_t k = 0; k < p->n_steps; k++) {
        if (p->steps[k].node->op != &op_attention) continue;
        p->steps[k].c.in[ATTENTION_Q_OFFSETS].data = f->rows;
        p->steps[k].c.in[ATTENTION_K_OFFSETS].data = f->keys;
    }
    cost_of_plan(p, f->m, out);
    return STATUS_OK;
}

/* A prompt in steps of `most` tokens, each of which sees what came before. */
static status prompt_cost(forward *f, int64_t prompt, int64_t most, graph_cost *out) {
    *out = (graph_cost){0};
    for (int64_t at = 0; at < prompt; at += most) {
        graph_cost one;
        int64_t rows = MIN_OF(most, prompt - at);
        TRY(forward_cost(f, 1, rows, at + rows, &one));
        cost_add(out, &one);
    }
    return STATUS_OK;
}

static status read_plan(arena *mem, const engine *e, const serve_setting *s, const machine *m,
                        int64_t step, serve_estimate *out) {
    forward f = {.p = (plan *)engine_plan(e), .m = m};
    f.rows = ARENA_NEW(mem, int32_t, s->users + 1);
    f.keys = ARENA_NEW(mem, int32_t, s->users + 1);
    if (!f.rows || !f.keys) return STATUS_NO_MEMORY;
    estimate_engine(f.p, &out->bytes);
    leave_out_rows(f.p, s->tokens, &out->bytes);
    out->parameters = estimate_count_parameters(f.p->g);
    TRY(prompt_cost(&f, s->prompt, step, &out->prefill));
    /* on the average half of the answer is there */
    TRY(forward_cost(&f, s->users, 1, s->prompt + s->answer / 2, &out->decode));
    int64_t kv = out->bytes.tag[TAG_KV], left = m->memory - (out->bytes.total - kv);
    out->most_users = MAX_OF(left, 0) / (out->kv_token_bytes * (s->prompt + s->answer));
    out->fits = out->bytes.total <= m->memory;
    out->first_seconds = cost_seconds(&out->prefill, m);
    out->step_seconds = cost_seconds(&out->decode, m);
    /* every user's prompt is read once for each answer */
    double share = out->step_seconds * (double)s->answer + out->first_seconds * (double)s->users;
    out->tokens_per_second = (double)s->users * (double)s->answer / share;
    return STATUS_OK;
}

status estimate_serve(context *cx, const model_config *c, const serve_setting *s, const machine *m,
                      serve_estimate *out) {
    enum { STEP = 512 };
    *out = (serve_estimate){0};
    for (int i = 0; i < 2; i++)
        if (!num_find(i ? s->kv : s->weights))
            FAIL(cx, STATUS_BAD_ARGUMENT, "there is no number format '%s'", i ? s->kv : s->weights);
    int64_t context = s->prompt + s->answer, step = MAX_OF(STEP, s->users);
    model_config stored = *c;
    stored.upright |= num_find(s->weights)->kind == NUM_BLOCK; /* which lie along the inputs */
    engine_model model = {.config = &stored, .format = stored_format, .user = (void *)s};
    engine_options o = {.context = context,
                        .tokens = step,
                        .sequences = s->users,
                        .queue = s->users,
                        .kv_tokens = context * s->users,
                        .kv_format = s->kv,
                        .act = s->act,
                        .threads = m->threads,
                        .dry_run = true};
    engine_need need;
    engine *e;
    arena mem = arena_make(cx);
    TRY(engine_measure(cx, &model, &o, &need));
    out->kv_token_bytes = need.kv_token_bytes;
    int64_t before = footprint_heap_bytes();
    status st = engine_open(cx, &model, &o, &e);
    if (st == STATUS_OK) {
        out->bytes.total = out->bytes.tables = footprint_heap_bytes() - before;
        st = read_plan(&mem, e, s, m, step, out);
        engine_close(e);
    }
    arena_free(&mem);
    return st;
}
