/* How much of the prompts rides with the answers. While nobody decodes, a step takes as many tokens as it can. Beside
 * decodes that take `plain` seconds alone, let a step last s times that. Prompts that are read in T alone then take
 * T s / (s - 1), and each answer waits s `plain` for a token:
 *
 *   s = stretch max(1, sqrt(T / (PATIENCE plain)))
 *
 * The more there is to read the longer an s the prompts want, and the root lies between those who wait and who asks.
 * T is what a prompt waits for on average, when those that wait for nothing but their turn are read one after another:
 * one alone for all of itself, each of many for half of them all. So what many streams ask for at once is read in long
 * stretches, and then all of them answer together. (Were s the same whatever waits, a load that asks for just that
 * share of the time would settle nowhere: any number of prompts may wait for ever.) Up to PATIENCE steps' worth of
 * prompts, s is the stretch that was asked for; PATIENCE is chosen for 4,000 tokens beside 8 answers of a model of 110
 * million parameters: no answer waits longer than a twentieth of the time in which they are read alone, and beside the
 * answers they are read in 1.25 to 1.3 of it. */
#ifndef INFER_CHUNK_H
#define INFER_CHUNK_H

#include "infer/pace.h"
#include "infer/schedule.h"

typedef struct chunk_limits {
    int64_t tokens;          /* of a step */
    double seconds, stretch; /* of a step beside decodes; or else s; both 0: no matter */
} chunk_limits;

/* How many tokens the next step may have. */
int64_t chunk_budget(const chunk_limits *l, const schedule *x, const pace *p);

#endif
