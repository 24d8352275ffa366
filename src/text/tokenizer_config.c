#include "text/tokenizer_config.h"
#include "base/json.h"
#include "base/json_write.h"

static const struct {
    const char *key, *gguf;
} roles[TOKEN_ROLES] = {[TOKEN_BOS] = {"bos_token", "tokenizer.ggml.bos_token_id"},
                        [TOKEN_EOS] = {"eos_token", "tokenizer.ggml.eos_token_id"},
                        [TOKEN_UNK] = {"unk_token", "tokenizer.ggml.unknown_token_id"},
                        [TOKEN_PAD] = {"pad_token", "tokenizer.ggml.padding_token_id"}};

const named_template *tokenizer_config_template(const tokenizer_config *c) {
    for (const named_template *t = c->templates; t; t = t->next)
        if (t->name && !strcmp(t->name, "default")) return t;
    return c->templates;
}

/* ---- reading a folder ---- */

typedef struct reader {
    context *cx;
    arena *memory;
    tokenizer_config *out;
} reader;

static status keep(const reader *r, const char *bytes, int64_t length, const char **out) {
    *out = arena_strndup(r->memory, bytes, (size_t)length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Behind the others, so that the first stays the first. */
static status add_template(const reader *r, const char *name, const char *text, int64_t length) {
    named_template *t = ARENA_NEW(r->memory, named_template, 1);
    if (!t) return STATUS_NO_MEMORY;
    *t = (named_template){.name = name, .length = length};
    TRY(keep(r, text, length, &t->text));
    named_template **end = &r->out->templates;
    while (*end) end = &(*end)->next;
    *end = t;
    return STATUS_OK;
}

/* A token: its text, or {"content": text, ...}, or null. */
static status read_token(const reader *r, json *j, const char **out) {
    json_kind kind;
    json_text text, key;
    bool more;
    TRY(json_peek(j, &kind));
    if (kind == JSON_STRING) {
        TRY(json_string(j, &text));
        return keep(r, text.bytes, text.length, out);
    }
    if (kind != JSON_OBJECT) return json_skip(j);
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        if (!json_is(key, "content")) {
            TRY(json_skip(j));
            continue;
        }
        TRY(json_string(j, &text));
        TRY(keep(r, text.bytes, text.length, out));
    }
}

/* {"name", "template"} */
static status read_named(const reader *r, json *j) {
    json_text key, text;
    const char *name = "", *source = "";
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return add_template(r, name, source, (int64_t)strlen(source));
        bool is_name = json_is(key, "name");
        if (!is_name && !json_is(key, "template")) {
            TRY(json_skip(j));
            continue;
        }
        TRY(json_string(j, &text));
        TRY(keep(r, text.bytes, text.length, is_name ? &name : &source));
    }
}

static status read_templates(const reader *r, json *j) {
    json_kind kind;
    json_text text;
    bool more;
    TRY(json_peek(j, &kind));
    if (kind == JSON_NULL) return json_skip(j);
    if (kind == JSON_STRING) {
        TRY(json_string(j, &text));
        return add_template(r, NULL, text.bytes, text.length);
    }
    TRY(json_enter_array(j));
    for (;;) {
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(read_named(r, j));
    }
}

static status read_settings(const reader *r, json *j) {
    json_text key;
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        int role = 0;
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        while (role < TOKEN_ROLES && !json_is(key, roles[role].key)) role++;
        if (role < TOKEN_ROLES)
            TRY(read_token(r, j, &r->out->token[role]));
        else if (json_is(key, "chat_template"))
            TRY(read_templates(r, j));
        else
            TRY(json_skip(j));
    }
}

/* The file of that name in the folder, mapped; bytes NULL where it is not there. */
static status map_in(const reader *r, const char *folder, const char *name, file_map *map) {
    *map = (file_map){0};
    const char *path = arena_printf(r->memory, "%s/%s", folder, name);
    if (!path) return STATUS_NO_MEMORY;
    if (!file_exists(path)) return STATUS_OK;
    r->out->source = path;
    return file_map_open(r->cx, path, map);
}

status tokenizer_config_read(context *cx, arena *memory, const char *folder,
                             tokenizer_config *out) {
    const reader r = {.cx = cx, .memory = memory, .out = out};
    file_map map;
    *out = (tokenizer_config){0};
    TRY(map_in(&r, folder, "tokenizer_config.json", &map));
    if (map.bytes) {
        json j = json_make(cx, out->source, map.bytes, map.size_bytes, NULL);
        status st = read_settings(&r, &j);
        json_free(&j);
        file_map_close(&map);
        TRY(st);
    }
    TRY(map_in(&r, folder, "chat_template.jinja", &map));
    if (!map.bytes) return STATUS_OK;
    out->templates = NULL;
    status st = add_template(&r, NULL, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

/* ---- reading GGUF ---- */

status tokenizer_config_tokens(context *cx, arena *memory, const tokenizer *t,
                               const int64_t id[TOKEN_ROLES], tokenizer_config *out) {
    const reader r = {.cx = cx, .memory = memory, .out = out};
    text_buffer text = {.cx = cx};
    status st = STATUS_OK;
    for (int role = 0; role < TOKEN_ROLES && st == STATUS_OK; role++) {
        if (id[role] < 0 || id[role] >= tokenizer_size(t)) continue;
        text.length = 0;
        st = tokenizer_decode(t, &(decoder){.started = true}, &(int32_t){(int32_t)id[role]}, 1,
                              &text);
        if (st == STATUS_OK)
            st = keep(&r, text.bytes ? text.bytes : "", text.length, &out->token[role]);
    }
    text_free(&text);
    return st;
}

status tokenizer_config_of_gguf(context *cx, arena *memory, const char *path, const gguf *g,
                                const tokenizer *t, tokenizer_config *out) {
    static const char prefix[] = "tokenizer.chat_template";
    const reader r = {.cx = cx, .memory = memory, .out = out};
    *out = (tokenizer_config){.source = path};
    int64_t id[TOKEN_ROLES];
    for (int role = 0; role < TOKEN_ROLES; role++) {
        const gguf_value *v = gguf_find(g, roles[role].gguf);
        id[role] = v && v->type != GGUF_ARRAY && v->type != GGUF_STRING ? v->integer : -1;
    }
    if (t) TRY(tokenizer_config_tokens(cx, memory, t, id, out));
    for (int64_t i = 0; i < g->n_pairs; i++) {
        const char *key = g->pairs[i].key, *name = key + sizeof prefix - 1;
        gguf_string text;
        if (strncmp(key, prefix, sizeof prefix - 1) != 0 || (*name && *name != '.')) continue;
        TRY(gguf_text(g, key, &text));
        TRY(keep(&r, *name ? name + 1 : "default", *name ? (int64_t)strlen(name + 1) : 7, &name));
        TRY(add_template(&r, name, text.bytes, text.length));
    }
    if (out->templates && !out->templates->next) out->templates->name = NULL;
    return STATUS_OK;
}

/* ---- writing ---- */

static void write_templates(json_writer *w, const named_template *list) {
    if (!list) return;
    json_write_key(w, "chat_template");
    if (!list->next) {
        json_write_text(w, list->text, list->length);
        return;
    }
    json_write_array(w);
    for (const named_template *t = list; t; t = t->next) {
        json_write_object(w);
        json_write_string_field(w, "name", t->name ? t->name : "default");
        json_write_key(w, "template");
        json_write_text(w, t->text, t->length);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

status tokenizer_config_write(context *cx, const char *folder, const tokenizer_config *c) {
    text_buffer path = {.cx = cx};
    json_writer w = json_writer_to_buffer(cx, 2);
    json_write_object(&w);
    json_write_string_field(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_write_bool_field(&w, "clean_up_tokenization_spaces", false);
    if (c->positions) json_write_integer_field(&w, "model_max_length", c->positions);
    for (int role = 0; role < TOKEN_ROLES; role++)
        if (c->token[role]) json_write_string_field(&w, roles[role].key, c->token[role]);
    write_templates(&w, c->templates);
    json_write_object_end(&w);
    status st = json_writer_finish(&w);
    if (st == STATUS_OK) st = text_append(&path, folder, (int64_t)strlen(folder));
    if (st == STATUS_OK)
        st = text_append(&path, "/tokenizer_config.json", sizeof "/tokenizer_config.json");
    if (st == STATUS_OK) st = file_write_whole(cx, path.bytes, w.bytes, w.size);
    text_free(&path);
    json_writer_free(&w);
    return st;
}

status tokenizer_config_copy(context *cx, arena *memory, const char *from, const char *to,
                             bool *configured) {
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json",
                                        "chat_template.jinja"};
    *configured = false;
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        char *source = arena_printf(memory, "%s/%s", from, names[i]);
        char *target = arena_printf(memory, "%s/%s", to, names[i]);
        if (!source || !target) return STATUS_NO_MEMORY;
        if (!file_exists(source)) continue;
        *configured |= i == 0;
        TRY(file_copy(cx, source, target));
    }
    return STATUS_OK;
}
