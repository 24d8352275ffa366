/* A job is a graph. A node applies an op to values; a value is (node, output). The order of the
 * nodes is a legal order of execution. Nodes are only appended and never move, so pointers to them
 * stay good for the graph's life; a rewrite builds a new graph (graph/rewrite.h).
 *
 * Extents are constants or affine in one bounded symbol, mul * symbol + add, and are compared as
 * written: nothing ever broadcasts because a symbol happens to be 1.
 *
 * State (parameters, optimiser moments, KV pages) lives outside graphs and is bound by name. A node
 * `state` reads the version that the step begins with; an op that writes returns the next version,
 * a new value on the same storage. Reading an old version after its writer is an error the verifier
 * finds.
 *
 * Errors stick to the graph: building functions return a value (absent after an error) and the
 * caller asks graph_status once at the end. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "base/arena.h"
#include "num/num.h"

enum { MAX_RANK = 6, MAX_IN = 16, MAX_OUT = 4, MAX_SYMBOLS = 16 };

typedef struct extent {
    int64_t mul, add;
    int32_t sym; /* 0: constant, and then mul is 0 */
} extent;

typedef struct value {
    int32_t node, out; /* node < 0: absent */
} value;

typedef struct type {
    const num_format *format;
    int32_t rank;
    extent dim[MAX_RANK]; /* outermost first */
} type;

typedef enum phase { PHASE_LOAD, PHASE_FORWARD, PHASE_BACKWARD, PHASE_UPDATE } phase;

/* What memory is for; peaks are reported for each. */
typedef enum tag {
    TAG_PARAMETER,
    TAG_PACKED,
    TAG_GRADIENT,
    TAG_OPTIMISER,
    TAG_ACTIVATION,
    TAG_KV,
    TAG_COMMUNICATION,
    TAG_TIER,
    TAG_INPUT,
    TAG_SCRATCH,
    TAG_COUNT
} tag;

typedef struct op_def op_def;
typedef struct node node;
struct node {
    const op_def *op;
    const void *params;
    int32_t id, n_in, n_out;
    value *in;
    type *out;
    const char
        *name; /* of a state or input: what it is bound by; else a hint for people, or NULL */
    tag tag;
    phase phase;
    bool pinned; /* recomputed: may be neither merged with its twin nor moved to an earlier phase */
    int32_t region; /* the block (layer) of the model it belongs to, from 1; 0: to none */
};

typedef struct symbol {
    const char *name;
    int64_t bound; /* 1 <= value <= bound */
} symbol;

typedef enum mark_kind {
    MARK_OUTPUT,   /* asked for by `name` */
    MARK_LOSS,     /* what is differentiated */
    MARK_GRADIENT, /* `at` is the gradient of `of` */
    MARK_NEXT,     /* `at` is the last version of the state `of` */
} mark_kind;

typedef struct mark {
    mark_kind kind;
    const char *name;
    value at, of;
} mark;

typedef struct graph {
    context *cx;
    arena mem;
    node **nodes;
    int32_t n_nodes, cap_nodes;
    symbol symbols[MAX_SYMBOLS]; /* [0] is not used */
    int32_t n_symbols;
    mark *marks;
    int32_t n_marks, cap_marks;
    phase phase; /* given to nodes that are added now, */
    tag tag;
    int32_t region; /* as is this; model builders set it */
    status st;      /* the first error */
} graph;

#define NO_VALUE ((value){-1, 0})
static inline bool value_absent(value v) {
    return v.node < 0;
}
static inline bool value_same(value a, value b) {
    return a.node == b.node && a.out == b.out;
}

/* ---- building ---- */
graph *graph_new(context *cx);
void graph_free(graph *g);
status graph_status(const graph *g);
/* Sticks an error to the graph (the first one wins) and returns an absent value. */
value graph_fail(graph *g, status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A symbol `1 <= name <= bound`; its number, 0 after an error. The same name gives the same symbol.
 */
int32_t graph_symbol(graph *g, const char *name, int64_t bound);
extent extent_of(int64_t constant);
extent extent_symbol(int32_t sym);
extent extent_affine(int32_t sym, int64_t mul, int64_t add);
bool extent_same(extent a, extent b);
bool extent_is(extent a, int64_t constant);
/* The largest value that the extent can take. */
int64_t extent_bound(const graph *g, extent e);
int64_t extent_at(extent e, const int64_t *symbols);
/* e * factor; e / divisor, which must divide both terms (else ok is false). */
extent extent_times(extent e, int64_t factor);
extent extent_divide(extent e, int64_t divisor, bool *ok);

type type_of(const num_format *format, int32_t rank, const extent *dim);
type type_fixed(const num_format *format, int32_t rank, const int64_t *dim);
bool type_same(const type *a, const type *b);
bool type_same_dims(const type *a, const type *b);
/* Elements and bytes at the bounds. */
int64_t type_bound_elems(const graph *g, const type *t);
int64_t type_bound_bytes(const graph *g, const type *t);

/* Leaves. Inputs are given anew each step; states are read at their first version. */
value graph_input(graph *g, const char *name, type t);
value graph_state(graph *g, const char *name, type t, tag tag);
/* The node of the state or input of that name, or an absent value. */
value graph_find(const graph *g, const char *name);

/* Applies an op: checks the operands, runs the shape rule, copies the parameters. Output 0 is
 * returned; the others are (node, 1..). Absent optional operands are NO_VALUE. */
value graph_add(graph *g, const op_def *op, const void *params, int32_t n_in, const value *in);
/* Gives the node a name that shows in prints, traces and errors. Returns v. */
value graph_name(graph *g, value v, const char *fmt, ...) PRINTF_LIKE(3, 4);

void graph_mark(graph *g, mark_kind kind, const char *name, value at, value of);
const mark *graph_find_mark(const graph *g, mark_kind kind, value of);

static inline node *graph_node(const graph *g, int32_t id) {
    return g->nodes[id];
}
static inline node *value_node(const graph *g, value v) {
    return g->nodes[v.node];
}
static inline const type *value_type(const graph *g, value v) {
    return &g->nodes[v.node]->out[v.out];
}

/* ---- asking ---- */
/* Everything that must hold: operands before users, versions of state in order, shape rules agree.
 */
status graph_verify(const graph *g);
/* Follows views and writes back to the value that owns the storage. */
value graph_storage(const graph *g, value v);

/* ---- showing ---- */
typedef struct text_sink {
    void (*put)(void *to, const char *text, size_t length);
    void *to;
} text_sink;
void graph_print(const graph *g, text_sink sink);
void graph_print_dot(const graph *g, text_sink sink);
/* "f32[512, tokens<=64]" into a buffer. */
const char *type_print(const graph *g, const type *t, char *buffer, size_t size_bytes);

#endif
