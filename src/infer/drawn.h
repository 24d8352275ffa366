/* Requests that stand for any other of their size: for measuring, where what is said does not matter. */
#ifndef INFER_DRAWN_H
#define INFER_DRAWN_H

#include "infer/engine.h"

enum { DRAWN_MOST_PROMPT = 8192 };

/* A prompt of ids below `vocabulary` that follow from the seed, at most DRAWN_MOST_PROMPT; then `answer` tokens are
 * drawn, whatever they are. */
status drawn_submit(engine *e, int64_t vocabulary, int64_t prompt, int64_t answer,
                    uint64_t seed) MUST_USE;
/* Steps until nothing runs. */
status drawn_drain(engine *e) MUST_USE;

#endif
