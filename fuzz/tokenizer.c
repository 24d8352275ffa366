/* Any bytes as a tokenizer: the first byte says whether what follows is a tokenizer.json or a
 * SentencePiece model, whose own bytes are then encoded and decoded. */
#include "text/tokenizer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tokenizer_use(context *cx, const tokenizer *t, const char *text, int64_t length) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx || !size) {
        context_free(cx);
        return 0;
    }
    tokenizer *t;
    const char *bytes = (const char *)data + 1;
    int64_t length = (int64_t)size - 1;
    status st = *data == 'm' ? tokenizer_open_model(cx, "fuzz", bytes, length, &t)
                             : tokenizer_open_json(cx, "fuzz", bytes, length, &t);
    if (st == STATUS_OK)
        tokenizer_use(cx, t, bytes, length);
    else if (!*context_error(cx) || t)
        abort();
    tokenizer_free(t);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
