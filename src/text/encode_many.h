/* Encodes many texts at once, a thread a text: gather pieces, run, read their ids. */
#ifndef TEXT_ENCODE_MANY_H
#define TEXT_ENCODE_MANY_H

#include "base/pool.h"
#include "text/tokenizer.h"

typedef struct encode_piece {
    int64_t from, length; /* in `text` */
    int64_t tag;          /* the caller's */
    const int32_t *ids;   /* after encode_many_run, until the next gathering */
    int64_t count;
    int32_t thread;
    int64_t first; /* in the thread's list */
} encode_piece;

typedef struct encode_many {
    context *cx;
    pool *threads;
    struct encode_worker *workers;
    text_buffer text;
    encode_piece *pieces;
    int64_t n_pieces, capacity;
} encode_many;

/* `threads`: 0 takes what there is. The tokenizer is borrowed. */
status encode_many_open(context *cx, const tokenizer *t, int threads, encode_many *out) MUST_USE;
void encode_many_close(encode_many *m);
/* Forgets what was gathered. */
void encode_many_clear(encode_many *m);
/* Copies the text. */
status encode_many_add(encode_many *m, const char *text, int64_t length, int64_t tag) MUST_USE;
/* Special tokens in the text are text. */
status encode_many_run(encode_many *m) MUST_USE;

#endif
