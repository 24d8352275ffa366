/* logit /= temperature. */
#include "infer/sampling.h"

static bool wanted(const sampling *p) {
    return p->temperature > 0 && p->temperature != 1;
}

static void apply(const sampling *p, candidates *c) {
    float by = (float)(1 / p->temperature);
    for (int32_t i = 0; i < c->n; i++) c->list[i].logit *= by;
}

extern const sampler_def sampler_temperature;
const sampler_def sampler_temperature = {.name = "temperature",
                                         .help = "flattens or sharpens the distribution",
                                         .order = 30,
                                         .wanted = wanted,
                                         .apply = apply};
