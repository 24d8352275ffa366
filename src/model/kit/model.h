/* Models as graphs. An architecture is one file, model/NAME.c, with `const model_def model_NAME`:
 * its types and keys of config.json, and how its graph is built from shared blocks (kit/blocks.h).
 *
 * A builder gives the plain forward graph over ragged rows, sequences laid end to end, and knows
 * nothing of training, paging or precision. States carry the names and shapes of the Hugging Face
 * folder ("model.layers.0.self_attn.q_proj.weight", [out, in]), so that files bind by name and a
 * save is a dump. Parameters have TAG_PARAMETER; tables that follow from the configuration alone
 * (rope frequencies) are states with TAG_INPUT, which loading and initialising fill. Nodes of layer
 * i carry the region 1 + i. */
#ifndef MODEL_KIT_MODEL_H
#define MODEL_KIT_MODEL_H

#include "exec/states.h"
#include "model/kit/config.h"
#include "store/modelfile.h"

typedef struct model_inputs {
    value ids, positions, offsets; /* i32 [tokens], i32 [tokens], i32 [sequences + 1] */
} model_inputs;

typedef struct model_def model_def;

/* What a builder may ask for. */
typedef struct model_build {
    graph *g;
    const model_config *config;
    const model_def *def; /* NULL: by the configuration's type */
    /* Storage format of the state of that name; NULL: f32. */
    const num_format *(*format)(void *user, const char *name, int32_t rank);
    void *user;
    double dropout;
} model_build;

typedef struct model_variant {
    const char *model_type;
    const char *classes[4];            /* the first is written, all are read */
    const char *gguf;                  /* what GGUF calls it; NULL: it has no name for it */
    void (*defaults)(model_config *c); /* what transformers assumes of this type; may be NULL */
} model_variant;

struct model_def {
    const char *name, *help;
    const model_variant *variants; /* closed by {0} */
    const model_key *keys;         /* besides those that all share; NULL: none */
    const char *prefix;            /* of the base model's tensors, which some files leave out */
    bool in_by_out;                /* linear weights are [in, out] in folders */
    bool experts_across; /* matrices of experts are [experts, inputs, outputs], in blocks turned */
    bool layer_norms;    /* rather than rms_norms */
    bool turns;          /* positions by rope */
    /* After reading: what depends on several keys; may be NULL. */
    status (*complete)(context *cx, model_config *c);
    value (*layer)(model_build *b, model_inputs in, value x, int64_t layer);
    /* Embedding, layers, last norm; NULL: as Llama (block_hidden). */
    value (*hidden)(model_build *b, model_inputs in);
    value (*logits)(model_build *b, value hidden); /* NULL: an encoder, which has no vocabulary */
};
extern const model_def *const registry_model[];

/* The architecture of a config.json's model_type, or NULL; *variant may be NULL. */
const model_def *model_find(const char *model_type, const model_variant **variant);

/* Whether folders of this type hold that weight [inputs, outputs]. So do states, but with config->upright: GGUF and
 * codes have it [outputs, inputs], a model that is opened from them is upright, and any other may be made so before
 * its graph is built. Loading and saving turn what lies the other way. */
bool model_lies_across(const model_config *c, const char *state);

/* Inputs "ids", "positions", "offsets" over the symbols "tokens" and "sequences". */
model_inputs model_build_inputs(graph *g, int64_t tokens, int64_t sequences);
/* After the final norm: [tokens, hidden]. */
value model_hidden(model_build *b, model_inputs in);
/* [rows, vocabulary], of any rows of the hidden values. */
value model_logits(model_build *b, value hidden);

/* An open model: a folder or a GGUF file. */
typedef struct model {
    context *cx;
    arena memory;
    const char *path;
    model_config config;
    const model_def *def;
    modelfile file;
} model;

/* Refuses a path where nothing is; model_open does so too. */
status model_check_there(context *cx, const char *path) MUST_USE;
status model_open(context *cx, const char *path, model **out) MUST_USE;
void model_close(model *m); /* NULL is fine */

/* A format callback of model_build, with the model as `user`: matrices as the file stores them,
 * vectors in f32. */
const num_format *model_stored_format(void *m, const char *name, int32_t rank);

/* Fills the states that the graph asks for and the store lacks. A state that the graph only reads
 * lies in the mapped file where format and alignment allow, so the model must outlive the store. A
 * tensor of a layer that the graph does not know is refused: it would be another architecture. */
status model_load(model *m, states *s, const graph *g) MUST_USE;

/* Writes a Hugging Face folder: config.json and the store's parameters in a float format
 * ("f32", "bf16", "f16"; NULL: each as it is stored, matrices of codes as config->packed tells them). */
status model_save(context *cx, const char *folder, const model_config *config, const states *s,
                  const char *format) MUST_USE;

/* Draws initial weights of the states that the graph asks for: matrices from a normal distribution
 * of the configuration's initializer_range, those that write into the residual stream divided by
 * sqrt(2 layers) (Radford et al., GPT-2); norms 1, biases 0. Each by its name and seed alone. */
status model_init(const model_config *config, states *s, const graph *g, uint64_t seed) MUST_USE;
/* Fills only the tables that follow from the configuration. */
status model_fill_tables(const model_config *config, states *s, const graph *g) MUST_USE;

/* Sizes by name: NULL-closed list of names; a configuration of one. */
extern const char *const model_preset_names[];
status model_preset(context *cx, const char *name, model_config *out) MUST_USE;

#endif
