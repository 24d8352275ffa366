/* How much of the prompts rides with the answers. While nobody decodes, a step takes as many tokens as it can. Beside
 * decodes that take `plain` seconds alone, let a step last s times that. Prompts that are read in T alone then take
 * T s / (s - 1), and each answer waits s `plain` for a token:
 *
 *   s = stretch max(1, sqrt(T / (PATIENCE plain)), T / (LONG plain))
 *
 * The more there is to read the longer an s the prompts want, and the root lies between those who wait and who asks.
 * Where a prompt takes very long beside a step, the last term leads: an answer waits for stretch / LONG of the time for
 * which it would wait if the prompt were read at once, however long that is. Up to PATIENCE steps' worth of prompts, s
 * is the stretch that was asked for. Both constants were chosen on prompts of 3,000 and 5,500 tokens beside 8 answers
 * of a model of 110 million parameters: no answer waits longer than a twentieth of the time in which the prompt is read
 * alone, and beside the answers it is read in less than 1.25 of it.
 *
 * T (infer/reading.h) is that of all prompts that wait for nothing but their turn. So what many streams ask for at
 * once is read in long stretches, and then all of them answer together. (Were s the same whatever waits, a load that
 * asks for just that share of the time would settle nowhere: any number of prompts may wait for ever.) */
#ifndef INFER_CHUNK_H
#define INFER_CHUNK_H

#include "infer/pace.h"
#include "infer/reading.h"
#include "infer/schedule.h"

typedef struct chunk_limits {
    int64_t tokens;          /* of a step */
    double seconds, stretch; /* of a step beside decodes; or else as above; both 0: no matter */
} chunk_limits;

/* How many tokens the next step may have. */
int64_t chunk_budget(const chunk_limits *l, const schedule *x, const pace *p, const reading *r);
/* What was scheduled took so long; none of it is marked as computed yet. */
void chunk_saw(const schedule *x, const pace *p, double seconds, reading *r);

#endif
