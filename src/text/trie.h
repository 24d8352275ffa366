/* A trie over byte strings, to find every string that begins at a place. Nodes are numbered breadth
 * first, so that the children of a node lie together, sorted by their byte. */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include "base/status.h"
#include <stdbool.h>

typedef struct trie_string {
    const char *text;
    int64_t length;
    int32_t id;
} trie_string;

typedef struct trie_node {
    int32_t child; /* the first one */
    int16_t children;
    uint8_t byte; /* that leads here */
    int32_t id;   /* of the string that ends here, or -1 */
} trie_node;

typedef struct trie {
    context *cx;
    trie_node *nodes; /* [0] is the root; NULL when there are no strings */
    int64_t count;
} trie;

/* Sorts `strings`; empty ones are left out, of equal ones the last id counts. */
status trie_build(trie *t, context *cx, trie_string *strings, int64_t count) MUST_USE;
void trie_free(trie *t);

/* The child of `node` by `byte`, or -1. */
static inline int32_t trie_step(const trie *t, int32_t node, uint8_t byte) {
    const trie_node *n = t->nodes + node;
    int32_t low = n->child, high = low + n->children;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (t->nodes[middle].byte < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n->child + n->children && t->nodes[low].byte == byte ? low : -1;
}

#endif
