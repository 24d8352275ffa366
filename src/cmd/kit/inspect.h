/* What a model's files say, gathered for `hone inspect`. A part that Hone does not understand does
 * not hide the others: it becomes a refusal, and the reading goes on. */
#ifndef CMD_KIT_INSPECT_H
#define CMD_KIT_INSPECT_H

#include "model/kit/config.h"
#include "store/modelfile.h"

typedef struct inspect_refusal {
    status code;
    const char *part; /* "weights", "format", "config", "tokenizer", "template" */
    const char *why;
    struct inspect_refusal *next;
} inspect_refusal;

typedef struct inspect_total {
    const modelfile_tensor *first; /* of this format */
    int64_t n_tensors, elems, size_bytes;
    struct inspect_total *next;
} inspect_total;

typedef struct inspection {
    context *cx;
    arena *memory;
    const char *path;
    bool is_open; /* the weights */
    modelfile file;
    inspect_total *totals; /* by first use */
    bool has_config;
    model_config config;
    const char *tokenizer; /* its kind; NULL: none */
    int64_t tokenizer_size;
    bool has_template;
    inspect_refusal *refusals;
} inspection;

/* Fails only for a path that is not there and for want of memory. inspect_close must follow. */
status inspect_read(context *cx, arena *memory, const char *path, inspection *out) MUST_USE;
/* Fine on a zeroed one. */
void inspect_close(inspection *in);

#endif
