#include "kit/engine_lab.h"
#include <stdio.h>
#include <stdlib.h>

static void note(void *user, const engine_event *event) {
    diary *d = user;
    news *x = &d->all[d->n < LAB_MOST_NEWS - 1 ? d->n++ : d->n];
    memset(x, 0, sizeof *x);
    x->id = event->id;
    x->sample = event->sample;
    x->index = event->index;
    x->logprob = event->logprob;
    x->finish = event->finish;
    for (int32_t i = 0; i < event->n_likely && i < LAB_LIKELY; i++) x->likely[i] = event->likely[i];
    if (event->finish) d->finish = event->finish;
    if (d->cancels && event->index == 2) engine_cancel(d->cancels, event->request);
}

bool diary_same(const diary *a, const diary *b) {
    return a->n == b->n && !memcmp(a->all, b->all, (size_t)a->n * sizeof *a->all);
}

engine_request lab_ask(uint64_t seed, int64_t vocabulary, int64_t prompt, int64_t most, diary *d) {
    static int32_t ids[512];
    sample s = {.state = seed};
    for (int64_t i = 0; i < prompt; i++) ids[i] = (int32_t)sample_int(&s, 6, vocabulary - 1);
    return (engine_request){.prompt = ids,
                            .n_prompt = prompt,
                            .most_tokens = most,
                            .sampling = {.temperature = seed % 2 ? 0 : 1,
                                         .top_p = 1,
                                         .typical_p = 1,
                                         .repetition_penalty = 1,
                                         .seed = seed},
                            .ignore_end = true,
                            .logprobs = true,
                            .prompt_logprobs = true,
                            .likely = LAB_LIKELY,
                            .tell = note,
                            .user = d};
}

status lab_run(engine *e) {
    for (int i = 0; engine_busy(e); i++) {
        if (i > 5000) return STATUS_BUG;
        TRY(engine_step(e));
    }
    return STATUS_OK;
}

static status submit_other(engine *e, const lab_model *m, int i, bool prompt_logprobs) {
    static diary spare;
    uint64_t id;
    engine_request r = lab_ask((uint64_t)i + 50, m->m.config->vocabulary,
                               5 + 13 * i % m->other_prompt, 4 + i % m->other_drawn, &spare);
    r.prompt_logprobs = prompt_logprobs;
    return engine_submit(e, &r, &id);
}

/* What the watched request is told; half of the `others` are there before it, half come after. */
static status run_beside(context *cx, const lab_model *m, const engine_options *o, int others,
                         diary *d) {
    engine *e;
    uint64_t id;
    *d = (diary){0};
    TRY(engine_open(cx, &m->m, o, &e));
    status st = STATUS_OK;
    for (int i = 1; st == STATUS_OK && i <= others / 2; i++) st = submit_other(e, m, i, false);
    for (int i = 0; st == STATUS_OK && i < others % 7; i++) st = engine_step(e);
    engine_request r = lab_ask(2, m->m.config->vocabulary, m->prompt, m->drawn, d);
    if (st == STATUS_OK) st = engine_submit(e, &r, &id);
    for (int i = others / 2 + 1; st == STATUS_OK && i <= others; i++)
        st = submit_other(e, m, i, i % 3 == 0);
    if (st == STATUS_OK) st = lab_run(e);
    if (st == STATUS_OK && engine_look(e).pages_used) st = STATUS_BUG;
    engine_close(e);
    return st;
}

void lab_alone_and_among(test *t, const lab_model *m, const char *const *formats, int n_formats,
                         const lab_way *ways, int n_ways) {
    diary *alone = malloc(sizeof *alone), *among = malloc(sizeof *among),
          *other = malloc(sizeof *other);
    context *cx = context_new();
    const char *type = m->m.config->model_type;
    *other = (diary){0};
    for (int f = 0; f < n_formats; f++) {
        engine_options o = {.context = m->context, .kv_format = formats[f], .threads = 1};
        CHECK_OK(t, cx, run_beside(cx, m, &o, 0, alone));
        CHECK(t, alone->n == m->prompt - 1 + m->drawn && alone->finish == ENGINE_LENGTH,
              "%s: %d news, ended by %s", type, alone->n, engine_finish_name(alone->finish));
        for (int w = 0; w < n_ways; w++) {
            o = (engine_options){.context = m->context,
                                 .kv_format = formats[f],
                                 .tokens = ways[w].tokens,
                                 .page = ways[w].page,
                                 .kv_tokens = ways[w].kv_tokens,
                                 .threads = 2};
            CHECK_OK(t, cx, run_beside(cx, m, &o, (int)ways[w].others, among));
            CHECK(t, diary_same(alone, among),
                  "%s, cache in %s, %lld tokens a step, pages of %lld, among %lld: other bits",
                  type, formats[f], (long long)ways[w].tokens, (long long)ways[w].page,
                  (long long)ways[w].others);
        }
        CHECK(t, !f || !diary_same(alone, other), "%s: %s gave the bits of the format before", type,
              formats[f]);
        *other = *alone;
    }
    context_free(cx);
    free(alone);
    free(among);
    free(other);
}
