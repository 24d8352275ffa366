/* Sizes that people ask for by name. The small ones are Llama-style with tied embeddings and a vocabulary
 * that a tokenizer's own replaces; the others have the published shapes. */
#include "model/kit/model.h"
#include <string.h>

typedef struct preset {
    const char *name, *model_type;
    int64_t layers, hidden, heads, kv_heads, intermediate, vocabulary, positions;
    bool tied;
} preset;

static const preset presets[] = {
    {"1m", "llama", 4, 128, 4, 4, 352, 2048, 512, true},
    {"3m", "llama", 6, 192, 6, 6, 512, 2048, 512, true},
    {"5m", "llama", 6, 256, 8, 8, 688, 2048, 512, true},
    {"10m", "llama", 7, 320, 5, 5, 864, 4096, 512, true},
    {"25m", "llama", 7, 512, 8, 8, 1376, 4096, 512, true},
    {"llama-110m", "llama", 12, 768, 12, 12, 2048, 32000, 1024, true},
    {"gpt2-124m", "gpt2", 12, 768, 12, 12, 3072, 50257, 1024, true},
    {"llama-350m", "llama", 24, 1024, 16, 16, 2736, 32000, 1024, false},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 8192, 128256, 131072, true},
};

const char *const model_preset_names[] = {
    "1m", "3m", "5m", "10m", "25m", "llama-110m", "gpt2-124m", "llama-350m", "llama-3.2-1b", NULL};

static void like_llama32(model_config *c) {
    c->rope.type = MODEL_ROPE_LLAMA3;
    c->rope.theta = 500000;
    c->rope.factor = 32;
    c->rope.low_factor = 1;
    c->rope.high_factor = 4;
    c->rope.original_positions = 8192;
    c->begin_token = 128000;
    c->end_tokens[0] = 128001;
    c->end_token_count = 1;
}

status model_preset(context *cx, const char *name, model_config *out) {
    const preset *p = NULL;
    for (int64_t i = 0; i < COUNT_OF(presets); i++)
        if (!strcmp(presets[i].name, name)) p = &presets[i];
    if (!p)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "there is no preset '%s'; there are 1m, 3m, 5m, 10m, 25m, llama-110m, gpt2-124m, "
             "llama-350m, llama-3.2-1b",
             name);
    TRY(model_config_start(cx, p->model_type, out));
    out->layers = p->layers;
    out->hidden = p->hidden;
    out->heads = p->heads;
    out->kv_heads = p->kv_heads;
    out->intermediate = p->intermediate;
    out->vocabulary = p->vocabulary;
    out->positions = p->positions;
    out->tied = p->tied;
    out->norm_epsilon = 1e-5;
    if (!strcmp(name, "llama-3.2-1b")) like_llama32(out);
    return model_config_complete(cx, out);
}
