/* What reading prompts takes, learnt from steps as they go by. A token of a prompt meets all weights and every token
 * before it, so n tokens behind `from` others take
 *
 *   a n + b q,   q = n (from + n / 2)
 *
 * seconds more than the step without them. a and b are the least squares over the last steps, of which older ones count
 * less and less. b shows only where depths differ: a small penalty keeps it near nothing until they differ by some
 * hundreds of tokens. */
#ifndef INFER_READING_H
#define INFER_READING_H

#include <stdint.h>

typedef struct reading {
    double nn, nq, qq, ns, qs; /* sums of products of tokens, q and seconds */
    double most;               /* tokens of prompts in the largest step of late */
} reading;

double reading_pairs(int64_t from, int64_t tokens);
/* A step took so much longer for `tokens` of prompts with so many pairs. */
void reading_saw(reading *r, int64_t tokens, double pairs, double seconds);
/* What `tokens` behind `from` others will take; 0: nothing is known. */
double reading_seconds(const reading *r, int64_t from, int64_t tokens);
/* How many of `tokens` behind `from` others can be read within `seconds`. */
int64_t reading_fits(const reading *r, int64_t from, int64_t tokens, double seconds);

#endif
