/* A recipe carried out: checked, applied, written, with its lineage. */
#ifndef COMPRESS_KIT_RUN_H
#define COMPRESS_KIT_RUN_H

#include "compress/kit/compress.h"
#include "compress/kit/recipe.h"

/* How a folder holds codes. */
typedef enum compress_container {
    CONTAINER_AUTO, /* GPTQ's tensors where it has such codes */
    CONTAINER_GPTQ,
    CONTAINER_AWQ,
    CONTAINER_COMPRESSED,
    CONTAINER_VALUES, /* as the floats that they stand for */
    CONTAINER_SPARSE24 /* floats of which two of every four are kept, as compressed-tensors has them */
} compress_container;
#define COMPRESS_CONTAINERS "auto", "gptq", "awq", "compressed-tensors", "values", "sparse-24"

typedef struct compress_options {
    const char *model, *out; /* out: *.gguf, else a folder */
    const char *recipe;
    const char *calib; /* NULL: none */
    int64_t calib_sequences, calib_length, seed;
    int threads;
    compress_container container;
    const compress_method *const
        *methods; /* besides those of the program, closed by NULL; may be NULL */
    /* Of a model that is made again (compress_rerun_read): its lineage and the hashes in it; else NULL. */
    const char *repeats, *repeats_tensors, *repeats_parent, *repeats_calib;
    const source *repeats_sources;
} compress_options;

typedef struct compress_result {
    int64_t parameters, bytes; /* of the weights */
    double bits_per_weight, flops, seconds;
    int64_t peak_bytes;
    char sha256[65]; /* of the weights, tensor by tensor */
    char note[160];  /* what was decided on the way, and why; may be empty */
} compress_result;

status compress_run(context *cx, const compress_options *o, compress_result *out) MUST_USE;

/* Sets what the lineage of `path` tells, in `mem`: recipe, calibration, seed, container; the model too unless o has one
 * (the parent, which has been moved). */
status compress_rerun_read(arena *mem, const char *path, compress_options *o) MUST_USE;

/* ---- inside ---- */

/* A recipe with its methods, by step. */
typedef struct chain {
    recipe r;
    const compress_method **methods;
    const void **options;
    bool calibrates;
} chain;
status chain_bind(arena *mem, const compress_options *o, chain *out) MUST_USE;
/* All of the methods' checks. */
status chain_check(compress *c, const compress_options *o, const chain *k) MUST_USE;
/* Step number i. */
status chain_apply(compress *c, const chain *k, int64_t i) MUST_USE;
status calibrate_open(compress *c, const compress_options *o) MUST_USE;
/* Whether weights of which two of every four are 0 are stored so: as o->container says, which under `auto` becomes what
 * is measured to decode faster. */
status twofour_decide(compress *c, compress_options *o, compress_result *r) MUST_USE;
/* Whether the file can hold what the checks foresee. */
status save_check(compress *c, const compress_options *o) MUST_USE;
status save_model(compress *c, const compress_options *o, compress_result *r) MUST_USE;
/* Whether the parent and the text are those of the lineage that is repeated. */
status provenance_check(compress *c, const compress_options *o) MUST_USE;
/* The lineage object of what is being written. */
status provenance_text(compress *c, const compress_options *o, const compress_result *r,
                       const char **out) MUST_USE;

#endif
