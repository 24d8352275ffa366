/* One vector a sequence from the vectors of its tokens, as sentence-transformers' files describe it:
 * modules.json lists the steps, a Pooling step's folder says which of the first token's vector and the
 * mean it is, and a Normalize step scales to length 1. Without these files it is the mean of an encoder. */
#ifndef MODEL_KIT_POOLING_H
#define MODEL_KIT_POOLING_H

#include "model/kit/model.h"

/* Inputs that model_embed adds; the caller fills them by sequence and by token. */
typedef struct model_pooling_inputs {
    value firsts;    /* "firsts", i32 [sequences]: the first row of each */
    value sequences; /* "row sequences", i32 [tokens]: the sequence of each row */
    value lengths;   /* "lengths", f32 [sequences, 1]: rows of each */
} model_pooling_inputs;

/* Reads FOLDER/modules.json and what it names, where it is there. */
status model_pooling_read(context *cx, const char *folder, model_config *config) MUST_USE;
/* [sequences, hidden] from the hidden values [tokens, hidden]. */
value model_embed(model_build *b, value hidden, model_inputs in, model_pooling_inputs *out);

#endif
