/* The cases of `hone bench ops`, each a small graph. */
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench.h"
#include "ops/act_bwd.h"
#include "ops/attention.h"
#include "ops/binary.h"
#include "ops/cast.h"
#include "ops/cross_entropy.h"
#include "ops/gated_mlp.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/optimiser.h"
#include "ops/rope.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static value input(graph *g, const char *name, const char *format, int64_t m, int64_t n) {
    const int64_t dim[] = {m, n};
    return graph_input(g, name, type_fixed(num_find(format), n ? 2 : m ? 1 : 0, dim));
}
static value parameter(graph *g, const char *name, const char *format, int64_t m, int64_t n) {
    const int64_t dim[] = {m, n};
    return graph_state(g, name, type_fixed(num_find(format), n ? 2 : 1, dim), TAG_PARAMETER);
}
static void output(graph *g, value v) {
    char name[24];
    snprintf(name, sizeof name, "y%d.%d", v.node, v.out);
    graph_mark(g, MARK_OUTPUT, name, v, NO_VALUE);
}
static void outputs(graph *g, value y) {
    for (int32_t o = 0; !value_absent(y) && o < value_node(g, y)->n_out; o++)
        output(g, (value){y.node, o});
}

/* ---- matrix products; int8 gives f32, with a scale for a whole tensor where K runs across rows ---- */
static const num_format *product_format(const bench_case *c) {
    const num_format *f = num_find(c->format);
    return f->kind == NUM_FLOAT ? f : num_find("f32");
}
static void packed(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->k), w = parameter(g, "w", c->format, c->n, c->k);
    output(g, build_matmul(g, x, w, false, true, product_format(c)));
}
static void forward(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->k), w = input(g, "w", c->format, c->n, c->k);
    output(g, build_matmul(g, x, w, false, true, product_format(c)));
}
static void dx(graph *g, const bench_case *c) {
    value dy = input(g, "dy", c->format, c->m, c->k), w = input(g, "w", c->format, c->k, c->n);
    output(g, build_matmul(g, dy, w, false, false, product_format(c)));
}
static void dw(graph *g, const bench_case *c) {
    value dy = input(g, "dy", c->format, c->k, c->m), x = input(g, "x", c->format, c->k, c->n);
    output(g, build_matmul(g, dy, x, true, false, product_format(c)));
}
/* As a training step has them: weights packed, sums onto an f32 residual, gradients of weights in f32. */
static void onto(graph *g, const bench_case *c) {
    const matmul_params p = {.trans_b = true};
    value in[] = {input(g, "x", c->format, c->m, c->k), parameter(g, "w", c->format, c->n, c->k),
                  parameter(g, "bias", "f32", c->n, 0), input(g, "rest", "f32", c->m, c->n)};
    output(g, graph_add(g, &op_matmul, &p, 4, in));
}
static void back(graph *g, const bench_case *c) {
    value dy = input(g, "dy", c->format, c->m, c->k);
    output(g, build_matmul(g, dy, parameter(g, "w", c->format, c->k, c->n), false, false,
                           num_find(c->format)));
}
static void gradient(graph *g, const bench_case *c) {
    value dy = input(g, "dy", c->format, c->k, c->m), x = input(g, "x", c->format, c->k, c->n);
    output(g, build_matmul(g, dy, x, true, false, num_find("f32")));
}
/* Rows of bf16; a few of them go through many weights, one after the other, beyond any cache in all. */
static void rows(graph *g, const bench_case *c) {
    value x = input(g, "x", "bf16", c->m, c->k);
    int64_t left = c->is_bytes ? ((int64_t)1 << 30) * bench_beyond_caches((int64_t)1 << 30) : 1;
    for (int64_t i = 0; left > 0; i++) {
        char name[24];
        snprintf(name, sizeof name, "w%lld", (long long)i);
        value w = parameter(g, name, c->format, c->n, c->k);
        output(g, build_matmul(g, x, w, false, true, num_find("bf16")));
        left -= type_bound_bytes(g, value_type(g, w));
    }
}

/* Quantised weights: activations are rounded to int8, as in a step. Few rows walk through many weights. */
static void quantised(graph *g, const bench_case *c) {
    value x = build_quantise(g, input(g, "x", "bf16", c->m, c->k), num_find("int8_g32"));
    int64_t left = c->is_bytes ? ((int64_t)1 << 28) * bench_beyond_caches((int64_t)1 << 28) : 1;
    for (int64_t i = 0; left > 0; i++) {
        char name[24];
        snprintf(name, sizeof name, "w%lld", (long long)i);
        value w = parameter(g, name, c->format, c->n, c->k);
        output(g, build_matmul(g, x, w, false, true, num_find("bf16")));
        left -= type_bound_bytes(g, value_type(g, w));
    }
}

/* ---- attention: m tokens; or m = 1 query on n keys ---- */
static value attend(graph *g, int64_t keys, const bench_case *c, int32_t heads, int32_t group,
                    int layer, value in[ATTENTION_BWD_OPERANDS], attention_params *p) {
    int32_t head = (int32_t)c->k;
    char k[24], v[24]; /* equal names would be one input, which stays in a cache */
    snprintf(k, sizeof k, "k%d", layer);
    snprintf(v, sizeof v, "v%d", layer);
    *p = (attention_params){
        .head = head, .group = group, .scale = 1 / sqrt((double)head), .causal = true};
    for (int i = 0; i < ATTENTION_BWD_OPERANDS; i++) in[i] = NO_VALUE;
    in[ATTENTION_Q] = input(g, "q", "bf16", c->m, head * heads);
    in[ATTENTION_K] = input(g, k, "bf16", keys, head * heads / group);
    in[ATTENTION_V] = input(g, v, "bf16", keys, head * heads / group);
    in[ATTENTION_Q_OFFSETS] = input(g, "offsets", "i32", 2, 0);
    if (keys != c->m) in[ATTENTION_K_OFFSETS] = input(g, "k_offsets", "i32", 2, 0);
    return build_attention(g, p, in);
}
static void attention_forward(graph *g, const bench_case *c) {
    value in[ATTENTION_BWD_OPERANDS];
    attention_params p;
    output(g, attend(g, c->m, c, (int32_t)c->n, 1, 0, in, &p));
}
static void attention_both(graph *g, const bench_case *c) {
    value in[ATTENTION_BWD_OPERANDS];
    attention_params p;
    value y = attend(g, c->m, c, (int32_t)c->n, 1, 0, in, &p);
    in[ATTENTION_OUT] = y;
    in[ATTENTION_LSE] = (value){y.node, 1};
    in[ATTENTION_DOUT] = input(g, "dy", "bf16", c->m, c->n * c->k);
    value d = graph_add(g, &op_attention_bwd, &p, ATTENTION_BWD_OPERANDS, in);
    for (int32_t o = ATTENTION_DQ; !value_absent(d) && o <= ATTENTION_DV; o++)
        output(g, (value){d.node, o});
}
/* One query on the keys of one layer after the other, as many as lie beyond any cache. */
static void attention_decode(graph *g, const bench_case *c) {
    int64_t left = ((int64_t)1 << 29) * bench_beyond_caches((int64_t)1 << 29);
    for (int layer = 0; left > 0; layer++, left -= 4 * c->n * c->k) {
        value in[ATTENTION_BWD_OPERANDS];
        attention_params p;
        output(g, attend(g, c->n, c, 8, 8, layer, in, &p));
    }
}

/* ---- memory-bound ---- */
static void add(graph *g, const bench_case *c) {
    output(g, build_add(g, input(g, "a", c->format, c->m, c->n),
                        input(g, "b", c->format, c->m, c->n)));
}
static void silu(graph *g, const bench_case *c) {
    output(g, build_silu(g, input(g, "x", c->format, c->m, c->n)));
}
static void cast_to_bf16(graph *g, const bench_case *c) {
    output(g, build_cast(g, input(g, "x", c->format, c->m, c->n), num_find("bf16")));
}
static void cast_to_f32(graph *g, const bench_case *c) {
    output(g, build_cast(g, input(g, "x", c->format, c->m, c->n), num_find("f32")));
}
static void unpack(graph *g, const bench_case *c) {
    output(g, build_dequantise(g, input(g, "x", c->format, c->m, c->n), num_find("f32")));
}
static void gated_mlp(graph *g, const bench_case *c) {
    value gate = input(g, "gate", c->format, c->m, c->n),
          up = input(g, "up", c->format, c->m, c->n);
    output(g, build_gated_mlp(g, gate, up, ACT_SILU));
}
static void gelu_back(graph *g, const bench_case *c) {
    output(g, build_act_bwd(g, ACT_GELU_TANH, input(g, "x", c->format, c->m, c->n),
                            input(g, "dy", c->format, c->m, c->n)));
}
static void gated_mlp_back(graph *g, const bench_case *c) {
    value in[] = {input(g, "gate", c->format, c->m, c->n), input(g, "up", c->format, c->m, c->n),
                  input(g, "dy", c->format, c->m, c->n)};
    outputs(g, graph_add(g, &op_gated_mlp_bwd, &(gated_mlp_params){ACT_SILU}, 3, in));
}
static void rms_norm(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->n), w = parameter(g, "w", "f32", c->n, 0);
    output(g, build_rms_norm(g, x, w, 1e-6));
}
static void rms_norm_back(graph *g, const bench_case *c) {
    value in[] = {input(g, "x", c->format, c->m, c->n), parameter(g, "w", "f32", c->n, 0),
                  input(g, "dy", c->format, c->m, c->n)};
    outputs(g, graph_add(g, &op_rms_norm_bwd, &(norm_params){.eps = 1e-6}, 3, in));
}
static void layer_norm(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->n), w = parameter(g, "w", "f32", c->n, 0);
    output(g, build_layer_norm(g, x, w, parameter(g, "b", "f32", c->n, 0), 1e-6));
}
static void rope(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->n);
    rope_params p = {.head = 128, .rotary = 128, .scale = 1};
    output(g, build_rope(g, &p, x, input(g, "positions", "i32", c->m, 0),
                         input(g, "f", "f32", 64, 0)));
}
static void cross_entropy(graph *g, const bench_case *c) {
    value x = input(g, "x", c->format, c->m, c->n), at = input(g, "targets", "i32", c->m, 0);
    outputs(g, build_cross_entropy(g, x, at, NO_VALUE, 0));
}
static void cross_entropy_back(graph *g, const bench_case *c) {
    value in[CROSS_ENTROPY_BWD_OPERANDS];
    for (int i = 0; i < CROSS_ENTROPY_BWD_OPERANDS; i++) in[i] = NO_VALUE;
    in[CROSS_ENTROPY_LOGITS] = input(g, "x", c->format, c->m, c->n);
    in[CROSS_ENTROPY_TARGETS] = input(g, "targets", "i32", c->m, 0);
    in[CROSS_ENTROPY_LSE] = input(g, "lse", "f32", c->m, 0);
    in[CROSS_ENTROPY_DLOSS] = input(g, "dloss", "f32", c->m, 0);
    cross_entropy_params p = {0};
    output(g, graph_add(g, &op_cross_entropy_bwd, &p, CROSS_ENTROPY_BWD_OPERANDS, in));
}
static void adamw(graph *g, const bench_case *c) {
    adamw_params p = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1};
    value in[ADAMW_OPERANDS] = {parameter(g, "w", "f32", c->m, c->n),
                                parameter(g, "m", "f32", c->m, c->n),
                                parameter(g, "v", "f32", c->m, c->n),
                                input(g, "g", "f32", c->m, c->n),
                                input(g, "lr", "f32", 0, 0),
                                input(g, "step", "i32", 0, 0),
                                NO_VALUE};
    outputs(g, build_adamw(g, &p, in));
}

/* ---- small things: the time of one node, of binding, of planning ---- */
static value small_chain(graph *g, type t, int64_t nodes) {
    value x = graph_input(g, "x", t), y = x;
    for (int64_t i = 0; i < nodes; i++)
        y = i % 2 ? build_add(g, y, x) : build_scale(g, y, 0.5, 0.25);
    output(g, y);
    return y;
}
static void chain(graph *g, const bench_case *c) {
    small_chain(g, type_fixed(num_find("f32"), 1, (int64_t[]){64}), c->m);
}

static status time_plans(bench *b, const bench_case *c, bool rebind, bench_result *out) {
    graph *g = graph_new(b->cx);
    if (!g) return STATUS_NO_MEMORY;
    int32_t tokens = graph_symbol(g, "tokens", 64);
    small_chain(g, type_of(num_find("f32"), 2, (extent[]){extent_symbol(tokens), extent_of(64)}),
                c->m);
    double seconds[31];
    status st = graph_status(g);
    for (int i = 0; i < 31 && st == STATUS_OK; i++) {
        states *store = states_new(b->cx);
        plan *p = NULL;
        double begin = time_seconds();
        st = plan_new(b->cx, g, store, b->workers, &(plan_options){.isa_limit = ISA_COUNT - 1}, &p);
        seconds[i] = time_seconds() - begin;
        begin = time_seconds();
        for (int64_t n = 1; n <= 50 && rebind && st == STATUS_OK; n++)
            st = plan_bind(p, (int64_t[]){0, n});
        if (rebind) seconds[i] = (time_seconds() - begin) / 50;
        plan_free(p);
        states_free(store);
    }
    if (st == STATUS_OK) out->value = sort_median(seconds, 31) * 1e6;
    graph_free(g);
    return st;
}
static status time_rebind(bench *b, const bench_case *c, bench_result *out) {
    return time_plans(b, c, true, out);
}
static status time_plan(bench *b, const bench_case *c, bench_result *out) {
    return time_plans(b, c, false, out);
}

#define MATMUL_SIZES(format_, name_, how, roof_)                                                   \
    {"matmul." name_, format_, 512, 2048, 2048, roof_, how},                                       \
        {"matmul." name_, format_, 2048, 2048, 2048, roof_, how},                                  \
        {"matmul." name_, format_, 256, 8192, 2048, roof_, how},                                   \
        {"matmul." name_, format_, 256, 2048, 8192, roof_, how}, {                                 \
        "matmul." name_, format_, 509, 2039, 2053, roof_, how                                      \
    }
#define MATMULS(format_, name_, roof_)                                                             \
    MATMUL_SIZES(format_, name_ ".packed", packed, roof_),                                         \
        MATMUL_SIZES(format_, name_ ".forward", forward, roof_),                                   \
        MATMUL_SIZES(format_, name_ ".dx", dx, roof_),                                             \
        MATMUL_SIZES(format_, name_ ".dw", dw, roof_)
/* The products of a step of GPT-2 124M on 1,024 tokens: block and head, forward and back. */
#define STEP(format_, name_, roof_)                                                                \
    {"matmul." name_ ".step", format_, 1024, 2304, 768, roof_, packed},                            \
        {"matmul." name_ ".step", format_, 1024, 3072, 768, roof_, packed},                        \
        {"matmul." name_ ".step", format_, 1024, 50257, 768, roof_, packed},                       \
        {"matmul." name_ ".step.onto", format_, 1024, 768, 768, roof_, onto},                      \
        {"matmul." name_ ".step.onto", format_, 1024, 768, 3072, roof_, onto},                     \
        {"matmul." name_ ".step.dx", format_, 1024, 768, 768, roof_, back},                        \
        {"matmul." name_ ".step.dx", format_, 1024, 3072, 768, roof_, back},                       \
        {"matmul." name_ ".step.dx", format_, 1024, 768, 50257, roof_, back},                      \
        {"matmul." name_ ".step.dw", format_, 768, 768, 1024, roof_, gradient},                    \
        {"matmul." name_ ".step.dw", format_, 3072, 768, 1024, roof_, gradient},                   \
        {"matmul." name_ ".step.dw", format_, 768, 3072, 1024, roof_, gradient}, {                 \
        "matmul." name_ ".step.dw", format_, 50257, 768, 1024, roof_, gradient                     \
    }
#define ROWS(f, m_, roof_, bytes_)                                                                 \
    { "matmul." f ".m" #m_, f, m_, 8192, 4096, roof_, rows, .is_bytes = bytes_ }
#define SIXTEEN(f)                                                                                 \
    ROWS(f, 1, ROOF_READ, true), ROWS(f, 2, ROOF_READ, true), ROWS(f, 4, ROOF_READ, true),         \
        ROWS(f, 8, ROOF_READ, true), ROWS(f, 64, ROOF_BF16, false), ROWS(f, 512, ROOF_BF16, false)
#define QUANT_ROWS(f, m_, roof_, bytes_)                                                           \
    { "matmul." f ".m" #m_, f, m_, 8192, 2048, roof_, quantised, .is_bytes = bytes_ }
#define QUANTISED(f)                                                                               \
    QUANT_ROWS(f, 1, ROOF_READ, true), QUANT_ROWS(f, 2, ROOF_READ, true),                          \
        QUANT_ROWS(f, 4, ROOF_READ, true), QUANT_ROWS(f, 8, ROOF_READ, true),                      \
        QUANT_ROWS(f, 16, ROOF_INT8, false), QUANT_ROWS(f, 32, ROOF_INT8, false),                  \
        QUANT_ROWS(f, 512, ROOF_INT8, false)
#define MEMORY(name_, m_, n_, format_, how)                                                        \
    {                                                                                              \
        name_ "." format_, format_, m_, n_, 0, ROOF_COPY, how, .ids_below = n_, .is_bytes = true,  \
                                                               .grows = true                       \
    }

#define UNPACK(f) MEMORY("unpack", 16384, 8192, f, unpack)

const bench_case bench_cases[] = {
    MATMULS("f32", "f32", ROOF_F32),
    MATMULS("bf16", "bf16", ROOF_BF16),
    MATMUL_SIZES("int8_row", "int8.packed", packed, ROOF_INT8),
    MATMUL_SIZES("int8_row", "int8.forward", forward, ROOF_INT8),
    MATMUL_SIZES("int8_tensor", "int8.dx", dx, ROOF_INT8),
    MATMUL_SIZES("int8_tensor", "int8.dw", dw, ROOF_INT8),
    SIXTEEN("bf16"),
    SIXTEEN("bf16_2of4"),
    STEP("f32", "f32", ROOF_F32),
    STEP("bf16", "bf16", ROOF_BF16),
    QUANTISED("q8_0"),
    QUANTISED("q4_0"),
    QUANTISED("q4_k"),
    QUANTISED("q6_k"),
    QUANTISED("int8_g128"),
    QUANTISED("int4_g128"),
    QUANTISED("uint4_g128"),
    QUANTISED("int3_g128"),
    {"attention.fwd.d64", "bf16", 2048, 16, 64, ROOF_BF16, attention_forward},
    {"attention.fwd.d128", "bf16", 2048, 8, 128, ROOF_BF16, attention_forward},
    {"attention.fwdbwd.short", "bf16", 256, 48, 64, ROOF_BF16, attention_both},
    {"attention.fwdbwd.d64", "bf16", 2048, 16, 64, ROOF_BF16, attention_both},
    {"attention.fwdbwd.d128", "bf16", 2048, 8, 128, ROOF_BF16, attention_both},
    {"attention.decode", "bf16", 1, 32768, 128, ROOF_READ, attention_decode, .is_bytes = true},
    MEMORY("add", 16384, 4096, "f32", add),
    MEMORY("add", 16384, 8192, "bf16", add),
    MEMORY("silu", 16384, 8192, "f32", silu),
    MEMORY("silu", 16384, 8192, "bf16", silu),
    MEMORY("cast.to_bf16", 16384, 8192, "f32", cast_to_bf16),
    MEMORY("cast.to_f32", 16384, 8192, "bf16", cast_to_f32),
    UNPACK("q4_0"),
    UNPACK("q4_1"),
    UNPACK("q5_0"),
    UNPACK("q5_1"),
    UNPACK("q8_0"),
    UNPACK("q2_k"),
    UNPACK("q3_k"),
    UNPACK("q4_k"),
    UNPACK("q5_k"),
    UNPACK("q6_k"),
    UNPACK("iq4_nl"),
    UNPACK("iq4_xs"),
    UNPACK("mxfp4"),
    UNPACK("nf4"),
    UNPACK("int4_g128"),
    UNPACK("int8_g128"),
    MEMORY("gated_mlp", 16384, 4096, "f32", gated_mlp),
    MEMORY("gated_mlp", 16384, 8192, "bf16", gated_mlp),
    MEMORY("gated_mlp.bwd", 16384, 4096, "bf16", gated_mlp_back),
    MEMORY("gelu_tanh.bwd", 16384, 8192, "bf16", gelu_back),
    MEMORY("rms_norm", 16384, 4096, "f32", rms_norm),
    MEMORY("rms_norm", 16384, 8192, "bf16", rms_norm),
    MEMORY("rms_norm.bwd", 16384, 4096, "bf16", rms_norm_back),
    MEMORY("layer_norm", 16384, 4096, "f32", layer_norm),
    MEMORY("rope", 16384, 4096, "f32", rope),
    MEMORY("rope", 16384, 8192, "bf16", rope),
    {"cross_entropy.f32", "f32", 2048, 50257, 0, ROOF_READ, cross_entropy, 50257, true, true},
    {"cross_entropy.bf16", "bf16", 4096, 50257, 0, ROOF_READ, cross_entropy, 50257, true, true},
    MEMORY("cross_entropy.bwd", 2048, 50257, "f32", cross_entropy_back),
    {"adamw.f32", "f32", 8192, 4096, 0, ROOF_UPDATE, adamw, .is_bytes = true, .grows = true},
    {"chain.500", "f32", 500, .build = chain, .limit_us = {1, 2}},
    {"rebind.1000", "f32", 1000, .measure = time_rebind, .limit_us = {20, 20}},
    {"json.megabytes", "f32", 39, .measure = bench_time_json, .limit_us = {150000, 150000}},
    {"open.safetensors", "bf16", 1, .measure = bench_time_open, .limit_us = {50000, 50000}},
    {"open.gguf", "bf16", 1, .measure = bench_time_open, .limit_us = {50000, 50000}},
    {"plan.1000", "f32", 1000, .measure = time_plan, .limit_us = {10000, 10000}},
    {0}};
