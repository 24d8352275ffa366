#include "cmd/kit/convert.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "model/kit/gguf_names.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_gguf_write.h"
#include "text/tokenizer_json_write.h"
#include <string.h>

#define LEAVE_OUT "the tokenizer, which --without-tokenizer leaves out"

typedef struct converting {
    context *cx;
    arena *memory;
    const conversion *how;
    model *m;
    graph *g;
    states *store;
    tokenizer *tokenizer;
    progress progress;
    int64_t done;
} converting;

static bool is_gguf_name(const char *path) {
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".gguf");
}

static status check(const converting *w) {
    const conversion *c = w->how;
    const char *f = c->format;
    if (!file_exists(c->in)) FAIL(w->cx, STATUS_IO, "'%s' is not there", c->in);
    if (file_exists(c->out)) FAIL(w->cx, STATUS_BAD_ARGUMENT, "'%s' is there already", c->out);
    if (f && !convert_knows(f)) FAIL(w->cx, STATUS_BAD_ARGUMENT, "there is no format '%s'", f);
    const num_format *format = f ? num_find(f) : NULL;
    if (format && is_gguf_name(c->out) && !gguf_dtype_of_name(f))
        FAIL(w->cx, STATUS_UNSUPPORTED, "GGUF has no format '%s'", f);
    if (f && !is_gguf_name(c->out) &&
        (!format || format->kind != NUM_FLOAT || format->block_bytes > 4))
        FAIL(w->cx, STATUS_UNSUPPORTED,
             "a model folder holds f32, bf16 or f16, not '%s'; name OUT *.gguf", f);
    return STATUS_OK;
}

/* All parameters of the model, mapped where they can be. */
static status load(converting *w) {
    TRY(model_open(w->cx, w->how->in, &w->m));
    w->g = graph_new(w->cx);
    w->store = states_new(w->cx);
    if (!w->g || !w->store) return STATUS_NO_MEMORY;
    model_build b = {.g = w->g,
                     .config = &w->m->config,
                     .def = w->m->def,
                     .format = model_stored_format,
                     .user = w->m};
    value hidden = model_hidden(&b, model_build_inputs(w->g, 1, 1));
    if (w->m->def->logits) hidden = model_logits(&b, hidden);
    graph_mark(w->g, MARK_OUTPUT, "y", hidden, NO_VALUE);
    TRY(graph_status(w->g));
    return model_load(w->m, w->store, w->g);
}

/* ---- to GGUF ---- */
static const num_format *format_of(void *user, const char *name, int32_t rank) {
    converting *w = user;
    const tensor *t = &states_find(w->store, name)->t;
    const model_config *c = &w->m->config;
    (void)rank;
    progress_show(&w->progress, w->done++, NULL);
    if (w->how->format)
        return convert_format(w->how->format, name, t->dim[t->rank - 1], c->layers, c->tied);
    return t->format;
}

/* A GGUF file's own pairs of its tokenizer. */
static status copy_pairs(converting *w, gguf_pair *pairs, int64_t most, int64_t *count) {
    const gguf *g = &w->m->file.gguf;
    for (int64_t i = 0; i < g->n_pairs; i++) {
        if (strncmp(g->pairs[i].key, "tokenizer.", 10) != 0) continue;
        if (*count == most)
            FAIL(w->cx, STATUS_UNSUPPORTED, "more than %lld keys of a tokenizer", (long long)most);
        pairs[(*count)++] = g->pairs[i];
    }
    return STATUS_OK;
}

/* What begins and ends a text, and pads: as the configuration says, else as the tokenizer's does. */
static status add_ids(converting *w, const tokenizer_config *said, gguf_pair *pairs,
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
static status add_templates(converting *w, const tokenizer_config *said, gguf_pair *pairs,
                            int64_t most, int64_t *count) {
    const named_template *taken = tokenizer_config_template(said);
    gguf_string *names = ARENA_NEW(w->memory, gguf_string, most);
    int64_t n = 0;
    if (!names) return STATUS_NO_MEMORY;
    for (const named_template *t = said->templates; t; t = t->next) {
        const char *key = "tokenizer.chat_template";
        if (*count + 1 >= most)
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

/* The tokenizer's pairs and the chat templates, of a GGUF file or made from a folder's. */
static status tokenizer_pairs(converting *w, gguf_pair *pairs, int64_t most, int64_t *count) {
    tokenizer_config said;
    *count = 0;
    if (w->how->without_tokenizer) return STATUS_OK;
    if (w->m->file.kind == MODELFILE_GGUF) return copy_pairs(w, pairs, most, count);
    TRY_NOTE(w->cx, tokenizer_open(w->cx, w->how->in, &w->tokenizer), LEAVE_OUT);
    TRY_NOTE(w->cx,
             tokenizer_gguf_pairs(w->tokenizer, w->m->config.vocabulary, w->memory, pairs, count),
             LEAVE_OUT);
    TRY(tokenizer_config_read(w->cx, w->memory, w->how->in, &said));
    TRY(add_ids(w, &said, pairs, count));
    return add_templates(w, &said, pairs, most, count);
}

static status to_gguf(converting *w) {
    enum { MOST = 48 };
    gguf_pair pairs[MOST];
    int64_t count;
    TRY(tokenizer_pairs(w, pairs, MOST, &count));
    gguf_saving how = {.format = format_of, .user = w, .pairs = pairs, .n_pairs = count};
    return model_save_gguf(w->cx, w->how->out, &w->m->config, w->store, &how);
}

/* ---- to a folder ---- */

/* tokenizer.json and tokenizer_config.json of what a GGUF file says. */
static status write_tokenizer(converting *w) {
    const gguf *g = &w->m->file.gguf;
    const char *out = w->how->out, *path = arena_printf(w->memory, "%s/tokenizer.json", out);
    tokenizer_config said;
    if (!path) return STATUS_NO_MEMORY;
    TRY_NOTE(w->cx, tokenizer_open_gguf(w->cx, g, &w->tokenizer), LEAVE_OUT);
    text_buffer text = {.cx = w->cx};
    status st = tokenizer_to_json(w->tokenizer, &text);
    if (st == STATUS_OK) st = file_write_whole(w->cx, path, text.bytes, text.length);
    text_free(&text);
    TRY(st);
    TRY(tokenizer_config_of_gguf(w->cx, w->memory, w->how->in, g, w->tokenizer, &said));
    said.positions = w->m->config.positions;
    return tokenizer_config_write(w->cx, out, &said);
}

static status check_plain(const converting *w) {
    for (int32_t i = 0; i < states_count(w->store) && !w->how->format; i++) {
        const state *s = states_at(w->store, i);
        if (s->tag == TAG_PARAMETER && s->t.format->kind != NUM_FLOAT)
            FAIL(w->cx, STATUS_UNSUPPORTED,
                 "'%s' is stored as %s, which a model folder cannot hold: add --format bf16, f16 "
                 "or f32",
                 s->name, s->t.format->name);
    }
    return STATUS_OK;
}

static status to_folder(converting *w) {
    const char *name;
    bool configured;
    TRY(check_plain(w));
    TRY(model_save(w->cx, w->how->out, &w->m->config, w->store, w->how->format));
    if (w->how->without_tokenizer) return STATUS_OK;
    if (w->m->file.kind == MODELFILE_GGUF) return write_tokenizer(w);
    TRY_NOTE(w->cx, tokenizer_copy(w->cx, w->how->in, w->how->out, &name), LEAVE_OUT);
    return tokenizer_config_copy(w->cx, w->memory, w->how->in, w->how->out, &configured);
}

static status run(converting *w) {
    TRY(check(w));
    TRY(load(w));
    return is_gguf_name(w->how->out) ? to_gguf(w) : to_folder(w);
}

status convert(context *cx, arena *memory, const conversion *c) {
    converting w = {.cx = cx, .memory = memory, .how = c};
    progress_begin(&w.progress, "converting", 0);
    status st = run(&w);
    progress_end(&w.progress);
    tokenizer_free(w.tokenizer);
    states_free(w.store);
    graph_free(w.g);
    model_close(w.m);
    return st == STATUS_OK ? st : context_note(cx, st, "converting '%s'", c->in);
}
