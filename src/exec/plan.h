/* A plan is a graph made ready to run: kernels chosen, memory placed, both at the bounds of the
 * extents. A step then only binds the extents and runs; it neither plans nor allocates.
 *
 *   plan_new -> plan_load (packs and derives what follows from states; again whenever they change
 * from outside)
 *            -> { plan_bind, fill plan_tensor(input), plan_run, read plan_tensor(marked value) }
 * ...
 *
 * The load phase follows from the states as a step begins with them. A step that writes a state therefore renews what
 * follows from it, once: packed layouts of the state itself right behind its writer, while it is in cache, unless they
 * are read later still; narrow copies and what is packed from them in the end.
 *
 * Inputs and marked values keep their memory for the whole step; everything else shares. */
#ifndef EXEC_PLAN_H
#define EXEC_PLAN_H

#include "base/pool.h"
#include "exec/choose.h"
#include "exec/states.h"

typedef struct plan_options {
    const plugin_table *const *plugins; /* closed by NULL; NULL: none */
    cpu_isa isa_limit;                  /* best instruction set that may be used */
    bool reference_only;                /* no kernels at all: the oracle */
    bool keep_order; /* run in the graph's order, even if another needs less memory */
    bool
        poison; /* fill all memory with NaN first, so that a read of what was never written shows */
    bool dry_run; /* only count: no memory is taken, no state is made, nothing can be run */
    const char *pack_file; /* where packed layouts are kept (exec/packs.h); NULL: nowhere */
    uint64_t pack_key;     /* what the states' contents follow from, hashed */
    /* Told of plain contents that are packed now and hardly read any more; may be NULL. */
    void (*release)(void *user, const void *data, int64_t size_bytes);
    void *release_user;
} plan_options;

/* A packed layout of a constant operand; shared by the nodes that want the same. */
typedef struct plan_pack {
    value of, from; /* from: what it is made of, the plain value or what that was converted from */
    const pack_def *def;
    void *data;
    int64_t size_bytes;
    bool renewed;                  /* made again in each run, which writes what it follows from */
    int32_t after;                 /* and there behind this step; -1: behind all */
    struct plan_pack *next;        /* behind the same step */
    double seconds, began_seconds; /* of the last traced run */
} plan_pack;

typedef struct plan_step {
    const node *node;
    choice chosen;
    call c;
    plan_pack *packed[MAX_IN];
    plan_pack *renews; /* what is packed again behind it */
    bool skipped;      /* a view, or only its packed layout is read: nothing to do */
    bool renewed;      /* of the load phase, and run again after each step */
    double seconds;    /* of the last traced run, and when it began */
    double began_seconds;
} plan_step;

typedef struct extent_patch {
    int64_t *where;
    extent what;
} extent_patch;

typedef struct plan {
    context *cx;
    arena mem;
    const graph *g;
    states *store;
    pool *pool;
    plan_options options;
    const num_format *f64; /* what references compute in */
    plan_step *steps;
    int32_t n_steps, n_load; /* the first n_load steps are of the load phase */
    plan_pack *packs;
    int32_t n_packs;
    char *pack_map; /* the file they lie in, NULL: in memory */
    int64_t pack_map_bytes;
    int pack_fd;      /* of a file that is being written, else -1 */
    bool packs_ready; /* mapped, with their contents */
    extent_patch *patches;
    int32_t n_patches;
    tensor *tensors; /* by node * MAX_OUT + output */
    char *memory;
    void *reference_scratch;
    char *thread_scratch;
    int64_t thread_scratch_bytes;
    int64_t planned_bytes, live_bytes; /* placed, and the largest set alive at once */
    int64_t packed_bytes, scratch_bytes;
    int64_t peak_bytes[TAG_COUNT]; /* planned, by tag; states included */
    uint64_t step_seed;
    bool loaded;
    bool trace;
} plan;

/* The graph, store and pool must outlive the plan. Missing states are made, zeroed. */
status plan_new(context *cx, const graph *g, states *store, pool *p, const plan_options *options,
                plan **out);
void plan_free(plan *p);

/* Runs the load phase and packs constants. */
status plan_load(plan *p);
/* Values for all symbols, by number; [0] is not read. An error names the symbol that is out of its
 * bound. */
status plan_bind(plan *p, const int64_t *symbols);
/* One step. plan_bind must have been called since plan_new, and plan_load. */
void plan_run(plan *p, uint64_t step_seed);

/* Where a value lies, with the extents of this step. Data is NULL for values that share memory. */
const tensor *plan_tensor(const plan *p, value v);
/* The values of the input, and the marked output, of that name. */
value plan_find_input(const plan *p, const char *name);
value plan_find_output(const plan *p, const char *name);

/* Whether a step reads the node's value as it is, not from a packed layout. */
bool plan_reads(const plan *p, int32_t node);

/* ---- inside the floor ---- */
status plan_build_memory(plan *p, const int32_t *reads);
void plan_run_step(plan *p, plan_step *s);
/* Bytes of doubles that the reference needs around itself for this node, at the bounds. */
int64_t plan_reference_bytes(const plan_step *s);
void plan_run_reference(plan *p, const call *c);

#endif
