/* How far a model's predictions are from a reference's, on a text:
 *   kl      mean over scored ids of sum_v p(v) log(p(v) / q(v)), in nats; p the reference, q the model
 *   top1    share of scored ids before which both find the same id likeliest
 * each with its standard error as if ids were independent. Windows and what is scored in them are those of
 * perplexity_run; both models must have the same vocabulary. */
#ifndef EVAL_DIVERGENCE_H
#define EVAL_DIVERGENCE_H

#include "eval/paired.h"
#include "eval/perplexity.h"

typedef struct divergence_result {
    perplexity_result model;
    double reference_perplexity;
    double kl, kl_error, kl_most, top1, top1_error;
    paired_result nats; /* of a token: the model's less the reference's, by window */
} divergence_result;

/* Fails with STATUS_BAD_ARGUMENT where the two cut the text into different ids. */
status divergence_check(likelihood *model, likelihood *reference, const char *text,
                        int64_t length) MUST_USE;
/* Both opened with keeps_logits; the second with the first one's options as they have become. */
status divergence_run(likelihood *model, likelihood *reference, const char *text, int64_t length,
                      const perplexity_options *o, divergence_result *out) MUST_USE;

#endif
