/* A smaller model of the same vocabulary goes ahead. It runs on an engine of its own, which shares the threads: a guess
 * is a request for a few tokens after all that is known, and the keys and values of what was known before are found
 * in that engine's tree of prefixes, so that each round computes little more than the new tokens. It draws
 * with the noise of the sequence that it guesses for, which makes the two draws agree more often than
 * two draws would.
 *
 * The first guess for a long prompt takes many steps of the draft; a call takes only a few, so that nobody waits
 * for it. The request goes on at the next call, and what it gives is used if it still fits. */
#include "infer/speculate.h"
#include <string.h>

enum { GUESSES = 4, PAGE = 8, STEPS_BESIDE = 2 };

/* One request to the draft's engine. */
typedef struct errand {
    uint64_t key, request; /* request 0: the place is free */
    int64_t n_tokens, vocabulary;
    int32_t guesses[SPECULATE_MOST], n;
    bool done;
    float *chances; /* room for SPECULATE_MOST distributions; NULL: not wanted */
} errand;

typedef struct draft {
    context *cx;
    engine *e;
    errand *errands;
    int32_t n_errands;
    float *chances;
    int64_t context;
} draft;

static void close_draft(void *state) {
    draft *d = state;
    if (!d) return;
    context *cx = d->cx;
    engine_close(d->e);
    context_release(cx, d->chances);
    context_release(cx, d->errands);
    context_release(cx, d);
}

static status make_errands(draft *d, const speculate_options *o) {
    int64_t each = SPECULATE_MOST * o->vocabulary;
    d->n_errands = (int32_t)o->engine.sequences;
    d->errands = context_zalloc(d->cx, (size_t)d->n_errands * sizeof *d->errands);
    if (!d->errands) return STATUS_NO_MEMORY;
    if (!o->wants_chances) return STATUS_OK;
    d->chances = context_alloc(d->cx, (size_t)(d->n_errands * each) * sizeof *d->chances);
    if (!d->chances) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < d->n_errands; i++) {
        d->errands[i].chances = d->chances + i * each;
        d->errands[i].vocabulary = o->vocabulary;
    }
    return STATUS_OK;
}

static status open_draft(context *cx, const speculate_options *o, void **state) {
    const model_config *c = o->draft->config;
    *state = NULL;
    if (c->vocabulary != o->vocabulary)
        FAIL(
            cx, STATUS_BAD_ARGUMENT,
            "the draft has a vocabulary of %lld and the model one of %lld: a draft must be a model "
            "of the same family",
            (long long)c->vocabulary, (long long)o->vocabulary);
    engine_options own = o->engine;
    own.context = c->positions > 0 ? MIN_OF(c->positions, o->engine.context) : o->engine.context;
    own.kv_tokens = MAX_OF(o->engine.kv_tokens, own.context);
    own.page = PAGE;
    own.policy = own.speculate = NULL;
    own.draft = NULL;
    own.step_seconds = own.step_stretch = 0;
    own.rejects = false;
    own.forgets_prefixes = false;
    draft *d = context_zalloc(cx, sizeof *d);
    if (!d) return STATUS_NO_MEMORY;
    d->cx = cx;
    engine_model m = *o->draft;
    m.tokens = NULL;
    status st = engine_open(cx, &m, &own, &d->e);
    if (st != STATUS_OK) st = context_note(cx, st, "the draft");
    if (st == STATUS_OK) st = make_errands(d, o);
    if (st == STATUS_OK) {
        d->context = engine_context(d->e);
        *state = d;
    } else {
        close_draft(d);
    }
    return st;
}

static void hear(void *user, const engine_event *event) {
    errand *x = user;
    if (x->request != event->request) return; /* of a request that was given up */
    if (event->id >= 0 && event->index >= 0 && x->n < SPECULATE_MOST) {
        if (x->chances)
            memcpy(x->chances + x->n * x->vocabulary, event->chances,
                   (size_t)x->vocabulary * sizeof *x->chances);
        x->guesses[x->n++] = event->id;
    }
    x->done |= event->finish != ENGINE_GOES_ON;
}

/* The errand for `key`; with key 0, one that is free. */
static errand *find(const draft *d, uint64_t key) {
    for (int32_t i = 0; i < d->n_errands; i++)
        if (key ? d->errands[i].request && d->errands[i].key == key : !d->errands[i].request)
            return &d->errands[i];
    return NULL;
}

/* Gives up what nobody asks for any more; the pages that were computed stay in the tree. */
static void give_up(draft *d, const speculate_ask *asks, int32_t n_asks) {
    for (int32_t i = 0; i < d->n_errands; i++) {
        errand *x = &d->errands[i];
        bool asked = false;
        for (int32_t k = 0; k < n_asks; k++) asked |= asks[k].key == x->key && asks[k].most > 0;
        if (!x->request || asked) continue;
        engine_cancel(d->e, x->request);
        x->request = 0;
    }
}

static status send(draft *d, const speculate_ask *ask) {
    errand *x = find(d, 0);
    int64_t room = d->context - ask->n_tokens;
    if (!x || room < 1) return STATUS_OK;
    engine_request r = {.prompt = ask->tokens,
                        .n_prompt = ask->n_tokens,
                        .most_tokens = MIN_OF(ask->most, room),
                        .sampling = *ask->sampling,
                        .first_sample = ask->sample,
                        .ignore_end = true,
                        .wants_chances = x->chances != NULL,
                        .salt = ask->salt,
                        .tell = hear,
                        .user = x};
    x->key = ask->key;
    x->n_tokens = ask->n_tokens;
    x->n = 0;
    x->done = false;
    status st = engine_submit(d->e, &r, &x->request);
    if (st == STATUS_OK) return st;
    x->request = 0;
    context_clear(d->cx);
    return st == STATUS_BUSY ? STATUS_OK : st;
}

/* Whether something is under way for one of those that ask. */
static bool waits(const draft *d, const speculate_ask *asks, int32_t n_asks) {
    for (int32_t i = 0; i < n_asks; i++) {
        const errand *x = find(d, asks[i].key);
        if (x && !x->done) return true;
    }
    return false;
}

static void fetch(draft *d, speculate_ask *ask) {
    errand *x = find(d, ask->key);
    ask->n = 0;
    if (!x || !x->done) return;
    x->request = 0;
    if (x->n_tokens != ask->n_tokens) return; /* the sequence went on without it */
    ask->n = MIN_OF(x->n, ask->most);
    ask->chances = x->chances;
    memcpy(ask->guesses, x->guesses, (size_t)ask->n * sizeof *ask->guesses);
}

static status guess(void *state, speculate_ask *asks, int32_t n_asks) {
    draft *d = state;
    int32_t most = 0;
    give_up(d, asks, n_asks);
    for (int32_t i = 0; i < n_asks; i++) {
        most = MAX_OF(most, asks[i].most);
        if (asks[i].most > 0 && !find(d, asks[i].key)) TRY(send(d, &asks[i]));
    }
    for (int32_t i = 0; i < most + STEPS_BESIDE && waits(d, asks, n_asks); i++)
        TRY(engine_step(d->e));
    for (int32_t i = 0; i < n_asks; i++) fetch(d, &asks[i]);
    return STATUS_OK;
}

extern const speculate_def speculate_draft;
const speculate_def speculate_draft = {.name = "draft",
                                       .help = "a smaller model of the same vocabulary",
                                       .needs_draft = true,
                                       .most = GUESSES,
                                       .open = open_draft,
                                       .guess = guess,
                                       .close = close_draft};
