/* Operators, subscripts and iteration, with Python's rules for each pair of types. */
#include "text/template_eval.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static status no_operation(evaluator *ev, const char *what, template_value x, template_value y) {
    const template_value *missing = x.kind == TEMPLATE_UNDEFINED   ? &x
                                    : y.kind == TEMPLATE_UNDEFINED ? &y
                                                                   : NULL;
    if (missing)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' is undefined",
                      missing->text ? missing->text : "the value");
    TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' does not work on a %s and a %s", what,
                  template_type_name(x), template_type_name(y));
}

static const char *const op_names[] = {"",   "+",  "-", "*",  "/", "//", "%",  "**",    "~",
                                       "==", "!=", "<", "<=", ">", ">=", "in", "not in"};

static int64_t as_int(template_value v) {
    return v.kind == TEMPLATE_BOOL ? v.truth : v.integer;
}

static double float_mod(double x, double y) {
    double m = fmod(x, y);
    if (m && (m < 0) != (y < 0)) m += y;
    return m ? m : copysign(0.0, y);
}

static status floats(evaluator *ev, template_op op, double x, double y, template_value *out) {
    if (y == 0 && (op == TEMPLATE_DIV || op == TEMPLATE_FLOORDIV || op == TEMPLATE_MOD))
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "division by zero");
    double r = 0;
    switch (op) {
    case TEMPLATE_ADD:
        r = x + y;
        break;
    case TEMPLATE_SUB:
        r = x - y;
        break;
    case TEMPLATE_MUL:
        r = x * y;
        break;
    case TEMPLATE_DIV:
        r = x / y;
        break;
    case TEMPLATE_FLOORDIV:
        r = floor((x - float_mod(x, y)) / y + 0.5);
        break;
    case TEMPLATE_MOD:
        r = float_mod(x, y);
        break;
    default:
        r = pow(x, y);
        if (isnan(r) && !isnan(x) && !isnan(y))
            return no_operation(ev, "**", template_float(x), template_float(y));
    }
    *out = template_float(r);
    return STATUS_OK;
}

static bool int_power(int64_t base, int64_t exponent, int64_t *out) {
    *out = 1;
    while (exponent) {
        if ((exponent & 1) && mul_overflows(*out, base, out)) return false;
        exponent >>= 1;
        if (exponent && mul_overflows(base, base, &base)) return false;
    }
    return true;
}

static status integers(evaluator *ev, template_op op, int64_t x, int64_t y, template_value *out) {
    int64_t r = 0;
    bool fits = true;
    switch (op) {
    case TEMPLATE_ADD:
        fits = !add_overflows(x, y, &r);
        break;
    case TEMPLATE_SUB:
        fits = y != INT64_MIN && !add_overflows(x, -y, &r);
        break;
    case TEMPLATE_MUL:
        fits = !mul_overflows(x, y, &r);
        break;
    case TEMPLATE_FLOORDIV:
    case TEMPLATE_MOD:
        if (!y) TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "division by zero");
        fits = y != -1 || x != INT64_MIN;
        if (!fits) break;
        r = x % y;
        bool down = r && (r < 0) != (y < 0);
        r = op == TEMPLATE_MOD ? r + (down ? y : 0) : x / y - down;
        break;
    case TEMPLATE_POW:
        if (y < 0) return floats(ev, op, (double)x, (double)y, out);
        fits = int_power(x, y, &r);
        break;
    default:
        return floats(ev, op, (double)x, (double)y, out);
    }
    if (!fits) TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "integers have 64 bits");
    *out = template_int(r);
    return STATUS_OK;
}

/* The text as an HTML escape leaves it. */
static status escaped(evaluator *ev, template_buffer *b, template_value s) {
    for (int64_t i = 0; i < s.length_bytes; i++) {
        char c = s.text[i];
        const char *to = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '\'' ? "&#39;"
                         : c == '"'  ? "&#34;"
                                     : NULL;
        if (to && !s.safe)
            TRY(template_puts(b, to));
        else
            TRY(template_put(b, &c, 1));
    }
    return template_step(ev, s.length_bytes / 16);
}

static status join_two(evaluator *ev, template_value x, template_value y, template_value *out) {
    template_buffer b = template_buffer_make(ev);
    TRY(template_step(ev, (x.length_bytes + y.length_bytes) / 64));
    if (x.safe || y.safe) {
        TRY(escaped(ev, &b, x));
        TRY(escaped(ev, &b, y));
    } else {
        b.capacity_bytes = MIN_OF(x.length_bytes + y.length_bytes, ev->limits.output_bytes);
        b.text = arena_alloc(ev->a, (size_t)b.capacity_bytes);
        if (!b.text) return STATUS_NO_MEMORY;
        TRY(template_put(&b, x.text, x.length_bytes));
        TRY(template_put(&b, y.text, y.length_bytes));
    }
    *out = template_buffer_string(&b);
    out->safe = x.safe || y.safe;
    return STATUS_OK;
}

static bool is_sequence(template_value v) {
    return v.kind == TEMPLATE_LIST && v.list->flavour <= TEMPLATE_TUPLE;
}

static status repeat(evaluator *ev, template_value x, int64_t times, template_value *out) {
    if (times < 0) times = 0;
    if (x.kind == TEMPLATE_STRING) {
        template_buffer b = template_buffer_make(ev);
        for (int64_t i = 0; i < times && x.length_bytes; i++) {
            TRY(template_step(ev, 1 + x.length_bytes / 64));
            TRY(template_put(&b, x.text, x.length_bytes));
        }
        *out = template_buffer_string(&b);
        return STATUS_OK;
    }
    TRY(template_new_list(ev, x.list->flavour, out));
    for (int64_t i = 0; i < times && x.list->count; i++) {
        for (int64_t k = 0; k < x.list->count; k++) TRY(template_add(ev, *out, x.list->items[k]));
    }
    return STATUS_OK;
}

/* printf-style formatting with %s, %d, %i, %r and %%; other directives are refused. */
static status format(evaluator *ev, template_value pattern, template_value values,
                     template_value *out) {
    template_buffer b = template_buffer_make(ev);
    bool several = values.kind == TEMPLATE_LIST && values.list->flavour == TEMPLATE_TUPLE;
    int64_t count = several ? values.list->count : 1, used = 0;
    for (int64_t i = 0; i < pattern.length_bytes; i++) {
        if (pattern.text[i] != '%') {
            TRY(template_put(&b, pattern.text + i, 1));
            continue;
        }
        char c = ++i < pattern.length_bytes ? pattern.text[i] : 0;
        if (c == '%') {
            TRY(template_put(&b, "%", 1));
            continue;
        }
        if (!c || !strchr("sdir", c))
            TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "the format directive '%%%c' is not supported",
                          c ? c : ' ');
        if (used == count) TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "too few values for the format");
        template_value v = several ? values.list->items[used] : values, s;
        used++;
        if (c == 'r') {
            TRY(template_write_repr(ev, &b, v));
            continue;
        }
        if (c != 's') {
            if (!template_is_number(v))
                TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "%%%c needs a number", c);
            v = template_int(v.kind == TEMPLATE_FLOAT ? (int64_t)v.number : as_int(v));
        }
        TRY(template_to_text(ev, v, &s));
        TRY(template_put(&b, s.text, s.length_bytes));
    }
    if (used != count && (several || values.kind != TEMPLATE_DICT))
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "too many values for the format");
    *out = template_buffer_string(&b);
    return template_step(ev, b.length_bytes / 8);
}

status template_binary(evaluator *ev, template_op op, template_value x, template_value y,
                       template_value *out) {
    if (op == TEMPLATE_CONCAT) {
        TRY(template_to_text(ev, x, &x));
        TRY(template_to_text(ev, y, &y));
        x.safe = y.safe = false;
        return join_two(ev, x, y, out);
    }
    if (template_is_number(x) && template_is_number(y)) {
        if (x.kind == TEMPLATE_FLOAT || y.kind == TEMPLATE_FLOAT)
            return floats(ev, op, template_as_double(x), template_as_double(y), out);
        return integers(ev, op, as_int(x), as_int(y), out);
    }
    if (op == TEMPLATE_ADD && x.kind == TEMPLATE_STRING && y.kind == TEMPLATE_STRING)
        return join_two(ev, x, y, out);
    if (op == TEMPLATE_ADD && is_sequence(x) && is_sequence(y) &&
        x.list->flavour == y.list->flavour) {
        TRY(repeat(ev, x, 1, out));
        for (int64_t i = 0; i < y.list->count; i++) TRY(template_add(ev, *out, y.list->items[i]));
        return STATUS_OK;
    }
    if (op == TEMPLATE_MUL) {
        bool left = x.kind == TEMPLATE_STRING || is_sequence(x),
             right = y.kind == TEMPLATE_STRING || is_sequence(y);
        if (left && (y.kind == TEMPLATE_INT || y.kind == TEMPLATE_BOOL))
            return repeat(ev, x, as_int(y), out);
        if (right && (x.kind == TEMPLATE_INT || x.kind == TEMPLATE_BOOL))
            return repeat(ev, y, as_int(x), out);
    }
    if (op == TEMPLATE_MOD && x.kind == TEMPLATE_STRING) return format(ev, x, y, out);
    return no_operation(ev, op_names[op], x, y);
}

status template_same(evaluator *ev, template_value x, template_value y, bool *out) {
    int64_t before = ev->limits.steps - ev->steps, budget = before;
    *out = template_equal_within(x, y, &budget);
    return template_step(ev, before - budget);
}

status template_order(evaluator *ev, template_value x, template_value y, int *out) {
    if (template_is_number(x) && template_is_number(y)) {
        if (x.kind != TEMPLATE_FLOAT && y.kind != TEMPLATE_FLOAT) {
            *out = (as_int(x) > as_int(y)) - (as_int(x) < as_int(y));
        } else {
            double a = template_as_double(x), b = template_as_double(y);
            *out = (a > b) - (a < b);
        }
        return STATUS_OK;
    }
    if (x.kind == TEMPLATE_STRING && y.kind == TEMPLATE_STRING) {
        int order = memcmp(x.text, y.text, (size_t)MIN_OF(x.length_bytes, y.length_bytes));
        if (!order) order = (x.length_bytes > y.length_bytes) - (x.length_bytes < y.length_bytes);
        *out = (order > 0) - (order < 0);
        return template_step(ev, x.length_bytes / 64);
    }
    if (!is_sequence(x) || !is_sequence(y) || x.list->flavour != y.list->flavour)
        return no_operation(ev, "<", x, y);
    TRY(template_descend(ev));
    for (int64_t i = 0; i < x.list->count && i < y.list->count; i++) {
        bool same;
        TRY(template_same(ev, x.list->items[i], y.list->items[i], &same));
        if (same) continue;
        TRY(template_order(ev, x.list->items[i], y.list->items[i], out));
        ev->depth--;
        return STATUS_OK;
    }
    ev->depth--;
    *out = (x.list->count > y.list->count) - (x.list->count < y.list->count);
    return STATUS_OK;
}

status template_sort(evaluator *ev, const template_value *keys, int64_t count, bool reverse,
                     int64_t *order) {
    int64_t *from = order, *to = order + count;
    for (int64_t i = 0; i < count; i++) from[i] = i;
    for (int64_t width = 1; width < count; width *= 2) {
        TRY(template_step(ev, count));
        for (int64_t start = 0; start < count; start += 2 * width) {
            int64_t middle = MIN_OF(start + width, count), end = MIN_OF(start + 2 * width, count);
            for (int64_t at = start, left = start, right = middle; at < end; at++) {
                int less = 0;
                if (left < middle && right < end)
                    TRY(template_order(ev, keys[from[reverse ? left : right]],
                                       keys[from[reverse ? right : left]], &less));
                to[at] =
                    left < middle && (right >= end || less >= 0) ? from[left++] : from[right++];
            }
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, (size_t)count * sizeof *order);
    return STATUS_OK;
}

static status contains(evaluator *ev, template_value item, template_value in, bool *out) {
    if (in.kind == TEMPLATE_STRING) {
        if (item.kind != TEMPLATE_STRING) return no_operation(ev, "in", item, in);
        *out = template_find(in, item, 0) >= 0;
        return template_step(ev, in.length_bytes / 64);
    }
    if (in.kind == TEMPLATE_DICT) {
        *out = template_dict_find(in.dict, item) != NULL;
        return STATUS_OK;
    }
    if (in.kind != TEMPLATE_LIST && in.kind != TEMPLATE_UNDEFINED)
        return no_operation(ev, "in", item, in);
    template_list items;
    TRY(template_iterate(ev, in, &items));
    *out = false;
    for (int64_t i = 0; i < items.count && !*out; i++)
        TRY(template_same(ev, items.items[i], item, out));
    return STATUS_OK;
}

status template_compare(evaluator *ev, template_op op, template_value x, template_value y,
                        bool *out) {
    int order;
    if (op == TEMPLATE_EQ || op == TEMPLATE_NE) {
        TRY(template_same(ev, x, y, out));
        *out = *out == (op == TEMPLATE_EQ);
        return STATUS_OK;
    }
    if (op == TEMPLATE_IN || op == TEMPLATE_NOT_IN) {
        TRY(contains(ev, x, y, out));
        *out = *out == (op == TEMPLATE_IN);
        return STATUS_OK;
    }
    if (isnan(template_is_number(x) ? template_as_double(x) : 0) ||
        isnan(template_is_number(y) ? template_as_double(y) : 0)) {
        *out = false;
        return STATUS_OK;
    }
    TRY(template_order(ev, x, y, &order));
    *out = op == TEMPLATE_LT   ? order < 0
           : op == TEMPLATE_LE ? order <= 0
           : op == TEMPLATE_GT ? order > 0
                               : order >= 0;
    return STATUS_OK;
}

static bool loop_field(const template_loop *loop, const char *name, template_value *out) {
    int64_t i = loop->index, n = loop->list->count;
    const template_value *items = loop->list->items;
    if (!strcmp(name, "index"))
        *out = template_int(i + 1);
    else if (!strcmp(name, "index0"))
        *out = template_int(i);
    else if (!strcmp(name, "first"))
        *out = template_bool(i == 0);
    else if (!strcmp(name, "last"))
        *out = template_bool(i + 1 == n);
    else if (!strcmp(name, "length"))
        *out = template_int(n);
    else if (!strcmp(name, "revindex"))
        *out = template_int(n - i);
    else if (!strcmp(name, "revindex0"))
        *out = template_int(n - i - 1);
    else if (!strcmp(name, "depth"))
        *out = template_int(loop->depth);
    else if (!strcmp(name, "depth0"))
        *out = template_int(loop->depth - 1);
    else if (!strcmp(name, "previtem"))
        *out = i ? items[i - 1] : template_undefined("loop.previtem");
    else if (!strcmp(name, "nextitem"))
        *out = i + 1 < n ? items[i + 1] : template_undefined("loop.nextitem");
    else
        return false;
    return true;
}

static status bind_method(evaluator *ev, const template_builtin *b, template_value self,
                          template_value *out) {
    template_method *m = ARENA_NEW(ev->a, template_method, 1);
    if (!m) return STATUS_NO_MEMORY;
    *m = (template_method){b, self};
    *out = (template_value){.kind = TEMPLATE_METHOD, .method = m};
    return STATUS_OK;
}

static bool find_item(template_value x, template_value index, template_value *out);

status template_attribute(evaluator *ev, template_value x, const char *name, template_value *out) {
    if (x.kind == TEMPLATE_UNDEFINED)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' is undefined, it has no '%s'",
                      x.text ? x.text : "the value", name);
    if (!strncmp(name, "__", 2))
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "the attribute '%s' is out of reach for templates",
                      name);
    if (x.kind == TEMPLATE_LOOP && loop_field(x.loop, name, out)) return STATUS_OK;
    const template_builtin *b = template_find_method(x, name);
    if (b) return bind_method(ev, b, x, out);
    if (!find_item(x, template_string(name), out)) *out = template_undefined(name);
    return STATUS_OK;
}

/* x[index], as far as it is there. */
static bool find_item(template_value x, template_value index, template_value *out) {
    if (x.kind == TEMPLATE_DICT || x.kind == TEMPLATE_NAMESPACE) {
        const template_value *found = template_dict_find(x.dict, index);
        if (found) *out = *found;
        return found != NULL;
    }
    if (index.kind != TEMPLATE_INT && index.kind != TEMPLATE_BOOL) return false;
    int64_t i = as_int(index);
    if (x.kind == TEMPLATE_LIST && x.list->flavour <= TEMPLATE_RANGE) {
        if (i < 0) i += x.list->count;
        if (i < 0 || i >= x.list->count) return false;
        *out = x.list->items[i];
        return true;
    }
    if (x.kind != TEMPLATE_STRING) return false;
    int64_t count = template_count_codes(x.text, x.length_bytes);
    if (i < 0) i += count;
    if (i < 0 || i >= count) return false;
    int64_t at = template_code_offset(x.text, x.length_bytes, i);
    int bytes;
    template_decode(x.text + at, x.length_bytes - at, &bytes);
    *out = template_string_of(x.text + at, bytes);
    return true;
}

status template_item(evaluator *ev, template_value x, template_value index, template_value *out) {
    if (x.kind == TEMPLATE_UNDEFINED)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' is undefined, it has no items",
                      x.text ? x.text : "the value");
    if (x.kind == TEMPLATE_STRING) TRY(template_step(ev, x.length_bytes / 32));
    if (find_item(x, index, out)) return STATUS_OK;
    if (index.kind != TEMPLATE_STRING) {
        *out = template_undefined("an item");
        return STATUS_OK;
    }
    char *name = arena_strndup(ev->a, index.text, (size_t)index.length_bytes);
    if (!name) return STATUS_NO_MEMORY;
    return template_attribute(ev, x, name, out);
}

/* Python's slice.indices: the first index, the step, and how many. */
static status slice_range(evaluator *ev, const template_value part[3], int64_t count, int64_t *from,
                          int64_t *step, int64_t *taken) {
    for (int i = 0; i < 3; i++) {
        if (part[i].kind != TEMPLATE_NONE && part[i].kind != TEMPLATE_INT &&
            part[i].kind != TEMPLATE_BOOL)
            TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a slice cannot use a %s",
                          template_type_name(part[i]));
    }
    int64_t s = part[2].kind == TEMPLATE_NONE ? 1 : as_int(part[2]);
    if (!s) TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a slice's step cannot be 0");
    if (s == INT64_MIN) s++;
    int64_t low = s < 0 ? -1 : 0, high = s < 0 ? count - 1 : count, end[2];
    for (int i = 0; i < 2; i++) {
        if (part[i].kind == TEMPLATE_NONE) {
            end[i] = (s < 0) == (i == 0) ? high : low;
            continue;
        }
        int64_t at = as_int(part[i]);
        if (at < 0) at = at < -count ? low : MAX_OF(at + count, low);
        end[i] = MIN_OF(at, high);
    }
    *from = end[0];
    *step = s;
    int64_t distance = s > 0 ? end[1] - end[0] : end[0] - end[1];
    int64_t stride = s > 0 ? s : -s;
    *taken = distance > 0 ? (distance - 1) / stride + 1 : 0;
    return STATUS_OK;
}

static status slice_text(evaluator *ev, template_value x, const template_value part[3],
                         template_value *out) {
    int64_t from, step, taken, count = template_count_codes(x.text, x.length_bytes);
    TRY(slice_range(ev, part, count, &from, &step, &taken));
    if (step == 1) {
        int64_t start = template_code_offset(x.text, x.length_bytes, from);
        int64_t bytes = template_code_offset(x.text + start, x.length_bytes - start, taken);
        *out = template_string_of(x.text + start, taken ? bytes : 0);
        return STATUS_OK;
    }
    int64_t *offsets = ARENA_NEW(ev->a, int64_t, count + 1);
    if (!offsets) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < count; i++)
        offsets[i + 1] =
            offsets[i] + template_code_offset(x.text + offsets[i], x.length_bytes - offsets[i], 1);
    template_buffer b = template_buffer_make(ev);
    for (int64_t i = 0, at = from; i < taken; i++, at = i < taken ? at + step : at)
        TRY(template_put(&b, x.text + offsets[at], offsets[at + 1] - offsets[at]));
    *out = template_buffer_string(&b);
    return STATUS_OK;
}

status template_slice(evaluator *ev, template_value x, const template_value part[3],
                      template_value *out) {
    if (x.kind == TEMPLATE_STRING) {
        TRY(template_step(ev, x.length_bytes / 16));
        return slice_text(ev, x, part, out);
    }
    if (x.kind == TEMPLATE_UNDEFINED)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' is undefined, it has no items",
                      x.text ? x.text : "the value");
    if (x.kind != TEMPLATE_LIST || x.list->flavour > TEMPLATE_RANGE) {
        *out = template_undefined("a slice");
        return STATUS_OK;
    }
    int64_t from, step, taken;
    TRY(slice_range(ev, part, x.list->count, &from, &step, &taken));
    TRY(template_new_list(ev, x.list->flavour, out));
    for (int64_t i = 0, at = from; i < taken; i++, at = i < taken ? at + step : at)
        TRY(template_add(ev, *out, x.list->items[at]));
    return STATUS_OK;
}

static status iterate_text(evaluator *ev, template_value x, template_list *out) {
    template_value list;
    TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, &list));
    for (int64_t at = 0; at < x.length_bytes;) {
        int bytes;
        template_decode(x.text + at, x.length_bytes - at, &bytes);
        TRY(template_add(ev, list, template_string_of(x.text + at, bytes)));
        at += bytes;
    }
    *out = *list.list;
    return STATUS_OK;
}

status template_iterate(evaluator *ev, template_value x, template_list *out) {
    *out = (template_list){0};
    template_value list;
    switch (x.kind) {
    case TEMPLATE_UNDEFINED:
        return STATUS_OK;
    case TEMPLATE_STRING:
        return iterate_text(ev, x, out);
    case TEMPLATE_LIST:
        *out = *x.list;
        if (x.list->flavour == TEMPLATE_GENERATOR) {
            if (out->items) out->items += x.list->used;
            out->count -= x.list->used;
            x.list->used = x.list->count;
        }
        return STATUS_OK;
    case TEMPLATE_DICT:
        TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, &list));
        for (int64_t i = 0; i < x.dict->count; i++)
            TRY(template_add(ev, list, x.dict->entries[i].key));
        *out = *list.list;
        return STATUS_OK;
    default:
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a %s cannot be gone through", template_type_name(x));
    }
}

status template_length(evaluator *ev, template_value x, int64_t *out) {
    *out = 0;
    switch (x.kind) {
    case TEMPLATE_UNDEFINED:
        return STATUS_OK;
    case TEMPLATE_STRING:
        *out = template_count_codes(x.text, x.length_bytes);
        return template_step(ev, x.length_bytes / 64);
    case TEMPLATE_DICT:
        *out = x.dict->count;
        return STATUS_OK;
    case TEMPLATE_LOOP:
        *out = x.loop->list->count;
        return STATUS_OK;
    case TEMPLATE_LIST:
        if (x.list->flavour == TEMPLATE_GENERATOR) break;
        *out = x.list->count;
        return STATUS_OK;
    default:
        break;
    }
    TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a %s has no length", template_type_name(x));
}

status template_new_list(evaluator *ev, template_flavour flavour, template_value *out) {
    return template_list_new(ev->a, flavour, out);
}

status template_add(evaluator *ev, template_value list, template_value item) {
    TRY(template_step(ev, 1));
    return template_list_append(ev->a, list, item);
}
