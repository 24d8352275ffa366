/* Values: making, looking up, comparing. A dict of more than SMALL_DICT entries has an open-addressed
 * index at most half full; equal numbers hash alike whatever their kind, as in Python. */
#include "text/template_value.h"
#include <math.h>
#include <string.h>

enum { SMALL_DICT = 8, DEEPEST_COMPARE = 200, HASHED_BYTES = 256, LARGEST_KEY = 16 };

template_value template_undefined(const char *name) {
    return (template_value){.kind = TEMPLATE_UNDEFINED, .text = name};
}

template_value template_none(void) {
    return (template_value){.kind = TEMPLATE_NONE};
}

template_value template_bool(bool truth) {
    return (template_value){.kind = TEMPLATE_BOOL, .truth = truth};
}

template_value template_int(int64_t integer) {
    return (template_value){.kind = TEMPLATE_INT, .integer = integer};
}

template_value template_float(double number) {
    return (template_value){.kind = TEMPLATE_FLOAT, .number = number};
}

template_value template_string_of(const char *text, int64_t length_bytes) {
    return (template_value){.kind = TEMPLATE_STRING, .length_bytes = length_bytes, .text = text};
}

template_value template_string(const char *text) {
    return template_string_of(text, (int64_t)strlen(text));
}

status template_list_new(arena *a, template_flavour flavour, template_value *out) {
    template_list *list = ARENA_NEW(a, template_list, 1);
    if (!list) return STATUS_NO_MEMORY;
    list->flavour = flavour;
    *out = (template_value){.kind = TEMPLATE_LIST, .list = list};
    return STATUS_OK;
}

status template_list_append(arena *a, template_value value, template_value item) {
    template_list *list = value.list;
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity ? list->capacity * 2 : 4;
        template_value *items = ARENA_NEW(a, template_value, capacity);
        if (!items) return STATUS_NO_MEMORY;
        if (list->count) memcpy(items, list->items, (size_t)list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return STATUS_OK;
}

status template_dict_new(arena *a, template_value *out) {
    template_dict *dict = ARENA_NEW(a, template_dict, 1);
    if (!dict) return STATUS_NO_MEMORY;
    *out = (template_value){.kind = TEMPLATE_DICT, .dict = dict};
    return STATUS_OK;
}

static uint64_t hash_bytes(const char *text, int64_t length_bytes) {
    uint64_t h = 1469598103934665603u ^ (uint64_t)length_bytes;
    if (length_bytes > HASHED_BYTES) length_bytes = HASHED_BYTES;
    for (int64_t i = 0; i < length_bytes; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static bool hash_of(template_value v, uint64_t *hash) {
    switch (v.kind) {
    case TEMPLATE_STRING:
        *hash = hash_bytes(v.text, v.length_bytes);
        return true;
    case TEMPLATE_NONE:
        *hash = 11;
        return true;
    case TEMPLATE_BOOL:
    case TEMPLATE_INT:
    case TEMPLATE_FLOAT: {
        double number = template_as_double(v) + 0.0;
        *hash = hash_bytes((const char *)&number, sizeof number);
        return true;
    }
    case TEMPLATE_LIST:
        if (v.list->flavour != TEMPLATE_TUPLE || v.list->count > LARGEST_KEY) return false;
        *hash = 7;
        for (int64_t i = 0; i < v.list->count; i++) {
            uint64_t item;
            if (v.list->items[i].kind == TEMPLATE_LIST || !hash_of(v.list->items[i], &item))
                return false;
            *hash = *hash * 31 + item;
        }
        return true;
    default:
        return false;
    }
}

/* The slot that holds the key, or the free one where it belongs. */
static int64_t slot_of(const template_dict *dict, template_value key, uint64_t hash) {
    int64_t at = (int64_t)(hash & (uint64_t)(dict->slot_count - 1));
    while (dict->slots[at] && !template_equal(dict->entries[dict->slots[at] - 1].key, key))
        at = (at + 1) & (dict->slot_count - 1);
    return at;
}

static status dict_grow(arena *a, template_dict *dict) {
    int64_t capacity = dict->capacity ? dict->capacity * 2 : 4;
    template_entry *entries = ARENA_NEW(a, template_entry, capacity);
    if (!entries) return STATUS_NO_MEMORY;
    if (dict->count) memcpy(entries, dict->entries, (size_t)dict->count * sizeof *entries);
    dict->entries = entries;
    dict->capacity = capacity;
    if (capacity <= SMALL_DICT) return STATUS_OK;
    dict->slot_count = capacity * 2;
    dict->slots = ARENA_NEW(a, int32_t, dict->slot_count);
    if (!dict->slots) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < dict->count; i++) {
        uint64_t hash = 0;
        hash_of(entries[i].key, &hash);
        dict->slots[slot_of(dict, entries[i].key, hash)] = (int32_t)(i + 1);
    }
    return STATUS_OK;
}

template_value *template_dict_find(const template_dict *dict, template_value key) {
    uint64_t hash;
    if (!hash_of(key, &hash)) return NULL;
    if (dict->slots) {
        int32_t entry = dict->slots[slot_of(dict, key, hash)];
        return entry ? &dict->entries[entry - 1].value : NULL;
    }
    for (int64_t i = 0; i < dict->count; i++) {
        if (template_equal(dict->entries[i].key, key)) return &dict->entries[i].value;
    }
    return NULL;
}

template_value *template_dict_find_text(const template_dict *dict, const char *key) {
    return template_dict_find(dict, template_string(key));
}

status template_dict_put(arena *a, template_value value, template_value key, template_value item) {
    template_dict *dict = value.dict;
    uint64_t hash;
    if (!hash_of(key, &hash))
        return context_fail(a->cx, STATUS_BAD_DATA, "a %s cannot be a dict's key",
                            template_type_name(key));
    template_value *old = template_dict_find(dict, key);
    if (old) {
        *old = item;
        return STATUS_OK;
    }
    if (dict->count == dict->capacity) TRY(dict_grow(a, dict));
    dict->entries[dict->count++] = (template_entry){.key = key, .value = item};
    if (dict->slots) dict->slots[slot_of(dict, key, hash)] = (int32_t)dict->count;
    return STATUS_OK;
}

status template_dict_set(arena *a, template_value dict, const char *key, template_value item) {
    return template_dict_put(a, dict, template_string(key), item);
}

bool template_is_text(template_value v, const char *text) {
    return v.kind == TEMPLATE_STRING && v.length_bytes == (int64_t)strlen(text) &&
           !memcmp(v.text, text, (size_t)v.length_bytes);
}

bool template_is_number(template_value v) {
    return v.kind == TEMPLATE_BOOL || v.kind == TEMPLATE_INT || v.kind == TEMPLATE_FLOAT;
}

double template_as_double(template_value v) {
    if (v.kind == TEMPLATE_BOOL) return v.truth;
    return v.kind == TEMPLATE_INT ? (double)v.integer : v.number;
}

bool template_truth(template_value v) {
    switch (v.kind) {
    case TEMPLATE_UNDEFINED:
    case TEMPLATE_NONE:
    case TEMPLATE_ABSENT:
        return false;
    case TEMPLATE_BOOL:
        return v.truth;
    case TEMPLATE_INT:
        return v.integer != 0;
    case TEMPLATE_FLOAT:
        return v.number != 0;
    case TEMPLATE_STRING:
        return v.length_bytes != 0;
    case TEMPLATE_LIST:
        return v.list->flavour == TEMPLATE_GENERATOR || v.list->count != 0;
    case TEMPLATE_DICT:
        return v.dict->count != 0;
    default:
        return true;
    }
}

const char *template_type_name(template_value v) {
    static const char *const lists[] = {"list",        "tuple",      "range",    "dict_keys",
                                        "dict_values", "dict_items", "generator"};
    static const char *const names[] = {
        "Undefined", "NoneType",  "bool",  "int",      "float",  "str",         "list",
        "dict",      "Namespace", "Macro", "function", "method", "LoopContext", "nothing"};
    return v.kind == TEMPLATE_LIST ? lists[v.list->flavour] : names[v.kind];
}

static bool equal_at(template_value x, template_value y, int depth, int64_t *budget);

static bool lists_equal(const template_list *x, const template_list *y, int depth,
                        int64_t *budget) {
    if (x == y) return true;
    if (x->flavour != y->flavour || x->flavour == TEMPLATE_GENERATOR ||
        x->flavour == TEMPLATE_VALUES || x->count != y->count)
        return false;
    for (int64_t i = 0; i < x->count; i++) {
        if (!equal_at(x->items[i], y->items[i], depth + 1, budget)) return false;
    }
    return true;
}

static bool dicts_equal(const template_dict *x, const template_dict *y, int depth,
                        int64_t *budget) {
    if (x->count != y->count) return false;
    for (int64_t i = 0; i < x->count; i++) {
        const template_value *other = template_dict_find(y, x->entries[i].key);
        if (!other || !equal_at(x->entries[i].value, *other, depth + 1, budget)) return false;
    }
    return true;
}

static bool equal_at(template_value x, template_value y, int depth, int64_t *budget) {
    *budget -= x.kind == TEMPLATE_STRING ? 1 + x.length_bytes / 64 : 1;
    if (depth > DEEPEST_COMPARE || *budget < 0) return false;
    if (template_is_number(x) && template_is_number(y)) {
        if (x.kind != TEMPLATE_FLOAT && y.kind != TEMPLATE_FLOAT)
            return (x.kind == TEMPLATE_BOOL ? x.truth : x.integer) ==
                   (y.kind == TEMPLATE_BOOL ? y.truth : y.integer);
        return template_as_double(x) == template_as_double(y);
    }
    if (x.kind != y.kind) return false;
    switch (x.kind) {
    case TEMPLATE_UNDEFINED:
    case TEMPLATE_NONE:
        return true;
    case TEMPLATE_STRING:
        return x.length_bytes == y.length_bytes && !memcmp(x.text, y.text, (size_t)x.length_bytes);
    case TEMPLATE_LIST:
        return lists_equal(x.list, y.list, depth, budget);
    case TEMPLATE_DICT:
        return dicts_equal(x.dict, y.dict, depth, budget);
    default:
        return x.dict == y.dict;
    }
}

bool template_equal_within(template_value x, template_value y, int64_t *budget) {
    return equal_at(x, y, 0, budget);
}

bool template_equal(template_value x, template_value y) {
    int64_t budget = INT64_MAX;
    return equal_at(x, y, 0, &budget);
}
