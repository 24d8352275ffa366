/* logit[id] += bias, for the ids that a request names. */
#include "infer/sampling.h"

static bool wanted(const sampling *p) {
    return p->n_bias > 0;
}

static void apply(const sampling *p, candidates *c) {
    for (int64_t i = 0; i < p->n_bias; i++)
        if (p->bias[i].id >= 0 && p->bias[i].id < c->n)
            c->list[p->bias[i].id].logit += p->bias[i].bias;
}

extern const sampler_def sampler_bias;
const sampler_def sampler_bias = {
    .name = "bias", .help = "adds to named logits", .order = 10, .wanted = wanted, .apply = apply};
