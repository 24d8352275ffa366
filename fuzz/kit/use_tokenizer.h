/* What fuzz targets do with a tokenizer that was read: encode its own bytes, and decode them in both ways. */
#ifndef FUZZ_KIT_USE_TOKENIZER_H
#define FUZZ_KIT_USE_TOKENIZER_H

#include "text/tokenizer.h"
#include <stdlib.h>

typedef status (*tokenizer_reader)(context *cx, const char *name, const char *bytes,
                                   int64_t size_bytes, tokenizer **out);

static inline void tokenizer_use(context *cx, const tokenizer *t, const char *text,
                                 int64_t length) {
    encoder *e;
    token_list ids = {.cx = cx};
    text_buffer back = {.cx = cx};
    decoder d = {0}, stream = {0};
    const encode_options how = {.add_special = true, .trust_special = length % 2};
    if (encoder_new(cx, t, &e) != STATUS_OK) return;
    if (encoder_run(e, text, length, how, &ids) == STATUS_OK) {
        if (tokenizer_decode(t, &d, ids.ids, ids.count, &back) != STATUS_OK) abort();
        for (int64_t i = 0; i < ids.count; i++)
            if (tokenizer_stream(t, &stream, ids.ids[i], &back) != STATUS_OK) abort();
        if (tokenizer_stream_end(&stream, &back) != STATUS_OK) abort();
    } else if (!*context_error(cx)) {
        abort();
    }
    token_free(&ids);
    text_free(&back);
    encoder_free(e);
}

static inline void tokenizer_fuzz(tokenizer_reader read, const uint8_t *data, size_t size) {
    context *cx = context_new();
    tokenizer *t;
    const char *bytes = (const char *)data;
    if (!cx) return;
    if (read(cx, "fuzz", bytes, (int64_t)size, &t) == STATUS_OK)
        tokenizer_use(cx, t, bytes, (int64_t)size);
    else if (!*context_error(cx) || t)
        abort();
    tokenizer_free(t);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
}

#endif
