/* Opening and closing; requests as they come and go (infer/engine.h). */
#include "base/hash.h"
#include "infer/engine_parts.h"
#include "infer/weights.h"
#include <assert.h>

const char *engine_finish_name(engine_finish f) {
    static const char *const names[] = {"", "stop", "length", "length", "cancelled"};
    return names[f];
}

static status fill_from_model(void *user, states *store, const graph *g) {
    return model_load(user, store, g);
}

engine_model engine_model_of(model *m, const tokenizer *tokens) {
    return (engine_model){.config = &m->config,
                          .def = m->def,
                          .format = model_stored_format,
                          .fill = fill_from_model,
                          .user = m,
                          .tokens = tokens,
                          .key = weights_key(m),
                          .file = m};
}

status engine_borrow(const states *from, states *store, const graph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const node *n = g->nodes[i];
        if (n->op != &op_state) continue;
        const state *s = states_find(from, n->name);
        if (!s) return op_fail(g, n, "there is no state '%s' to lend", n->name);
        TRY(states_borrow(store, g, n, s->t.data));
    }
    return STATUS_OK;
}

status engine_open(context *cx, const engine_model *m, const engine_options *o, engine **out) {
    *out = NULL;
    engine *e = context_zalloc(cx, sizeof *e);
    if (!e) return STATUS_NO_MEMORY;
    *e = (engine){.cx = cx, .mem = arena_make(cx), .model = *m, .workers = o->workers};
    status st = engine_settle(cx, m, o, &e->options);
    if (st == STATUS_OK && !e->workers) {
        st = pool_new(cx, (int)o->threads, &e->own_workers);
        e->workers = e->own_workers;
    }
    if (st == STATUS_OK) st = engine_build(e);
    pace_begin(&e->pace);
    if (st == STATUS_OK) st = engine_open_guessing(e);
    if (st == STATUS_OK)
        *out = e;
    else
        engine_close(e);
    return st;
}

static void free_request(engine *e, request *r) {
    for (int32_t i = 0; i < r->ask.samples; i++) speech_free(&r->voices[i].speech);
    arena_free(&r->mem);
    context_release(e->cx, r);
}

void engine_close(engine *e) {
    if (!e) return;
    for (request *r = e->requests, *next; r; r = next) {
        next = r->next;
        free_request(e, r);
    }
    context *cx = e->cx;
    engine_close_guessing(e);
    plan_free(e->p);
    states_free(e->store);
    graph_free(e->g);
    pool_free(e->own_workers);
    arena_free(&e->mem);
    context_release(cx, e);
}

status engine_refresh(engine *e) {
    assert(!engine_busy(e));
    while (e->schedule.prefix && prefix_evict(e->schedule.prefix)) {
    }
    return plan_load(e->p);
}

/* ---- taking a request ---- */

static const void *copy_of(arena *mem, const void *from, int64_t count, size_t unit_bytes) {
    void *to = arena_alloc_array(mem, count + 1, unit_bytes);
    if (to && count) memcpy(to, from, (size_t)count * unit_bytes);
    return to;
}

static status copy_stops(arena *mem, engine_request *ask) {
    stop_text *stops = ARENA_NEW(mem, stop_text, ask->n_stops + 1);
    if (!stops) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < ask->n_stops; i++) {
        stops[i] = ask->stops[i];
        stops[i].text = arena_strndup(mem, ask->stops[i].text, (size_t)ask->stops[i].length);
        if (!stops[i].text) return STATUS_NO_MEMORY;
    }
    ask->stops = stops;
    return STATUS_OK;
}

static status copy_ask(request *r, const engine_request *ask) {
    r->ask = *ask;
    r->ask.samples = MAX_OF(ask->samples, 1);
    r->ask.prompt = copy_of(&r->mem, ask->prompt, ask->n_prompt, sizeof *ask->prompt);
    r->ask.stop_ids = copy_of(&r->mem, ask->stop_ids, ask->n_stop_ids, sizeof *ask->stop_ids);
    r->ask.sampling.bias =
        copy_of(&r->mem, ask->sampling.bias, ask->sampling.n_bias, sizeof *ask->sampling.bias);
    if (!r->ask.prompt || !r->ask.stop_ids || !r->ask.sampling.bias) return STATUS_NO_MEMORY;
    return copy_stops(&r->mem, &r->ask);
}

static status make_voice(engine *e, request *r, int32_t number) {
    voice *v = &r->voices[number];
    const engine_request *ask = &r->ask;
    v->of = r;
    v->number = number;
    v->waits_for_first = number > 0;
    v->tokens = ARENA_NEW(&r->mem, int32_t, r->most + 1);
    v->s = (sequence){.n_tokens = ask->n_prompt,
                      .rows_from = ask->n_prompt - 1,
                      .pages = ARENA_NEW(&r->mem, int32_t, e->schedule.limits.table + 1),
                      .priority = ask->priority,
                      .client = ask->client,
                      .tokens = v->tokens,
                      .salt = ask->salt ? hash_xxh64(ask->salt, strlen(ask->salt), 1) : 0,
                      .owner = v};
    if (!v->tokens || !v->s.pages) return STATUS_NO_MEMORY;
    if (ask->prompt_logprobs && number == 0) v->s.rows_from = 0;
    memcpy(v->tokens, ask->prompt, (size_t)ask->n_prompt * sizeof *ask->prompt);
    v->speech = (speech){.decoder = {.started = true, .skip_special = !ask->show_special},
                         .held = {.cx = e->cx},
                         .stops = ask->stops,
                         .n_stops = ask->n_stops};
    v->pace = pace_voice_begin(&e->pace);
    return STATUS_OK;
}

static status check_ask(const engine *e, const engine_request *ask) {
    int64_t vocabulary = e->model.config->vocabulary, context = engine_context(e);
    TRY(sampling_check(e->cx, &ask->sampling));
    if (ask->n_prompt < 1)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "the prompt is empty: there is nothing to continue");
    if (ask->n_prompt >= context)
        FAIL(e->cx, STATUS_BAD_ARGUMENT,
             "the prompt has %lld tokens, which leaves no room in a context of %lld",
             (long long)ask->n_prompt, (long long)context);
    for (int64_t i = 0; i < ask->n_prompt; i++)
        if (ask->prompt[i] < 0 || ask->prompt[i] >= vocabulary)
            FAIL(e->cx, STATUS_BAD_ARGUMENT, "token %d of the prompt: the vocabulary is 0 .. %lld",
                 ask->prompt[i], (long long)vocabulary - 1);
    if (ask->samples > ENGINE_MOST_SAMPLES)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "%d samples: at most %d", ask->samples,
             ENGINE_MOST_SAMPLES);
    if (ask->likely < 0 || ask->likely > ENGINE_MOST_LIKELY)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "%d likely tokens: must be 0 .. %d", ask->likely,
             ENGINE_MOST_LIKELY);
    if (ask->n_stops && !e->model.tokens)
        FAIL(e->cx, STATUS_BAD_ARGUMENT, "stop strings need a tokenizer");
    if (e->live + MAX_OF(ask->samples, 1) > e->options.queue)
        FAIL(e->cx, STATUS_BUSY, "the queue of %lld is full", (long long)e->options.queue);
    return STATUS_OK;
}

static status set_up(engine *e, request *r, const engine_request *ask) {
    int64_t context = engine_context(e);
    TRY(copy_ask(r, ask));
    r->most_is_context = ask->most_tokens < 0 || ask->most_tokens > context - ask->n_prompt;
    r->most = r->most_is_context ? context : ask->n_prompt + ask->most_tokens;
    r->voices = ARENA_NEW(&r->mem, voice, r->ask.samples);
    if (!r->voices) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < r->ask.samples; i++) TRY(make_voice(e, r, i));
    return STATUS_OK;
}

status engine_submit(engine *e, const engine_request *ask, uint64_t *id) {
    TRY(check_ask(e, ask));
    request *r = context_zalloc(e->cx, sizeof *r);
    if (!r) return STATUS_NO_MEMORY;
    r->mem = arena_make(e->cx);
    status st = set_up(e, r, ask);
    if (st != STATUS_OK) {
        arena_free(&r->mem);
        context_release(e->cx, r);
        return st;
    }
    request **end = &e->requests;
    while (*end) end = &(*end)->next;
    *end = r;
    *id = r->id = ++e->last_id;
    e->live += r->ask.samples;
    bool taken = schedule_add(&e->schedule, &r->voices[0].s);
    assert(taken), (void)taken;
    return STATUS_OK;
}

void engine_cancel(engine *e, uint64_t id) {
    for (request *r = e->requests; r; r = r->next)
        if (r->id == id) r->cancelled = true;
}

/* ---- letting go ---- */

void engine_finish_voice(engine *e, voice *v, engine_event *event, engine_finish why) {
    assert(!v->done);
    if (v->s.state != SEQUENCE_NEW) schedule_remove(&e->schedule, &v->s);
    v->done = true;
    v->of->n_done++;
    e->live--;
    event->finish = why;
}

void engine_sweep(engine *e) {
    for (request **at = &e->requests; *at;) {
        request *r = *at;
        for (int32_t i = 0; r->cancelled && i < r->ask.samples; i++) {
            voice *v = &r->voices[i];
            engine_event event = {.request = r->id, .sample = i, .id = -1};
            if (v->done) continue;
            engine_finish_voice(e, v, &event, ENGINE_CANCELLED);
            event.index = v->s.n_tokens - r->ask.n_prompt;
            if (r->ask.tell) r->ask.tell(r->ask.user, &event);
        }
        if (r->n_done == r->ask.samples) {
            *at = r->next;
            free_request(e, r);
        } else {
            at = &r->next;
        }
    }
}

/* ---- asking ---- */

bool engine_busy(const engine *e) {
    return e->requests != NULL;
}

int64_t engine_context(const engine *e) {
    return MIN_OF(e->options.context, e->options.kv_tokens);
}

const struct plan *engine_plan(const engine *e) {
    return e->p;
}

engine_stats engine_look(const engine *e) {
    engine_stats s = e->stats;
    s.running = e->schedule.n_running;
    s.waiting = e->schedule.n_waiting;
    s.pages = e->schedule.pages.n;
    s.pages_used = s.pages - (int64_t)schedule_room(&e->schedule);
    for (int32_t i = 0; i < e->schedule.n_running; i++) {
        s.slots_held += (int64_t)e->schedule.running[i]->n_pages * e->options.page;
        s.slots_filled += e->schedule.running[i]->n_cached;
    }
    s.prefix_asked = e->schedule.asked;
    s.prefix_found = e->schedule.found;
    s.sent_back = e->schedule.sent_back;
    return s;
}
