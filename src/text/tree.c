/* Recursion is as deep as the reader's own limit allows. */
#include "text/tree.h"
#include <string.h>

static status read_value(json *j, arena *a, int64_t *left, tree **out);

static status copy_text(json *j, arena *a, json_text text, const char **out) {
    *out = arena_strndup(a, text.bytes, (size_t)text.length);
    return *out ? STATUS_OK : context_status(j->cx);
}

static status read_object(json *j, arena *a, int64_t *left, tree *t) {
    tree **link = &t->first;
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        const char *copy;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(copy_text(j, a, key, &copy));
        TRY(read_value(j, a, left, link));
        (*link)->key = copy;
        link = &(*link)->next;
    }
}

static status read_array(json *j, arena *a, int64_t *left, tree *t) {
    tree **link = &t->first;
    TRY(json_enter_array(j));
    for (;;) {
        bool more;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(read_value(j, a, left, link));
        link = &(*link)->next;
    }
}

static status read_value(json *j, arena *a, int64_t *left, tree **out) {
    json_kind kind;
    TRY(json_peek(j, &kind));
    if (--*left < 0) return json_fail(j, STATUS_UNSUPPORTED, "too many values for a description");
    tree *t = *out = ARENA_NEW(a, tree, 1);
    if (!t) return context_status(j->cx);
    t->kind = kind;
    if (kind == JSON_OBJECT) return read_object(j, a, left, t);
    if (kind == JSON_ARRAY) return read_array(j, a, left, t);
    json_token token = {0}; /* the reader sets what the kind has */
    TRY(json_next(j, &token));
    t->truth = token.truth;
    t->number = token.number;
    if (kind != JSON_STRING) return STATUS_OK;
    t->length = token.text.length;
    return copy_text(j, a, token.text, &t->text);
}

status tree_read(json *j, arena *a, int64_t most, tree **out) {
    return read_value(j, a, &most, out);
}

const tree *tree_find(const tree *t, const char *key) {
    if (!t || t->kind != JSON_OBJECT) return NULL;
    for (const tree *item = t->first; item; item = item->next)
        if (!strcmp(item->key, key)) return item->kind == JSON_NULL ? NULL : item;
    return NULL;
}

bool tree_bool(const tree *t, const char *key, bool standard) {
    const tree *item = tree_find(t, key);
    return item && item->kind == JSON_BOOL ? item->truth : standard;
}

const char *tree_text(const tree *t, const char *key, const char *standard) {
    const tree *item = tree_find(t, key);
    return item && item->kind == JSON_STRING ? item->text : standard;
}

double tree_number(const tree *t, const char *key, double standard) {
    const tree *item = tree_find(t, key);
    return item && item->kind == JSON_NUMBER ? item->number : standard;
}
