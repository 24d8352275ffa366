/* Hone's engine from C: build a graph, differentiate it, plan it, run it, read the results. Whole models, with text in
 * and text out, are in hone/model.h.
 *
 *     hone_context *h = hone_new();
 *     hone_graph *g = hone_graph_new(h);
 *     hone_value x = hone_input(g, "x", "f32", 2, (int64_t[]){64, 2});
 *     hone_value w = hone_parameter(g, "w", "f32", 2, (int64_t[]){2, 1});
 *     hone_output(g, "y", hone_apply(g, "matmul", "", 2, (hone_value[]){x, w}));
 *     hone_plan *p = hone_plan_new(g, NULL);     // NULL after an error, which hone_error(h) tells
 *     hone_set(p, "x", numbers, 128);
 *     hone_run(p);
 *     hone_get(p, "y", out, 64);
 *
 * Errors stick: after the first one, building calls do nothing and return an absent value, so a
 * program may ask once, when it plans. hone_error gives the words; nothing here exits or aborts.
 * A context and all that was made from it belong to one thread at a time.
 *
 * Which ops there are, with their operands and parameters: `hone ops`. */
#ifndef HONE_HONE_H
#define HONE_HONE_H

#include "hone/version.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is success, so that `if (hone_run(p))` reads as "if that failed". */
typedef enum hone_status {
    HONE_OK = 0,
    HONE_BAD_ARGUMENT, /* what was asked cannot be meant: a wrong name, shape or value */
    HONE_BAD_DATA,     /* a file is malformed */
    HONE_UNSUPPORTED,  /* understood, and refused by name */
    HONE_NO_MEMORY,
    HONE_IO,        /* the operating system refused: not found, denied, disk full */
    HONE_BUSY,      /* somebody else holds it, or a queue is full */
    HONE_CANCELLED, /* a callback asked to stop */
    HONE_BUG,       /* Hone's own mistake */
} hone_status;

typedef struct hone_context hone_context;
typedef struct hone_graph hone_graph;
typedef struct hone_plan hone_plan;

/* A value of a graph: output `out` of node `node`; node < 0 is absent (an error, or an operand left
 * out). */
typedef struct hone_value {
    int32_t node, out;
} hone_value;
#define HONE_ABSENT ((hone_value){-1, 0})

HONE_API hone_context *hone_new(void);
/* After the graphs and plans that were made from it. */
HONE_API void hone_free(hone_context *h);
/* The last error in words and by kind; "" and HONE_OK if there was none. */
HONE_API const char *hone_error(const hone_context *h);
HONE_API hone_status hone_error_status(const hone_context *h);

/* ---- graphs ---- */
HONE_API hone_graph *hone_graph_new(hone_context *h);
HONE_API void hone_graph_free(hone_graph *g);
/* An extent that is only known when a step runs, 1..bound. Returns what stands for it among
 * extents. */
HONE_API int64_t hone_symbol(hone_graph *g, const char *name, int64_t bound);
/* Given anew each step. Formats: f32, bf16, f16, i32, ... Outermost extent first. */
HONE_API hone_value hone_input(hone_graph *g, const char *name, const char *format, int rank,
                               const int64_t *extents);
/* Kept from step to step, and differentiated by. */
HONE_API hone_value hone_parameter(hone_graph *g, const char *name, const char *format, int rank,
                                   const int64_t *extents);
/* Applies an op. Parameters are text, "eps=1e-5, trans_b=yes". Output 0 is returned; others are
 * (node, 1..). */
HONE_API hone_value hone_apply(hone_graph *g, const char *op, const char *parameters, int n,
                               const hone_value *operands);
/* Asks for a value by name, or for it as the loss (one number). */
HONE_API void hone_output(hone_graph *g, const char *name, hone_value v);
HONE_API void hone_loss(hone_graph *g, hone_value v);
/* Adds the gradient of the loss by every parameter, read as "grad.NAME". Values taken before no
 * longer count. */
HONE_API hone_status hone_differentiate(hone_graph *g);
/* Adds an AdamW update of every parameter, after hone_differentiate; it happens at each hone_run. The learning rate
 * is the input "lr", one f32. */
HONE_API hone_status hone_adamw(hone_graph *g, double beta1, double beta2, double epsilon,
                                double weight_decay);
/* Folds chains of ops into single ones; after differentiating, before planning. */
HONE_API hone_status hone_fuse(hone_graph *g);
/* HONE_OK if all is well so far. */
HONE_API hone_status hone_check(const hone_graph *g);

/* ---- running ---- */
typedef struct hone_plan_options {
    int threads;     /* 0: as many as the process may use */
    const char *isa; /* best instruction set to use, NULL: the machine's */
} hone_plan_options;

/* Makes the graph ready to run, with the parameters' memory (zeroed). NULL options are the
 * defaults. The graph must outlive the plan and is not changed any more. */
HONE_API hone_plan *hone_plan_new(hone_graph *g, const hone_plan_options *options);
HONE_API void hone_plan_free(hone_plan *p);
/* Inputs and parameters by name; `count` is that of the tensor with this step's extents. */
HONE_API hone_status hone_set(hone_plan *p, const char *name, const float *numbers, int64_t count);
HONE_API hone_status hone_set_ids(hone_plan *p, const char *name, const int32_t *ids,
                                  int64_t count);
/* Normal random numbers of the given deviation into a parameter. */
HONE_API hone_status hone_randomise(hone_plan *p, const char *name, double deviation,
                                    uint64_t seed);
/* Gives a symbol its value for the next steps. Until then it is at its bound. */
HONE_API hone_status hone_bind(hone_plan *p, const char *symbol, int64_t value);
HONE_API hone_status hone_run(hone_plan *p);
/* Outputs, gradients and parameters by name. */
HONE_API hone_status hone_get(const hone_plan *p, const char *name, float *numbers, int64_t count);
/* Bytes the plan needs beside the parameters. */
HONE_API int64_t hone_plan_bytes(const hone_plan *p);

#ifdef __cplusplus
}
#endif
#endif
