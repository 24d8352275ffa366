/* Keeps the most likely that together reach the probability p, at least one (nucleus sampling: Holtzman et al., "The
 * Curious Case of Neural Text Degeneration", 2020). Only as much of the front is sorted as is needed. */
#include "infer/sampling.h"
#include <math.h>

enum { FIRST_FRONT = 64 };

static bool wanted(const sampling *p) {
    return p->temperature > 0 && p->top_p < 1;
}

static void apply(const sampling *p, candidates *c) {
    float largest;
    double need = p->top_p * candidates_sum(c, &largest);
    for (int64_t front = FIRST_FRONT;; front *= 4) {
        int32_t k = (int32_t)MIN_OF(front, c->n);
        double sum = 0;
        candidates_sort_front(c, k);
        for (int32_t i = 0; i < k; i++) {
            sum += (double)expf(c->list[i].logit - largest);
            if (sum < need) continue;
            c->n = i + 1;
            return;
        }
        if (k == c->n) return;
    }
}

extern const sampler_def sampler_top_p;
const sampler_def sampler_top_p = {.name = "top_p",
                                   .help = "keeps the most likely that reach probability p",
                                   .order = 50,
                                   .wanted = wanted,
                                   .apply = apply};
