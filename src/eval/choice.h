/* Multiple choice by likelihood: of the texts that could follow a prompt, the model's answer is the one that it finds
 * likeliest. The lines of a file are
 *     {"context": "...", "question": "...", "choices": ["Ben", "Sam"], "answer": 1}
 * of which either context or question may be left out; the prompt is "context\nquestion", a choice follows it after a
 * space, and `answer` counts from 0. Two figures, each with the standard error sqrt(p (1 - p) / (n - 1)):
 *   accuracy             by the sum of log p over the choice's ids
 *   accuracy_normalised  by that sum over the choice's bytes, which does not favour short ones */
#ifndef EVAL_CHOICE_H
#define EVAL_CHOICE_H

#include "eval/likelihood.h"

typedef struct choice_options {
    likelihood_begin begin;
    int64_t most; /* questions; 0: all */
    arena *keep;  /* of the result's `right`; NULL: it is not kept */
} choice_options;

typedef struct choice_result {
    int64_t questions, truncated; /* truncated: prompts whose begin did not fit the context */
    double accuracy, accuracy_error, normalised, normalised_error;
    double chance; /* mean of 1 / choices */
    double *right; /* by question: 1 where the answer by the sum of log p is right, else 0 */
} choice_result;

/* `name` is what errors call the text. */
status choice_run(likelihood *l, const char *name, const char *text, int64_t length,
                  const choice_options *o, choice_result *out) MUST_USE;

#endif
