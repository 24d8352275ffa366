/* The engine on a tiny model with random weights: a request gets the same bits alone and among others, in any chunks,
 * pages and order of steps; samples share their prompt; ends, lengths, cancels and refusals are told. */
#include "base/cpu.h"
#include "exec/plan.h"
#include "kit/engine_lab.h"
#include <stdlib.h>

static const num_format *stored(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}

static status draw_weights(void *user, states *store, const graph *g) {
    return model_init(user, store, g, 7);
}

typedef struct lab {
    context *cx;
    model_config config;
    engine *e;
    const char *format;
} lab;

/* A tiny model with peaked logits and an end token. */
static status peaked(context *cx, model_config *config) {
    TRY(model_preset(cx, "1m", config));
    config->initializer_range = 0.3;
    config->end_tokens[0] = 5;
    config->end_token_count = 1;
    return STATUS_OK;
}

static engine_model drawn_model(model_config *config) {
    return (engine_model){.config = config, .format = stored, .fill = draw_weights, .user = config};
}

static status lab_open(lab *l, const engine_options *o) {
    l->cx = context_new();
    TRY(peaked(l->cx, &l->config));
    engine_model m = drawn_model(&l->config);
    return engine_open(l->cx, &m, o, &l->e);
}

static void lab_close(lab *l) {
    engine_close(l->e);
    context_free(l->cx);
}

static engine_request ask_of(uint64_t seed, int64_t prompt, int64_t most, diary *d) {
    return lab_ask(seed, 2048, prompt, most, d);
}

static void alone_and_among(test *t, const char *const *formats, int n_formats, int n_ways) {
    static const lab_way ways[] = {{64, 16, 20, 320},   {1, 16, 0, 0},   {64, 64, 5, 0},
                                   {512, 64, 31, 4096}, {40, 16, 31, 0}, {512, 16, 31, 0},
                                   {512, 512, 0, 0}};
    context *cx = context_new();
    model_config config;
    CHECK_OK(t, cx, peaked(cx, &config));
    lab_model m = {.m = drawn_model(&config),
                   .prompt = 150,
                   .drawn = 40,
                   .other_prompt = 90,
                   .other_drawn = 20};
    lab_alone_and_among(t, &m, formats, n_formats, ways, MIN_OF(n_ways, COUNT_OF(ways)));
    context_free(cx);
}

static void among_bf16(test *t) {
    alone_and_among(t, (const char *const[]){"bf16"}, 1, 2);
}

static void among_every_format(test *t) {
    alone_and_among(t, (const char *const[]){"f32", "f16", "int8_row", "bf16"}, 4, 100);
}

/* The samples of one request are those of requests that differ in the sample's number alone, and share pages. */
static void samples(test *t) {
    lab l;
    diary *d = calloc(1, sizeof *d), *one = calloc(1, sizeof *one);
    uint64_t id;
    CHECK_OK(t, l.cx, lab_open(&l, &(engine_options){.threads = 1}));
    engine_request r = ask_of(4, 37, 12, d);
    r.prompt_logprobs = false;
    r.samples = 5;
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    int64_t most_pages = 0;
    while (engine_busy(l.e)) {
        CHECK_OK(t, l.cx, engine_step(l.e));
        most_pages = MAX_OF(most_pages, engine_look(l.e).pages_used);
    }
    CHECK(t, d->n == 5 * 12, "%d tokens", d->n);
    CHECK(t, most_pages <= 2 + 5 * 2, "%lld pages for 5 samples that share a prompt of 2.3 pages",
          (long long)most_pages);
    r.samples = 1;
    r.user = one;
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    CHECK_OK(t, l.cx, lab_run(l.e));
    int32_t differ = 0, seen[5] = {0};
    for (int i = 0; i < d->n; i++) {
        const news *x = &d->all[i];
        if (x->sample == 0)
            CHECK(t, x->id == one->all[seen[0]].id, "token %d of sample 0: %d, alone %d", seen[0],
                  x->id, one->all[seen[0]].id);
        else
            differ += x->id != one->all[seen[x->sample]].id;
        seen[x->sample]++;
    }
    CHECK(t, differ > 20, "only %d of 48 tokens differ between samples", differ);
    lab_close(&l);
    free(d);
    free(one);
}

/* Runs the request and tells how many of its prompt's tokens were known. */
static int64_t known_of(test *t, lab *l, const engine_request *r, diary *d) {
    uint64_t id;
    int64_t before = engine_look(l->e).prefix_found;
    *d = (diary){0};
    if (engine_submit(l->e, r, &id) != STATUS_OK || lab_run(l->e) != STATUS_OK)
        test_fail(t, __FILE__, __LINE__, "run", "%s", context_error(l->cx));
    return engine_look(l->e).prefix_found - before;
}

/* What was computed before is found again in whole pages, but never over salts, and changes no bit. */
static void prefixes(test *t) {
    lab l, plain;
    diary *first = calloc(1, sizeof *first), *again = calloc(1, sizeof *again);
    CHECK_OK(t, l.cx, lab_open(&l, &(engine_options){.threads = 1, .kv_tokens = 640}));
    CHECK_OK(t, plain.cx,
             lab_open(&plain, &(engine_options){.threads = 1, .forgets_prefixes = true}));
    engine_request r = ask_of(2, 150, 20, first);
    r.prompt_logprobs = false;
    CHECK(t, known_of(t, &plain, &r, first) == 0);
    r.user = again;
    CHECK(t, known_of(t, &l, &r, again) == 0 && diary_same(first, again), "the first time");
    CHECK(t, known_of(t, &l, &r, again) == 144 && diary_same(first, again), "the second time");
    r.salt = "mine";
    CHECK(t, known_of(t, &l, &r, again) == 0 && diary_same(first, again), "salted");
    CHECK(t, known_of(t, &l, &r, again) == 144 && diary_same(first, again), "salted again");
    r.prompt_logprobs = true;
    CHECK(t, known_of(t, &l, &r, again) == 0, "the logits of a prompt are not kept");
    CHECK(t, engine_look(l.e).pages_used == 0);
    engine_request other = ask_of(8, 400, 100, again); /* needs more than is free: the oldest go */
    other.prompt_logprobs = false;
    CHECK(t, known_of(t, &l, &other, again) == 0 && again->finish == ENGINE_LENGTH);
    r = ask_of(2, 150, 20, again);
    r.salt = "mine";
    r.prompt_logprobs = false;
    int64_t known = known_of(t, &l, &r, again);
    CHECK(t, known < 144 && diary_same(first, again), "%lld known after eviction",
          (long long)known);
    CHECK(t, engine_look(l.e).pages_used == 0);
    CHECK_OK(t, l.cx, engine_refresh(l.e)); /* other weights would make other keys */
    CHECK(t, known_of(t, &l, &r, again) == 0);
    lab_close(&l);
    lab_close(&plain);
    free(first);
    free(again);
}

/* Tokens of a long prompt in the first step that it shares with an answer under way. */
static int64_t first_chunk(const engine_options *how) {
    lab l;
    diary *d = calloc(2, sizeof *d);
    uint64_t id;
    status st = lab_open(&l, how);
    engine_request answer = ask_of(3, 5, 100, d), prompt = ask_of(4, 300, 1, d + 1);
    if (st == STATUS_OK) st = engine_submit(l.e, &answer, &id);
    for (int i = 0; i < 4 && st == STATUS_OK; i++) st = engine_step(l.e);
    int64_t before = st == STATUS_OK ? engine_look(l.e).prompt_tokens : 0;
    if (st == STATUS_OK) st = engine_submit(l.e, &prompt, &id);
    if (st == STATUS_OK) st = engine_step(l.e);
    int64_t chunk = st == STATUS_OK ? engine_look(l.e).prompt_tokens - before : -1;
    lab_close(&l);
    free(d);
    return chunk;
}

/* A target that no step can meet leaves the least chunk beside an answer; without one a step takes more. */
static void step_targets(test *t) {
    engine_options o = {.tokens = 128, .threads = 1};
    int64_t full = first_chunk(&o);
    o.step_seconds = 1e-9;
    int64_t timed = first_chunk(&o);
    o.step_seconds = 0;
    o.step_stretch = 1e-9;
    int64_t stretched = first_chunk(&o);
    CHECK(t, full > 16 && timed == 8 && stretched == 8, "%lld, %lld, %lld", (long long)full,
          (long long)timed, (long long)stretched);
}

static void ends(test *t) {
    lab l;
    diary *d = calloc(1, sizeof *d);
    uint64_t id;
    CHECK_OK(t, l.cx, lab_open(&l, &(engine_options){.context = 64, .threads = 1, .queue = 3}));
    engine_request r = ask_of(3, 20, -1, d);
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    CHECK_OK(t, l.cx, lab_run(l.e));
    CHECK(t, d->finish == ENGINE_FULL && d->n == 19 + 44, "%d news, finish %d", d->n, d->finish);
    int32_t third = d->all[19 + 2].id, at = 0;
    while (d->all[19 + at].id != third) at++;
    *d = (diary){0};
    r.prompt_logprobs = false;
    r.stop_ids = &third;
    r.n_stop_ids = 1;
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    CHECK_OK(t, l.cx, lab_run(l.e));
    CHECK(t, d->finish == ENGINE_STOP && d->n == at + 1, "%d tokens, finish %d", d->n, d->finish);
    *d = (diary){0};
    r.least_tokens = 9;
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    CHECK_OK(t, l.cx, lab_run(l.e));
    CHECK(t, d->n > 9, "%d tokens before the end, at least 9 were asked for", d->n);
    *d = (diary){.cancels = l.e};
    r.n_stop_ids = 0;
    CHECK_OK(t, l.cx, engine_submit(l.e, &r, &id));
    CHECK_OK(t, l.cx, lab_run(l.e));
    CHECK(t, d->finish == ENGINE_CANCELLED && d->n == 4, "%d news, finish %d", d->n, d->finish);
    CHECK(t, engine_look(l.e).pages_used == 0, "pages are still held");
    lab_close(&l);
    free(d);
}

static void refusals(test *t) {
    lab l;
    uint64_t id;
    CHECK_OK(t, l.cx, lab_open(&l, &(engine_options){.context = 64, .threads = 1, .queue = 3}));
    static const int32_t ids[] = {7, 2048, 8};
    engine_request r = {.prompt = ids, .n_prompt = 0, .sampling = SAMPLING_PLAIN};
    CHECK_FAILS(t, l.cx, engine_submit(l.e, &r, &id), STATUS_BAD_ARGUMENT, "prompt is empty");
    r.n_prompt = 2;
    CHECK_FAILS(t, l.cx, engine_submit(l.e, &r, &id), STATUS_BAD_ARGUMENT, "token 2048");
    r.n_prompt = 1;
    r.samples = 4;
    CHECK_FAILS(t, l.cx, engine_submit(l.e, &r, &id), STATUS_BUSY, "queue of 3 is full");
    r.sampling.top_p = 2;
    CHECK_FAILS(t, l.cx, engine_submit(l.e, &r, &id), STATUS_BAD_ARGUMENT, "top_p");
    r = ask_of(1, 64, 4, NULL);
    CHECK_FAILS(t, l.cx, engine_submit(l.e, &r, &id), STATUS_BAD_ARGUMENT, "64 tokens");
    CHECK(t, !engine_busy(l.e), "a refused request was kept");
    lab_close(&l);
    context *cx = context_new();
    engine_model m = {.config = &l.config};
    engine *e;
    CHECK_FAILS(t, cx, engine_open(cx, &m, &(engine_options){.context = 513}, &e),
                STATUS_BAD_ARGUMENT, "the model was made for 512");
    CHECK_FAILS(t, cx, engine_open(cx, &m, &(engine_options){.kv_format = "q4_0"}, &e),
                STATUS_BAD_ARGUMENT, "q4_0");
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

static const num_format *in_format(void *user, const char *name, int32_t rank) {
    const lab *l = user;
    (void)name;
    return num_find(rank > 1 ? l->format : "f32");
}

static status draw_for_lab(void *user, states *store, const graph *g) {
    return model_init(&((lab *)user)->config, store, g, 7);
}

/* On a CPU that has kernels for the rest, no op of a step is left to its reference. */
static void no_reference(test *t) {
    static const char *const formats[] = {"f32", "bf16"};
    static const char *const presets[] = {"3m"};
    if (cpu_isa_best() < ISA_AVX512) {
        test_skip(t, "kernels for every format need AVX-512");
        return;
    }
    for (int k = 0; k < COUNT_OF(presets) * COUNT_OF(formats); k++) {
        lab l = {.cx = context_new(), .format = formats[k / COUNT_OF(presets)]};
        CHECK_OK(t, l.cx, model_preset(l.cx, presets[k % COUNT_OF(presets)], &l.config));
        l.config.layers = 1;
        l.config.hidden = l.config.heads * 64;
        l.config.head_size = 64;
        l.config.intermediate = 768;
        l.config.vocabulary = 512;
        engine_model m = {
            .config = &l.config, .format = in_format, .fill = draw_for_lab, .user = &l};
        CHECK_OK(t, l.cx,
                 engine_open(
                     l.cx, &m,
                     &(engine_options){.tokens = 32, .sequences = 4, .context = 64, .threads = 1},
                     &l.e));
        const plan *p = engine_plan(l.e);
        for (int32_t i = p->n_load; i < p->n_steps; i++)
            CHECK(t, p->steps[i].skipped || p->steps[i].chosen.kernel,
                  "%s in %s: %s has no kernel: %s", presets[k % COUNT_OF(presets)], l.format,
                  p->steps[i].node->op->name,
                  p->steps[i].chosen.refused ? p->steps[i].chosen.refused->why : "none");
        lab_close(&l);
    }
}

const test_case suite_engine[] = {{"among_bf16", among_bf16},
                                  {"among_every_format", among_every_format, .slow = true},
                                  {"no_reference", no_reference},
                                  {"samples", samples},
                                  {"prefixes", prefixes},
                                  {"step_targets", step_targets},
                                  {"ends", ends},
                                  {"refusals", refusals},
                                  {0}};
