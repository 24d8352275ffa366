/* A model read by its graph, whose states lie in the mapped file, and saved as the other container. */
#ifndef CMD_KIT_CONVERT_H
#define CMD_KIT_CONVERT_H

#include "base/arena.h"
#include "num/num.h"

typedef struct conversion {
    const char *in, *out;
    const char *format; /* NULL: as stored */
    bool without_tokenizer;
} conversion;

status convert(context *cx, arena *memory, const conversion *c) MUST_USE;

/* The format of a matrix under `format`, a format's name or a mixture, in a model of so many layers; NULL: unknown.
 * Rows that are not whole blocks fall back to a format of shorter ones, as llama.cpp has it. */
const num_format *convert_format(const char *format, const char *state, int64_t columns,
                                 int64_t layers, bool tied);
bool convert_knows(const char *format);

#endif
