/* Keeps the tokens whose surprise is nearest to the entropy, until they reach the probability p, at least one (Meister
 * et al., "Locally Typical Sampling", 2023). */
#include "infer/sampling.h"
#include <math.h>
#include <string.h>

static bool wanted(const sampling *p) {
    return p->temperature > 0 && p->typical_p < 1;
}

static void apply(const sampling *p, candidates *c) {
    float largest;
    double sum = candidates_sum(c, &largest), entropy = 0, reached = 0;
    for (int32_t i = 0; i < c->n; i++) {
        double share = (double)expf(c->list[i].logit - largest) / sum;
        if (share > 0) entropy -= share * log(share);
    }
    /* sorted by distance: the same list with the distance's negative in place of the logit */
    candidates far = {.list = c->spare, .n = c->n};
    for (int32_t i = 0; i < c->n; i++) {
        double surprise = log(sum) - ((double)c->list[i].logit - (double)largest);
        far.list[i] = (candidate){i, -(float)fabs(surprise - entropy)};
    }
    candidates_sort_front(&far, far.n);
    int32_t n = 0;
    while (n < far.n && (n == 0 || reached < p->typical_p)) {
        reached += (double)expf(c->list[far.list[n].id].logit - largest) / sum;
        far.list[n] = c->list[far.list[n].id];
        n++;
    }
    memcpy(c->list, far.list, (size_t)n * sizeof *c->list);
    c->n = n;
    c->mixed = true;
}

extern const sampler_def sampler_typical;
const sampler_def sampler_typical = {.name = "typical",
                                     .help = "keeps what is about as surprising as expected",
                                     .order = 70,
                                     .wanted = wanted,
                                     .apply = apply};
