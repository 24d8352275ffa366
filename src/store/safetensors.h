/* safetensors: named tensors behind a JSON header (https://huggingface.co/docs/safetensors).
 *
 *   file = [u64 header_bytes, little-endian][header, padded with spaces][data]
 *   header = {"__metadata__": {"format": "pt", ...},
 *             "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *
 * Offsets count from the start of the data. The tensors must fill the data exactly: no gap, no
 * overlap, nothing behind the last one. A model larger than one file comes as shards and an index,
 *   model.safetensors.index.json = {"metadata": {...}, "weight_map": {"name": "file", ...}}.
 * Files are mapped, never read whole; a tensor's data points into the mapping and may be unaligned.
 * Everything is checked at opening, so that what is listed can be read. */
#ifndef STORE_SAFETENSORS_H
#define STORE_SAFETENSORS_H

#include "base/arena.h"
#include "base/file.h"

enum { SAFETENSORS_MAX_DIMS = 8 };

typedef struct safetensors_dtype {
    const char *name;
    int32_t bits;
} safetensors_dtype;

typedef struct safetensors_tensor {
    const char *name;
    const safetensors_dtype *dtype;
    int32_t n_dims, file; /* file: index into files */
    int64_t shape[SAFETENSORS_MAX_DIMS];
    int64_t begin, size_bytes; /* within the file's data */
    const void *data;
} safetensors_tensor;

typedef struct safetensors_pair {
    const char *key, *value;
} safetensors_pair;

typedef struct safetensors_file {
    const char *path;
    file_map map;
} safetensors_file;

typedef struct safetensors {
    context *cx;
    arena memory;
    safetensors_tensor *tensors; /* by name */
    int64_t n_tensors;
    safetensors_pair *metadata; /* of the first file that has any */
    int64_t n_metadata;
    safetensors_file *files;
    int32_t n_files;
} safetensors;

/* Opens one file, an index of shards, or a folder with model.safetensors or
 * model.safetensors.index.json. A folder that holds only PyTorch pickles is refused with a hint. */
status safetensors_open(context *cx, const char *path, safetensors *out) MUST_USE;
/* The same for one file's bytes, which must outlive it; `name` is what errors call it. */
status safetensors_open_bytes(context *cx, const char *name, const void *bytes, int64_t size_bytes,
                              safetensors *out) MUST_USE;
/* Fine on a zeroed one. */
void safetensors_close(safetensors *s);

/* NULL when there is none. */
const safetensors_tensor *safetensors_find(const safetensors *s, const char *name);
const safetensors_dtype *safetensors_find_dtype(const char *name);
/* Bytes of a tensor of this shape; false when an extent is negative, the size overflows, or the
 * last byte is not whole. */
bool safetensors_size(const safetensors_dtype *dtype, const int64_t *shape, int32_t n_dims,
                      int64_t *size_bytes);

/* ---- writing ---- */

typedef struct safetensors_source {
    const char *name, *dtype;
    int32_t n_dims;
    int64_t shape[SAFETENSORS_MAX_DIMS];
    const void *data; /* NULL: `produce` writes it */
} safetensors_source;

typedef struct safetensors_contents {
    const safetensors_source *tensors;
    int64_t n_tensors;
    const safetensors_pair *metadata; /* besides format: pt */
    int64_t n_metadata;
    /* Writes exactly the bytes of tensor `index`. */
    status (*produce)(void *user, int64_t index, file_writer *out);
    void *user;
} safetensors_contents;

/* Within a file, tensors of wider types come first, then by name: each is aligned to its type. */
status safetensors_write(context *cx, const char *path, const safetensors_contents *c) MUST_USE;
/* Writes FOLDER/model.safetensors, or, above `shard_bytes` (0: 5 GB), shards in the order given and
 * the index last. A single tensor may exceed `shard_bytes`. */
status safetensors_write_folder(context *cx, const char *folder, const safetensors_contents *c,
                                int64_t shard_bytes) MUST_USE;

#endif
