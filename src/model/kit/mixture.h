/* Which format each matrix of a model gets under one name: a format's, or a mixture's, where some are finer. */
#ifndef MODEL_KIT_MIXTURE_H
#define MODEL_KIT_MIXTURE_H

#include "base/status.h"
#include "num/num.h"

/* The format of a matrix under `format`, a format's name or a mixture, in a model of so many layers; NULL: unknown.
 * Rows that are not whole blocks fall back to a format of shorter ones, as llama.cpp has it. */
const num_format *mixture_format(const char *format, const char *state, int64_t columns,
                                 int64_t layers, bool tied);
/* A vocabulary's matrix, outside of the layers: the table of embeddings or the output. */
bool mixture_is_outside(const char *state);
bool mixture_knows(const char *format);
/* For a --format that is none: what may have been meant. */
status mixture_unknown(context *cx, const char *format) MUST_USE;
/* Refuses a --format that is not one for all matrices: a mixture, or none at all. */
status mixture_check_single(context *cx, const char *format) MUST_USE;

#endif
