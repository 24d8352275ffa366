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

#endif
