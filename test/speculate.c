/* Guessing ahead changes no bit, whoever guesses, at any temperature, among others and with too few pages; a draft
 * that is the model itself is always right. Judging by rejection keeps the distribution. Guessing stops where it does
 * not pay. */
#include "infer/speculate.h"
#include "base/rng.h"
#include "infer/pace.h"
#include "kit/engine_lab.h"
#include <math.h>
#include <stdlib.h>

/* A tiny model with random weights of its own. */
typedef struct weights {
    model_config config;
    uint64_t seed;
} weights;

typedef struct lab {
    context *cx;
    weights w;
    engine *e;
} lab;

static const num_format *stored(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}

static status draw_weights(void *user, states *store, const graph *g) {
    const weights *w = user;
    return model_init(&w->config, store, g, w->seed);
}

static status model_of(context *cx, uint64_t seed, weights *w, engine_model *out) {
    TRY(model_preset(cx, "1m", &w->config));
    w->seed = seed;
    w->config.initializer_range = 0.3; /* peaked logits */
    *out = (engine_model){.config = &w->config, .format = stored, .fill = draw_weights, .user = w};
    return STATUS_OK;
}

static status lab_open(lab *l, const engine_options *o) {
    engine_model m;
    l->cx = context_new();
    TRY(model_of(l->cx, 7, &l->w, &m));
    return engine_open(l->cx, &m, o, &l->e);
}

static void lab_close(lab *l) {
    engine_close(l->e);
    context_free(l->cx);
}

typedef struct trial {
    engine_options o;
    uint64_t seed; /* of the request; even ones draw at temperature 1 */
    int others;    /* requests beside it */
    bool quotes;   /* the prompt says the same again and again */
    diary *d;
    engine_stats stats;
} trial;

static status submit(lab *l, const trial *k, uint64_t seed, diary *d) {
    uint64_t id;
    engine_request r = lab_ask(seed, 2048, 60, 40, d);
    int32_t prompt[60];
    for (int i = 0; i < 60; i++) prompt[i] = r.prompt[k->quotes ? i % 12 : i];
    r.prompt = prompt;
    r.prompt_logprobs = false;
    r.sampling.repetition_penalty = k->quotes ? 0.2 : 1; /* it says what was said before */
    return engine_submit(l->e, &r, &id);
}

static void run_trial(test *t, trial *k) {
    lab l;
    static diary spare;
    *k->d = (diary){0};
    CHECK_OK(t, l.cx, lab_open(&l, &k->o));
    CHECK_OK(t, l.cx, submit(&l, k, k->seed, k->d));
    for (int i = 0; i < k->others; i++) CHECK_OK(t, l.cx, submit(&l, k, 90 + (uint64_t)i, &spare));
    CHECK_OK(t, l.cx, lab_run(l.e));
    k->stats = engine_look(l.e);
    CHECK(t, k->stats.pages_used == 0, "%lld pages are held", (long long)k->stats.pages_used);
    lab_close(&l);
}

/* With and without, over temperatures and company. */
static void compare(test *t, engine_options o, double least_accepted) {
    static const struct {
        uint64_t seed;
        int others;
        int64_t tokens, kv_tokens;
        bool quotes;
    } ways[] = {{3, 0, 0, 0, true}, {4, 0, 0, 0, true}, {4, 3, 24, 288, false}};
    diary *with = malloc(sizeof *with), *without = malloc(sizeof *without);
    for (int i = 0; i < COUNT_OF(ways); i++) {
        trial k = {.o = {.threads = 1, .context = 128},
                   .seed = ways[i].seed,
                   .quotes = ways[i].quotes,
                   .d = without};
        run_trial(t, &k);
        CHECK(t, without->n == 40 && k.stats.guessed == 0, "%d tokens", without->n);
        k.o = o;
        k.o.threads = 1;
        k.o.context = 128;
        k.o.guesses_always = true;
        k.o.tokens = ways[i].tokens;
        k.o.kv_tokens = ways[i].kv_tokens;
        k.others = ways[i].others;
        k.d = with;
        run_trial(t, &k);
        CHECK(t, diary_same(with, without), "%s, way %d: other bits", o.speculate, i);
        CHECK(t, !k.o.kv_tokens || k.stats.sent_back, "nobody was sent back");
        CHECK(t, k.stats.guessed > 0 || !ways[i].quotes, "%s, way %d: no guess", o.speculate, i);
        CHECK(t, (double)k.stats.accepted >= least_accepted * (double)k.stats.guessed,
              "%s, way %d: %lld of %lld accepted", o.speculate, i, (long long)k.stats.accepted,
              (long long)k.stats.guessed);
    }
    free(with);
    free(without);
}

static void ngrams_change_nothing(test *t) {
    compare(t, (engine_options){.speculate = "ngram"}, 0);
}

/* The model itself as draft is always right; another one hardly ever. */
static void drafts_change_nothing(test *t) {
    context *cx = context_new();
    weights same, other;
    engine_model m;
    CHECK_OK(t, cx, model_of(cx, 7, &same, &m));
    compare(t, (engine_options){.speculate = "draft", .draft = &m}, 1);
    CHECK_OK(t, cx, model_of(cx, 8, &other, &m));
    compare(t, (engine_options){.speculate = "draft", .draft = &m}, 0);
    context_free(cx);
}

/* The failing control: judged by rejection, the text is another one at temperature 1, and the same at 0. */
static void rejection_is_seen(test *t) {
    diary *plain = malloc(sizeof *plain), *judged = malloc(sizeof *judged);
    context *cx = context_new();
    weights w;
    engine_model m;
    CHECK_OK(t, cx, model_of(cx, 8, &w, &m));
    for (uint64_t seed = 3; seed <= 4; seed++) {
        trial k = {.o = {.threads = 1, .context = 128}, .seed = seed, .d = plain};
        run_trial(t, &k);
        k.o.speculate = "draft";
        k.o.draft = &m;
        k.o.rejects = k.o.guesses_always = true;
        k.d = judged;
        run_trial(t, &k);
        CHECK(t, k.stats.guessed > 20 && judged->n == 40, "%lld guesses, %d tokens",
              (long long)k.stats.guessed, judged->n);
        CHECK(t, diary_same(plain, judged) == (seed == 3), "temperature %d", seed == 4);
    }
    free(plain);
    free(judged);
    context_free(cx);
}

/* ---- the distribution ---- */

enum { IDS = 12, DRAWS = 50000 };

/* Chi-square of DRAWS judged draws against `p`; `broken`: what is rejected is replaced by a plain draw. */
static double chi_square(const float *p, const float *q, bool certain, bool broken) {
    int32_t seen[IDS] = {0};
    double sum = 0;
    sampling plain = SAMPLING_PLAIN;
    for (int i = 0; i < DRAWS; i++) {
        sampling_place at = {.n_tokens = i};
        int32_t guess = sampling_pick(&plain, &at, q, IDS);
        plain.seed = 1;
        int32_t got = sampling_judge(&plain, &at, p, certain ? NULL : q, IDS, guess);
        if (broken && got != guess) {
            plain.seed = 2;
            got = sampling_pick(&plain, &at, p, IDS);
        }
        plain.seed = 0;
        seen[got]++;
    }
    for (int i = 0; i < IDS; i++) {
        double expected = (double)p[i] * DRAWS, off = seen[i] - expected;
        if (expected > 0) sum += off * off / expected;
        if (!(expected > 0) && seen[i]) return INFINITY;
    }
    return sum;
}

static void distribution_is_kept(test *t) {
    enum { LIMIT = 38 }; /* 11 degrees of freedom: one in 12,000 lies beyond */
    float p[IDS], q[IDS], ps = 0, qs = 0;
    for (int i = 0; i < IDS; i++) {
        ps += p[i] = i == 3 ? 0 : expf(-0.3f * (float)i);
        qs += q[i] = i == 5 ? 0 : expf(-0.25f * (float)(IDS - i));
    }
    for (int i = 0; i < IDS; i++) p[i] /= ps, q[i] /= qs;
    for (int certain = 0; certain < 2; certain++) {
        double sound = chi_square(p, q, certain, false), broken = chi_square(p, q, certain, true);
        CHECK(t, sound < LIMIT, "chi-square %.1f", sound);
        CHECK(t, broken > 2 * LIMIT, "the broken one has chi-square %.1f only", broken);
    }
    double same = chi_square(p, p, false, false);
    CHECK(t, same < LIMIT, "chi-square %.1f where both agree", same);
}

/* ---- whether it pays ---- */

typedef struct world {
    double fixed, each, guess; /* seconds of a step, of a token in it, of a guess */
    double chance[2];          /* in the first and the second half of the text */
    int32_t voices;
} world;

/* How many times as many tokens a second there are with guessing as without. */
static double gain(const world *w, bool always) {
    enum { STEPS = 6000, MOST = 8, VOICES = 16 };
    pace p;
    pace_voice voice[VOICES], *list[VOICES];
    int32_t want[VOICES];
    rng r = rng_make(5, 5);
    double seconds = 0, tokens = 0;
    pace_begin(&p);
    for (int i = 0; i < w->voices; i++) {
        voice[i] = pace_voice_begin(&p);
        list[i] = &voice[i];
    }
    for (int step = 0; step < STEPS; step++) {
        int32_t guesses = 0;
        pace_plan(&p, list, w->voices, MOST, want);
        for (int i = 0; i < w->voices; i++) guesses += want[i] = always ? MOST : want[i];
        double took = (w->fixed + w->each * (w->voices + guesses)) * (0.9 + 0.2 * rng_uniform(&r));
        pace_guessed(&p, guesses, guesses * w->guess);
        pace_stepped(&p, w->voices + guesses, guesses, took);
        for (int i = 0; i < w->voices; i++) {
            int32_t right = 0;
            while (right < want[i] && rng_uniform(&r) < w->chance[step > STEPS / 2]) right++;
            pace_judged(&p, &voice[i], want[i], right);
            tokens += 1 + right;
        }
        seconds += took + guesses * w->guess;
    }
    return tokens / seconds * (w->fixed + w->each * w->voices) / w->voices;
}

static void guesses_only_where_it_pays(test *t) {
    static const struct {
        world w;
        double least, always_most; /* INFINITY: it may be anything */
    } cases[] = {
        {{1, 0.02, 0, {0.9, 0.9}, 1}, 3.5, INFINITY},  /* bound by reading, good guesses */
        {{1, 0.02, 0, {0.9, 0.0}, 1}, 1.3, INFINITY},  /* that end to be good */
        {{1, 0.02, 0, {0.0, 0.9}, 1}, 1.3, INFINITY},  /* that begin to be good */
        {{1, 0.1, 0.1, {0.8, 0.8}, 1}, 1.3, INFINITY}, /* by a draft */
        {{1, 0.1, 0.1, {0.05, 0.05}, 1}, 0.95, 0.7},   /* a poor one */
        {{0.05, 1, 0, {0.5, 0.5}, 16}, 0.95, 0.5},     /* bound by arithmetic */
        {{0.05, 1, 0.2, {0.1, 0.1}, 8}, 0.95, 0.5},
        {{4, 1, 0.3, {0.3, 0.3}, 4}, 0.95, 0.7},
        {{1, 1, 0, {0, 0}, 1}, 0.95, 0.5},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        double is = gain(&cases[i].w, false), always = gain(&cases[i].w, true);
        CHECK(t, is >= cases[i].least, "case %d: %.2f times as fast", i, is);
        CHECK(t, always < cases[i].always_most, "case %d: %.2f without a controller", i, always);
    }
}

static void refusals(test *t) {
    lab l = {.cx = context_new()};
    weights w;
    engine_model m, draft;
    CHECK_OK(t, l.cx, model_of(l.cx, 7, &l.w, &m));
    CHECK_OK(t, l.cx, model_of(l.cx, 7, &w, &draft));
    CHECK_FAILS(t, l.cx, engine_open(l.cx, &m, &(engine_options){.speculate = "luck"}, &l.e),
                STATUS_BAD_ARGUMENT, "luck");
    CHECK_FAILS(t, l.cx, engine_open(l.cx, &m, &(engine_options){.speculate = "draft"}, &l.e),
                STATUS_BAD_ARGUMENT, "needs a draft");
    CHECK_FAILS(t, l.cx, engine_open(l.cx, &m, &(engine_options){.draft = &draft}, &l.e),
                STATUS_BAD_ARGUMENT, "speculation is 'off'");
    w.config.vocabulary = 512;
    CHECK_FAILS(
        t, l.cx,
        engine_open(l.cx, &m, &(engine_options){.speculate = "draft", .draft = &draft}, &l.e),
        STATUS_BAD_ARGUMENT, "vocabulary of 512");
    CHECK(t, context_live_allocations(l.cx) == 0, "%lld left",
          (long long)context_live_allocations(l.cx));
    context_free(l.cx);
}

const test_case suite_speculate[] = {{"ngrams_change_nothing", ngrams_change_nothing},
                                     {"drafts_change_nothing", drafts_change_nothing},
                                     {"rejection_is_seen", rejection_is_seen},
                                     {"distribution_is_kept", distribution_is_kept},
                                     {"guesses_only_where_it_pays", guesses_only_where_it_pays},
                                     {"refusals", refusals},
                                     {0}};
