#include "model/kit/blocks.h"
#include "model/kit/rope_frequencies.h"
#include "ops/attention.h"
#include "ops/binary.h"
#include "ops/dropout.h"
#include "ops/gated_mlp.h"
#include "ops/gather.h"
#include "ops/grouped_matmul.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/rope.h"
#include "ops/scale.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/topk.h"
#include "ops/unary.h"
#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 192 };

value block_parameter(model_build *b, int32_t rank, const int64_t *dim, const char *at,
                      const char *name) {
    char whole[NAME_BYTES];
    snprintf(whole, sizeof whole, "%s%s", at, name);
    const num_format *format = b->format ? b->format(b->user, whole, rank) : num_find("f32");
    if (!format)
        return graph_fail(b->g, STATUS_UNSUPPORTED, "there is no format for the state '%s'", whole);
    return graph_state(b->g, whole, type_fixed(format, rank, dim), TAG_PARAMETER);
}

const char *block_layer(model_build *b, const char *prefix, int64_t layer) {
    b->g->region = 1 + (int32_t)layer;
    const char *at = arena_printf(&b->g->mem, "%s%lld.", prefix, (long long)layer);
    if (at) return at;
    (void)graph_fail(b->g, STATUS_NO_MEMORY, "the name of a layer");
    return "";
}

const char *block_inside(model_build *b, const char *at, const char *part) {
    const char *name = arena_printf(&b->g->mem, "%s%s", at, part);
    if (name) return name;
    (void)graph_fail(b->g, STATUS_NO_MEMORY, "the name of a layer's part");
    return "";
}

value block_layers(model_build *b, model_inputs in, value x) {
    for (int64_t i = 0; i < b->config->layers; i++) x = b->def->layer(b, in, x, i);
    b->g->region = 0;
    return x;
}

value block_hidden(model_build *b, model_inputs in) {
    value x = block_embedding(b, in.ids, b->config->vocabulary, "model.", "embed_tokens");
    x = block_layers(b, in, block_dropout(b, x));
    return b->def->layer_norms ? block_layer_norm(b, x, true, "model.", "norm")
                               : block_rms_norm(b, x, "model.", "norm");
}

value block_logits(model_build *b, value hidden) {
    return block_head(b, hidden, "model.embed_tokens", "lm_head");
}

static int64_t columns_of(const model_build *b, value x) {
    if (graph_status(b->g) != STATUS_OK) return 0;
    const type *t = value_type(b->g, x);
    return t->dim[t->rank - 1].add;
}

static value vector(model_build *b, int64_t n, const char *at, const char *part, const char *what) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", part, what);
    return block_parameter(b, 1, &n, at, name);
}

static value matrix(model_build *b, int64_t rows, int64_t columns, const char *at,
                    const char *part) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.weight", part);
    return block_parameter(b, 2, (int64_t[]){rows, columns}, at, name);
}

value block_linear(model_build *b, value x, int64_t outputs, bool bias, const char *at,
                   const char *part) {
    int64_t inputs = columns_of(b, x);
    bool across = b->def->in_by_out && !b->config->upright;
    value w = across ? matrix(b, inputs, outputs, at, part) : matrix(b, outputs, inputs, at, part);
    value y = build_matmul(b->g, x, w, false, !across, num_find("f32"));
    if (bias) y = build_add(b->g, y, vector(b, outputs, at, part, "bias"));
    return graph_name(b->g, y, "%s%s", at, part);
}

value block_embedding(model_build *b, value ids, int64_t rows, const char *at, const char *part) {
    value table = matrix(b, rows, b->config->hidden, at, part);
    return graph_name(b->g, build_embedding(b->g, table, ids, num_find("f32")), "%s%s", at, part);
}

value block_rms_norm(model_build *b, value x, const char *at, const char *part) {
    value w = vector(b, columns_of(b, x), at, part, "weight");
    if (b->config->norm_plus_one) w = build_scale(b->g, w, 1, 1);
    value y = build_rms_norm(b->g, x, w, b->config->norm_epsilon);
    return graph_name(b->g, y, "%s%s", at, part);
}

value block_layer_norm(model_build *b, value x, bool bias, const char *at, const char *part) {
    int64_t columns = columns_of(b, x);
    value w = vector(b, columns, at, part, "weight");
    value shift = bias ? vector(b, columns, at, part, "bias") : NO_VALUE;
    value y = build_layer_norm(b->g, x, w, shift, b->config->norm_epsilon);
    return graph_name(b->g, y, "%s%s", at, part);
}

value block_head_norm(model_build *b, value x, const char *at, const char *part) {
    int64_t size[2] = {0, b->config->head_size};
    value heads = build_reshape(b->g, x, 1, 1, 2, size);
    return build_merge(b->g, block_rms_norm(b, heads, at, part), 1, 2);
}

value block_dropout(model_build *b, value x) {
    if (b->dropout <= 0 || graph_status(b->g) != STATUS_OK) return x;
    return build_dropout(b->g, x, b->dropout, b->g->n_nodes);
}

matmul_act block_act(const model_config *c) {
    static const matmul_act acts[] = {[MODEL_SILU] = ACT_SILU,
                                      [MODEL_GELU] = ACT_GELU,
                                      [MODEL_GELU_TANH] = ACT_GELU_TANH,
                                      [MODEL_RELU] = ACT_RELU};
    return acts[c->activation];
}

value block_activate(model_build *b, value x) {
    switch (b->config->activation) {
    case MODEL_SILU:
        return build_silu(b->g, x);
    case MODEL_GELU:
        return build_gelu(b->g, x);
    case MODEL_GELU_TANH:
        return build_gelu_tanh(b->g, x);
    case MODEL_RELU:
        break;
    }
    return build_relu(b->g, x);
}

value block_columns(model_build *b, value x, int64_t start, int64_t columns) {
    return build_slice(b->g, x, 1, start, columns);
}

value block_rotate(model_build *b, value x, value positions, int64_t layer) {
    const model_config *c = b->config;
    int64_t rotary = rope_rotary(c), pairs = rotary / 2;
    if (c->still[layer] || !rotary) return x;
    bool local = c->slides[layer] && c->local_theta > 0;
    value frequencies = graph_state(b->g, local ? "rope.local_frequencies" : "rope.frequencies",
                                    type_fixed(num_find("f32"), 1, &pairs), TAG_INPUT);
    rope_params p = {
        .head = (int32_t)c->head_size, .rotary = (int32_t)rotary, .scale = rope_scale(c, local)};
    return build_rope(b->g, &p, x, positions, frequencies);
}

value block_attend(model_build *b, model_inputs in, int64_t layer, value q, value k, value v,
                   value sinks) {
    const model_config *c = b->config;
    attention_params p = {.head = (int32_t)c->head_size,
                          .group = (int32_t)(c->heads / c->kv_heads),
                          .scale =
                              1 / sqrt((double)(c->query_scale ? c->query_scale : c->head_size)),
                          .soft_cap = c->attention_cap,
                          .window = c->slides[layer] ? (int32_t)c->window : 0,
                          .causal = !c->encoder};
    value operands[ATTENTION_OPERANDS] = {q, k, v, in.offsets, NO_VALUE, NO_VALUE, sinks};
    return graph_name(b->g, build_attention(b->g, &p, operands), "layers.%lld.attention",
                      (long long)layer);
}

/* The norm of queries or keys that the configuration asks for. */
static value norm_qk(model_build *b, value x, const char *at, const char *part) {
    switch (b->config->qk_norm) {
    case MODEL_QK_HEADS:
        return block_head_norm(b, x, at, part);
    case MODEL_QK_ROWS:
        return block_rms_norm(b, x, at, part);
    case MODEL_QK_PLAIN:
        break;
    }
    return x;
}

value block_attention(model_build *b, model_inputs in, value x, int64_t layer, const char *at) {
    const model_config *c = b->config;
    int64_t columns = c->heads * c->head_size, kv_columns = c->kv_heads * c->head_size;
    value q = block_linear(b, x, columns, c->attention_bias, at, "self_attn.q_proj");
    value k = block_linear(b, x, kv_columns, c->attention_bias, at, "self_attn.k_proj");
    value v = block_linear(b, x, kv_columns, c->attention_bias, at, "self_attn.v_proj");
    q = block_rotate(b, norm_qk(b, q, at, "self_attn.q_norm"), in.positions, layer);
    k = block_rotate(b, norm_qk(b, k, at, "self_attn.k_norm"), in.positions, layer);
    value sinks = c->sinks ? block_parameter(b, 1, &c->heads, at, "self_attn.sinks") : NO_VALUE;
    value y = block_attend(b, in, layer, q, k, v, sinks);
    return block_linear(b, y, c->hidden, c->output_bias, at, "self_attn.o_proj");
}

value block_gated_mlp(model_build *b, value x, int64_t width, const char *at) {
    const model_config *c = b->config;
    value gate = block_linear(b, x, width, c->mlp_bias, at, "gate_proj");
    value up = block_linear(b, x, width, c->mlp_bias, at, "up_proj");
    value y = build_gated_mlp(b->g, gate, up, block_act(c));
    return block_linear(b, y, c->hidden, c->mlp_bias, at, "down_proj");
}

/* The product of each row with the matrices [experts, outputs, inputs] that its ids choose. */
static value chosen_products(model_build *b, value x, value ids, int64_t outputs, const char *at,
                             const char *part) {
    int64_t dim[3] = {b->config->experts, outputs, columns_of(b, x)};
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.weight", part);
    value w = block_parameter(b, 3, dim, at, name);
    grouped_matmul_params p = {.format = num_find("f32")};
    value y = build_grouped_matmul(b->g, &p, x, w, ids, NO_VALUE);
    return graph_name(b->g, y, "%s%s", at, part);
}

value block_experts(model_build *b, value x, const char *at, const block_expert_names *names) {
    const model_config *c = b->config;
    graph *g = b->g;
    value odds = build_softmax(g, block_linear(b, x, c->experts, false, at, names->router));
    value weights = build_topk(g, odds, (int32_t)c->experts_per_token);
    value ids = {weights.node, weights.out + 1};
    if (c->normalize_experts) weights = build_div(g, weights, build_sum(g, weights, 2, true));
    const char *experts = block_inside(b, at, names->experts);
    value gate = chosen_products(b, x, ids, c->expert_intermediate, experts, names->gate);
    value up = chosen_products(b, x, ids, c->expert_intermediate, experts, names->up);
    value y = build_gated_mlp(g, gate, up, block_act(c));
    y = chosen_products(b, y, ids, c->hidden, experts, names->down);
    weights = build_reshape(g, weights, 2, 0, 1, (int64_t[]){1});
    return build_sum(g, build_mul(g, y, weights), 2, false);
}

value block_head(model_build *b, value hidden, const char *embedding, const char *head) {
    const model_config *c = b->config;
    value w = matrix(b, c->vocabulary, c->hidden, "", c->tied ? embedding : head);
    value y = build_matmul(b->g, hidden, w, false, true, num_find("f32"));
    if (c->head_bias) y = build_add(b->g, y, vector(b, c->vocabulary, "", head, "bias"));
    if (c->output_cap > 0) {
        y = build_tanh(b->g, build_scale(b->g, y, 1 / c->output_cap, 0));
        y = build_scale(b->g, y, c->output_cap, 0);
    }
    return graph_name(b->g, y, "logits");
}
