/* /v1/embeddings: jobs whose texts become vectors. A step takes texts of all jobs there are in turn, as many as one
 * ragged batch of the embedder holds, so that a list of a thousand texts does not keep a single one waiting. */
#ifndef SERVE_EMBED_H
#define SERVE_EMBED_H

#include "infer/embed.h"
#include "serve/job.h"

enum { EMBED_TEXTS = 64, EMBED_TOKENS = 2048 };

typedef struct embed_space {
    float *vectors; /* of EMBED_TEXTS texts */
    int64_t width;
} embed_space;

status embed_space_make(context *cx, const embedder *e, embed_space *out) MUST_USE;
void embed_space_free(context *cx, embed_space *s);
/* One step over the jobs of a list that are not done; answers those whose last vector it made. */
status embed_step(job *list, embedder *e, embed_space *space) MUST_USE;
bool embed_busy(const job *list);

#endif
