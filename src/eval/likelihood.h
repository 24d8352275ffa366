/* How likely a model finds given ids: sequences are gathered, laid end to end, and scored many at a time, each alone
 * and without padding. What perplexities and choices stand on. */
#ifndef EVAL_LIKELIHOOD_H
#define EVAL_LIKELIHOOD_H

#include "text/tokenizer.h"
#include "train/language.h"

typedef struct likelihood_options {
    int64_t context;             /* longest sequence; 0: the model's positions, at most 1024 */
    int64_t rows;                /* ids scored at once; 0: 2048 or the context */
    const num_format *precision; /* of products; NULL: f32 */
    bool act_bf16; /* quantised weights meet activations as they are, not rounded to int8 */
    const num_format *w8a8; /* what both sides of products are rounded to (rewrite/w8a8.c); NULL */
    bool keeps_logits;
    int threads;
} likelihood_options;

/* Sums over scored ids, of -log p in nats. */
typedef struct likelihood_sum {
    double nll, squares;
    double beside; /* a watch's */
    int64_t count;
} likelihood_sum;

/* Sees each batch after it was scored, before its sums are taken: the losses of its rows; sums[s], where those of
 * sequence s go. */
typedef struct likelihood_watch {
    void *user;
    status (*batch)(void *user, const step_batch *b, const float *each,
                    likelihood_sum *const *sums);
} likelihood_watch;

typedef struct likelihood {
    context *cx;
    arena mem;
    likelihood_options options;
    model *m;
    tokenizer *words;
    encoder *encoder;
    states *store;
    pool *workers;
    language language;
    score *s;
    int32_t *ids, *targets, *positions, *offsets;
    likelihood_sum **sums;  /* by sequence */
    likelihood_watch watch; /* NULL: none */
    int64_t tokens, sequences, most_sequences;
    bool ran;
} likelihood;

/* `tokenizer_path` NULL: the model's own. */
status likelihood_open(context *cx, const char *path, const char *tokenizer_path,
                       const likelihood_options *o, likelihood *out) MUST_USE;
void likelihood_close(likelihood *l); /* fine on a zeroed one */

/* Adds to *sum, now or later, the scores of ids[from .. n), each given all ids before it; 1 <= from, n <= context. */
status likelihood_add(likelihood *l, const int32_t *ids, int64_t n, int64_t from,
                      likelihood_sum *sum) MUST_USE;
/* Scores a batch of one's own. */
status likelihood_score(likelihood *l, const step_batch *b, const float **each) MUST_USE;
/* After it, all sums are complete. */
status likelihood_flush(likelihood *l) MUST_USE;

typedef enum likelihood_begin {
    BEGIN_AUTO, /* the begin token where the tokenizer puts one, else the model's if it has one */
    BEGIN_YES,
    BEGIN_NO,
    BEGIN_TOKENIZER /* where the tokenizer puts one */
} likelihood_begin;
#define LIKELIHOOD_BEGIN_NAMES "auto", "yes", "no"
/* Appends the ids of a text; *begun: the first is a begin token. */
status likelihood_encode(likelihood *l, const char *text, int64_t length, likelihood_begin begin,
                         token_list *out, bool *begun) MUST_USE;

#endif
