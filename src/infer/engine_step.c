/* One step: inputs from the schedule, one run of the plan, a draw for each row of logits, news to the callbacks. */
#include "base/time.h"
#include "infer/chunk.h"
#include "infer/engine_parts.h"
#include <math.h>

/* Pages about to be written that others hold: their contents move to a page of the writer's own. */
static void copy_pages(engine *e) {
    for (int32_t i = 0; i < e->schedule.n_copies; i++)
        for (int32_t k = 0; k < e->n_kv; k++) {
            const kv_state *kv = &e->kv[k];
            memcpy(kv->data + e->schedule.copies[i].to * kv->page_bytes,
                   kv->data + e->schedule.copies[i].from * kv->page_bytes, (size_t)kv->page_bytes);
        }
}

static void fill_entry(engine *e, int32_t line, const schedule_entry *x, int32_t first) {
    const schedule *plan = &e->schedule;
    const voice *v = x->s->owner;
    for (int64_t i = 0; i < x->tokens; i++) {
        int64_t position = x->s->n_cached + i;
        e->ids[first + i] = v->tokens[position];
        if (e->positions) e->positions[first + i] = (int32_t)position;
        e->slots[first + i] = (int32_t)schedule_slot(plan, x->s, position);
    }
    e->offsets[line + 1] = first + (int32_t)x->tokens;
    e->k_offsets[line + 1] = e->k_offsets[line] + (int32_t)(x->s->n_cached + x->tokens);
    memcpy(e->table + (int64_t)line * plan->limits.table, x->s->pages,
           (size_t)x->s->n_pages * sizeof *e->table);
}

/* The rows of an entry that want logits. */
static void add_jobs(engine *e, const schedule_entry *x, int32_t first) {
    for (int64_t i = x->tokens - x->rows; i < x->tokens; i++) {
        int64_t position = x->s->n_cached + i;
        e->rows[e->n_jobs] = first + (int32_t)i;
        voice *v = x->s->owner;
        int64_t guess = position + 1 - x->s->n_tokens; /* this one judges, if it is one */
        bool judges = v->chances && guess >= 0 && guess < x->s->n_guessed;
        e->jobs[e->n_jobs++] =
            (row_job){.v = v,
                      .position = position,
                      .draws = guess >= 0,
                      .guessed = guess > 0,
                      .chances = judges ? v->chances + guess * e->model.config->vocabulary : NULL};
    }
}

static status fill_inputs(engine *e) {
    int64_t symbols[MAX_SYMBOLS] = {0};
    int32_t tokens = 0;
    e->n_jobs = 0;
    e->offsets[0] = e->k_offsets[0] = 0;
    for (int32_t i = 0; i < e->schedule.n_entries; i++) {
        const schedule_entry *x = &e->schedule.entries[i];
        fill_entry(e, i, x, tokens);
        add_jobs(e, x, tokens);
        tokens += (int32_t)x->tokens;
    }
    e->rows[0] = e->n_jobs ? e->rows[0] : 0;
    for (int32_t i = 1; i <= e->g->n_symbols; i++) {
        const char *name = e->g->symbols[i].name;
        symbols[i] = !strcmp(name, "tokens")      ? tokens
                     : !strcmp(name, "sequences") ? e->schedule.n_entries
                                                  : MAX_OF(e->n_jobs, 1);
    }
    return plan_bind(e->p, symbols);
}

/* ---- drawing ---- */

static bool is_end(const engine *e, const engine_request *ask, int32_t id) {
    const model_config *c = e->model.config;
    for (int64_t i = 0; i < ask->n_stop_ids; i++)
        if (ask->stop_ids[i] == id) return true;
    for (int64_t i = 0; !ask->ignore_end && i < c->end_token_count; i++)
        if (c->end_tokens[i] == id) return true;
    return false;
}

/* Before the least number of tokens, what would end the text cannot be drawn. */
static void bar_ends(const engine *e, const voice *v, int64_t n_drawn, float *logits) {
    const engine_request *ask = &v->of->ask;
    const model_config *c = e->model.config;
    if (n_drawn >= ask->least_tokens) return;
    for (int64_t i = 0; i < ask->n_stop_ids; i++)
        if (ask->stop_ids[i] >= 0 && ask->stop_ids[i] < c->vocabulary)
            logits[ask->stop_ids[i]] = -INFINITY;
    for (int64_t i = 0; i < c->end_token_count; i++)
        if (c->end_tokens[i] >= 0 && c->end_tokens[i] < c->vocabulary)
            logits[c->end_tokens[i]] = -INFINITY;
}

/* Draws the token after `position`. Where a guess stands there and is judged by rejection, that is what is drawn, or
 * what takes its place. */
static void draw(const engine *e, row_job *j, float *logits, sampling_space *space) {
    const voice *v = j->v;
    const engine_request *ask = &v->of->ask;
    sampling_place at = {.tokens = v->tokens,
                         .n_prompt = ask->n_prompt,
                         .n_tokens = j->position + 1,
                         .sample = ask->first_sample + v->number};
    int64_t guess = j->position + 1 - v->s.n_tokens;
    bool judges = e->options.rejects && guess < v->s.n_guessed;
    if (!judges && !ask->wants_chances) {
        j->drawn = sampling_draw(&ask->sampling, &at, logits, space);
        return;
    }
    sampling_chances(&ask->sampling, &at, logits, space, logits);
    j->drawn = judges ? sampling_judge(&ask->sampling, &at, logits, j->chances, space->vocabulary,
                                       v->tokens[at.n_tokens])
                      : sampling_pick(&ask->sampling, &at, logits, space->vocabulary);
    if (ask->wants_chances) j->chances = logits;
}

static void run_job(const engine *e, row_job *j, float *logits, sampling_space *space) {
    const voice *v = j->v;
    const engine_request *ask = &v->of->ask;
    int32_t vocabulary = space->vocabulary;
    double log_sum = 0;
    bool counts = j->draws ? ask->logprobs : ask->prompt_logprobs;
    if (counts) {
        log_sum = sampling_log_sum(logits, vocabulary);
        j->n_likely = sampling_likely(logits, vocabulary, ask->likely, j->likely);
        for (int32_t i = 0; i < j->n_likely; i++)
            j->likely[i].logit = (float)((double)j->likely[i].logit - log_sum);
    }
    if (j->draws) {
        float *plain = counts ? space->kept : NULL;
        if (plain) memcpy(plain, logits, (size_t)vocabulary * sizeof *plain);
        bar_ends(e, v, j->position + 1 - ask->n_prompt, logits);
        draw(e, j, logits, space);
        if (plain) j->logprob = (double)(float)((double)plain[j->drawn] - log_sum);
    } else {
        j->logprob = (double)(float)((double)logits[v->tokens[j->position + 1]] - log_sum);
    }
}

static void run_jobs(void *arg, int64_t from, int64_t to, int thread) {
    engine *e = arg;
    int64_t vocabulary = e->model.config->vocabulary;
    float *logits = plan_tensor(e->p, e->logits)->data;
    for (int64_t i = from; i < to; i++)
        run_job(e, &e->jobs[i], logits + i * vocabulary, &e->spaces[thread]);
}

/* ---- telling ---- */

static void tell(const voice *v, const engine_event *event) {
    if (v->of->ask.tell) v->of->ask.tell(v->of->ask.user, event);
}

static engine_event event_of(const voice *v, const row_job *j, bool counts) {
    const request *r = v->of;
    engine_event event = {.request = r->id,
                          .sample = v->number,
                          .id = j->draws ? j->drawn : v->tokens[j->position + 1],
                          .index = j->position + 1 - r->ask.n_prompt};
    if (r->ask.wants_chances) event.chances = j->chances;
    if (!counts) return event;
    event.logprob = j->logprob;
    event.likely = j->likely;
    event.n_likely = j->n_likely;
    return event;
}

/* The other samples begin where the first one's prompt ends; only its last token is computed again, for its logits.
 */
static void start_others(engine *e, voice *first) {
    request *r = first->of;
    for (int32_t i = 1; i < r->ask.samples; i++) {
        voice *v = &r->voices[i];
        if (!v->waits_for_first || v->done) continue;
        v->waits_for_first = false;
        if (!schedule_add(&e->schedule, &v->s)) continue;
        schedule_share(&e->schedule, &v->s, &first->s, r->ask.n_prompt - 1);
    }
}

static engine_finish finish_of(const engine *e, const voice *v, int32_t id) {
    const request *r = v->of;
    int64_t drawn = v->s.n_tokens - r->ask.n_prompt;
    bool may_end = drawn > r->ask.least_tokens || !r->ask.least_tokens;
    if (is_end(e, &r->ask, id) || (v->speech.stopped && may_end)) return ENGINE_STOP;
    if (v->s.n_tokens < r->most) return ENGINE_GOES_ON;
    return r->most_is_context ? ENGINE_FULL : ENGINE_LENGTH;
}

static status speak(engine *e, voice *v, int32_t id, engine_event *event) {
    if (!e->model.tokens) return STATUS_OK;
    if (!is_end(e, &v->of->ask, id) || v->of->ask.show_special)
        TRY(speech_put(&v->speech, e->model.tokens, id));
    else
        v->speech.ready = 0;
    event->text = v->speech.held.bytes;
    event->text_bytes = v->speech.ready;
    return STATUS_OK;
}

static status settle_draw(engine *e, row_job *j) {
    voice *v = j->v;
    request *r = v->of;
    engine_event event = event_of(v, j, r->ask.logprobs);
    if (v->number == 0 && j->position + 1 == r->ask.n_prompt) start_others(e, v);
    if (r->ask.most_tokens == 0) {
        engine_finish_voice(e, v, &event, ENGINE_LENGTH);
        event.id = -1;
        tell(v, &event);
        return STATUS_OK;
    }
    int64_t at = v->s.n_tokens++;
    v->agrees = v->tokens[at] == j->drawn;
    v->tokens[at] = j->drawn;
    e->stats.drawn_tokens++;
    TRY(speak(e, v, j->drawn, &event));
    engine_finish why = finish_of(e, v, j->drawn);
    if (why != ENGINE_GOES_ON && e->model.tokens && !v->speech.stopped) {
        /* what was ready is shown first, then what was held back */
        if (event.text_bytes) {
            tell(v, &event);
            event.id = -1;
        }
        TRY(speech_end(&v->speech));
        event.text = v->speech.held.bytes;
        event.text_bytes = v->speech.ready;
    }
    if (why != ENGINE_GOES_ON) engine_finish_voice(e, v, &event, why);
    tell(v, &event);
    return STATUS_OK;
}

/* What was computed of known tokens; of guesses, whose number is returned, it is settled one by one. */
static int64_t advance(engine *e) {
    int64_t guesses = 0;
    for (int32_t i = 0; i < e->schedule.n_entries; i++) {
        const schedule_entry *x = &e->schedule.entries[i];
        const voice *v = x->s->owner;
        int64_t known = MIN_OF(x->tokens, x->s->n_tokens - x->s->n_cached);
        int64_t prompt = MIN_OF(x->s->n_cached + known, v->of->ask.n_prompt);
        e->stats.prompt_tokens += MAX_OF(prompt - x->s->n_cached, 0);
        guesses += x->s->n_guessed = x->tokens - known;
        schedule_computed(&e->schedule, x->s, known);
        x->s->rows_from = MAX_OF(x->s->rows_from, x->s->n_cached);
    }
    e->stats.guessed += guesses;
    return guesses;
}

static status settle(engine *e) {
    for (int32_t i = 0; i < e->n_jobs; i++) {
        row_job *j = &e->jobs[i];
        if (j->v->done || (j->guessed && !j->v->agrees)) continue;
        if (j->guessed) {
            schedule_computed(&e->schedule, &j->v->s, 1);
            e->stats.accepted++;
            j->v->n_accepted++;
        }
        if (j->draws) {
            TRY(settle_draw(e, j));
        } else {
            engine_event event = event_of(j->v, j, true);
            tell(j->v, &event);
        }
    }
    return STATUS_OK;
}

status engine_step(engine *e) {
    engine_sweep(e);
    if (e->guessing.def) TRY(engine_guess(e));
    double begin = time_seconds();
    chunk_limits limits = {e->options.tokens, e->options.step_seconds, e->options.step_stretch};
    e->schedule.limits.tokens = chunk_budget(&limits, &e->schedule, &e->pace, &e->reading);
    schedule_step(&e->schedule);
    if (!e->schedule.n_entries) return STATUS_OK;
    copy_pages(e);
    TRY(fill_inputs(e));
    plan_run(e->p, 0);
    e->stats.steps++;
    pool_run(e->workers, run_jobs, e, e->n_jobs);
    double seconds = time_seconds() - begin;
    if (e->options.stepped) e->options.stepped(e->options.stepped_user, e->p, seconds);
    int64_t tokens = e->offsets[e->schedule.n_entries];
    chunk_saw(&e->schedule, &e->pace, seconds, &e->reading);
    pace_stepped(&e->pace, tokens, advance(e), seconds);
    status st = settle(e);
    if (e->guessing.def) engine_count_guesses(e);
    engine_sweep(e);
    return st;
}
