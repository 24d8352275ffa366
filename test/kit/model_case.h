/* A golden of tool/goldens/models.py: a model's folder made again from its description, tokens, and
 * the logits that transformers gives; and models while they run over several sequences at once. */
#ifndef TEST_KIT_MODEL_CASE_H
#define TEST_KIT_MODEL_CASE_H

#include "exec/plan.h"
#include "model/kit/model.h"

enum { MODEL_CASE_SEQUENCES = 2, MODEL_CASE_TOKENS = 128, MODEL_CASE_ROWS = 8 };

typedef struct model_case_tensor {
    char name[96];
    int64_t shape[4];
    int32_t rank;
    double base, scale; /* value i is base + scale * hash(name, i) */
} model_case_tensor;

typedef struct model_case {
    arena memory;
    const char *config; /* text */
    int64_t config_bytes, seed, context;
    model_case_tensor *tensors;
    int64_t n_tensors;
    int32_t ids[MODEL_CASE_SEQUENCES][MODEL_CASE_TOKENS];
    int64_t count[MODEL_CASE_SEQUENCES];
    int64_t rows[MODEL_CASE_ROWS][2]; /* sequence and row of each golden row */
    int64_t n_rows;
    double *logits;
    int64_t n_logits;
} model_case;

status model_case_read(context *cx, const char *path, model_case *out);
void model_case_free(model_case *c);
/* `count` numbers in [-1, 1) by a hash of name and seed, as the goldens' scripts draw them. */
void model_case_hash(const char *name, int64_t seed, int64_t count, double *out);
/* config.json and model.safetensors. */
status model_case_folder(context *cx, const model_case *c, const char *folder);

/* What is wrong on purpose, to see that the comparison notices. */
typedef enum model_fault {
    FAULT_NONE,
    FAULT_MASK,      /* no query sees its last key */
    FAULT_POSITIONS, /* pairs of rope are taken otherwise; learned positions are one too high */
    FAULT_EPSILON,   /* another epsilon in the norms */
    FAULT_KINDS
} model_fault;

typedef struct model_run {
    context *cx;
    graph *g;
    states *store;
    plan *p;
} model_run;

/* What a model gives for inputs over bounded tokens and sequences: logits, or an encoder's rows. */
value model_case_build(graph *g, const model_config *config, model_fault fault,
                       num_format const *(*format)(void *, const char *, int32_t), void *user);
/* Positions and ends of sequences for a step; `counts` are their tokens. */
void model_case_bind(const plan *p, const int64_t *counts, model_fault fault);
/* Builds the graph of all tokens' logits for a configuration; states are still to be filled. */
status model_run_build(model_run *r, context *cx, const model_config *config, model_fault fault,
                       num_format const *(*format)(void *, const char *, int32_t), void *user);
/* One step over the case's sequences; the logits belong to the run. */
status model_run_step(model_run *r, const model_case *c, model_fault fault, const float **logits,
                      int64_t *count);
void model_run_end(model_run *r);

#endif
