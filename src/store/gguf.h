/* GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, little-endian.
 *
 *   file = ["GGUF"][u32 version][u64 tensors][u64 pairs]
 *          pairs   x [string key][u32 type][value]
 *          tensors x [string name][u32 dims][u64 extent, innermost first]...[u32 type][u64 offset]
 *          padding to `alignment` [data]
 *   string = [u64 bytes][bytes]       array = [u32 type][u64 count][items]
 *
 * Offsets count from the start of the data and are multiples of general.alignment (32 unless said).
 * A model may come in parts NAME-00001-of-000NN.gguf: the first holds the metadata, each says
 * split.no and split.count. Files are mapped; every count and offset is checked against what the
 * file can hold before memory is taken for it. */
#ifndef STORE_GGUF_H
#define STORE_GGUF_H

#include "base/arena.h"
#include "base/file.h"

enum { GGUF_MAX_DIMS = 4, GGUF_DEFAULT_ALIGNMENT = 32 };

typedef enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES,
} gguf_type;

/* Not closed by a zero, not checked to be UTF-8. */
typedef struct gguf_string {
    const char *bytes;
    int64_t length;
} gguf_string;

typedef struct gguf_value gguf_value;
struct gguf_value {
    gguf_type type;
    gguf_type item_type; /* GGUF_ARRAY only */
    int64_t count;       /* GGUF_ARRAY only */
    union {
        int64_t integer;          /* signed types and those up to U32; bool as 0 or 1 */
        uint64_t whole;           /* U64 */
        double number;            /* F32, F64 */
        gguf_string text;         /* STRING */
        const void *items;        /* array of numbers or bools as in the file, maybe unaligned */
        const gguf_string *texts; /* array of strings */
        const gguf_value *arrays; /* array of arrays */
    };
};

typedef struct gguf_pair {
    const char *key;
    gguf_value value;
} gguf_pair;

/* How tensors are stored. */
typedef struct gguf_dtype {
    uint32_t id;
    const char *name; /* lower case, as in src/num where it is there */
    int32_t block_elems, block_bytes;
} gguf_dtype;

typedef struct gguf_tensor {
    const char *name;
    const gguf_dtype *dtype;
    int32_t n_dims, file;
    int64_t shape[GGUF_MAX_DIMS]; /* innermost first */
    int64_t begin, size_bytes;    /* within the file's data */
    const void *data;
} gguf_tensor;

typedef struct gguf_file {
    const char *path;
    file_map map;
} gguf_file;

typedef struct gguf {
    context *cx;
    arena memory;
    uint32_t version;
    int64_t alignment;
    gguf_pair *pairs; /* of the first file, in its order */
    int64_t n_pairs;
    gguf_tensor *tensors; /* of all files, in their order */
    int64_t n_tensors;
    const gguf_pair **by_key;
    const gguf_tensor **by_name;
    gguf_file *files;
    int32_t n_files;
} gguf;

/* Of a model in parts, the path of the first part. */
status gguf_open(context *cx, const char *path, gguf *out) MUST_USE;
/* One file's bytes, which must outlive it; parts are refused. */
status gguf_open_bytes(context *cx, const char *name, const void *bytes, int64_t size_bytes,
                       gguf *out) MUST_USE;
/* Fine on a zeroed one. */
void gguf_close(gguf *g);

/* NULL when there is none. */
const gguf_value *gguf_find(const gguf *g, const char *key);
const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name);
const gguf_dtype *gguf_dtype_of_id(uint32_t id);
const gguf_dtype *gguf_dtype_of_name(const char *name);
const char *gguf_type_name(gguf_type type);

/* The value of a key that must be there: any whole type within lo..hi; any number; a string. */
status gguf_integer(const gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out) MUST_USE;
status gguf_number(const gguf *g, const char *key, double *out) MUST_USE;
status gguf_text(const gguf *g, const char *key, gguf_string *out) MUST_USE;
/* The array of a key that must be there, of this type of items. */
status gguf_array(const gguf *g, const char *key, gguf_type item_type,
                  const gguf_value **out) MUST_USE;
/* Item of an array of numbers or bools as a scalar value. */
gguf_value gguf_item(const gguf_value *array, int64_t index);

/* Bytes of a tensor of this shape; false when an extent is negative, the innermost one is not whole
 * blocks, or the size overflows. */
bool gguf_size(const gguf_dtype *dtype, const int64_t *shape, int32_t n_dims, int64_t *size_bytes);
/* Bytes of a scalar; 0 for strings and arrays. */
int32_t gguf_type_bytes(gguf_type type);

/* ---- writing, version 3 ---- */

typedef struct gguf_source {
    const char *name;
    const gguf_dtype *dtype;
    int32_t n_dims;
    int64_t shape[GGUF_MAX_DIMS]; /* innermost first */
    const void *data;             /* NULL: `produce` writes it */
} gguf_source;

typedef struct gguf_contents {
    const gguf_pair *pairs; /* general.alignment among them sets the alignment */
    int64_t n_pairs;
    const gguf_source *tensors;
    int64_t n_tensors;
    /* Writes exactly the bytes of tensor `index`. */
    status (*produce)(void *user, int64_t index, file_writer *out);
    void *user;
} gguf_contents;

status gguf_write(context *cx, const char *path, const gguf_contents *c) MUST_USE;
/* Writes PREFIX.gguf, or, when the tensors exceed `part_bytes`, PREFIX-00001-of-000NN.gguf ... A
 * single tensor may exceed `part_bytes`. */
status gguf_write_parts(context *cx, const char *prefix, const gguf_contents *c,
                        int64_t part_bytes) MUST_USE;

#endif
