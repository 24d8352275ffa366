/* Built from the sorted strings: a node is a range of them that agree on their first `depth`
 * bytes. Ranges of one depth follow those of the depth before. */
#include "text/trie.h"
#include <stdlib.h>
#include <string.h>

typedef struct stretch {
    int64_t from, to, depth;
} stretch;

static int by_text(const void *a, const void *b) {
    const trie_string *x = a, *y = b;
    int order = memcmp(x->text, y->text, (size_t)MIN_OF(x->length, y->length));
    if (order) return order;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

void trie_free(trie *t) {
    context_release(t->cx, t->nodes);
    *t = (trie){.cx = t->cx};
}

/* Nodes needed: one for each byte of a string that it does not share with the one before. */
static int64_t count_nodes(const trie_string *s, int64_t count) {
    int64_t nodes = 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t shared = 0, most = i ? MIN_OF(s[i].length, s[i - 1].length) : 0;
        while (shared < most && s[i].text[shared] == s[i - 1].text[shared]) shared++;
        nodes += s[i].length - shared;
    }
    return nodes;
}

static void add_children(trie *t, stretch *range, int64_t node, const trie_string *s) {
    stretch r = range[node];
    trie_node *n = t->nodes + node;
    while (r.from < r.to && s[r.from].length == r.depth) n->id = s[r.from++].id;
    n->child = (int32_t)t->count;
    for (int64_t from = r.from, to; from < r.to; from = to) {
        uint8_t byte = (uint8_t)s[from].text[r.depth];
        for (to = from; to < r.to && (uint8_t)s[to].text[r.depth] == byte;) to++;
        range[t->count] = (stretch){from, to, r.depth + 1};
        t->nodes[t->count++] = (trie_node){.byte = byte, .id = -1};
        n->children++;
    }
}

status trie_build(trie *t, context *cx, trie_string *strings, int64_t count) {
    *t = (trie){.cx = cx};
    if (!count) return STATUS_OK;
    qsort(strings, (size_t)count, sizeof *strings, by_text);
    while (count && !strings->length) strings++, count--;
    int64_t nodes = count_nodes(strings, count);
    if (nodes > INT32_MAX / 2) FAIL(cx, STATUS_UNSUPPORTED, "tokens of over 1 GiB in all");
    stretch *range = context_alloc(cx, (size_t)nodes * sizeof *range);
    t->nodes = range ? context_alloc(cx, (size_t)nodes * sizeof *t->nodes) : NULL;
    if (!t->nodes) {
        context_release(cx, range);
        return context_status(cx);
    }
    t->nodes[0] = (trie_node){.id = -1};
    range[0] = (stretch){0, count, 0};
    t->count = 1;
    for (int64_t i = 0; i < t->count; i++) add_children(t, range, i, strings);
    context_release(cx, range);
    return STATUS_OK;
}
