/* Timing an engine that forgets prefixes, so that every prompt is read: prompts alone, and sequences that decode
 * together. */
#ifndef REPORT_SPEED_H
#define REPORT_SPEED_H

#include "model/kit/model.h"

typedef struct engine engine;

enum { SPEED_SAMPLES = 64, SPEED_PROMPT = 128, SPEED_STEPS = 4 };

/* Seconds of each sample: of a whole prompt, or of one decoding step (the mean of SPEED_STEPS). */
typedef struct speed_series {
    double seconds[SPEED_SAMPLES];
    int64_t n;
} speed_series;

/* Called before each timed sample, which is not part of it; the plan is as the step before left it. */
typedef struct speed_watch {
    void *user;
    void (*before)(void *user, int64_t sample); /* NULL: none */
} speed_watch;

/* Prompts of so many ids below `vocabulary`, each read after one that fetches pages. */
status speed_prefill(engine *e, int64_t vocabulary, int64_t tokens, int64_t samples,
                     speed_watch watch, speed_series *out) MUST_USE;
/* Reads so many prompts of `prompt` ids, and times `tokens` steps in which each draws one; the requests still run
 * after it. */
status speed_decode(engine *e, int64_t vocabulary, int64_t sequences, int64_t prompt,
                    int64_t tokens, speed_watch watch, speed_series *out) MUST_USE;

typedef struct speed_figures {
    double prefill_rate, decode_rate;   /* tokens a second, one sequence */
    int64_t resident_bytes, peak_bytes; /* ready to answer; at most, until it has answered */
} speed_figures;
/* Opens an engine for a model and closes it: prompts of up to 512 tokens, and a sequence that decodes. */
status speed_measure(model *m, const char *act, int threads, speed_figures *out) MUST_USE;

#endif
