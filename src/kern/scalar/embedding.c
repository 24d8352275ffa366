/* Rows of a table with shared scales, unpacked one by one: a vocabulary's table stays as it is stored, and a step reads
 * the rows of its tokens. A unit is one row; an id that is negative or past the end picks zeros. */
#include "dev/kernel.h"
#include "ops/gather.h"
#include <string.h>

enum { TABLE, IDS };

static int64_t units(const call *c) {
    return c->in[IDS].dim[0];
}

static int64_t scratch_bytes(const call *c) {
    return c->in[TABLE].dim[1] * (int64_t)sizeof(float);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const tensor *table = &c->in[TABLE], *y = &c->out[0];
    const int32_t *ids = c->in[IDS].data;
    int64_t columns = table->dim[1], in_bytes = num_row_bytes(table->format, columns);
    int64_t out_bytes = num_row_bytes(y->format, columns);
    for (int64_t i = from; i < to; i++) {
        char *out = (char *)y->data + i * out_bytes;
        if (ids[i] < 0 || ids[i] >= table->dim[0]) {
            memset(out, 0, (size_t)out_bytes);
            continue;
        }
        table->format->unpack((const char *)table->data + ids[i] * in_bytes, 0, columns, scratch);
        y->format->pack(scratch, columns, out);
    }
}

static bool supports(const kernel_query *q, reason *why) {
    const num_format *table = q->in[TABLE]->format;
    if (strcmp(q->in[IDS]->format->name, "i32") != 0)
        return refuse(why, "ids are %s", q->in[IDS]->format->name);
    return table->kind == NUM_BLOCK ||
           refuse(why, "the table is %s, whose values stand alone", table->name);
}

static const kernel_def kernel = {.name = "scalar.embedding",
                                  .op = &op_embedding,
                                  .isa = "scalar",
                                  .order = 1,
                                  .supports = supports,
                                  .scratch_bytes = scratch_bytes,
                                  .units = units,
                                  .run = run,
                                  .tolerance = 0x1p-24};

const kernel_def *const kernels_scalar_embedding[] = {&kernel, NULL};
