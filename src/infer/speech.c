/* Holding text back (infer/speech.h). */
#include "infer/speech.h"

static void drop_shown(speech *s) {
    s->held.length -= s->ready;
    if (s->held.length) memmove(s->held.bytes, s->held.bytes + s->ready, (size_t)s->held.length);
    s->ready = 0;
}

/* The first place where a stop string begins, or -1. */
static int64_t find_stop(const speech *s) {
    for (int64_t at = 0; at < s->held.length; at++)
        for (int64_t i = 0; i < s->n_stops; i++)
            if (s->stops[i].length > 0 && s->stops[i].length <= s->held.length - at &&
                !memcmp(s->held.bytes + at, s->stops[i].text, (size_t)s->stops[i].length))
                return at;
    return -1;
}

/* The first place from which the rest may become a stop string; the end where there is none. */
static int64_t find_begin(const speech *s) {
    for (int64_t at = 0; at < s->held.length; at++)
        for (int64_t i = 0; i < s->n_stops; i++)
            if (s->held.length - at < s->stops[i].length &&
                !memcmp(s->held.bytes + at, s->stops[i].text, (size_t)(s->held.length - at)))
                return at;
    return s->held.length;
}

static void settle(speech *s) {
    int64_t at = find_stop(s);
    s->stopped = at >= 0;
    s->ready = s->stopped ? at : find_begin(s);
    if (s->stopped) s->held.length = at;
}

status speech_put(speech *s, const tokenizer *t, int32_t id) {
    drop_shown(s);
    TRY(tokenizer_stream(t, &s->decoder, id, &s->held));
    settle(s);
    return STATUS_OK;
}

status speech_end(speech *s) {
    drop_shown(s);
    if (s->stopped) return STATUS_OK;
    TRY(tokenizer_stream_end(&s->decoder, &s->held));
    settle(s);
    s->ready = s->held.length;
    return STATUS_OK;
}

void speech_free(speech *s) {
    text_free(&s->held);
}
