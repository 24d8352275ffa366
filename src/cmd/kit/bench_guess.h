/* What guessing ahead gains (infer/speculate.h), for the rows of cmd/kit/bench_engine.h: tokens a second with guesses
 * over those without, the median of alternating pairs. */
#ifndef CMD_KIT_BENCH_GUESS_H
#define CMD_KIT_BENCH_GUESS_H

#include "cmd/kit/bench_model.h"

/* By n-grams, where what was said before is likelier by far, so that text repeats itself. */
status bench_guess_quotes_1(bench_model *x, double *value) MUST_USE;
status bench_guess_quotes_16(bench_model *x, double *value) MUST_USE;
/* By n-grams, at temperature 1. */
status bench_guess_new_1(bench_model *x, double *value) MUST_USE;
status bench_guess_new_16(bench_model *x, double *value) MUST_USE;
/* By the draft, at temperature 0. */
status bench_guess_draft_1(bench_model *x, double *value) MUST_USE;
status bench_guess_draft_4(bench_model *x, double *value) MUST_USE;
status bench_guess_draft_16(bench_model *x, double *value) MUST_USE;

#endif
