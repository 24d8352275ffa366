/* Filters on text and single values, and the table of all filters. */
#include "text/template_filter.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const template_value *given(const template_call *c, int index) {
    return c->arg[index].kind == TEMPLATE_ABSENT || c->arg[index].kind == TEMPLATE_NONE
               ? NULL
               : &c->arg[index];
}

static bool flag(const template_call *c, int index) {
    return template_truth(c->arg[index]);
}

static status self_text(template_call *c) {
    return template_to_text(c->ev, c->self, &c->self);
}

static status filter_upper(template_call *c) {
    TRY(self_text(c));
    return template_upper(c->ev, c->self, c->out);
}

static status filter_lower(template_call *c) {
    TRY(self_text(c));
    return template_lower(c->ev, c->self, c->out);
}

static status filter_capitalize(template_call *c) {
    TRY(self_text(c));
    return template_capitalize(c->ev, c->self, c->out);
}

/* Words start behind white space, hyphens and opening brackets. */
static status filter_title(template_call *c) {
    TRY(self_text(c));
    template_buffer b = template_buffer_make(c->ev);
    template_value s = c->self, word;
    TRY(template_step(c->ev, s.length_bytes / 4));
    for (int64_t at = 0; at < s.length_bytes;) {
        int64_t end[2];
        int64_t p = at;
        for (int part = 0; part < 2; part++) {
            int bytes;
            for (; p < s.length_bytes; p += bytes) {
                uint32_t code = template_decode(s.text + p, s.length_bytes - p, &bytes);
                bool gap =
                    template_is_space(code) || (code && code < 128 && strchr("-({[<", (int)code));
                if (gap != (part == 1)) break;
            }
            end[part] = p;
        }
        TRY(template_capitalize(c->ev, template_string_of(s.text + at, end[0] - at), &word));
        TRY(template_put(&b, word.text, word.length_bytes));
        TRY(template_put(&b, s.text + end[0], end[1] - end[0]));
        at = end[1];
    }
    *c->out = template_buffer_string(&b);
    return STATUS_OK;
}

static status filter_trim(template_call *c) {
    TRY(self_text(c));
    if (given(c, 0)) TRY(template_need_text(c, 0));
    TRY(template_step(c->ev, c->self.length_bytes / 64 *
                                 (given(c, 0) ? 1 + c->arg[0].length_bytes / 8 : 1)));
    *c->out = template_strip(c->self, given(c, 0), true, true);
    return STATUS_OK;
}

static status filter_replace(template_call *c) {
    TRY(self_text(c));
    TRY(template_to_text(c->ev, c->arg[0], &c->arg[0]));
    TRY(template_to_text(c->ev, c->arg[1], &c->arg[1]));
    int64_t most = -1;
    if (given(c, 2)) {
        TRY(template_need_int(c, 2));
        most = c->arg[2].integer;
    }
    return template_replace(c->ev, c->self, c->arg[0], c->arg[1], most, c->out);
}

static status filter_indent(template_call *c) {
    TRY(self_text(c));
    template_value lines, width = template_string("    ");
    if (given(c, 0)) {
        if (c->arg[0].kind == TEMPLATE_STRING)
            width = c->arg[0];
        else
            TRY(template_binary(c->ev, TEMPLATE_MUL, template_string(" "), c->arg[0], &width));
    }
    template_buffer b = template_buffer_make(c->ev);
    TRY(template_put(&b, c->self.text, c->self.length_bytes));
    TRY(template_put(&b, "\n", 1));
    TRY(template_split_lines(c->ev, template_buffer_string(&b), false, &lines));
    b = template_buffer_make(c->ev);
    for (int64_t i = 0; i < lines.list->count; i++) {
        template_value line = lines.list->items[i];
        if (i) TRY(template_put(&b, "\n", 1));
        if (i ? (line.length_bytes || flag(c, 2)) : flag(c, 1))
            TRY(template_put(&b, width.text, width.length_bytes));
        TRY(template_put(&b, line.text, line.length_bytes));
    }
    *c->out = template_buffer_string(&b);
    return STATUS_OK;
}

static status filter_string(template_call *c) {
    return template_to_text(c->ev, c->self, c->out);
}

static status filter_safe(template_call *c) {
    TRY(template_to_text(c->ev, c->self, c->out));
    c->out->safe = true;
    return STATUS_OK;
}

static status filter_escape(template_call *c) {
    template_value empty = template_string("");
    empty.safe = true;
    TRY(self_text(c));
    return template_binary(c->ev, TEMPLATE_ADD, empty, c->self, c->out);
}

static status filter_length(template_call *c) {
    int64_t count;
    TRY(template_length(c->ev, c->self, &count));
    *c->out = template_int(count);
    return STATUS_OK;
}

static status filter_wordcount(template_call *c) {
    TRY(self_text(c));
    int64_t words = 0;
    bool inside = false;
    int bytes;
    for (int64_t at = 0; at < c->self.length_bytes; at += bytes) {
        uint32_t code = template_decode(c->self.text + at, c->self.length_bytes - at, &bytes);
        bool letter = code == '_' || code >= 128 || (code >= '0' && code <= '9') ||
                      ((code | 32) >= 'a' && (code | 32) <= 'z');
        words += letter && !inside;
        inside = letter;
    }
    *c->out = template_int(words);
    return template_step(c->ev, c->self.length_bytes / 16);
}

static status filter_default(template_call *c) {
    bool missing = c->self.kind == TEMPLATE_UNDEFINED || (flag(c, 1) && !template_truth(c->self));
    *c->out = !missing                            ? c->self
              : c->arg[0].kind == TEMPLATE_ABSENT ? template_string("")
                                                  : c->arg[0];
    return STATUS_OK;
}

/* Python's int(text, base) and float(text): blanks around, underscores between digits. */
static bool parse_number(template_value s, int64_t base, bool real, template_value *out,
                         bool *too_long) {
    char digits[400];
    int64_t used = 0;
    s = template_strip(s, NULL, true, true);
    *too_long = false;
    for (int64_t i = 0; i < s.length_bytes; i++) {
        char c = s.text[i];
        bool between = i && i + 1 < s.length_bytes && s.text[i - 1] != '_' && s.text[i + 1] != '_';
        if (c == '_' && between) continue;
        if (c == '_' || !c || used == (int64_t)sizeof digits - 1) return false;
        if (real && (c == 'x' || c == 'X' || c == '(')) return false;
        digits[used++] = c;
    }
    digits[used] = 0;
    if (!used || template_is_space((unsigned char)*digits)) return false;
    char *end;
    errno = 0;
    if (real)
        *out = template_float(strtod(digits, &end));
    else
        *out = template_int(strtoll(digits, &end, (int)base));
    *too_long = !real && errno == ERANGE;
    return end != digits && !*end;
}

static status to_int(template_call *c, double number, bool *done) {
    *done = isfinite(number);
    if (!*done) return STATUS_OK;
    if (fabs(number) >= 9.2e18) TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "integers have 64 bits");
    *c->out = template_int((int64_t)number);
    return STATUS_OK;
}

static status filter_int(template_call *c) {
    template_value v = c->self;
    int64_t base = 10;
    bool done = false, too_long;
    if (given(c, 1)) {
        TRY(template_need_int(c, 1));
        base = c->arg[1].integer;
    }
    if (v.kind == TEMPLATE_UNDEFINED)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "'%s' is undefined", v.text ? v.text : "the value");
    if (base < 2 || base > 36)
        TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "base %lld is not supported", (long long)base);
    if (v.kind == TEMPLATE_STRING) {
        if (parse_number(v, base, false, c->out, &too_long)) {
            if (too_long) TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "integers have 64 bits");
            return STATUS_OK;
        }
        if (parse_number(v, 10, true, &v, &too_long)) TRY(to_int(c, v.number, &done));
    } else if (v.kind == TEMPLATE_FLOAT) {
        TRY(to_int(c, v.number, &done));
    } else if (template_is_number(v)) {
        *c->out = template_int(v.kind == TEMPLATE_BOOL ? v.truth : v.integer);
        done = true;
    }
    if (!done) *c->out = c->arg[0].kind == TEMPLATE_ABSENT ? template_int(0) : c->arg[0];
    return STATUS_OK;
}

static status filter_float(template_call *c) {
    bool too_long;
    if (c->self.kind == TEMPLATE_UNDEFINED)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "'%s' is undefined",
                      c->self.text ? c->self.text : "the value");
    if (template_is_number(c->self))
        *c->out = template_float(template_as_double(c->self));
    else if (c->self.kind != TEMPLATE_STRING || !parse_number(c->self, 10, true, c->out, &too_long))
        *c->out = c->arg[0].kind == TEMPLATE_ABSENT ? template_float(0) : c->arg[0];
    return STATUS_OK;
}

static status filter_abs(template_call *c) {
    if (!template_is_number(c->self)) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "abs needs a number");
    bool negative = template_as_double(c->self) < 0;
    return template_binary(c->ev, TEMPLATE_MUL, c->self, template_int(negative ? -1 : 1), c->out);
}

static status filter_round(template_call *c) {
    int64_t precision = 0;
    if (!template_is_number(c->self)) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "round needs a number");
    if (given(c, 0)) {
        TRY(template_need_int(c, 0));
        precision = c->arg[0].integer;
    }
    if (precision < 0 || precision > 15)
        TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "rounding to %lld places is not supported",
                      (long long)precision);
    double number = template_as_double(c->self), scale = pow(10, (double)precision);
    bool common = !given(c, 1) || template_is_text(c->arg[1], "common");
    if (!common && !template_is_text(c->arg[1], "ceil") && !template_is_text(c->arg[1], "floor"))
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "round knows 'common', 'ceil' and 'floor'");
    char digits[400];
    if (common && c->self.kind != TEMPLATE_FLOAT)
        return template_binary(c->ev, TEMPLATE_ADD, c->self, template_int(0), c->out);
    if (common) {
        snprintf(digits, sizeof digits, "%.*f", (int)precision, number);
        *c->out = template_float(strtod(digits, NULL));
    } else {
        bool up = template_is_text(c->arg[1], "ceil");
        *c->out = template_float((up ? ceil(number * scale) : floor(number * scale)) / scale);
    }
    return STATUS_OK;
}

static status json_separators(template_call *c, template_json_style *style) {
    const template_value *pair = given(c, 2);
    if (!pair) return STATUS_OK;
    if (pair->kind != TEMPLATE_LIST || pair->list->count != 2 ||
        pair->list->items[0].kind != TEMPLATE_STRING ||
        pair->list->items[1].kind != TEMPLATE_STRING)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "tojson needs two strings as separators");
    template_value comma = pair->list->items[0], colon = pair->list->items[1];
    style->comma = arena_strndup(c->ev->a, comma.text, (size_t)comma.length_bytes);
    style->colon = arena_strndup(c->ev->a, colon.text, (size_t)colon.length_bytes);
    return style->comma && style->colon ? STATUS_OK : STATUS_NO_MEMORY;
}

static status filter_tojson(template_call *c) {
    template_json_style style = {
        .ascii = flag(c, 0), .sort_keys = flag(c, 3), .comma = ", ", .colon = ": "};
    const template_value *indent = given(c, 1);
    if (indent) {
        template_value blanks = *indent;
        if (indent->kind != TEMPLATE_STRING)
            TRY(template_binary(c->ev, TEMPLATE_MUL, template_string(" "), *indent, &blanks));
        style.indent = arena_strndup(c->ev->a, blanks.text, (size_t)blanks.length_bytes);
        if (!style.indent) return STATUS_NO_MEMORY;
        style.comma = ",";
    }
    TRY(json_separators(c, &style));
    template_buffer b = template_buffer_make(c->ev);
    TRY(template_write_json(c->ev, &b, c->self, &style));
    *c->out = template_buffer_string(&b);
    return STATUS_OK;
}

static status filter_format(template_call *c) {
    template_value values;
    TRY(self_text(c));
    if (c->all->named_count)
        TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "format by name is not supported");
    TRY(template_new_list(c->ev, TEMPLATE_TUPLE, &values));
    for (int64_t i = 0; i < c->all->positional_count; i++)
        TRY(template_add(c->ev, values, c->all->positional[i]));
    return template_binary(c->ev, TEMPLATE_MOD, c->self, values, c->out);
}

static status filter_attr(template_call *c) {
    TRY(template_need_text(c, 0));
    char *name = arena_strndup(c->ev->a, c->arg[0].text, (size_t)c->arg[0].length_bytes);
    if (!name) return STATUS_NO_MEMORY;
    if (c->self.kind != TEMPLATE_DICT) return template_attribute(c->ev, c->self, name, c->out);
    *c->out = template_undefined(name);
    return STATUS_OK;
}

static const template_builtin text_filters[] = {
    {"abs", "", filter_abs},
    {"attr", "name", filter_attr},
    {"capitalize", "", filter_capitalize},
    {"count", "", filter_length},
    {"d", "default_value?,boolean?", filter_default},
    {"default", "default_value?,boolean?", filter_default},
    {"e", "", filter_escape},
    {"escape", "", filter_escape},
    {"float", "default?", filter_float},
    {"format", "*", filter_format},
    {"indent", "width?,first?,blank?", filter_indent},
    {"int", "default?,base?", filter_int},
    {"length", "", filter_length},
    {"lower", "", filter_lower},
    {"replace", "old,new,count?", filter_replace},
    {"round", "precision?,method?", filter_round},
    {"safe", "", filter_safe},
    {"string", "", filter_string},
    {"title", "", filter_title},
    {"tojson", "ensure_ascii?,indent?,separators?,sort_keys?", filter_tojson},
    {"trim", "chars?", filter_trim},
    {"upper", "", filter_upper},
    {"wordcount", "", filter_wordcount},
    {0},
};

const template_builtin *template_find_filter(const char *name) {
    const template_builtin *const tables[] = {text_filters, template_list_filters};
    for (int64_t t = 0; t < COUNT_OF(tables); t++) {
        for (const template_builtin *b = tables[t]; b->name; b++) {
            if (!strcmp(b->name, name)) return b;
        }
    }
    return NULL;
}
