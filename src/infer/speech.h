/* Tokens as text that can be shown while they come: whole characters only, and nothing that may turn out to be the
 * begin of a stop string. */
#ifndef INFER_SPEECH_H
#define INFER_SPEECH_H

#include "text/tokenizer.h"

typedef struct stop_text {
    const char *text;
    int64_t length;
} stop_text;

typedef struct speech {
    decoder decoder;
    text_buffer held; /* text that is not shown yet */
    int64_t ready;    /* of it, the first bytes that can be shown now */
    const stop_text *stops;
    int64_t n_stops;
    bool stopped; /* a stop string came; it and what follows is never shown */
} speech;

/* `held.bytes[0 .. ready)` is new text; the caller shows it before the next call. */
status speech_put(speech *s, const tokenizer *t, int32_t id) MUST_USE;
/* No token follows: what was held back is ready. */
status speech_end(speech *s) MUST_USE;
void speech_free(speech *s);

#endif
