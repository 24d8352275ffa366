/* Every architecture in the engine: its requests get the same bits alone and among others, in any chunks and pages,
 * whatever the format of the cache. */
#include "base/cpu.h"
#include "exec/plan.h"
#include "kit/engine_lab.h"
#include "kit/golden_model.h"

/* 64 tokens of 76 are there before the first is drawn, so that windows are left behind. */
static void check(test *t, const char *name, const char *const *formats, int n_formats,
                  const lab_way *ways, int n_ways) {
    opened o = {0};
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    if (o.m->def->logits) {
        lab_model m = {.m = engine_model_of(o.m, NULL),
                       .context = o.golden.context,
                       .prompt = 64,
                       .drawn = 12,
                       .other_prompt = 50,
                       .other_drawn = 12};
        lab_alone_and_among(t, &m, formats, n_formats, ways, n_ways);
    }
    close_golden(t, &o);
}

static void check_bf16(test *t, const char *name) {
    static const lab_way ways[] = {{40, 16, 7, 0}};
    check(t, name, (const char *const[]){"bf16"}, 1, ways, COUNT_OF(ways));
}

static void check_every_format(test *t, const char *name) {
    static const lab_way ways[] = {{1, 16, 0, 0},   {64, 64, 0, 0},   {512, 16, 0, 0},
                                   {64, 16, 31, 0}, {512, 64, 31, 0}, {40, 16, 20, 320}};
    check(t, name, (const char *const[]){"f32", "f16", "int8_row", "bf16"}, 4, ways,
          COUNT_OF(ways));
}

/* The tokens that transformers chose, drawn one at a time through the cache. */
static void check_choices(test *t, const char *name) {
    enum { CHOSEN = 64 };
    opened o = {0};
    engine *e;
    uint64_t id;
    diary d = {0};
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    if (o.m->def->logits) {
        engine_model m = engine_model_of(o.m, NULL);
        engine_options options = {.context = o.golden.context, .kv_format = "f32", .threads = 1};
        int64_t from = o.golden.count[0] - CHOSEN, wrong = 0;
        CHECK_OK(t, o.cx, engine_open(o.cx, &m, &options, &e));
        engine_request r = lab_ask(1, o.m->config.vocabulary, from, CHOSEN, &d);
        r.prompt = o.golden.ids[0];
        r.prompt_logprobs = false;
        CHECK_OK(t, o.cx, engine_submit(e, &r, &id));
        CHECK_OK(t, o.cx, lab_run(e));
        for (int i = 0; i < d.n; i++) wrong += d.all[i].id != o.golden.ids[0][from + i];
        CHECK(t, d.n == CHOSEN && !wrong, "%s: %lld of %d tokens differ", name, (long long)wrong,
              d.n);
        engine_close(e);
    }
    close_golden(t, &o);
}

static void choices(test *t) {
    each_golden(t, check_choices);
}

/* On a CPU that has kernels for the rest, no op of a step is left to its reference. */
static void check_kernels(test *t, const char *name) {
    opened o = {0};
    engine *e;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    if (o.m->def->logits) {
        engine_model m = engine_model_of(o.m, NULL);
        engine_options options = {.context = o.golden.context, .threads = 1};
        CHECK_OK(t, o.cx, engine_open(o.cx, &m, &options, &e));
        const plan *p = engine_plan(e);
        for (int32_t i = p->n_load; i < p->n_steps; i++)
            CHECK(t, p->steps[i].skipped || p->steps[i].chosen.kernel, "%s: %s has no kernel: %s",
                  name, p->steps[i].node->op->name,
                  p->steps[i].chosen.refused ? p->steps[i].chosen.refused->why : "none");
        engine_close(e);
    }
    close_golden(t, &o);
}

static void no_reference(test *t) {
    if (cpu_isa_best() < ISA_AVX512)
        test_skip(t, "kernels for every format need AVX-512");
    else
        each_golden(t, check_kernels);
}

static void among(test *t) {
    each_golden(t, check_bf16);
}

static void among_every_format(test *t) {
    each_golden(t, check_every_format);
}

const test_case suite_engine_models[] = {{"choices", choices},
                                         {"no_reference", no_reference},
                                         {"among", among},
                                         {"among_every_format", among_every_format, .slow = true},
                                         {0}};
