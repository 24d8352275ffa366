/* Texts as vectors: an encoder over ragged batches, as many sequences in a step as fit, none padded; what each gives
 * does not depend on the others. Pooling and scaling are those of the model's files (model/kit/pooling.h). */
#ifndef INFER_EMBED_H
#define INFER_EMBED_H

#include "infer/engine.h"

typedef struct embedder embedder;

/* Zero means the default. */
typedef struct embedder_options {
    int64_t tokens, sequences; /* in a step: 2048, 64 */
    int64_t threads;           /* all that can run at once */
    pool *workers;             /* NULL: a pool of its own */
} embedder_options;

typedef struct embedder_text {
    const int32_t *ids;
    int64_t n;
} embedder_text;

/* `tokens` of the model is not needed. All of `m` must outlive the embedder. */
status embedder_open(context *cx, const engine_model *m, const embedder_options *o,
                     embedder **out) MUST_USE;
void embedder_close(embedder *e); /* NULL is fine */
int64_t embedder_width(const embedder *e);
int64_t embedder_longest(const embedder *e); /* tokens of one text */
/* Vectors of `n` texts, one behind the other. A text that is empty or longer than the model can take is refused. */
status embedder_run(embedder *e, const embedder_text *texts, int64_t n, float *out) MUST_USE;

#endif
