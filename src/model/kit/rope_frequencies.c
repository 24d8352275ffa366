#include "model/kit/rope_frequencies.h"
#include <math.h>

#define TURN 6.28318530717958648

int64_t rope_rotary(const model_config *c) {
    return (int64_t)((double)c->head_size * c->rope.rotated) / 2 * 2;
}

static double yarn_scale(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

double rope_scale(const model_config *c, bool local) {
    const model_rope *r = &c->rope;
    if (local && c->local_theta > 0) return 1;
    if (r->type != MODEL_ROPE_YARN && r->type != MODEL_ROPE_LONG) return 1;
    if (r->attention_factor > 0) return r->attention_factor;
    if (r->type == MODEL_ROPE_LONG)
        return r->factor <= 1 ? 1 : sqrt(1 + log(r->factor) / log((double)r->original_positions));
    if (r->mscale > 0 && r->mscale_all > 0)
        return yarn_scale(r->factor, r->mscale) / yarn_scale(r->factor, r->mscale_all);
    return yarn_scale(r->factor, 1);
}

/* The pair that makes so many turns over the original context. */
static double pair_of_turns(const model_rope *r, double turns, double rotary) {
    return rotary * log((double)r->original_positions / (turns * TURN)) / (2 * log(r->theta));
}

static void stretch_yarn(const model_rope *r, int64_t rotary, double *f) {
    double low = pair_of_turns(r, r->beta_fast, (double)rotary);
    double high = pair_of_turns(r, r->beta_slow, (double)rotary);
    if (r->whole_bounds) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)rotary - 1);
    if (low == high) high += 0.001;
    for (int64_t j = 0; j < rotary / 2; j++) {
        double slow = fmin(fmax(((double)j - low) / (high - low), 0), 1);
        f[j] = f[j] / r->factor * slow + f[j] * (1 - slow);
    }
}

static void stretch_llama3(const model_rope *r, int64_t pairs, double *f) {
    double original = (double)r->original_positions;
    for (int64_t j = 0; j < pairs; j++) {
        double length = TURN / f[j];
        if (length < original / r->high_factor) continue;
        double smooth = (original / length - r->low_factor) / (r->high_factor - r->low_factor);
        if (length > original / r->low_factor) smooth = 0;
        f[j] = (1 - smooth) * f[j] / r->factor + smooth * f[j];
    }
}

static void stretch(const model_config *c, int64_t rotary, double *f) {
    const model_rope *r = &c->rope;
    int64_t context = c->context > c->positions ? c->context : c->positions;
    const double *list = c->context > r->original_positions ? r->long_factors : r->short_factors;
    switch (r->type) {
    case MODEL_ROPE_YARN:
        stretch_yarn(r, rotary, f);
        break;
    case MODEL_ROPE_LLAMA3:
        stretch_llama3(r, rotary / 2, f);
        break;
    case MODEL_ROPE_LINEAR:
        for (int64_t j = 0; j < rotary / 2; j++) f[j] /= r->factor;
        break;
    case MODEL_ROPE_DYNAMIC: {
        double grown = r->factor * (double)context / (double)c->positions - (r->factor - 1);
        for (int64_t j = 0; j < rotary / 2; j++)
            f[j] *= pow(grown, -2.0 * (double)j / ((double)rotary - 2));
        break;
    }
    case MODEL_ROPE_LONG:
        for (int64_t j = 0; j < rotary / 2; j++) f[j] /= list[j];
        break;
    case MODEL_ROPE_PLAIN:
    case MODEL_ROPE_TYPES:
        break;
    }
}

void rope_frequencies(const model_config *c, bool local, float *out) {
    double f[MODEL_MOST_FREQUENCIES];
    int64_t rotary = rope_rotary(c);
    bool own = local && c->local_theta > 0;
    double theta = own ? c->local_theta : c->rope.theta;
    for (int64_t j = 0; j < rotary / 2; j++) f[j] = pow(theta, -2.0 * (double)j / (double)rotary);
    if (!own) stretch(c, rotary, f);
    for (int64_t j = 0; j < rotary / 2; j++) out[j] = (float)f[j];
}
