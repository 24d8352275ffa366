/* Guessing tokens ahead. A step reads all weights whether it computes one token of a sequence or five, so cheap guesses
 * are put behind the known tokens, computed with them in the same ragged step, and each row of logits draws as it
 * would have drawn anyway. The noise of a draw is keyed by seed and position; so a guess is accepted exactly
 * where the model's own draw agrees with it, and what a request gets has the same bits with guessing as
 * without, at any temperature. (Leviathan, Kalman and Matias, "Fast inference from transformers via speculative
 * decoding", 2023; Saxena, "Prompt lookup decoding", 2023.)
 *
 * By option a guess is judged by rejection (infer/sampling.h) instead, which accepts more often where the guesser
 * draws from a distribution of its own: then the distribution of the text is kept, not the text.
 *
 * Who guesses is a file in infer/speculate; whether it pays is asked of infer/pace.h. */
#ifndef INFER_SPECULATE_H
#define INFER_SPECULATE_H

#include "infer/engine.h"

enum { SPECULATE_MOST = 16 };

/* One sequence whose next tokens are wanted. */
typedef struct speculate_ask {
    uint64_t key; /* the same from step to step, and of no other sequence */
    const int32_t *tokens;
    int64_t n_prompt, n_tokens;
    const sampling *sampling;
    int32_t sample;
    const char *salt;
    int32_t most; /* guesses wanted, at most SPECULATE_MOST */
    int32_t guesses[SPECULATE_MOST], n;
    /* The distributions that the guesses were drawn from, one behind the other, until the next call; NULL: a guess is
     * all that was considered. */
    const float *chances;
} speculate_ask;

typedef struct speculate_options {
    const engine_model *draft;
    engine_options engine; /* of the model that is guessed for, with its workers */
    int64_t vocabulary;
    bool wants_chances;
} speculate_options;

typedef struct speculate_def {
    const char *name, *help;
    bool needs_draft;
    int32_t most; /* guesses at once where nothing is asked for */
    status (*open)(context *cx, const speculate_options *o, void **state);
    /* Fills in `guesses` and `n` of each; may leave `n` at 0. */
    status (*guess)(void *state, speculate_ask *asks, int32_t n_asks);
    void (*close)(void *state); /* NULL is fine */
} speculate_def;
extern const speculate_def *const registry_speculate[];
const speculate_def *speculate_find(const char *name);

#endif
