/* A small JSON value as a tree in an arena, for the parts of tokenizer.json whose keys come in any
 * order. Strings are copied and closed by a zero. */
#ifndef TEXT_TREE_H
#define TEXT_TREE_H

#include "base/arena.h"
#include "base/json.h"

typedef struct tree tree;
struct tree {
    json_kind kind; /* NULL, BOOL, NUMBER, STRING, OBJECT, ARRAY */
    bool truth;
    double number;
    const char *key; /* within an object */
    const char *text;
    int64_t length;
    tree *first, *next; /* items or pairs */
};

/* Reads the next value. At most `most` values are taken. */
status tree_read(json *j, arena *a, int64_t most, tree **out) MUST_USE;

/* The value of a key, NULL where it is absent or null. `t` may be NULL. */
const tree *tree_find(const tree *t, const char *key);
/* What a key says, or what is said when it is absent. */
bool tree_bool(const tree *t, const char *key, bool standard);
const char *tree_text(const tree *t, const char *key, const char *standard);
double tree_number(const tree *t, const char *key, double standard);

#endif
