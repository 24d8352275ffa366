#include "api/tokens.h"

status tokens_open(hone_context *h, const char *path, hone_tokenizer *out) {
    *out = (hone_tokenizer){.h = h};
    TRY(tokenizer_open(h->cx, path, &out->tokens));
    return encoder_new(h->cx, out->tokens, &out->encoder);
}

void tokens_close(hone_tokenizer *t) {
    encoder_free(t->encoder);
    tokenizer_free(t->tokens);
    *t = (hone_tokenizer){0};
}

hone_tokenizer *hone_tokenizer_open(hone_context *h, const char *path) {
    hone_tokenizer *t = context_zalloc(h->cx, sizeof *t);
    if (!t || tokens_open(h, path, t) == STATUS_OK) return t;
    tokens_close(t);
    context_release(h->cx, t);
    return NULL;
}

void hone_tokenizer_free(hone_tokenizer *t) {
    if (!t) return;
    context *cx = t->h->cx;
    tokens_close(t);
    context_release(cx, t);
}

int32_t hone_tokenizer_size(const hone_tokenizer *t) {
    return tokenizer_size(t->tokens);
}

int64_t tokens_give(status st, token_list *list, int32_t *ids, int64_t room) {
    int64_t count = st == STATUS_OK ? list->count : -1, fits = MIN_OF(count, room);
    if (fits > 0) memcpy(ids, list->ids, (size_t)fits * sizeof *ids);
    token_free(list);
    return count;
}

int64_t hone_tokenize(hone_tokenizer *t, const char *text, int64_t bytes, int flags, int32_t *ids,
                      int64_t room) {
    token_list list = {.cx = t->h->cx};
    encode_options how = {.add_special = flags & HONE_ADD_SPECIAL,
                          .trust_special = flags & HONE_TRUST_SPECIAL};
    if (bytes < 0) bytes = (int64_t)strlen(text);
    return tokens_give(encoder_run(t->encoder, text, bytes, how, &list), &list, ids, room);
}

int64_t hone_detokenize(hone_tokenizer *t, const int32_t *ids, int64_t n, int flags, char *text,
                        int64_t room) {
    text_buffer out = {.cx = t->h->cx};
    decoder d = {.skip_special = !(flags & HONE_SHOW_SPECIAL)};
    status st = tokenizer_decode(t->tokens, &d, ids, n, &out);
    int64_t count = st == STATUS_OK ? out.length : -1, fits = MIN_OF(count, room);
    if (fits > 0) memcpy(text, out.bytes, (size_t)fits);
    text_free(&out);
    return count;
}
