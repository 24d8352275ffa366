/* The other way of store/packed.h: a matrix in an integer format of num/ as the tensors of a quantiser. */
#ifndef STORE_PACKED_WRITE_H
#define STORE_PACKED_WRITE_H

#include "base/json_write.h"
#include "store/packed.h"

enum { PACKED_PARTS = 4 };

/* One of the tensors: BASE.SUFFIX. */
typedef struct packed_part {
    const char *suffix, *dtype; /* as safetensors calls it */
    int32_t n_dims;
    int64_t shape[2];
} packed_part;

/* How codes of this format in rows of k are told; refuses by name what the method has no place for. */
status packed_write_recipe(context *cx, packed_method method, const num_format *format, int64_t n,
                           int64_t k, packed_recipe *out) MUST_USE;
/* The tensors of a matrix [n, k]; their number. */
int32_t packed_write_parts(const packed_recipe *recipe, int64_t n, int64_t k,
                           packed_part out[PACKED_PARTS]);
/* Part `index` of the matrix at `data`, rows in `format`. */
status packed_write_part(context *cx, const packed_recipe *recipe, const num_format *format,
                         const void *data, int64_t n, int64_t k, int32_t index,
                         file_writer *out) MUST_USE;
/* The object of config.json. */
void packed_write_config(json_writer *w, const packed_recipe *recipe);

#endif
