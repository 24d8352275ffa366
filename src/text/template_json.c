/* Recursion is as deep as the reader's own limit lets brackets nest. */
#include "text/template_json.h"
#include <string.h>

static status from_token(arena *a, json *j, const json_token *t, template_value *out);

static status copy_text(arena *a, json_text text, template_value *out) {
    char *copy = arena_strndup(a, text.bytes, (size_t)text.length);
    if (!copy) return STATUS_NO_MEMORY;
    *out = template_string_of(copy, text.length);
    return STATUS_OK;
}

static status read_list(arena *a, json *j, template_value *out) {
    TRY(template_list_new(a, TEMPLATE_PLAIN_LIST, out));
    for (;;) {
        json_token t;
        template_value item;
        TRY(json_next(j, &t));
        if (t.kind == JSON_ARRAY_END) return STATUS_OK;
        TRY(from_token(a, j, &t, &item));
        TRY(template_list_append(a, *out, item));
    }
}

static status read_dict(arena *a, json *j, template_value *out) {
    TRY(template_dict_new(a, out));
    for (;;) {
        json_token t;
        template_value key, item;
        TRY(json_next(j, &t));
        if (t.kind == JSON_OBJECT_END) return STATUS_OK;
        TRY(copy_text(a, t.text, &key));
        TRY(template_value_from_json(a, j, &item));
        TRY(template_dict_put(a, *out, key, item));
    }
}

static status from_token(arena *a, json *j, const json_token *t, template_value *out) {
    switch (t->kind) {
    case JSON_NULL:
        *out = template_none();
        return STATUS_OK;
    case JSON_BOOL:
        *out = template_bool(t->truth);
        return STATUS_OK;
    case JSON_STRING:
        return copy_text(a, t->text, out);
    case JSON_ARRAY:
        return read_list(a, j, out);
    case JSON_OBJECT:
        return read_dict(a, j, out);
    case JSON_NUMBER:
        *out = t->is_integer ? template_int(t->integer) : template_float(t->number);
        for (int64_t i = 0; i < t->text.length && !t->is_integer; i++) {
            if (strchr(".eEN", t->text.bytes[i]) || t->text.bytes[i] == 'I') return STATUS_OK;
        }
        if (t->is_integer) return STATUS_OK;
        return json_fail(j, STATUS_UNSUPPORTED, "the integer %.*s has more than 64 bits",
                         (int)MIN_OF(t->text.length, 40), t->text.bytes);
    default:
        return json_fail(j, STATUS_BAD_DATA, "expected a value");
    }
}

status template_value_from_json(arena *a, json *j, template_value *out) {
    json_token t;
    TRY(json_next(j, &t));
    return from_token(a, j, &t, out);
}
