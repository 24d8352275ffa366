/* What a job will need, told before it runs: the job's own graphs are built and planned without memory
 * (exec/plan.h, dry_run), and their bytes and costs read off. */
#ifndef PLAN_ESTIMATE_H
#define PLAN_ESTIMATE_H

#include "model/kit/model.h"
#include "plan/cost.h"
#include "rewrite/recompute.h"

/* Bytes of states and plan by what they are for, each at its own peak; the total is what lies there at once, less than
 * the tags' sum where memory is used again. */
typedef struct estimate_bytes {
    int64_t tag[TAG_COUNT];
    int64_t tables; /* of the graphs and plans themselves */
    int64_t total;
} estimate_bytes;

typedef struct estimate {
    int64_t parameters,
        multiplied; /* multiplied: those in matrix products, without tables that are looked up */
    estimate_bytes bytes;
    graph_cost cost;                      /* of a micro-batch, or of a decoding step */
    double flops, seconds, joules, price; /* of the whole job */
    bool fits;
} estimate;

typedef struct train_setting {
    const num_format *precision; /* of products; NULL: f32 */
    recompute_kind recompute;
    const char *optimiser;
    int64_t batch, context,
        accumulate; /* sequences of a micro-batch, their length, micro-batches of a step */
    double tokens;  /* of the whole job */
} train_setting;
status estimate_train(context *cx, const model_config *c, const train_setting *s, const machine *m,
                      estimate *out) MUST_USE;

typedef struct serve_setting {
    int64_t users, prompt, answer; /* at once; tokens of each */
    double tokens; /* looked up over the whole job; 0: so many that every row of a table is */
    const char *weights, *kv; /* formats */
    const char *act;          /* as engine_options has it; NULL: the default */
} serve_setting;
typedef struct serve_estimate {
    int64_t parameters;
    estimate_bytes bytes;
    int64_t kv_token_bytes, most_users; /* most_users: what the memory holds */
    graph_cost prefill, decode;         /* of one prompt; of one token of every user */
    double first_seconds;               /* a prompt alone */
    double step_seconds, tokens_per_second;
    bool fits;
} serve_estimate;
status estimate_serve(context *cx, const model_config *c, const serve_setting *s, const machine *m,
                      serve_estimate *out) MUST_USE;

/* The memory of an engine by its plan, real or dry, but for its tables. */
void estimate_engine(const plan *p, estimate_bytes *out);
/* Elements of all parameters of the model. */
status estimate_parameters(context *cx, const model_config *c, int64_t *out) MUST_USE;

/* ---- inside ---- */
int64_t estimate_count_parameters(const graph *g);
/* A plan's memory but for states; its peaks by tag. */
void estimate_add_plan(estimate_bytes *b, const plan *p);

#endif
