/* tokenizer.json as the `tokenizers` library writes it: the file's frame, added tokens, and what is
 * put around a sequence. */
#include "text/tokenizer_json.h"
#include <stdio.h>

enum { MOST_VALUES = 4 << 20 };

status tokenizer_json_added(tokenizer *t, const tree *list) {
    int64_t count = 0;
    for (const tree *item = list ? list->first : NULL; item; item = item->next) count++;
    t->added = ARENA_NEW(&t->mem, added_token, count + 1);
    if (!t->added) return context_status(t->cx);
    for (const tree *item = list ? list->first : NULL; item; item = item->next) {
        const tree *content = tree_find(item, "content");
        double id = tree_number(item, "id", -1);
        if (!content || content->kind != JSON_STRING || !(id >= 0 && id <= VOCAB_MAX_ID))
            FAIL(t->cx, STATUS_BAD_DATA, "added_tokens[%lld] lacks its content or id",
                 (long long)t->added_count);
        int64_t length;
        const char *name = vocab_text(&t->names, (int32_t)id, &length);
        if (name && (length != content->length || memcmp(name, content->text, (size_t)length)))
            FAIL(t->cx, STATUS_BAD_DATA, "added token '%s': id %d is that of '%.*s'", content->text,
                 (int)id, (int)MIN_OF(length, 100), name);
        if (!name) TRY(vocab_add(&t->names, content->text, content->length, (int64_t)id));
        t->added[t->added_count++] =
            (added_token){.text = content->text,
                          .length = content->length,
                          .id = (int32_t)id,
                          .special = tree_bool(item, "special", false),
                          .lstrip = tree_bool(item, "lstrip", false),
                          .rstrip = tree_bool(item, "rstrip", false),
                          .single_word = tree_bool(item, "single_word", false),
                          .normalized = tree_bool(item, "normalized", false)};
    }
    return STATUS_OK;
}

static status append_id(tokenizer *t, bool before, double id) {
    int64_t *count = before ? &t->before_count : &t->after_count, most = 64;
    int32_t **ids = before ? &t->before : &t->after;
    int64_t length;
    bool is_token = id >= 0 && id < t->names.size && vocab_text(&t->names, (int32_t)id, &length);
    if (!is_token || *count >= most)
        FAIL(t->cx, STATUS_BAD_DATA, "post_processor: id %g is no token, or one of over %lld", id,
             (long long)most);
    if (!*ids) *ids = ARENA_NEW(&t->mem, int32_t, most);
    if (!*ids) return context_status(t->cx);
    (*ids)[(*count)++] = (int32_t)id;
    return STATUS_OK;
}

/* "single": what is put around one sequence. */
static status read_template(tokenizer *t, const tree *part) {
    const tree *single = tree_find(part, "single"), *tokens = tree_find(part, "special_tokens");
    bool before = true;
    for (const tree *item = single ? single->first : NULL; item; item = item->next) {
        if (tree_find(item, "Sequence")) {
            before = false;
            continue;
        }
        const char *name = tree_text(tree_find(item, "SpecialToken"), "id", "");
        const tree *ids = tree_find(tree_find(tokens, name), "ids");
        if (!ids) FAIL(t->cx, STATUS_BAD_DATA, "post_processor: token '%s' has no ids", name);
        for (const tree *id = ids->first; id; id = id->next)
            TRY(append_id(t, before, id->kind == JSON_NUMBER ? id->number : -1));
    }
    return STATUS_OK;
}

/* ["[SEP]", 102] */
static status read_pair(tokenizer *t, const tree *part, const char *key, bool before) {
    const tree *pair = tree_find(part, key), *id = pair && pair->first ? pair->first->next : NULL;
    if (!id || id->kind != JSON_NUMBER)
        FAIL(t->cx, STATUS_BAD_DATA, "post_processor.%s is not [token, id]", key);
    return append_id(t, before, id->number);
}

status tokenizer_json_processor(tokenizer *t, const tree *part) {
    const char *type = tree_text(part, "type", "");
    if (!part || part->kind == JSON_NULL || !strcmp(type, "ByteLevel")) return STATUS_OK;
    if (!strcmp(type, "TemplateProcessing")) return read_template(t, part);
    if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing")) {
        TRY(read_pair(t, part, "cls", true));
        return read_pair(t, part, "sep", false);
    }
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_find(part, "processors");
        for (const tree *item = list ? list->first : NULL; item; item = item->next)
            TRY(tokenizer_json_processor(t, item));
        return STATUS_OK;
    }
    FAIL(t->cx, STATUS_UNSUPPORTED, "post_processor '%s'", type);
}

static status read_decoders(tokenizer *t, const tree *part) {
    decode_rule *d = &t->decode;
    const char *type = tree_text(part, "type", "");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_find(part, "decoders");
        for (const tree *item = list ? list->first : NULL; item; item = item->next)
            TRY(read_decoders(t, item));
        return STATUS_OK;
    }
    d->raw = true;
    if (!strcmp(type, "ByteLevel") || !strcmp(type, "Fuse")) return STATUS_OK;
    if (!strcmp(type, "ByteFallback")) {
        d->byte_tokens = true;
    } else if (!strcmp(type, "Metaspace")) {
        bool add = tree_bool(part, "add_prefix_space", true);
        d->marks = true;
        d->strip_first_space =
            strcmp(tree_text(part, "prepend_scheme", add ? "always" : "never"), "never");
        snprintf(d->mark, sizeof d->mark, "%s", tree_text(part, "replacement", "\u2581"));
    } else if (!strcmp(type, "Replace")) {
        const char *from = tree_text(tree_find(part, "pattern"), "String", "");
        if (!*from || strcmp(tree_text(part, "content", ""), " ") || strlen(from) >= sizeof d->mark)
            FAIL(t->cx, STATUS_UNSUPPORTED, "decoder Replace other than of a mark by a space");
        d->marks = true;
        snprintf(d->mark, sizeof d->mark, "%s", from);
    } else if (!strcmp(type, "Strip")) {
        bool space = !strcmp(tree_text(part, "content", ""), " ");
        if (!space || tree_number(part, "start", 0) != 1 || tree_number(part, "stop", 0) != 0)
            FAIL(t->cx, STATUS_UNSUPPORTED, "decoder Strip other than of one leading space");
        d->strip_first_space = true;
    } else if (!strcmp(type, "WordPiece")) {
        d->raw = false;
        d->spaced = true;
        d->cleanup = tree_bool(part, "cleanup", true);
        snprintf(d->prefix, sizeof d->prefix, "%s", tree_text(part, "prefix", "##"));
    } else {
        FAIL(t->cx, STATUS_UNSUPPORTED, "decoder '%s'", type);
    }
    return STATUS_OK;
}

status tokenizer_json_decoder(tokenizer *t, const tree *part) {
    if (part && part->kind == JSON_OBJECT) return read_decoders(t, part);
    t->decode.spaced = true;
    return STATUS_OK;
}

typedef struct parts {
    tree *normalizer, *pretokenizer, *processor, *decoder, *added;
    bool model;
} parts;

static status read_key(tokenizer *t, json *j, json_text key, parts *p) {
    if (json_is(key, "model")) {
        if (p->model) return json_fail(j, STATUS_BAD_DATA, "'model' comes twice");
        p->model = true;
        return tokenizer_json_model(t, j);
    }
    tree **into = json_is(key, "normalizer")       ? &p->normalizer
                  : json_is(key, "pre_tokenizer")  ? &p->pretokenizer
                  : json_is(key, "post_processor") ? &p->processor
                  : json_is(key, "decoder")        ? &p->decoder
                  : json_is(key, "added_tokens")   ? &p->added
                                                   : NULL;
    if (into) return tree_read(j, &t->mem, MOST_VALUES, into);
    if (json_is(key, "version") || json_is(key, "truncation") || json_is(key, "padding"))
        return json_skip(j); /* the caller, not the text, decides on lengths */
    return json_fail(j, STATUS_UNSUPPORTED, "'%.*s' is not understood",
                     (int)MIN_OF(key.length, 100), key.bytes);
}

static status read_all(tokenizer *t, json *j) {
    parts p = {0};
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        TRY(read_key(t, j, key, &p));
    }
    TRY(json_finish(j));
    if (!p.model) FAIL(t->cx, STATUS_BAD_DATA, "'%s': there is no 'model'", j->name);
    status st;
    TRY_GOTO(bad, tokenizer_json_normalizer(t, p.normalizer));
    TRY_GOTO(bad, tokenizer_json_pretokenizer(t, p.pretokenizer));
    TRY_GOTO(bad, tokenizer_json_added(t, p.added));
    TRY_GOTO(bad, tokenizer_json_processor(t, p.processor));
    TRY_GOTO(bad, tokenizer_json_decoder(t, p.decoder));
    TRY_GOTO(bad, tokenizer_finish(t));
    return STATUS_OK;
bad:
    return context_note(t->cx, st, "'%s'", j->name);
}

status tokenizer_open_json(context *cx, const char *name, const char *bytes, int64_t size_bytes,
                           tokenizer **out) {
    *out = NULL;
    tokenizer *t;
    json j = json_make(cx, name, bytes, size_bytes, NULL);
    status st = tokenizer_new(cx, &t);
    if (st == STATUS_OK) st = read_all(t, &j);
    json_free(&j);
    if (st == STATUS_OK)
        *out = t;
    else
        tokenizer_free(t);
    return st;
}
