/* What stands beside the weights of a saved model, so that others open it as a whole: the tokenizer's files. */
#ifndef TRAIN_RESULT_H
#define TRAIN_RESULT_H

#include "model/kit/config.h"

/* Writes to `folder` the tokenizer that tokenizer_open reads of `tokenizer`, and what else the tokenizer of the saved
 * model `from` (NULL: none) has beside it, such as a chat template. */
status result_write_tokenizer(context *cx, const char *folder, const char *tokenizer,
                              const char *from, const model_config *config) MUST_USE;

#endif
