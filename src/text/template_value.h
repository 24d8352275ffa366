/* The values that chat templates compute with: Python's, as far as templates need them.
 *
 * A value is 24 bytes and is copied freely; what it points to lives in an arena and is never changed
 * once a template can see it, except the fields of a namespace. Strings are UTF-8 with a length and
 * may be borrowed. A dict keeps the order of insertion and gets a hash index when it grows. What
 * Python calls lists, tuples, views, ranges and generators are one thing with a flavour: the flavour
 * decides what may be done with it (a generator is always true, has no length and is used up once).
 *
 * Integers are 64 bits; a result that Python would keep in a longer one is refused. */
#ifndef TEXT_TEMPLATE_VALUE_H
#define TEXT_TEMPLATE_VALUE_H

#include "base/arena.h"
#include <stdbool.h>

typedef enum template_kind {
    TEMPLATE_UNDEFINED = 0, /* `text` names what was looked for, or is NULL */
    TEMPLATE_NONE,
    TEMPLATE_BOOL,
    TEMPLATE_INT,
    TEMPLATE_FLOAT,
    TEMPLATE_STRING,
    TEMPLATE_LIST,
    TEMPLATE_DICT,
    TEMPLATE_NAMESPACE,
    TEMPLATE_MACRO,
    TEMPLATE_FUNCTION, /* a global function */
    TEMPLATE_METHOD,   /* a method of a value, not yet called */
    TEMPLATE_LOOP,     /* the variable `loop` */
    TEMPLATE_ABSENT,   /* an argument that was not given; never seen by a template */
} template_kind;

typedef enum template_flavour {
    TEMPLATE_PLAIN_LIST = 0,
    TEMPLATE_TUPLE,
    TEMPLATE_RANGE,
    TEMPLATE_KEYS,
    TEMPLATE_VALUES,
    TEMPLATE_ITEMS,
    TEMPLATE_GENERATOR,
} template_flavour;

typedef struct template_value {
    uint8_t kind;
    bool safe; /* a string that an HTML escape would leave alone */
    union {
        bool truth;
        int64_t integer;
        int64_t length_bytes; /* of a string */
        double number;
    };
    union {
        const char *text;
        struct template_list *list;
        struct template_dict *dict; /* of a namespace too */
        const struct template_macro *macro;
        const struct template_builtin *function;
        const struct template_method *method;
        struct template_loop *loop;
    };
} template_value;

typedef struct template_list {
    template_flavour flavour;
    int64_t count, capacity;
    int64_t used; /* of a generator: items already taken */
    template_value *items;
} template_list;

typedef struct template_entry {
    template_value key, value;
} template_entry;

typedef struct template_dict {
    int64_t count, capacity;
    template_entry *entries;
    int32_t *slots; /* 1 + entry, 0: free; NULL while the dict is small */
    int64_t slot_count;
} template_dict;

/* Making values. Text is borrowed and must outlive the arena's users; copies are the caller's. */
template_value template_undefined(const char *name);
template_value template_none(void);
template_value template_bool(bool truth);
template_value template_int(int64_t integer);
template_value template_float(double number);
template_value template_string(const char *text);
template_value template_string_of(const char *text, int64_t length_bytes);

status template_list_new(arena *a, template_flavour flavour, template_value *out);
status template_list_append(arena *a, template_value list, template_value item);
status template_dict_new(arena *a, template_value *out);
/* Sets or replaces; a key that cannot be one (a list, a dict) is refused. */
status template_dict_put(arena *a, template_value dict, template_value key, template_value item);
status template_dict_set(arena *a, template_value dict, const char *key, template_value item);
/* The entry's value, or NULL. A key that cannot be one is simply not found. */
template_value *template_dict_find(const template_dict *dict, template_value key);
template_value *template_dict_find_text(const template_dict *dict, const char *key);

/* Python's ==, deep. Nesting deeper than 200 compares as unequal, and so does what takes more than
 * `*budget` steps, which are taken off it: lists that hold one list twice, many levels deep, have
 * exponentially many items. */
bool template_equal_within(template_value x, template_value y, int64_t *budget);
/* For what cannot be large: keys. */
bool template_equal(template_value x, template_value y);
/* True for a string that holds exactly `text`. */
bool template_is_text(template_value v, const char *text);
bool template_is_number(template_value v); /* bool, int or float */
double template_as_double(template_value v);
bool template_truth(template_value v);
/* What Python calls the type: "str", "list" ... */
const char *template_type_name(template_value v);

#endif
