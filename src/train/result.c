#include "train/result.h"
#include "base/arena.h"
#include "text/tokenizer_config.h"

/* Beside a tokenizer.json that came alone. */
static status write_config(arena *mem, const char *folder, const tokenizer *words,
                           const model_config *c) {
    const int64_t ids[TOKEN_ROLES] = {[TOKEN_BOS] = c->begin_token,
                                      [TOKEN_EOS] = c->end_token_count ? c->end_tokens[0] : -1,
                                      [TOKEN_UNK] = -1,
                                      [TOKEN_PAD] = -1};
    tokenizer_config said = {.positions = c->positions};
    TRY(tokenizer_config_tokens(mem->cx, mem, words, ids, &said));
    return tokenizer_config_write(mem->cx, folder, &said);
}

static status write_all(arena *mem, const char *folder, const char *from, const char *path,
                        const model_config *config) {
    const char *name;
    bool configured = false;
    tokenizer *words;
    TRY(tokenizer_copy(mem->cx, path, folder, &name));
    if (from) TRY(tokenizer_config_copy(mem->cx, mem, from, folder, &configured));
    if (configured || strcmp(name, "tokenizer.json") != 0) return STATUS_OK;
    TRY(tokenizer_open(mem->cx, path, &words));
    status st = write_config(mem, folder, words, config);
    tokenizer_free(words);
    return st;
}

status result_write_tokenizer(context *cx, const char *folder, const char *path, const char *from,
                              const model_config *config) {
    arena mem = arena_make(cx);
    status st = write_all(&mem, folder, from, path, config);
    arena_free(&mem);
    return st;
}
