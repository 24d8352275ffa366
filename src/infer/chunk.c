/* The budget of a step (infer/chunk.h). */
#include "infer/chunk.h"
#include <math.h>

enum { LEAST = 8 }; /* tokens of prompts beside decodes, whatever they take */
static const double PATIENCE = 31, LONG = 71;

static bool decodes(const sequence *s) {
    return s->n_tokens - s->n_cached == 1;
}

/* The i-th of those that run or have a seat waiting for them; NULL: there are no more. */
static const sequence *seated(const schedule *x, int32_t i) {
    if (i < x->n_running) return x->running[i];
    return i < x->limits.sequences && i - x->n_running < x->n_waiting ? x->waiting[i - x->n_running]
                                                                      : NULL;
}

/* Seconds in which all prompts with a seat are read. */
static double work_of(const schedule *x, const reading *r) {
    double all = 0;
    const sequence *s;
    for (int32_t i = 0; (s = seated(x, i)); i++)
        if (!decodes(s)) all += reading_seconds(r, 0, s->n_tokens);
    return all;
}

static double target(const chunk_limits *l, const schedule *x, const reading *r, double plain) {
    if (l->seconds > 0 || !(l->stretch > 0) || !(plain > 0)) return l->seconds;
    double work = work_of(x, r) / plain, longer = fmax(sqrt(work / PATIENCE), work / LONG);
    return l->stretch * fmax(longer, 1) * plain;
}

/* Tokens of prompts, in the order in which they will be taken, that can be read within `seconds`. What few tokens took
 * says little of many: they may ride for nothing while the weights are fetched. So there are at most twice as many as
 * were seen of late. */
static int64_t fitting(const schedule *x, const reading *r, double seconds) {
    int64_t tokens = 0;
    const sequence *s;
    for (int32_t i = 0; (s = seated(x, i)) && seconds > 0; i++) {
        if (decodes(s)) continue;
        int64_t left = s->n_tokens - s->n_cached;
        tokens += reading_fits(r, s->n_cached, left, seconds);
        seconds -= reading_seconds(r, s->n_cached, left);
    }
    return MIN_OF(tokens, (int64_t)(2 * r->most));
}

int64_t chunk_budget(const chunk_limits *l, const schedule *x, const pace *p, const reading *r) {
    int64_t decoding = 0;
    for (int32_t i = 0; i < x->n_running; i++) decoding += decodes(x->running[i]);
    double plain = pace_seconds(p, decoding), most = target(l, x, r, plain);
    bool reads = decoding < x->n_running || x->n_waiting;
    if (!(most > 0) || !decoding || !reads || !(r->most > 0)) return l->tokens;
    return MIN_OF(decoding + MAX_OF(fitting(x, r, most - plain), LEAST), l->tokens);
}

void chunk_saw(const schedule *x, const pace *p, double seconds, reading *r) {
    int64_t beside = 0, tokens = 0;
    double pairs = 0;
    for (int32_t i = 0; i < x->n_entries; i++) {
        const schedule_entry *e = &x->entries[i];
        if (decodes(e->s)) {
            beside += e->tokens;
        } else {
            tokens += e->tokens;
            pairs += reading_pairs(e->s->n_cached, e->tokens);
        }
    }
    reading_saw(r, tokens, pairs, seconds - (beside ? pace_seconds(p, beside) : 0));
}
