/* Drawing: frequencies over many draws against the distribution worked out here by definition (chi-square, with a
 * wrong distribution as the control); penalties and bias by hand; noise that depends on seed and position alone. */
#include "infer/sampling.h"
#include "test.h"
#include <math.h>
#include <stdlib.h>

enum { VOCABULARY = 12, DRAWS = 50000 };
static const float LOGITS[VOCABULARY] = {1.5f,  -0.5f, 2.25f, 0, 0.75f, -2,
                                         1.25f, 1,     -1,    2, 0.5f,  -3};

/* The distribution by definition: probabilities, then what each sampler drops, in the order of the chain. */
static void expected(const sampling *p, double *share) {
    double sum = 0, entropy = 0;
    bool in[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
        int higher = 0;
        for (int k = 0; k < VOCABULARY; k++) higher += LOGITS[k] > LOGITS[i];
        in[i] = !p->top_k || higher < p->top_k;
        share[i] = in[i] ? exp((double)LOGITS[i] / p->temperature) : 0;
        sum += share[i];
    }
    for (int i = 0; i < VOCABULARY; i++) {
        double before = 0;
        for (int k = 0; k < VOCABULARY; k++) before += LOGITS[k] > LOGITS[i] ? share[k] : 0;
        in[i] &= before < p->top_p * sum;
    }
    double largest = 0;
    for (int i = 0; i < VOCABULARY; i++) largest = fmax(largest, share[i]);
    for (int i = 0; i < VOCABULARY; i++) in[i] &= share[i] >= p->min_p * largest;
    sum = 0;
    for (int i = 0; i < VOCABULARY; i++) sum += share[i] = in[i] ? share[i] : 0;
    for (int i = 0; i < VOCABULARY; i++) {
        share[i] /= sum;
        if (share[i] > 0) entropy -= share[i] * log(share[i]);
    }
    double kept[VOCABULARY], all = 0;
    for (int i = 0; i < VOCABULARY; i++) {
        double nearer = 0;
        for (int k = 0; k < VOCABULARY; k++)
            if (share[k] > 0 && share[i] > 0 &&
                fabs(-log(share[k]) - entropy) < fabs(-log(share[i]) - entropy))
                nearer += share[k];
        all += kept[i] = nearer < p->typical_p ? share[i] : 0;
    }
    for (int i = 0; i < VOCABULARY; i++) share[i] = kept[i] / all;
}

/* Standard deviations by which chi-square lies above its mean; infinite where something impossible was drawn. */
static double misfit(const int64_t *drawn, const double *share) {
    double chi = 0;
    int freedom = -1;
    for (int i = 0; i < VOCABULARY; i++) {
        double want = share[i] * DRAWS;
        if (want == 0 && drawn[i]) return INFINITY;
        if (want == 0) continue;
        chi += ((double)drawn[i] - want) * ((double)drawn[i] - want) / want;
        freedom++;
    }
    return (chi - freedom) / sqrt(2.0 * MAX_OF(freedom, 1));
}

static int32_t draw_at(const sampling *p, int64_t position, int64_t number, sampling_space *space) {
    static const int32_t tokens[1] = {0};
    return sampling_draw(p, &(sampling_place){tokens, 0, position, number}, LOGITS, space);
}

static const sampling chains[] = {
    {.temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1, .seed = 1},
    {.temperature = 0.5, .top_p = 1, .typical_p = 1, .repetition_penalty = 1, .seed = 2},
    {.temperature = 1.7,
     .top_k = 5,
     .top_p = 1,
     .typical_p = 1,
     .repetition_penalty = 1,
     .seed = 3},
    {.temperature = 1, .top_p = 0.8, .typical_p = 1, .repetition_penalty = 1, .seed = 4},
    {.temperature = 1,
     .top_p = 1,
     .min_p = 0.2,
     .typical_p = 1,
     .repetition_penalty = 1,
     .seed = 5},
    {.temperature = 1, .top_p = 1, .typical_p = 0.6, .repetition_penalty = 1, .seed = 6},
    {.temperature = 0.9,
     .top_k = 9,
     .top_p = 0.9,
     .min_p = 0.05,
     .typical_p = 0.95,
     .repetition_penalty = 1,
     .seed = 7}};

static void frequencies(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    sampling_space space;
    CHECK_OK(t, cx, sampling_space_make(&mem, VOCABULARY, &space));
    for (int k = 0; k < COUNT_OF(chains); k++) {
        int64_t drawn[VOCABULARY] = {0};
        double share[VOCABULARY], other[VOCABULARY];
        for (int64_t i = 0; i < DRAWS; i++) drawn[draw_at(&chains[k], i, 0, &space)]++;
        expected(&chains[k], share);
        CHECK(t, misfit(drawn, share) < 5, "chain %d: %g deviations", k, misfit(drawn, share));
        sampling wrong = chains[k];
        wrong.temperature *= 1.2;
        expected(&wrong, other);
        CHECK(t, misfit(drawn, other) > 5, "chain %d: another temperature fits too", k);
    }
    arena_free(&mem);
    context_free(cx);
}

static void noise(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    sampling_space space;
    CHECK_OK(t, cx, sampling_space_make(&mem, VOCABULARY, &space));
    int same = 0, other_seed = 0, other_number = 0;
    for (int64_t i = 0; i < 400; i++) {
        sampling p = chains[0];
        int32_t one = draw_at(&p, i, 0, &space);
        (void)draw_at(&chains[2], 399 - i, 1, &space);
        same += one == draw_at(&p, i, 0, &space);
        other_number += one == draw_at(&p, i, 1, &space);
        p.seed = 99;
        other_seed += one == draw_at(&p, i, 0, &space);
    }
    CHECK(t, same == 400 && other_seed < 200 && other_number < 200, "%d, %d, %d of 400", same,
          other_seed, other_number);
    arena_free(&mem);
    context_free(cx);
}

static void greedy(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    sampling_space space;
    CHECK_OK(t, cx, sampling_space_make(&mem, 4, &space));
    static const int32_t tokens[] = {2, 2, 0, 1, 1};
    static const sampling_bias bias[] = {{3, 4}};
    static const float logits[] = {1, 1.5f, 2, -1};
    const struct {
        sampling p;
        int32_t want;
    } cases[] = {
        {{.repetition_penalty = 1}, 2},
        {{.repetition_penalty = 1, .top_k = 1, .top_p = 0.1, .seed = 7}, 2},
        {{.repetition_penalty = 1, .bias = bias, .n_bias = 1}, 3},
        {{.repetition_penalty = 1, .presence_penalty = 1, .frequency_penalty = 0.1}, 2},
        {{.repetition_penalty = 3}, 2},                            /* 1/3, 1.5/3, 2/3, -1 */
        {{.repetition_penalty = 3, .bias = bias, .n_bias = 1}, 3}, /* an id that was not seen */
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        int32_t got =
            sampling_draw(&cases[i].p, &(sampling_place){tokens, 2, 5, 0}, logits, &space);
        CHECK(t, got == cases[i].want, "case %d: %d", i, got);
    }
    /* drawn once or twice after the prompt: 0 and 1 lose, though 2 of the prompt does not */
    sampling p = {.repetition_penalty = 1, .frequency_penalty = 1};
    float even[] = {2, 3, 1.5f, -1};
    int32_t got = sampling_draw(&p, &(sampling_place){tokens, 2, 5, 0}, even, &space);
    CHECK(t, got == 2, "%d", got);
    even[1] = NAN;
    got = sampling_draw(&(sampling){.repetition_penalty = 1}, &(sampling_place){tokens, 2, 5, 0},
                        even, &space);
    CHECK(t, got == 0, "%d beside a logit that is no number", got);
    candidate likely[3];
    CHECK(t,
          sampling_likely(logits, 4, 3, likely) == 3 && likely[0].id == 2 && likely[1].id == 1 &&
              likely[2].id == 0,
          "order");
    double sum = exp(1) + exp(1.5) + exp(2) + exp(-1);
    CHECK(t, fabs(sampling_log_sum(logits, 4) - log(sum)) < 1e-6, "log of the sum");
    CHECK_FAILS(t, cx, sampling_check(cx, &(sampling){.temperature = 1, .top_p = 1.5}),
                STATUS_BAD_ARGUMENT, "top_p is 1.5");
    CHECK_FAILS(t, cx, sampling_check(cx, &(sampling){.temperature = NAN}), STATUS_BAD_ARGUMENT,
                "temperature");
    arena_free(&mem);
    context_free(cx);
}

const test_case suite_sampling[] = {
    {"frequencies", frequencies}, {"noise", noise}, {"greedy", greedy}, {0}};
