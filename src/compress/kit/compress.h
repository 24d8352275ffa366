/* Making a model lighter. A method is one file, compress/NAME.c, with `const compress_method compress_NAME`; a recipe
 * (kit/recipe.h) is a chain of them. The model lies in memory as its configuration and its weights, each in the format
 * that it has now: as the parent stores it (mapped, not copied), as values that a method changed, or as the codes that
 * a method chose, which are then final. A method takes the weights as the one before left them; what stands at the end
 * is written once (kit/save.h).
 *
 * Before any work starts every method is asked whether it fits the model, what came before it, and the calibration
 * text; then whether the file can hold what comes out. */
#ifndef COMPRESS_KIT_COMPRESS_H
#define COMPRESS_KIT_COMPRESS_H

#include "base/hash.h"
#include "base/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "model/kit/model.h"
#include "text/grow.h"
#include "text/tokenizer.h"

typedef struct compress compress;
typedef struct compress_method compress_method;

/* What is known of the model at a point of the chain. */
enum {
    COMPRESS_CODED = 1, /* the layers' products are codes, which no later method can change */
    COMPRESS_SPARSE = 2,
    COMPRESS_FOLDED = 4,
    COMPRESS_TWO_FOUR = 8 /* two of every four weights of a row of the products are 0 */
};

struct compress_method {
    const char *name, *help;
    const option_def
        *options; /* its arguments; those without a key come in this order. NULL: none */
    size_t options_bytes;
    bool calibrates;           /* runs the model over --calib */
    uint32_t forbids, ensures; /* COMPRESS_... */
    /* Before any work; also sets c->coded where the method chooses one format for all products. May be NULL. */
    status (*check)(compress *c, const void *options);
    status (*apply)(compress *c, const void *options);
};
extern const compress_method *const registry_compress[];

typedef struct weight {
    const char *name;
    tensor t;
    bool owned; /* t.data was taken here; else it is the parent's */
    bool held;  /* foreseen: it has been read or made, so that it lies in memory */
} weight;

/* What scales of a product's inputs can be folded into, so that the model computes the same. */
typedef enum fold_kind {
    FOLD_NONE,
    FOLD_NORM, /* the norm before it, whose rows no one else reads */
    FOLD_ROWS  /* the rows of another product, which reach it one to one */
} fold_kind;

/* The rows that one or several products read. */
typedef struct product_input {
    int64_t layer, k;
    fold_kind fold;
    weight *gain,
        *bias; /* FOLD_NORM: the norm's, bias maybe NULL; FOLD_ROWS: the product's matrix and bias */
    bool gain_plus_one; /* stored less 1 */
} product_input;

/* A linear layer within the model's layers, whose matrix is [n, k], as all are here (model_config.upright). */
typedef struct product {
    weight *w;
    int64_t layer, n, k; /* outputs, inputs */
    int32_t input;       /* which of the inputs */
} product;

/* Sequences of ids, all of `length`. */
typedef struct calibration {
    const char *path;
    int32_t *ids;
    int64_t sequences, length;
} calibration;

/* A file that a step reads besides the parent and the calibration text. */
typedef struct source {
    const char *path;
    char sha256[SHA256_TEXT_BYTES];
    struct source *next;
} source;

struct compress {
    context *cx;
    arena *memory;
    pool *workers;
    model *parent;
    tokenizer *words; /* the parent's */
    states *store;    /* the parent's weights */
    model_config config;
    const model_def *def;
    weight *weights;
    int64_t n_weights;
    product *products; /* in the order of the model */
    int64_t n_products;
    product_input *inputs;
    int64_t n_inputs;
    bool experts; /* there are products of experts, which are not in the list */
    calibration text;
    source *sources;
    const source *told; /* what they must be, in a repetition; NULL: nobody says */
    const char *read;   /* the text whose ids are kept; NULL: none */
    token_list read_ids;
    uint64_t seed;
    int64_t step; /* of the recipe, that is being checked or applied */
    uint32_t facts;
    const num_format
        *coded; /* what the products will be, as far as the checks know; NULL: floats, or several */
    double flops;
    progress progress;
    struct foresee
        *foresees; /* a dry run, for what it will take (kit/foresee.h); NULL: a real one */
};

/* NULL: there is none. */
const compress_method *compress_find(const char *name, const compress_method *const *more);

/* The ids of a text, by the parent's tokenizer (methods that calibrate); they are kept until another text's are asked
 * for. */
status calibrate_ids(compress *c, const char *path, const token_list **out) MUST_USE;
void calibrate_close(compress *c);

/* A step's check tells what else the step reads: a model, or any other file. It goes into the lineage with its hash,
 * and where a lineage is repeated it must be what it was. */
status provenance_reads(compress *c, const char *path, bool is_model) MUST_USE;

/* ---- weights ---- */
/* Opens the parent and lists its weights. */
status weights_open(compress *c, const char *path) MUST_USE;
void weights_close(compress *c);
/* Of a model that is nowhere yet: names, shapes and formats (as a builder's), without contents. */
status weights_imagine(compress *c, const model_config *config,
                       const num_format *(*format)(void *user, const char *name, int32_t rank),
                       void *user) MUST_USE;
/* Instead of all weights, those of a new model of that preset, drawn by the seed: the parent's vocabulary, special
 * tokens and number format. */
status weights_restart(compress *c, const char *preset) MUST_USE;
weight *weights_find(const compress *c, const char *name); /* NULL: none */
/* The format of a weight as it is now, for a builder (model_build.format, the user is the compress). */
const num_format *weights_format(void *c, const char *name, int32_t rank);
/* Rows [from, to) along the innermost axis in floats. */
void weights_rows(const weight *w, int64_t from, int64_t to, float *out);
/* All values; `out` holds tensor_elems. */
void weights_values(const weight *w, float *out);
/* Takes over `data` (context_alloc) as the contents in `format`; a dry run changes the format only. */
void weights_replace(compress *c, weight *w, const num_format *format, void *data);
/* The values in the float format that the weight has, or in f32. */
status weights_set_values(compress *c, weight *w, const float *values) MUST_USE;
/* Another shape, with new values in the weight's float format. */
status weights_reshape(compress *c, weight *w, const int64_t *dim, const float *values) MUST_USE;
void weights_count(const compress *c, int64_t *parameters, int64_t *bytes);
/* Finds the products, as the configuration is now. */
status products_find(compress *c) MUST_USE;
/* What the zeros of the products tell of a model that comes pruned: COMPRESS_SPARSE where they are about half of it or
 * more, COMPRESS_TWO_FOUR. Some rows of each are looked at. */
status products_zeros(compress *c, uint32_t *facts) MUST_USE;
/* All parameters bound to a new store under the graph's names: `c` must outlive it. */
status weights_bind(compress *c, const graph *g, states *out) MUST_USE;
/* The graph of a model of this configuration; formats as a builder's, NULL: f32. */
status weights_build(compress *c, const model_config *config,
                     const num_format *(*format)(void *user, const char *name, int32_t rank),
                     void *user, graph **out) MUST_USE;
/* The graph of the whole model as it is now, unmarked inputs of one row: what there is to save. */
status weights_graph(compress *c, graph **out) MUST_USE;

#endif
