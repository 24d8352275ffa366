/* Against saying the same again:
 *   repetition  logit > 0 ? logit / r : logit * r   of every token seen, prompt included (Keskar et al., CTRL, 2019)
 *   presence    logit -= a                          of every token drawn so far
 *   frequency   logit -= f * times drawn            (both as in OpenAI's API) */
#include "infer/sampling.h"

static bool wanted(const sampling *p) {
    return p->repetition_penalty != 1 || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

/* Visits each distinct token of tokens[from, to) once, with how often it is there. */
static void penalise(const sampling *p, candidates *c, int64_t from, bool repetition) {
    for (int64_t i = from; i < c->n_tokens; i++) c->count[c->tokens[i]]++;
    for (int64_t i = from; i < c->n_tokens; i++) {
        int32_t id = c->tokens[i], times = c->count[id];
        float *logit = &c->list[id].logit;
        if (!times) continue;
        c->count[id] = 0;
        if (!repetition)
            *logit -= (float)(p->presence_penalty + p->frequency_penalty * times);
        else if (*logit > 0)
            *logit /= (float)p->repetition_penalty;
        else
            *logit *= (float)p->repetition_penalty;
    }
}

static void apply(const sampling *p, candidates *c) {
    if (p->repetition_penalty != 1) penalise(p, c, 0, true);
    if (p->presence_penalty != 0 || p->frequency_penalty != 0) penalise(p, c, c->n_prompt, false);
}

extern const sampler_def sampler_penalties;
const sampler_def sampler_penalties = {.name = "penalties",
                                       .help = "repetition, presence and frequency penalty",
                                       .order = 20,
                                       .wanted = wanted,
                                       .apply = apply};
