#include "model/kit/gguf_names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `#` stands for the number of the layer. Names are without their last part (.weight, .bias), unless they are
 * whole. `type`: of this model type only. `second`: the other of two tensors that take turns. */
typedef struct pair {
    const char *state, *gguf, *type;
    gguf_contents_kind kind;
    bool whole;
    const char *second;
} pair;

static const pair pairs[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "llama", GGUF_PAIRS},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "llama", GGUF_PAIRS},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "mistral", GGUF_PAIRS},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "mistral", GGUF_PAIRS},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "mixtral", GGUF_PAIRS},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "mixtral", GGUF_PAIRS},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "smollm3", GGUF_PAIRS},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "smollm3", GGUF_PAIRS},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"},
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", "gemma2"},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", "gemma3_text"},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", "olmo2"},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", "gpt_oss"},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"},
    {"model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"},
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"model.layers.#.mlp.c_fc", "blk.#.ffn_up"},
    {"model.layers.#.mlp.c_proj", "blk.#.ffn_down"},
    {"model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
    {"model.layers.#.block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps"},
    {"model.layers.#.block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps"},
    {"model.layers.#.block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps"},
    {"model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"},
    {"model.layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps"},
    {"model.layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps"},
    {"model.layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps"},
    {"model.layers.#.mlp.shared_expert.gate_proj", "blk.#.ffn_gate_shexp"},
    {"model.layers.#.mlp.shared_expert.up_proj", "blk.#.ffn_up_shexp"},
    {"model.layers.#.mlp.shared_expert.down_proj", "blk.#.ffn_down_shexp"},
    {"model.layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp"},
    {"model.layers.#.self_attn.sinks", "blk.#.attn_sinks.weight", .whole = true},
    {"model.layers.#.mlp.router", "blk.#.ffn_gate_inp"},
    {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps.weight", NULL, GGUF_TURNS,
     true, "blk.#.ffn_up_exps.weight"},
    {"model.layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_gate_exps.bias", NULL, GGUF_TURNS,
     true, "blk.#.ffn_up_exps.bias"},
    {"model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps.weight", .whole = true},
    {"model.layers.#.mlp.experts.down_proj_bias", "blk.#.ffn_down_exps.bias", .whole = true},
    {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"transformer.ln_f", "output_norm"},
    {"transformer.h.#.ln_1", "blk.#.attn_norm"},
    {"transformer.h.#.ln_2", "blk.#.ffn_norm"},
    {"transformer.h.#.attn.c_attn", "blk.#.attn_qkv", NULL, GGUF_TRANSPOSED},
    {"transformer.h.#.attn.c_proj", "blk.#.attn_output", NULL, GGUF_TRANSPOSED},
    {"transformer.h.#.mlp.c_fc", "blk.#.ffn_up", NULL, GGUF_TRANSPOSED},
    {"transformer.h.#.mlp.c_proj", "blk.#.ffn_down", NULL, GGUF_TRANSPOSED},
    {"gpt_neox.embed_in", "token_embd"},
    {"gpt_neox.final_layer_norm", "output_norm"},
    {"embed_out", "output"},
    {"gpt_neox.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"gpt_neox.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"gpt_neox.layers.#.attention.query_key_value", "blk.#.attn_qkv", NULL, GGUF_BY_HEAD},
    {"gpt_neox.layers.#.attention.dense", "blk.#.attn_output"},
    {"gpt_neox.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
    {"gpt_neox.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.#.attention.self.query", "blk.#.attn_q"},
    {"encoder.layer.#.attention.self.key", "blk.#.attn_k"},
    {"encoder.layer.#.attention.self.value", "blk.#.attn_v"},
    {"encoder.layer.#.attention.output.dense", "blk.#.attn_output"},
    {"encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm"},
    {"encoder.layer.#.intermediate.dense", "blk.#.ffn_up"},
    {"encoder.layer.#.output.dense", "blk.#.ffn_down"},
    {"encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm"},
};

/* Whether `name` up to `end` is the pattern; *layer: where its number stands, or NULL. */
static bool fits(const char *pattern, const char *name, const char *end, const char **layer) {
    *layer = NULL;
    while (*pattern && name < end) {
        if (*pattern == '#') {
            *layer = name;
            while (name < end && *name >= '0' && *name <= '9') name++;
            if (name == *layer) return false;
            pattern++;
        } else if (*pattern++ != *name++) {
            return false;
        }
    }
    return !*pattern && name == end;
}

/* The pattern with the layer's number for its `#`, and `end` behind it. */
static void name_in_layer(const char *pattern, const char *layer, const char *end, char out[96]) {
    const char *mark = strchr(pattern, '#');
    if (mark)
        snprintf(out, 96, "%.*s%ld%s%s", (int)(mark - pattern), pattern, strtol(layer, NULL, 10),
                 mark + 1, end);
    else
        snprintf(out, 96, "%s%s", pattern, end);
}

bool gguf_name_of(const model_config *c, const char *state, gguf_name *out) {
    const char *last = strrchr(state, '.'), *layer;
    if (!last) return false;
    for (int64_t i = 0; i < COUNT_OF(pairs); i++) {
        const pair *p = &pairs[i];
        const char *end = p->whole ? state + strlen(state) : last;
        if (p->type && strcmp(p->type, c->model_type) != 0) continue;
        if (!fits(p->state, state, end, &layer)) continue;
        bool vector = strcmp(end, ".bias") == 0;
        out->kind = p->kind == GGUF_TRANSPOSED && vector ? GGUF_ALIKE : p->kind;
        if (c->norm_plus_one && strstr(p->gguf, "norm")) out->kind = GGUF_PLUS_ONE;
        name_in_layer(p->gguf, layer, end, out->name);
        if (p->second) name_in_layer(p->second, layer, end, out->second);
        return true;
    }
    return false;
}

int64_t gguf_row_of(const model_config *c, gguf_contents_kind kind, int64_t row) {
    int64_t size = c->head_size, head = row / size, i = row % size;
    if (kind == GGUF_PAIRS) return head * size + i % (size / 2) * 2 + i / (size / 2);
    if (kind == GGUF_BY_HEAD) return (head % 3 * c->heads + head / 3) * size + i;
    return row;
}
