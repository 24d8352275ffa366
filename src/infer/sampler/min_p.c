/* Keeps what is at least p times as likely as the most likely (Nguyen et al., "Turning Up the Heat: Min-p Sampling",
 * 2024). */
#include "infer/sampling.h"
#include <math.h>

static bool wanted(const sampling *p) {
    return p->temperature > 0 && p->min_p > 0;
}

static void apply(const sampling *p, candidates *c) {
    float largest = -INFINITY, least;
    int32_t n = 0;
    for (int32_t i = 0; i < c->n; i++) largest = fmaxf(largest, c->list[i].logit);
    least = largest + logf((float)p->min_p);
    for (int32_t i = 0; i < c->n; i++)
        if (c->list[i].logit >= least || c->list[i].logit == largest) c->list[n++] = c->list[i];
    c->n = n;
}

extern const sampler_def sampler_min_p;
const sampler_def sampler_min_p = {.name = "min_p",
                                   .help = "keeps what is p times as likely as the most likely",
                                   .order = 60,
                                   .wanted = wanted,
                                   .apply = apply};
