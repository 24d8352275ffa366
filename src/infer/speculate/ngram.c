/* What followed the last time: the longest of the last NGRAM_MOST .. NGRAM_LEAST tokens that stood together before, the
 * latest such place, and the tokens that came after it. Texts that quote, edit or repeat go several tokens at a step;
 * elsewhere nothing is guessed. */
#include "infer/speculate.h"
#include <string.h>

enum { NGRAM_MOST = 4, NGRAM_LEAST = 2, GUESSES = 8 };

/* How many tokens before `at` agree with those before the end, at most NGRAM_MOST. */
static int32_t agreeing(const int32_t *tokens, int64_t n, int64_t at) {
    int32_t k = 0;
    while (k < NGRAM_MOST && k < at && tokens[at - 1 - k] == tokens[n - 1 - k]) k++;
    return k;
}

static void look_up(speculate_ask *ask) {
    int32_t longest = NGRAM_LEAST - 1;
    int64_t best = -1, n = ask->n_tokens;
    for (int64_t at = n - 1; at > 0 && longest < NGRAM_MOST; at--) {
        int32_t k = agreeing(ask->tokens, n, at);
        if (k > longest) longest = k, best = at;
    }
    /* past the end the text repeats with the period that was found */
    for (ask->n = 0; best >= 0 && ask->n < ask->most; ask->n++) {
        int64_t at = best + ask->n;
        ask->guesses[ask->n] = at < n ? ask->tokens[at] : ask->guesses[at - n];
    }
}

static status guess(void *state, speculate_ask *asks, int32_t n_asks) {
    (void)state;
    for (int32_t i = 0; i < n_asks; i++) look_up(&asks[i]);
    return STATUS_OK;
}

static status open_nothing(context *cx, const speculate_options *o, void **state) {
    (void)cx, (void)o;
    *state = NULL;
    return STATUS_OK;
}

static void close_nothing(void *state) {
    (void)state;
}

extern const speculate_def speculate_ngram;
const speculate_def speculate_ngram = {.name = "ngram",
                                       .help = "what followed the same tokens before",
                                       .most = GUESSES,
                                       .open = open_nothing,
                                       .guess = guess,
                                       .close = close_nothing};
