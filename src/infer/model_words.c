#include "infer/model_words.h"
#include "base/file.h"
#include "base/log.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_gguf_write.h"
#include "text/tokenizer_json_write.h"
#include <string.h>

typedef struct words_writing {
    context *cx;
    const model *m;
    arena *memory;
    const tokenizer *tokenizer;
} words_writing;

/* A GGUF file's own pairs of its tokenizer. */
static status copy_pairs(const words_writing *w, gguf_pair *pairs, int64_t *count) {
    const gguf *g = &w->m->file.gguf;
    for (int64_t i = 0; i < g->n_pairs; i++) {
        if (strncmp(g->pairs[i].key, "tokenizer.", 10) != 0) continue;
        if (*count == MODEL_WORDS_PAIRS)
            FAIL(w->cx, STATUS_UNSUPPORTED, "more than %d keys of a tokenizer", MODEL_WORDS_PAIRS);
        pairs[(*count)++] = g->pairs[i];
    }
    return STATUS_OK;
}

/* What begins and ends a text, and pads: as the configuration says, else as the tokenizer's does. */
static status add_ids(const words_writing *w, const tokenizer_config *said, gguf_pair *pairs,
                      int64_t *count) {
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    const model_config *c = &w->m->config;
    const char *const *token = said->token;
    int64_t begin = tokenizer_before(w->tokenizer), pad = c->pad_token, named = 0;
    int64_t end[COUNT_OF(ends)] = {tokenizer_after(w->tokenizer), -1, -1};
    if (begin < 0) begin = c->begin_token;
    if (begin < 0 && token[TOKEN_BOS]) begin = tokenizer_find(w->tokenizer, token[TOKEN_BOS]);
    if (pad < 0 && token[TOKEN_PAD]) pad = tokenizer_find(w->tokenizer, token[TOKEN_PAD]);
    named = end[0] >= 0;
    for (int64_t i = 0; i < c->end_token_count; i++) {
        if (c->end_tokens[i] == end[0]) continue;
        if (named == COUNT_OF(ends))
            log_warning("GGUF has no place for a fourth token that ends texts, %lld",
                        (long long)c->end_tokens[i]);
        else
            end[named++] = c->end_tokens[i];
    }
    if (!named && token[TOKEN_EOS]) end[0] = tokenizer_find(w->tokenizer, token[TOKEN_EOS]);
    const gguf_pair ids[] = {
        {"tokenizer.ggml.bos_token_id", {.type = GGUF_U32, .integer = begin}},
        {ends[0], {.type = GGUF_U32, .integer = end[0]}},
        {ends[1], {.type = GGUF_U32, .integer = end[1]}},
        {ends[2], {.type = GGUF_U32, .integer = end[2]}},
        {"tokenizer.ggml.padding_token_id", {.type = GGUF_U32, .integer = pad}}};
    for (int64_t i = 0; i < COUNT_OF(ids); i++)
        if (ids[i].value.integer >= 0) pairs[(*count)++] = ids[i];
    return STATUS_OK;
}

/* tokenizer.chat_template is the one that is taken; the others have keys of their names, and a list names them. */
static status add_templates(const words_writing *w, const tokenizer_config *said, gguf_pair *pairs,
                            int64_t *count) {
    const named_template *taken = tokenizer_config_template(said);
    gguf_string *names = ARENA_NEW(w->memory, gguf_string, MODEL_WORDS_PAIRS);
    int64_t n = 0;
    if (!names) return STATUS_NO_MEMORY;
    for (const named_template *t = said->templates; t; t = t->next) {
        const char *key = "tokenizer.chat_template";
        if (*count + 1 >= MODEL_WORDS_PAIRS)
            FAIL(w->cx, STATUS_UNSUPPORTED, "more chat templates than there is room for");
        if (t != taken) {
            names[n++] = (gguf_string){t->name, (int64_t)strlen(t->name)};
            key = arena_printf(w->memory, "%s.%s", key, t->name);
            if (!key) return STATUS_NO_MEMORY;
        }
        pairs[(*count)++] = (gguf_pair){key, {.type = GGUF_STRING, .text = {t->text, t->length}}};
    }
    if (n)
        pairs[(*count)++] =
            (gguf_pair){"tokenizer.chat_templates",
                        {.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = n, .texts = names}};
    return STATUS_OK;
}

status model_words_pairs(const model *m, arena *memory, tokenizer **words,
                         gguf_pair pairs[MODEL_WORDS_PAIRS], int64_t *count) {
    words_writing w = {.cx = m->cx, .m = m, .memory = memory};
    tokenizer_config said;
    *count = 0;
    if (m->file.kind == MODELFILE_GGUF) return copy_pairs(&w, pairs, count);
    if (!*words) TRY(tokenizer_open(m->cx, m->path, words));
    w.tokenizer = *words;
    TRY(tokenizer_gguf_pairs(*words, m->config.vocabulary, memory, pairs, count));
    TRY(tokenizer_config_read(m->cx, memory, m->path, &said));
    TRY(add_ids(&w, &said, pairs, count));
    return add_templates(&w, &said, pairs, count);
}

/* tokenizer.json and tokenizer_config.json of what a GGUF file says. */
static status write_of_gguf(const model *m, arena *memory, const char *folder,
                            const tokenizer *words) {
    const char *path = arena_printf(memory, "%s/tokenizer.json", folder);
    tokenizer_config said;
    if (!path) return STATUS_NO_MEMORY;
    text_buffer text = {.cx = m->cx};
    status st = tokenizer_to_json(words, &text);
    if (st == STATUS_OK) st = file_write_whole(m->cx, path, text.bytes, text.length);
    text_free(&text);
    TRY(st);
    TRY(tokenizer_config_of_gguf(m->cx, memory, m->path, &m->file.gguf, words, &said));
    said.positions = m->config.positions;
    return tokenizer_config_write(m->cx, folder, &said);
}

status model_words_folder(const model *m, arena *memory, const char *folder) {
    const char *name;
    bool configured;
    if (m->file.kind != MODELFILE_GGUF) {
        TRY(tokenizer_copy(m->cx, m->path, folder, &name));
        return tokenizer_config_copy(m->cx, memory, m->path, folder, &configured);
    }
    tokenizer *words;
    TRY(tokenizer_open_gguf(m->cx, &m->file.gguf, &words));
    status st = write_of_gguf(m, memory, folder, words);
    tokenizer_free(words);
    return st;
}
