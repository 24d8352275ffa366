/* The frequencies of rotary positions under every published scaling, in one place.
 *
 * With pairs j of `rotary` elements, f(j) = theta^(-2 j / rotary):
 *   linear   f / factor
 *   dynamic  theta grows by (factor n / positions - factor + 1)^(rotary / (rotary - 2)) (NTK)
 *   yarn     f / factor below a bound of turns, f above another, a ramp between (Peng et al.)
 *   llama3   the same idea over wavelengths
 *   longrope f / factors[j], from one list up to the original context, from another beyond
 * n is the context asked for (at least the model's): what would switch with length is fixed here,
 * once. YaRN and longrope also scale the turned vectors. */
#ifndef MODEL_KIT_ROPE_FREQUENCIES_H
#define MODEL_KIT_ROPE_FREQUENCIES_H

#include "model/kit/config.h"

/* Elements of a head that turn; even. */
int64_t rope_rotary(const model_config *c);
/* By what turned vectors are multiplied. */
double rope_scale(const model_config *c, bool local);
/* rope_rotary / 2 frequencies; `local`: of sliding layers, where these differ. */
void rope_frequencies(const model_config *c, bool local, float *out);

#endif
