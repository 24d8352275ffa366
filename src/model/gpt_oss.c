/* gpt-oss (OpenAI 2025): Llama's attention with a sink logit in each head and a window in every other layer, and
 * experts whose gates are clamped,
 *   [g, u] = h w1[e] + b1[e], columns taking turns;  y = (clamp(u) + 1) min(g, limit) sigmoid(1.702 g)
 *   weights: softmax over the chosen router logits alone
 * Expert matrices are [experts, inputs, outputs] in the folder; in MXFP4 they are blocks along the inputs of
 * each output, and the states then are [experts, outputs, inputs]. */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/fill.h"
#include "ops/gather.h"
#include "ops/grouped_matmul.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/topk.h"
#include "ops/unary.h"

static const double steepness = 1.702;

static value products(model_build *b, value x, value ids, int64_t inputs, int64_t outputs,
                      const char *at, const char *part) {
    const num_format *f32 = num_find("f32");
    const char *name = block_inside(b, at, part), *bias = block_inside(b, name, "_bias");
    const num_format *format = b->format ? b->format(b->user, name, 3) : f32;
    bool across = !format || format->kind == NUM_FLOAT;
    int64_t experts = b->config->experts;
    int64_t dim[3] = {experts, across ? inputs : outputs, across ? outputs : inputs};
    value w = block_parameter(b, 3, dim, "", name);
    value shift = block_parameter(b, 2, (int64_t[]){experts, outputs}, "", bias);
    grouped_matmul_params p = {.across = across, .format = f32};
    return graph_name(b->g, build_grouped_matmul(b->g, &p, x, w, ids, shift), "%s", name);
}

/* Every other column of the last axis, from `first` on. */
static value turns(graph *g, value x, int64_t first) {
    value pairs = build_reshape(g, x, 2, 1, 2, (int64_t[]){0, 2});
    return build_merge(g, build_slice(g, pairs, 3, first, 1), 2, 2);
}

static value at_most(graph *g, value x, double limit) {
    return build_min(g, x, build_fill(g, x, limit));
}

static value gate(model_build *b, value both) {
    graph *g = b->g;
    double limit = b->config->gate_limit;
    value open = at_most(g, turns(g, both, 0), limit);
    value up = at_most(g, turns(g, both, 1), limit);
    up = build_max(g, up, build_fill(g, up, -limit));
    value glu = build_mul(g, open, build_sigmoid(g, build_scale(g, open, steepness, 0)));
    return build_mul(g, build_scale(g, up, 1, 1), glu);
}

static value mlp(model_build *b, value x, const char *at) {
    const model_config *c = b->config;
    graph *g = b->g;
    value odds = block_linear(b, x, c->experts, true, at, "mlp.router");
    value best = build_topk(g, odds, (int32_t)c->experts_per_token);
    value ids = {best.node, best.out + 1};
    value both =
        products(b, x, ids, c->hidden, 2 * c->intermediate, at, "mlp.experts.gate_up_proj");
    value y =
        products(b, gate(b, both), ids, c->intermediate, c->hidden, at, "mlp.experts.down_proj");
    value weights = build_reshape(g, build_softmax(g, best), 2, 0, 1, (int64_t[]){1});
    return build_sum(g, build_mul(g, y, weights), 2, false);
}

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    value h = block_rms_norm(b, x, at, "input_layernorm");
    x = build_add(b->g, x, block_dropout(b, block_attention(b, in, h, i, at)));
    h = mlp(b, block_rms_norm(b, x, at, "post_attention_layernorm"), at);
    return build_add(b->g, x, block_dropout(b, h));
}

static void defaults(model_config *c) {
    c->norm_epsilon = 1e-5;
    c->rope.theta = 150000;
    c->attention_bias = c->sinks = true;
    c->window_every = 2;
    c->experts_per_token = 4;
    c->gate_limit = 7;
}

static status complete(context *cx, model_config *c) {
    if (!c->experts) FAIL(cx, STATUS_BAD_DATA, "the key 'num_local_experts' is missing");
    c->output_bias = c->attention_bias;
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_INTEGER("num_local_experts", experts, 1, 1 << 16),
    MODEL_INTEGER("num_experts", experts, 1, 1 << 16),
    MODEL_INTEGER("num_experts_per_tok", experts_per_token, 1, 1 << 16),
    MODEL_INTEGER("experts_per_token", experts_per_token, 1, 1 << 16),
    MODEL_NUMBER("swiglu_limit", gate_limit, 0, 1e6),
    MODEL_BOOL("attention_bias", attention_bias),
    MODEL_MUST("swiglu_alpha", 1.702),
    MODEL_IGNORED("initial_context_length"),
    {0},
};

const model_def model_gpt_oss = {
    .name = "gpt_oss",
    .help = "gpt-oss",
    .variants =
        (const model_variant[]){{"gpt_oss", {"GptOssForCausalLM"}, "gpt-oss", defaults}, {0}},
    .keys = keys,
    .prefix = "model.",
    .experts_across = true,
    .turns = true,
    .complete = complete,
    .layer = layer,
    .logits = block_logits,
};
