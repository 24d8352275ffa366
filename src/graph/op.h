/* What an op is: everything that is true of it, in one place (its file in ops/). No code anywhere
 * asks which op a node holds in order to know how to treat it; it reads this. */
#ifndef GRAPH_OP_H
#define GRAPH_OP_H

#include "graph/graph.h"

/* A parameter, for printing, hashing and reading from text. */
typedef enum field_kind {
    FIELD_INT32,
    FIELD_INT64,
    FIELD_DOUBLE,
    FIELD_BOOL,
    FIELD_FORMAT,
    FIELD_INT64S
} field_kind;
typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset;
    int32_t count; /* of FIELD_INT64S */
} field;
#define FIELD(T, member, kind_)                                                                    \
    { .name = #member, .kind = (kind_), .offset = offsetof(T, member), .count = 1 }

/* Axis labels, einsum-like. Axes of one node with equal labels run together: splitting the label
 * splits all of them at the same unit, extent / grain counting units. A label that is in no output
 * is summed over, unless `how` says otherwise. Labels are claims, and the label check tries each.
 */
typedef enum label_how {
    LABEL_FREE,   /* split it and join the outputs (or add them, where an output lacks it) */
    LABEL_WHOLE,  /* cannot be split */
    LABEL_RAGGED, /* rows of sequences; splits only where a sequence ends */
    LABEL_MAX,    /* missing from the output: combine by maximum instead of a sum */
} label_how;
enum { MAX_LABELS = 24 };
typedef struct axis_label {
    int8_t label;  /* 1..MAX_LABELS-1; 0: stands alone and cannot be split */
    int64_t grain; /* 0 counts as 1 */
} axis_label;
typedef struct labels {
    axis_label in[MAX_IN][MAX_RANK], out[MAX_OUT][MAX_RANK];
    label_how how[MAX_LABELS];
    uint32_t partial_out; /* outputs (bits) that a split of a missing label cannot add up */
} labels;

/* A tensor while it runs: dense, with the extents of this step. */
typedef struct tensor {
    void *data; /* NULL: absent operand, or an output that nobody reads */
    const num_format *format;
    int32_t rank;
    int64_t dim[MAX_RANK];
    const struct pack_def
        *layout; /* NULL: plain; else `data` is in the layout that the kernel wanted */
} tensor;

/* One application of an op. For the reference, floating tensors hold doubles (format f64) and ids
 * are raw. */
typedef struct call {
    const node *node;
    const void *params;
    int32_t n_in, n_out;
    tensor in[MAX_IN], out[MAX_OUT];
    uint64_t
        step_seed; /* randomness of this step; with the node's own stream id it is repeatable */
    void *scratch; /* kernels: what scratch_bytes asked for */
} call;

typedef struct cost {
    double flops, bytes; /* bytes that must be read and written once */
} cost;

typedef struct sample sample;

/* How an op behaves under reduced precision. */
typedef enum precision_class {
    PRECISION_ANY,  /* any float format in, same out */
    PRECISION_DOT,  /* gains from 16 bit operands; sums in f32 */
    PRECISION_WIDE, /* wants f32 (norms, softmax, losses, optimisers) */
} precision_class;

struct op_def {
    const char *name;
    const char *help; /* one line: the equation */
    size_t params_bytes;
    const field *fields; /* closed by {0} */
    int32_t n_in, n_out; /* n_in < 0: at least one, variable */
    uint32_t optional, shape_only, index_in, no_grad_in, linear,
        may_overwrite;      /* a bit per operand */
    int8_t view_of;         /* 1 + operand whose storage output 0 shares without change; 0: none */
    int8_t writes[MAX_OUT]; /* output i is the next version of operand writes[i] - 1 */
    bool no_grad;           /* no derivative exists (declared, never forgotten) */
    bool grad_once; /* its gradient cannot be differentiated again, not even through expand */
    bool random;    /* draws from step_seed */
    precision_class precision;
    uint32_t narrow_in; /* a bit per operand: DOT gains from 16 bits there, WIDE bears them there */
    bool converts;      /* output 0 is operand 0 in another format, and nothing else */
    status (*shape)(const graph *g, const node *n, type *out);
    void (*labels)(const graph *g, const node *n, labels *l);
    void (*reference)(const call *c);
    /* dx[i] for each operand i whose bit is in `want`; absent dy[o] counts as zero. */
    void (*gradient)(graph *g, value y, const value *dy, uint32_t want, value *dx);
    /* The same in plainer ops: out[o] for every output. NULL: it is plain already. */
    void (*expand)(graph *g, value y, const value *in, value *out);
    void (*cost)(const call *c, cost *out);
    status (*sample)(sample *s);
};

/* Whether the node reads the contents of this operand: it is there, and more than its extents matter. */
static inline bool node_reads(const node *n, int32_t operand) {
    bool shape_only = n->op->n_in >= 0 && (n->op->shape_only >> operand & 1);
    return !value_absent(n->in[operand]) && !shape_only;
}

extern const op_def *const registry_op[];
const op_def *op_find(const char *name);

/* Leaves, which hold no arithmetic. */
extern const op_def op_input, op_state;
bool op_is_leaf(const op_def *op);

/* For shape rules: an error that names the op, its operands and their types. */
status op_fail(const graph *g, const node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ---- samplers: random valid cases of an op, with contents ---- */
typedef struct sample_input {
    value v;
    double *numbers; /* or */
    int64_t *ids;
    int64_t count;
} sample_input;
struct sample {
    graph *g;
    uint64_t state; /* of the random numbers */
    bool even;      /* asked for: extents that halve (the label check) */
    int32_t
        wide; /* asked for: now and then, extents up to so many times larger (the kernel check) */
    value y;  /* set by the sampler: the node under test */
    int64_t symbols[MAX_SYMBOLS];
    sample_input inputs[MAX_IN + 8];
    int32_t n_inputs;
};
uint64_t sample_bits(sample *s);
int64_t sample_int(sample *s, int64_t low, int64_t high); /* inclusive */
double sample_real(sample *s, double low, double high);
/* An extent in low..high (a multiple of 4 where s->even is set). */
int64_t sample_extent(sample *s, int64_t low, int64_t high);
/* Inputs in f64 with uniform contents, ids with contents in 0..below-1, or ids given. */
value sample_floats(sample *s, int32_t rank, const int64_t *dim, double low, double high);
value sample_ids(sample *s, int32_t rank, const int64_t *dim, int64_t below);
value sample_given_ids(sample *s, int64_t count, const int64_t *ids);

#endif
