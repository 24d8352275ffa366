/* Filters on sequences. Those that Jinja2 writes as generators give generators here too. */
#include "text/template_filter.h"
#include <stdlib.h>
#include <string.h>

/* As in Jinja2, map, select and their kin take whatever is false for an empty sequence. */
static status items_of(template_call *c, template_list *out) {
    *out = (template_list){0};
    if (template_truth(c->self)) TRY(template_iterate(c->ev, c->self, out));
    return template_step(c->ev, out->count);
}

/* What `attribute=` names: parts with dots between them, numbers index. */
static status attribute_of(evaluator *ev, template_value item, template_value attribute,
                           template_value *out) {
    *out = item;
    if (attribute.kind == TEMPLATE_INT) return template_item(ev, item, attribute, out);
    if (attribute.kind != TEMPLATE_STRING)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "an attribute is named by a string");
    if (memchr(attribute.text, ',', (size_t)attribute.length_bytes))
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "several attributes at once are not supported");
    for (int64_t at = 0; at <= attribute.length_bytes;) {
        int64_t end = template_find(attribute, template_string("."), at);
        if (end < 0) end = attribute.length_bytes;
        template_value part = template_string_of(attribute.text + at, end - at);
        bool digits = end > at && end - at < 10;
        int64_t number = 0;
        for (int64_t i = at; i < end && digits; i++) {
            digits = attribute.text[i] >= '0' && attribute.text[i] <= '9';
            number = number * 10 + (attribute.text[i] - '0');
        }
        TRY(template_item(ev, *out, digits ? template_int(number) : part, out));
        at = end + 1;
    }
    return STATUS_OK;
}

static bool is_given(template_value v) {
    return v.kind != TEMPLATE_ABSENT && v.kind != TEMPLATE_NONE;
}

static template_value *named(const template_arguments *args, const char *name) {
    for (int64_t i = 0; i < args->named_count; i++) {
        if (!strcmp(args->names[i], name)) return &args->named[i];
    }
    return NULL;
}

/* The keys by which items are compared: an attribute perhaps, in lower case unless case counts. */
static status sort_keys(evaluator *ev, const template_list *items, template_value attribute,
                        bool exact, template_value **out) {
    TRY(template_step(ev, items->count));
    template_value *keys = ARENA_NEW(ev->a, template_value, items->count);
    if (!keys) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < items->count; i++) {
        keys[i] = items->items[i];
        if (is_given(attribute)) TRY(attribute_of(ev, keys[i], attribute, &keys[i]));
        if (!exact && keys[i].kind == TEMPLATE_STRING) TRY(template_lower(ev, keys[i], &keys[i]));
    }
    *out = keys;
    return STATUS_OK;
}

static status sorted(evaluator *ev, const template_list *items, const template_value *keys,
                     bool reverse, template_value *out) {
    int64_t *order = ARENA_NEW(ev->a, int64_t, 2 * items->count);
    if (!order) return STATUS_NO_MEMORY;
    TRY(template_sort(ev, keys, items->count, reverse, order));
    TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, out));
    for (int64_t i = 0; i < items->count; i++) TRY(template_add(ev, *out, items->items[order[i]]));
    return STATUS_OK;
}

static status filter_sort(template_call *c) {
    template_list items;
    template_value *keys;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(sort_keys(c->ev, &items, c->arg[2], template_truth(c->arg[1]), &keys));
    return sorted(c->ev, &items, keys, template_truth(c->arg[0]), c->out);
}

static status filter_dictsort(template_call *c) {
    if (c->self.kind != TEMPLATE_DICT)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "dictsort needs a dict");
    bool by_value = template_is_text(c->arg[1], "value");
    if (is_given(c->arg[1]) && !by_value && !template_is_text(c->arg[1], "key"))
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "dictsort knows 'key' and 'value'");
    template_value items, *keys;
    TRY(template_dict_items(c->ev, c->self.dict, TEMPLATE_PLAIN_LIST, &items));
    TRY(sort_keys(c->ev, items.list, template_int(by_value), template_truth(c->arg[0]), &keys));
    return sorted(c->ev, items.list, keys, template_truth(c->arg[2]), c->out);
}

static status filter_unique(template_call *c) {
    template_list items;
    template_value *keys, seen;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(sort_keys(c->ev, &items, c->arg[1], template_truth(c->arg[0]), &keys));
    TRY(template_new_list(c->ev, TEMPLATE_GENERATOR, c->out));
    TRY(template_dict_new(c->ev->a, &seen));
    for (int64_t i = 0; i < items.count; i++) {
        if (template_dict_find(seen.dict, keys[i])) continue;
        TRY(template_dict_put(c->ev->a, seen, keys[i], template_none()));
        TRY(template_add(c->ev, *c->out, items.items[i]));
    }
    return STATUS_OK;
}

static status extreme(template_call *c, bool largest) {
    template_list items;
    template_value *keys;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(sort_keys(c->ev, &items, c->arg[1], template_truth(c->arg[0]), &keys));
    *c->out = template_undefined("an item of an empty sequence");
    int64_t best = 0;
    for (int64_t i = 0; i < items.count; i++) {
        int order = 0;
        if (i) TRY(template_order(c->ev, keys[i], keys[best], &order));
        if (!i || (largest ? order > 0 : order < 0)) best = i;
        *c->out = items.items[best];
    }
    return STATUS_OK;
}

static status filter_min(template_call *c) {
    return extreme(c, false);
}

static status filter_max(template_call *c) {
    return extreme(c, true);
}

static status filter_sum(template_call *c) {
    template_list items;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(template_step(c->ev, items.count));
    *c->out = is_given(c->arg[1]) ? c->arg[1] : template_int(0);
    for (int64_t i = 0; i < items.count; i++) {
        template_value v = items.items[i];
        if (is_given(c->arg[0])) TRY(attribute_of(c->ev, v, c->arg[0], &v));
        if (v.kind == TEMPLATE_STRING)
            TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "sum does not add strings, join does");
        TRY(template_binary(c->ev, TEMPLATE_ADD, *c->out, v, c->out));
    }
    return STATUS_OK;
}

status template_join(evaluator *ev, const template_list *items, template_value between,
                     template_value *out) {
    template_buffer b = template_buffer_make(ev);
    for (int64_t i = 0; i < items->count; i++) {
        template_value s;
        TRY(template_to_text(ev, items->items[i], &s));
        TRY(template_step(ev, 1 + s.length_bytes / 64));
        if (i) TRY(template_put(&b, between.text, between.length_bytes));
        TRY(template_put(&b, s.text, s.length_bytes));
    }
    *out = template_buffer_string(&b);
    return STATUS_OK;
}

static status filter_join(template_call *c) {
    template_list items;
    template_value between = template_string(""), list;
    TRY(template_iterate(c->ev, c->self, &items));
    if (c->arg[0].kind != TEMPLATE_ABSENT) TRY(template_to_text(c->ev, c->arg[0], &between));
    if (is_given(c->arg[1])) {
        TRY(template_new_list(c->ev, TEMPLATE_PLAIN_LIST, &list));
        for (int64_t i = 0; i < items.count; i++) {
            template_value v;
            TRY(attribute_of(c->ev, items.items[i], c->arg[1], &v));
            TRY(template_add(c->ev, list, v));
        }
        items = *list.list;
    }
    return template_join(c->ev, &items, between, c->out);
}

static status filter_first(template_call *c) {
    template_list items;
    if (c->self.kind == TEMPLATE_LIST && c->self.list->flavour == TEMPLATE_GENERATOR) {
        template_list *g = c->self.list;
        *c->out = g->used < g->count ? g->items[g->used++] : template_undefined("the first item");
        return STATUS_OK;
    }
    TRY(template_iterate(c->ev, c->self, &items));
    *c->out = items.count ? items.items[0] : template_undefined("the first item");
    return STATUS_OK;
}

static status filter_last(template_call *c) {
    template_list items;
    if (c->self.kind == TEMPLATE_LIST && c->self.list->flavour == TEMPLATE_GENERATOR)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "a generator cannot be read from its end");
    TRY(template_iterate(c->ev, c->self, &items));
    *c->out = items.count ? items.items[items.count - 1] : template_undefined("the last item");
    return STATUS_OK;
}

static status filter_list(template_call *c) {
    template_list items;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(template_new_list(c->ev, TEMPLATE_PLAIN_LIST, c->out));
    for (int64_t i = 0; i < items.count; i++) TRY(template_add(c->ev, *c->out, items.items[i]));
    return STATUS_OK;
}

static status filter_reverse(template_call *c) {
    template_list items;
    TRY(template_iterate(c->ev, c->self, &items));
    bool text = c->self.kind == TEMPLATE_STRING;
    TRY(template_new_list(c->ev, TEMPLATE_GENERATOR, c->out));
    for (int64_t i = items.count; i-- > 0;) TRY(template_add(c->ev, *c->out, items.items[i]));
    return text ? template_join(c->ev, c->out->list, template_string(""), c->out) : STATUS_OK;
}

status template_dict_items(evaluator *ev, const template_dict *dict, template_flavour flavour,
                           template_value *out) {
    TRY(template_new_list(ev, flavour, out));
    for (int64_t i = 0; i < dict->count; i++) {
        template_value pair;
        TRY(template_new_list(ev, TEMPLATE_TUPLE, &pair));
        TRY(template_add(ev, pair, dict->entries[i].key));
        TRY(template_add(ev, pair, dict->entries[i].value));
        TRY(template_add(ev, *out, pair));
    }
    return STATUS_OK;
}

static status filter_items(template_call *c) {
    if (c->self.kind == TEMPLATE_UNDEFINED)
        return template_new_list(c->ev, TEMPLATE_GENERATOR, c->out);
    if (c->self.kind != TEMPLATE_DICT) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "items needs a dict");
    return template_dict_items(c->ev, c->self.dict, TEMPLATE_GENERATOR, c->out);
}

static status filter_batch(template_call *c) {
    template_list items;
    template_value row = {0};
    TRY(template_need_int(c, 0));
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(template_new_list(c->ev, TEMPLATE_GENERATOR, c->out));
    for (int64_t i = 0; i < items.count; i++) {
        if (!row.kind || row.list->count == c->arg[0].integer) {
            TRY(template_new_list(c->ev, TEMPLATE_PLAIN_LIST, &row));
            TRY(template_add(c->ev, *c->out, row));
        }
        TRY(template_add(c->ev, row, items.items[i]));
    }
    while (row.kind && is_given(c->arg[1]) && row.list->count < c->arg[0].integer)
        TRY(template_add(c->ev, row, c->arg[1]));
    return STATUS_OK;
}

static status groups_of(evaluator *ev, const template_list *items, const template_value *keys,
                        const int64_t *order, const template_value *shown, template_value *out) {
    template_value group = {0}, members = {0};
    TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, out));
    for (int64_t i = 0; i < items->count; i++) {
        bool same = false;
        if (i) TRY(template_same(ev, keys[order[i]], keys[order[i - 1]], &same));
        if (!same) {
            TRY(template_new_list(ev, TEMPLATE_PLAIN_LIST, &members));
            TRY(template_new_list(ev, TEMPLATE_TUPLE, &group));
            TRY(template_add(ev, group, shown[order[i]]));
            TRY(template_add(ev, group, members));
            TRY(template_add(ev, *out, group));
        }
        TRY(template_add(ev, members, items->items[order[i]]));
    }
    return STATUS_OK;
}

static status filter_groupby(template_call *c) {
    template_list items;
    template_value *keys, *shown;
    TRY(template_iterate(c->ev, c->self, &items));
    TRY(sort_keys(c->ev, &items, c->arg[0], template_truth(c->arg[2]), &keys));
    TRY(sort_keys(c->ev, &items, c->arg[0], true, &shown));
    for (int64_t i = 0; i < items.count && is_given(c->arg[1]); i++) {
        if (keys[i].kind == TEMPLATE_UNDEFINED) keys[i] = shown[i] = c->arg[1];
    }
    int64_t *order = ARENA_NEW(c->ev->a, int64_t, 2 * items.count);
    if (!order) return STATUS_NO_MEMORY;
    TRY(template_sort(c->ev, keys, items.count, false, order));
    return groups_of(c->ev, &items, keys, order, shown, c->out);
}

/* Finds what the first argument names and leaves the arguments behind it in `rest`. */
static status named_builtin(template_call *c, int64_t at, const char *what,
                            const template_builtin *(*find)(const char *),
                            const template_builtin **out, template_arguments *rest) {
    template_value name = c->all->positional[at];
    if (name.kind != TEMPLATE_STRING)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "a %s is named by a string", what);
    char *text = arena_strndup(c->ev->a, name.text, (size_t)name.length_bytes);
    if (!text) return STATUS_NO_MEMORY;
    *out = find(text);
    if (!*out) TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "unknown %s '%s'", what, text);
    *rest = *c->all;
    rest->positional += at + 1;
    rest->positional_count -= at + 1;
    return STATUS_OK;
}

static status map_attribute(template_call *c, const template_list *items,
                            template_value attribute) {
    const template_value *standard = named(c->all, "default");
    for (int64_t i = 0; i < items->count; i++) {
        template_value v;
        TRY(attribute_of(c->ev, items->items[i], attribute, &v));
        if (v.kind == TEMPLATE_UNDEFINED && standard) v = *standard;
        TRY(template_add(c->ev, *c->out, v));
    }
    return STATUS_OK;
}

static status filter_map(template_call *c) {
    template_list items;
    template_arguments rest;
    const template_builtin *filter;
    const template_value *attribute = named(c->all, "attribute");
    TRY(items_of(c, &items));
    TRY(template_new_list(c->ev, TEMPLATE_GENERATOR, c->out));
    if (attribute && !c->all->positional_count) return map_attribute(c, &items, *attribute);
    if (!c->all->positional_count)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "map needs a filter or an attribute");
    TRY(named_builtin(c, 0, "filter", template_find_filter, &filter, &rest));
    for (int64_t i = 0; i < items.count; i++) {
        template_value v;
        TRY(template_descend(c->ev));
        TRY(template_call_builtin(c->ev, filter, items.items[i], &rest, &v));
        c->ev->depth--;
        TRY(template_add(c->ev, *c->out, v));
    }
    return STATUS_OK;
}

/* Keeps the items whose value (or attribute) passes a test, or is true when none is named. */
static status choose(template_call *c, bool by_attribute, bool wanted) {
    template_list items;
    template_arguments rest;
    const template_builtin *test = NULL;
    int64_t at = by_attribute;
    if (c->all->positional_count < at)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "an attribute is missing");
    if (c->all->positional_count > at)
        TRY(named_builtin(c, at, "test", template_find_test, &test, &rest));
    TRY(items_of(c, &items));
    TRY(template_new_list(c->ev, TEMPLATE_GENERATOR, c->out));
    for (int64_t i = 0; i < items.count; i++) {
        template_value v = items.items[i];
        if (by_attribute) TRY(attribute_of(c->ev, v, c->all->positional[0], &v));
        TRY(template_descend(c->ev));
        if (test) TRY(template_call_builtin(c->ev, test, v, &rest, &v));
        c->ev->depth--;
        if (template_truth(v) == wanted) TRY(template_add(c->ev, *c->out, items.items[i]));
    }
    return STATUS_OK;
}

static status filter_select(template_call *c) {
    return choose(c, false, true);
}

static status filter_reject(template_call *c) {
    return choose(c, false, false);
}

static status filter_selectattr(template_call *c) {
    return choose(c, true, true);
}

static status filter_rejectattr(template_call *c) {
    return choose(c, true, false);
}

const template_builtin template_list_filters[] = {
    {"batch", "linecount,fill_with?", filter_batch},
    {"dictsort", "case_sensitive?,by?,reverse?", filter_dictsort},
    {"first", "", filter_first},
    {"groupby", "attribute,default?,case_sensitive?", filter_groupby},
    {"items", "", filter_items},
    {"join", "d?,attribute?", filter_join},
    {"last", "", filter_last},
    {"list", "", filter_list},
    {"map", "*", filter_map},
    {"max", "case_sensitive?,attribute?", filter_max},
    {"min", "case_sensitive?,attribute?", filter_min},
    {"reject", "*", filter_reject},
    {"rejectattr", "*", filter_rejectattr},
    {"reverse", "", filter_reverse},
    {"select", "*", filter_select},
    {"selectattr", "*", filter_selectattr},
    {"sort", "reverse?,case_sensitive?,attribute?", filter_sort},
    {"sum", "attribute?,start?", filter_sum},
    {"unique", "case_sensitive?,attribute?", filter_unique},
    {0},
};
