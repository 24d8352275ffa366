/* Values as text: Python's str() and repr(), and json.dumps as transformers calls it. */
#include "text/template_eval.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What Python's repr escapes beyond ASCII's control characters: white space but the blank, format
 * characters, surrogates and private use. */
static bool is_hidden(uint32_t c) {
    return c < 32 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c > 0x20 && template_is_space(c)) ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || (c >= 0xd800 && c <= 0xf8ff) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || c == 0xffff || c == 0xfffe || c >= 0xe0000;
}

static status repr_text(template_buffer *b, template_value s) {
    bool single = memchr(s.text, '\'', (size_t)s.length_bytes) != NULL;
    bool twice = memchr(s.text, '"', (size_t)s.length_bytes) != NULL;
    char quote = single && !twice ? '"' : '\'', word[16];
    TRY(template_put(b, &quote, 1));
    for (int64_t at = 0; at < s.length_bytes;) {
        int bytes;
        uint32_t c = template_decode(s.text + at, s.length_bytes - at, &bytes);
        if (c == '\n' || c == '\r' || c == '\t')
            snprintf(word, sizeof word, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c == '\\' || c == (uint32_t)quote)
            snprintf(word, sizeof word, "\\%c", (char)c);
        else if (is_hidden(c))
            snprintf(word, sizeof word,
                     c < 256     ? "\\x%02x"
                     : c < 65536 ? "\\u%04x"
                                 : "\\U%08x",
                     (unsigned)c);
        else
            *word = 0;
        TRY(*word ? template_puts(b, word) : template_put(b, s.text + at, bytes));
        at += bytes;
    }
    return template_put(b, &quote, 1);
}

static status repr_list(evaluator *ev, template_buffer *b, const template_list *list) {
    static const char *const open[] = {"[",           "(", "", "dict_keys([", "dict_values([",
                                       "dict_items(["};
    static const char *const close[] = {"]", ")", "", "])", "])", "])"};
    if (list->flavour == TEMPLATE_GENERATOR)
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED,
                      "a generator has no text, use the filter 'list' first");
    if (list->flavour == TEMPLATE_RANGE)
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "a range has no text");
    TRY(template_puts(b, open[list->flavour]));
    for (int64_t i = 0; i < list->count; i++) {
        if (i) TRY(template_puts(b, ", "));
        TRY(template_write_repr(ev, b, list->items[i]));
    }
    if (list->flavour == TEMPLATE_TUPLE && list->count == 1) TRY(template_puts(b, ","));
    return template_puts(b, close[list->flavour]);
}

static status repr_dict(evaluator *ev, template_buffer *b, const template_dict *dict) {
    TRY(template_puts(b, "{"));
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) TRY(template_puts(b, ", "));
        TRY(template_write_repr(ev, b, dict->entries[i].key));
        TRY(template_puts(b, ": "));
        TRY(template_write_repr(ev, b, dict->entries[i].value));
    }
    return template_puts(b, "}");
}

static status repr_inner(evaluator *ev, template_buffer *b, template_value v) {
    char number[32];
    switch (v.kind) {
    case TEMPLATE_UNDEFINED:
        return template_puts(b, "Undefined");
    case TEMPLATE_NONE:
        return template_puts(b, "None");
    case TEMPLATE_BOOL:
        return template_puts(b, v.truth ? "True" : "False");
    case TEMPLATE_INT:
        return template_put(b, number,
                            snprintf(number, sizeof number, "%lld", (long long)v.integer));
    case TEMPLATE_FLOAT:
        return template_put(b, number, template_format_float(v.number, number));
    case TEMPLATE_STRING:
        return repr_text(b, v);
    case TEMPLATE_LIST:
        return repr_list(ev, b, v.list);
    case TEMPLATE_DICT:
        return repr_dict(ev, b, v.dict);
    default:
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "a %s has no text", template_type_name(v));
    }
}

status template_write_repr(evaluator *ev, template_buffer *b, template_value v) {
    TRY(template_descend(ev));
    TRY(template_step(ev, v.kind == TEMPLATE_STRING ? 1 + v.length_bytes / 16 : 1));
    TRY(repr_inner(ev, b, v));
    ev->depth--;
    return STATUS_OK;
}

status template_to_text(evaluator *ev, template_value v, template_value *out) {
    if (v.kind == TEMPLATE_STRING) {
        *out = v;
        return STATUS_OK;
    }
    if (v.kind == TEMPLATE_UNDEFINED) {
        *out = template_string("");
        return STATUS_OK;
    }
    template_buffer b = template_buffer_make(ev);
    TRY(template_write_repr(ev, &b, v));
    *out = template_buffer_string(&b);
    return STATUS_OK;
}

static status json_text(template_buffer *b, template_value s, bool ascii) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    char word[16];
    TRY(template_put(b, "\"", 1));
    for (int64_t at = 0; at < s.length_bytes;) {
        int bytes;
        uint32_t c = template_decode(s.text + at, s.length_bytes - at, &bytes);
        const char *simple = c && c < 128 ? strchr(from, (int)c) : NULL;
        *word = 0;
        if (simple)
            snprintf(word, sizeof word, "\\%c", to[simple - from]);
        else if (c < 32 || (ascii && c > 126 && c < 65536))
            snprintf(word, sizeof word, "\\u%04x", (unsigned)c);
        else if (ascii && c >= 65536)
            snprintf(word, sizeof word, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                     (unsigned)(0xdc00 | (c & 0x3ff)));
        TRY(*word ? template_puts(b, word) : template_put(b, s.text + at, bytes));
        at += bytes;
    }
    return template_put(b, "\"", 1);
}

typedef struct json_writer {
    evaluator *ev;
    template_buffer *b;
    const template_json_style *style;
    int level;
} json_writer;

static status json_value(json_writer *w, template_value v);

static status json_break(json_writer *w) {
    if (!w->style->indent) return STATUS_OK;
    TRY(template_puts(w->b, "\n"));
    for (int i = 0; i < w->level; i++) TRY(template_puts(w->b, w->style->indent));
    return STATUS_OK;
}

static status json_list(json_writer *w, const template_list *list) {
    if (!list->count) return template_puts(w->b, "[]");
    TRY(template_puts(w->b, "["));
    w->level++;
    for (int64_t i = 0; i < list->count; i++) {
        if (i) TRY(template_puts(w->b, w->style->comma));
        TRY(json_break(w));
        TRY(json_value(w, list->items[i]));
    }
    w->level--;
    TRY(json_break(w));
    return template_puts(w->b, "]");
}

static status json_key(json_writer *w, template_value key) {
    if (key.kind == TEMPLATE_STRING) return json_text(w->b, key, w->style->ascii);
    if (key.kind == TEMPLATE_LIST)
        TEMPLATE_FAIL(w->ev, STATUS_BAD_DATA, "a tuple cannot be a key of JSON");
    TRY(template_puts(w->b, "\""));
    TRY(json_value(w, key));
    return template_puts(w->b, "\"");
}

static status key_order(json_writer *w, const template_dict *dict, int64_t *order) {
    for (int64_t i = 0; i < dict->count; i++) order[i] = i;
    if (!w->style->sort_keys) return STATUS_OK;
    template_value *keys = ARENA_NEW(w->ev->a, template_value, dict->count);
    if (!keys) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < dict->count; i++) keys[i] = dict->entries[i].key;
    return template_sort(w->ev, keys, dict->count, false, order);
}

static status json_dict(json_writer *w, const template_dict *dict) {
    if (!dict->count) return template_puts(w->b, "{}");
    int64_t *order = ARENA_NEW(w->ev->a, int64_t, 2 * dict->count);
    if (!order) return STATUS_NO_MEMORY;
    TRY(key_order(w, dict, order));
    TRY(template_puts(w->b, "{"));
    w->level++;
    for (int64_t i = 0; i < dict->count; i++) {
        const template_entry *entry = &dict->entries[order[i]];
        if (i) TRY(template_puts(w->b, w->style->comma));
        TRY(json_break(w));
        TRY(json_key(w, entry->key));
        TRY(template_puts(w->b, w->style->colon));
        TRY(json_value(w, entry->value));
    }
    w->level--;
    TRY(json_break(w));
    return template_puts(w->b, "}");
}

static status json_inner(json_writer *w, template_value v) {
    switch (v.kind) {
    case TEMPLATE_NONE:
        return template_puts(w->b, "null");
    case TEMPLATE_BOOL:
        return template_puts(w->b, v.truth ? "true" : "false");
    case TEMPLATE_INT:
        return template_write_repr(w->ev, w->b, v);
    case TEMPLATE_FLOAT:
        if (isnan(v.number)) return template_puts(w->b, "NaN");
        if (isinf(v.number)) return template_puts(w->b, v.number < 0 ? "-Infinity" : "Infinity");
        return template_write_repr(w->ev, w->b, v);
    case TEMPLATE_STRING:
        return json_text(w->b, v, w->style->ascii);
    case TEMPLATE_LIST:
        if (v.list->flavour <= TEMPLATE_TUPLE) return json_list(w, v.list);
        break;
    case TEMPLATE_DICT:
        return json_dict(w, v.dict);
    default:
        break;
    }
    TEMPLATE_FAIL(w->ev, STATUS_BAD_DATA, "a value of type %s cannot be written as JSON",
                  template_type_name(v));
}

static status json_value(json_writer *w, template_value v) {
    TRY(template_descend(w->ev));
    TRY(template_step(w->ev, v.kind == TEMPLATE_STRING ? 1 + v.length_bytes / 16 : 1));
    TRY(json_inner(w, v));
    w->ev->depth--;
    return STATUS_OK;
}

status template_write_json(evaluator *ev, template_buffer *b, template_value v,
                           const template_json_style *style) {
    json_writer w = {.ev = ev, .b = b, .style = style};
    return json_value(&w, v);
}
