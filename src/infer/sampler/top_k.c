/* Keeps the k most likely (Fan et al., "Hierarchical Neural Story Generation", 2018). */
#include "infer/sampling.h"

static bool wanted(const sampling *p) {
    return p->temperature > 0 && p->top_k > 0;
}

static void apply(const sampling *p, candidates *c) {
    if (p->top_k >= c->n) return;
    candidates_sort_front(c, (int32_t)p->top_k);
    c->n = (int32_t)p->top_k;
}

extern const sampler_def sampler_top_k;
const sampler_def sampler_top_k = {.name = "top_k",
                                   .help = "keeps the k most likely",
                                   .order = 40,
                                   .wanted = wanted,
                                   .apply = apply};
