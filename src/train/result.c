#include "train/result.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/json_write.h"
#include "text/tokenizer.h"
#include <string.h>

static status copy_file(context *cx, const char *from, const char *to) {
    file_map map;
    TRY(file_map_open(cx, from, &map));
    status st = file_write_whole(cx, to, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

/* What transformers calls the tokens that begin and end a sequence. */
static status write_ends(context *cx, json_writer *w, const tokenizer *words,
                         const model_config *c) {
    const struct {
        const char *key;
        int64_t id;
    } tokens[] = {{"bos_token", c->begin_token},
                  {"eos_token", c->end_token_count ? c->end_tokens[0] : -1}};
    text_buffer text = {.cx = cx};
    status st = STATUS_OK;
    for (int64_t i = 0; i < COUNT_OF(tokens) && st == STATUS_OK; i++) {
        decoder d = {0};
        int32_t id = (int32_t)tokens[i].id;
        text.length = 0;
        if (id < 0) continue;
        st = tokenizer_decode(words, &d, &id, 1, &text);
        json_write_key(w, tokens[i].key);
        json_write_text(w, text.bytes, text.length);
    }
    text_free(&text);
    return st;
}

/* Beside a tokenizer.json: the class that takes it as it is. Left to itself transformers takes the model type's own,
 * which cuts words its own way. */
static status write_tokenizer_config(context *cx, const char *path, const tokenizer *words,
                                     const model_config *c) {
    json_writer w = json_writer_to_buffer(cx, 2);
    json_write_object(&w);
    json_write_string_field(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_write_bool_field(&w, "clean_up_tokenization_spaces", false);
    json_write_integer_field(&w, "model_max_length", c->positions);
    status st = write_ends(cx, &w, words, c);
    json_write_object_end(&w);
    if (st == STATUS_OK) st = json_writer_finish(&w);
    if (st == STATUS_OK) st = file_write_whole(cx, path, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

/* *configured: whether tokenizer_config.json was among them. */
static status copy_beside(arena *mem, const char *folder, const char *from, bool *configured) {
    static const char *const beside[] = {"tokenizer_config.json", "special_tokens_map.json",
                                         "chat_template.jinja"};
    for (int64_t i = 0; from && i < COUNT_OF(beside); i++) {
        char *source = arena_printf(mem, "%s/%s", from, beside[i]);
        char *target = arena_printf(mem, "%s/%s", folder, beside[i]);
        if (!source || !target) return STATUS_NO_MEMORY;
        if (!file_exists(source)) continue;
        *configured |= i == 0;
        TRY(copy_file(mem->cx, source, target));
    }
    return STATUS_OK;
}

static status write_all(arena *mem, const char *folder, const char *from, const char *path,
                        const model_config *config) {
    const char *name;
    bool configured = false;
    tokenizer *words;
    TRY(tokenizer_copy(mem->cx, path, folder, &name));
    TRY(copy_beside(mem, folder, from, &configured));
    if (configured || strcmp(name, "tokenizer.json") != 0) return STATUS_OK;
    char *to = arena_printf(mem, "%s/tokenizer_config.json", folder);
    if (!to) return STATUS_NO_MEMORY;
    TRY(tokenizer_open(mem->cx, path, &words));
    status st = write_tokenizer_config(mem->cx, to, words, config);
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
