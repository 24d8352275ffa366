/* Language models as something to train: the configured architecture over ragged ids, its weights from a saved model
 * or drawn from the seed; and the loader's steps as batches. Here models and texts meet. */
#ifndef TRAIN_LANGUAGE_H
#define TRAIN_LANGUAGE_H

#include "model/kit/model.h"
#include "text/loader.h"
#include "train/trainer.h"

typedef struct language {
    const model_config *config;
    model *from; /* a saved model; NULL: drawn */
    uint64_t seed;
    bool stored; /* matrices in the formats of the saved file, for evaluation; else f32 */
} language;

/* `l` must outlive what is built from it. */
step_model language_model(language *l);

typedef struct language_data {
    context *cx;
    loader *l;
    loader_state beginning;
} language_data;

status language_data_open(context *cx, const char *folder, const loader_options *o,
                          language_data *out) MUST_USE;
void language_data_close(language_data *d);
/* `d` must outlive it. */
train_source language_source(language_data *d);

#endif
