/* A technique is a rewrite: it takes a graph and builds a new one of the same kind. The driver
 * copies what the rewrite leaves alone, carries marks over, prunes what no mark reaches, and
 * verifies. */
#ifndef GRAPH_REWRITE_H
#define GRAPH_REWRITE_H

#include "graph/op.h"

typedef struct rewrite_def rewrite_def;
typedef struct rewriting {
    const graph *from;
    graph *to;
    value *map;     /* from (node, out) -> value in `to`; index with rewriting_slot */
    int32_t *first; /* first slot of a node */
    int32_t *uses;  /* by slot: how often the old graph reads or marks the value */
    const void *options;
    arena *mem; /* lives as long as the rewriting */
    void *own;  /* what `begin` found out */
} rewriting;

/* What a graph is known to be; rewrites require, forbid and ensure these. */
enum {
    GRAPH_DIFFERENTIATED = 1,
    GRAPH_FUSED = 2,
    GRAPH_SHARDED = 4,
    GRAPH_QUANTISED = 8,
    GRAPH_RECOMPUTED = 16,
    GRAPH_NARROWED = 32
};

struct rewrite_def {
    const char *name, *help;
    uint32_t needs, forbids, ensures;
    double tolerance; /* relative, that outputs may move by; 0: bit-equal */
    /* Before all nodes: asks the whole old graph what visits need to know. May be NULL. */
    status (*begin)(rewriting *r);
    /* Node by node: builds the replacement of `n` and maps all its outputs, or returns false to
     * have it copied. */
    bool (*visit)(rewriting *r, const node *n);
    /* After all nodes: adds what hangs on the whole graph (autodiff). May be NULL. */
    status (*finish)(rewriting *r);
};
extern const rewrite_def *const registry_rewrite[];
/* NULL if there is none of that name. */
const rewrite_def *rewrite_find(const char *name);

/* `facts` holds what is known of `from` and is updated. On success *out is a new graph of its own.
 */
status rewrite_run(const rewrite_def *def, const graph *from, const void *options, uint32_t *facts,
                   graph **out);

static inline int32_t rewriting_slot(const rewriting *r, value from) {
    return r->first[from.node] + from.out;
}
int32_t rewriting_slots(const rewriting *r);
value rewriting_get(const rewriting *r, value from);
void rewriting_set(rewriting *r, value from, value to);
/* The same node over mapped operands; returns its output 0. */
value rewriting_copy(rewriting *r, const node *n);
/* The same over operands of the new graph. */
value rewriting_copy_over(rewriting *r, const node *n, const value *in);

#endif
