/* The engine's side of guessing ahead (infer/speculate.h): who is asked for how many tokens before a step, and what
 * became of them after it. */
#include "base/time.h"
#include "infer/engine_parts.h"
#include <string.h>

const speculate_def *speculate_find(const char *name) {
    for (int32_t i = 0; registry_speculate[i]; i++)
        if (!strcmp(registry_speculate[i]->name, name)) return registry_speculate[i];
    return NULL;
}

status engine_open_guessing(engine *e) {
    const engine_options *o = &e->options;
    guessing *x = &e->guessing;
    if (!o->speculate) return STATUS_OK;
    const speculate_def *def = speculate_find(o->speculate);
    x->most = (int32_t)(o->guesses ? o->guesses : def->most);
    x->asks = ARENA_NEW(&e->mem, speculate_ask, o->sequences);
    x->paces = ARENA_NEW(&e->mem, pace_voice *, o->sequences);
    x->want = ARENA_NEW(&e->mem, int32_t, o->sequences);
    if (!x->asks || !x->paces || !x->want) return STATUS_NO_MEMORY;
    speculate_options how = {.draft = o->draft,
                             .engine = *o,
                             .vocabulary = e->model.config->vocabulary,
                             .wants_chances = o->rejects};
    how.engine.workers = e->workers;
    TRY(def->open(e->cx, &how, &x->state));
    x->def = def;
    return STATUS_OK;
}

void engine_close_guessing(engine *e) {
    if (e->guessing.def) e->guessing.def->close(e->guessing.state);
}

/* Of a sequence that decodes; guesses end where the text must. */
static speculate_ask ask_for(const voice *v) {
    const engine_request *ask = &v->of->ask;
    return (speculate_ask){.key = v->of->id * ENGINE_MOST_SAMPLES + (uint64_t)v->number,
                           .tokens = v->tokens,
                           .n_prompt = ask->n_prompt,
                           .n_tokens = v->s.n_tokens,
                           .sampling = &ask->sampling,
                           .sample = ask->first_sample + v->number,
                           .salt = ask->salt};
}

/* Those that run, unless a prompt is being read: then the arithmetic of the step is taken. */
static int32_t list_decoding(engine *e) {
    guessing *x = &e->guessing;
    int32_t n = 0;
    bool reads = false;
    for (int32_t i = 0; i < e->schedule.n_running; i++) {
        sequence *s = e->schedule.running[i];
        voice *v = s->owner;
        s->n_guessed = 0;
        v->n_accepted = 0;
        v->agrees = false;
        v->chances = NULL;
        reads |= s->n_tokens - s->n_cached != 1;
        x->asks[n] = ask_for(v);
        x->paces[n++] = &v->pace;
    }
    return reads ? 0 : n;
}

status engine_guess(engine *e) {
    guessing *x = &e->guessing;
    int32_t n = list_decoding(e);
    int64_t guessed = 0, wanted = 0;
    if (!n) return STATUS_OK;
    pace_plan(&e->pace, x->paces, n, x->most, x->want);
    for (int32_t i = 0; i < n; i++) {
        const voice *v = e->schedule.running[i]->owner;
        int64_t room = v->of->most - v->s.n_tokens - 1;
        int64_t want = e->options.guesses_always ? x->most : x->want[i];
        wanted += x->asks[i].most = (int32_t)MAX_OF(MIN_OF(want, room), 0);
    }
    if (!wanted) return STATUS_OK;
    double begin = time_seconds();
    TRY(x->def->guess(x->state, x->asks, n));
    for (int32_t i = 0; i < n; i++) {
        voice *v = e->schedule.running[i]->owner;
        const speculate_ask *ask = &x->asks[i];
        memcpy(v->tokens + v->s.n_tokens, ask->guesses, (size_t)ask->n * sizeof *ask->guesses);
        v->s.n_guessed = ask->n;
        v->chances = ask->chances;
        guessed += ask->n;
    }
    pace_guessed(&e->pace, guessed, time_seconds() - begin);
    return STATUS_OK;
}

void engine_count_guesses(engine *e) {
    for (int32_t i = 0; i < e->schedule.n_entries; i++) {
        voice *v = e->schedule.entries[i].s->owner;
        pace_judged(&e->pace, &v->pace, (int32_t)v->s.n_guessed, v->n_accepted);
    }
}
