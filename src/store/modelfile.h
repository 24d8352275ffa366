/* The tensors of a model file, whichever container holds them: one list of names, formats, shapes
 * and bytes over safetensors (a file, an index of shards, a folder) and GGUF (a file or its first
 * part). What the container says beyond tensors is reached through `safetensors` and `gguf`. */
#ifndef STORE_MODELFILE_H
#define STORE_MODELFILE_H

#include "num/num.h"
#include "store/gguf.h"
#include "store/safetensors.h"

typedef enum modelfile_kind { MODELFILE_SAFETENSORS, MODELFILE_GGUF } modelfile_kind;

enum { MODELFILE_MAX_DIMS = SAFETENSORS_MAX_DIMS };

typedef struct modelfile_tensor {
    const char *name;
    const char *format_name;  /* lower case: "bf16", "q4_k", "f8_e4m3" */
    const num_format *format; /* NULL: Hone has no format of that name and cannot read the values */
    int32_t n_dims;
    int64_t shape[MODELFILE_MAX_DIMS]; /* outermost first, in both containers */
    const void *data;                  /* maybe unaligned; NULL: only modelfile_rows gives it */
    int64_t size_bytes;
    const struct packed_layer *packed; /* joined from several (store/packed.h), else NULL */
} modelfile_tensor;

typedef struct modelfile {
    context *cx;
    arena memory;
    modelfile_kind kind;
    modelfile_tensor *tensors; /* by name */
    int64_t n_tensors, n_files;
    safetensors safetensors; /* the one that `kind` says is open */
    gguf gguf;
} modelfile;

/* Tells the containers apart by their first bytes. PyTorch pickles are refused with a hint. */
status modelfile_open(context *cx, const char *path, modelfile *out) MUST_USE;
/* Fine on a zeroed one. */
void modelfile_close(modelfile *m);
/* NULL when there is none. */
const modelfile_tensor *modelfile_find(const modelfile *m, const char *name);
/* Rows [from, to) of the innermost axis, in the tensor's format, which must be known. */
status modelfile_rows(const modelfile *m, const modelfile_tensor *t, int64_t from, int64_t to,
                      void *out) MUST_USE;
/* Product of the extents. */
int64_t modelfile_elems(const modelfile_tensor *t);

#endif
