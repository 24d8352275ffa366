/* The budget of a step (infer/chunk.h). */
#include "infer/chunk.h"
#include <math.h>

enum { LEAST = 8 }; /* tokens of prompts beside decodes, whatever they take */
static const double PATIENCE = 25;

/* Who decodes, and for how many tokens a prompt waits on average, when prompts are read one after another. Those that
 * wait for a seat among the running do not wait for other prompts. */
static void count(const schedule *x, int64_t *decoding, int64_t *waits) {
    int64_t seats = MIN_OF(x->n_waiting, x->limits.sequences - x->n_running), prompts = 0, n = 0;
    *decoding = 0;
    for (int32_t i = 0; i < x->n_running; i++) {
        const sequence *s = x->running[i];
        if (s->n_tokens - s->n_cached == 1)
            ++*decoding;
        else
            prompts += s->n_tokens, n++;
    }
    for (int32_t i = 0; i < seats; i++) prompts += x->waiting[i]->n_tokens, n++;
    *waits = n ? prompts * (n + 1) / (2 * n) : 0;
}

static double target(const chunk_limits *l, const pace *p, double plain, int64_t waits) {
    if (l->seconds > 0) return l->seconds;
    double alone = (double)waits * pace_token_seconds(p);
    double longer = alone > PATIENCE * plain ? sqrt(alone / (PATIENCE * plain)) : 1;
    return l->stretch * longer * plain;
}

int64_t chunk_budget(const chunk_limits *l, const schedule *x, const pace *p) {
    int64_t decoding, waits, tokens = l->tokens;
    count(x, &decoding, &waits);
    double most = target(l, p, pace_seconds(p, decoding), waits);
    if (!(most > 0) || !decoding) return tokens;
    while (tokens > decoding + LEAST && pace_most_seconds(p, tokens) > most)
        tokens -= MAX_OF(tokens / 8, 1);
    return MAX_OF(tokens, MIN_OF(decoding + LEAST, l->tokens));
}
