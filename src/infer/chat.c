/* Finding, parsing and applying a chat template (infer/chat.h). */
#include "infer/chat.h"
#include "base/file.h"
#include "base/json.h"
#include "store/gguf.h"
#include <string.h>

static status keep_text(chat *c, json_text text, const char **out) {
    *out = arena_strndup(&c->mem, text.bytes, (size_t)text.length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* A token: its text, or {"content": text, ...}, or null. */
static status read_token(chat *c, json *j, const char **out) {
    json_kind kind;
    json_text text, key;
    bool more;
    TRY(json_peek(j, &kind));
    if (kind == JSON_STRING) {
        TRY(json_string(j, &text));
        return keep_text(c, text, out);
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
        TRY(keep_text(c, text, out));
    }
}

/* {"name", "template"}: kept where it is the default, or where nothing was kept before. */
static status read_named(chat *c, json *j) {
    json_text key, text;
    const char *source = NULL;
    bool more, is_default = false;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        bool is_name = json_is(key, "name");
        if (!is_name && !json_is(key, "template")) {
            TRY(json_skip(j));
            continue;
        }
        TRY(json_string(j, &text));
        if (is_name)
            is_default = json_is(text, "default");
        else
            TRY(keep_text(c, text, &source));
    }
    if (is_default || !c->source) c->source = source;
    return STATUS_OK;
}

static status read_template(chat *c, json *j) {
    json_kind kind;
    json_text text;
    bool more;
    TRY(json_peek(j, &kind));
    if (kind == JSON_NULL) return json_skip(j);
    if (kind == JSON_STRING) {
        TRY(json_string(j, &text));
        return keep_text(c, text, &c->source);
    }
    TRY(json_enter_array(j));
    for (;;) {
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(read_named(c, j));
    }
}

static status read_settings(chat *c, json *j) {
    json_text key;
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        if (json_is(key, "chat_template"))
            TRY(read_template(c, j));
        else if (json_is(key, "bos_token"))
            TRY(read_token(c, j, &c->bos));
        else if (json_is(key, "eos_token"))
            TRY(read_token(c, j, &c->eos));
        else
            TRY(json_skip(j));
    }
}

/* The file of that name in the folder, mapped; bytes NULL where it is not there. */
static status map_in(chat *c, const char *folder, const char *name, const char **path,
                     file_map *map) {
    *map = (file_map){0};
    *path = arena_printf(&c->mem, "%s/%s", folder, name);
    if (!*path) return STATUS_NO_MEMORY;
    return file_exists(*path) ? file_map_open(c->cx, *path, map) : STATUS_OK;
}

static status read_folder(chat *c, const char *folder, const char **from) {
    const char *path;
    file_map map;
    TRY(map_in(c, folder, "tokenizer_config.json", &path, &map));
    if (map.bytes) {
        json j = json_make(c->cx, path, map.bytes, map.size_bytes, NULL);
        status st = read_settings(c, &j);
        json_free(&j);
        file_map_close(&map);
        TRY(st);
        *from = path;
    }
    TRY(map_in(c, folder, "chat_template.jinja", &path, &map));
    if (!map.bytes) return STATUS_OK;
    c->source = arena_strndup(&c->mem, map.bytes, (size_t)map.size_bytes);
    file_map_close(&map);
    *from = path;
    return c->source ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The text of the token whose id stands under `key`. */
static status token_of_key(chat *c, const gguf *g, const char *key, const char **out) {
    const gguf_value *v = gguf_find(g, key);
    if (!v || v->integer < 0 || v->integer >= tokenizer_size(c->tokens)) return STATUS_OK;
    text_buffer text = {.cx = c->cx};
    int32_t id = (int32_t)v->integer;
    status st = tokenizer_decode(c->tokens, &(decoder){.started = true}, &id, 1, &text);
    if (st == STATUS_OK)
        *out = arena_strndup(&c->mem, text.bytes ? text.bytes : "", (size_t)text.length);
    text_free(&text);
    if (st != STATUS_OK) return st;
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_gguf(chat *c, const char *path) {
    gguf g = {0};
    gguf_string text;
    TRY(gguf_open(c->cx, path, &g));
    status st = token_of_key(c, &g, "tokenizer.ggml.bos_token_id", &c->bos);
    if (st == STATUS_OK) st = token_of_key(c, &g, "tokenizer.ggml.eos_token_id", &c->eos);
    if (st == STATUS_OK && gguf_find(&g, "tokenizer.chat_template")) {
        st = gguf_text(&g, "tokenizer.chat_template", &text);
        if (st == STATUS_OK) c->source = arena_strndup(&c->mem, text.bytes, (size_t)text.length);
        if (st == STATUS_OK && !c->source) st = STATUS_NO_MEMORY;
    }
    gguf_close(&g);
    return st;
}

status chat_open(context *cx, const char *path, const tokenizer *tokens, chat **out) {
    *out = NULL;
    chat *c = context_zalloc(cx, sizeof *c);
    if (!c) return STATUS_NO_MEMORY;
    *c = (chat){.cx = cx, .mem = arena_make(cx), .tokens = tokens};
    const char *from = path;
    status st = file_is_folder(path) ? read_folder(c, path, &from) : read_gguf(c, path);
    if (st == STATUS_OK && c->source) {
        st = template_parse(cx, c->source, (int64_t)strlen(c->source), &c->parsed);
        if (st != STATUS_OK) st = context_note(cx, st, "'%s': chat template", from);
    }
    if (st == STATUS_OK)
        *out = c;
    else
        chat_close(c);
    return st;
}

void chat_close(chat *c) {
    if (!c) return;
    template_free(c->parsed);
    arena_free(&c->mem);
    context_release(c->cx, c);
}

status chat_encode(const chat *c, const template_input *input, token_list *out) {
    if (!c->parsed)
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "the model has no chat template: give it plain text to continue");
    template_input whole = *input;
    template_text text;
    encoder *e;
    arena a = arena_make(c->cx);
    whole.bos_token = c->bos;
    whole.eos_token = c->eos;
    status st = template_render(c->parsed, &a, &whole, &text);
    if (st == STATUS_OK) st = encoder_new(c->cx, c->tokens, &e);
    if (st == STATUS_OK) {
        /* special tokens are the template's business: it has written those that belong there */
        st = encoder_run(e, text.text, text.length_bytes, (encode_options){.trust_special = true},
                         out);
        encoder_free(e);
    }
    arena_free(&a);
    return st;
}

status chat_message(arena *a, template_value list, const char *role, const char *text,
                    int64_t length) {
    template_value message;
    TRY(template_dict_new(a, &message));
    TRY(template_dict_set(a, message, "role", template_string(role)));
    TRY(template_dict_set(a, message, "content", template_string_of(text, length)));
    return template_list_append(a, list, message);
}
