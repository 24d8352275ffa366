/* What a GGUF file calls things, in the terms of a model folder.
 *
 * Tensors: a table of names, NAME.# for layer #, and what differs in contents:
 *   pairs       q and k of Llama and its kin: GGUF has the two elements that rope turns together as neighbouring
 *               rows, the folder in two halves of each head
 *   by head     GPT-NeoX's q, k, v: GGUF has all queries, keys, values; the folder each head's three
 *   plus one    Gemma's norms, which GGUF stores whole and the folder less 1
 *   transposed  GPT-2's products, [in, out] in the folder
 *   turns       gpt-oss' gates and ups, two tensors in GGUF, outputs that take turns in the folder
 * The experts of a layer are one tensor in GGUF, and one state here, whose name has a star in the
 * place of the expert's number. A file without output.weight has tied embeddings.
 *
 * Metadata: the keys of config.json under other names; rope_freqs.weight, and the two tensors of
 * rope_factors_long and short, belong to it. */
#ifndef MODEL_KIT_GGUF_NAMES_H
#define MODEL_KIT_GGUF_NAMES_H

#include "model/kit/model.h"

typedef enum gguf_contents_kind {
    GGUF_ALIKE,
    GGUF_PAIRS,
    GGUF_BY_HEAD,
    GGUF_PLUS_ONE,
    GGUF_TRANSPOSED,
    GGUF_TURNS
} gguf_contents_kind;

typedef struct gguf_name {
    char name[96], second[96]; /* of GGUF_TURNS: the tensor that has the odd outputs */
    gguf_contents_kind kind;
} gguf_name;

/* The GGUF tensor of a state; false if there is none of that name. */
bool gguf_name_of(const model_config *c, const char *state, gguf_name *out);
/* The row of the GGUF tensor that holds row `row` of the state (kinds that move rows). */
int64_t gguf_row_of(const model_config *c, gguf_contents_kind kind, int64_t row);

/* The metadata of a file as a description; `name` is what errors call it. */
status gguf_config_read(context *cx, const char *name, const gguf *g, model_config *out) MUST_USE;

/* A list of metadata that grows; `st` is the first error. */
enum { GGUF_MOST_PAIRS = 96 };
typedef struct gguf_pairs {
    arena *memory;
    gguf_pair items[GGUF_MOST_PAIRS];
    int64_t count;
    status st;
} gguf_pairs;
/* A new pair of this key, whose value the caller sets. */
gguf_pair *gguf_pair_add(gguf_pairs *p, const char *key);
/* A description as metadata; what GGUF cannot say is refused. */
status gguf_config_write(context *cx, gguf_pairs *p, const model_config *c) MUST_USE;

/* Whether the factors of rope are alike at all lengths, so that the file has them as rope_freqs.weight; Phi-3 has two
 * lists in any case. */
bool gguf_rope_is_one_list(const model_config *c);

/* What a written file holds besides the parameters. */
typedef struct gguf_saving {
    /* Format of a matrix by its state's name, of those that GGUF knows; NULL: as it is stored. */
    const num_format *(*format)(void *user, const char *state, int32_t rank);
    void *user;
    const gguf_pair *pairs; /* the tokenizer's, besides those of the configuration */
    int64_t n_pairs;
} gguf_saving;

/* Writes the store's parameters as one GGUF file. Vectors are f32. */
status model_save_gguf(context *cx, const char *path, const model_config *config, const states *s,
                       const gguf_saving *how) MUST_USE;

#endif
