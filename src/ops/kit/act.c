/* Activations, each beside its slope. */
#include "ops/kit/act.h"
#include "ops/binary.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include <math.h>

static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* x times a share that falls to 0 faster than x grows: 0 at -infinity. */
static double part(double x, double share) {
    return share == 0 ? 0 : x * share;
}

double act_at(int32_t act, double x) {
    switch ((matmul_act)act) {
    case ACT_NONE:
        return x;
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_RELU2:
        return x < 0 ? 0 : x * x;
    case ACT_SILU:
        return part(x, sigmoid(x));
    case ACT_GELU:
        return part(x, 0.5 * erfc(-x * 0.70710678118654752));
    case ACT_GELU_TANH:
        return part(x, 0.5 + 0.5 * tanh(ACT_GELU_C * (x + ACT_GELU_A * x * x * x)));
    case ACT_SIGMOID:
        return sigmoid(x);
    case ACT_TANH:
        return tanh(x);
    }
    return NAN;
}

/* The slope at an infinity is the limit. */
double act_slope_at(int32_t act, double x) {
    double s;
    bool bends = act == ACT_SILU || act == ACT_GELU || act == ACT_GELU_TANH;
    if (bends && isinf(x)) return x > 0;
    switch ((matmul_act)act) {
    case ACT_NONE:
        return 1;
    case ACT_RELU:
        return x > 0;
    case ACT_RELU2:
        return x > 0 ? 2 * x : 0;
    case ACT_SILU:
        s = sigmoid(x);
        return s + x * s * (1 - s);
    case ACT_GELU:
        return 0.5 * erfc(-x * 0.70710678118654752) + x * 0.39894228040143268 * exp(-0.5 * x * x);
    case ACT_GELU_TANH:
        s = tanh(ACT_GELU_C * (x + ACT_GELU_A * x * x * x));
        return 0.5 * (1 + s) + 0.5 * x * (1 - s * s) * ACT_GELU_C * (1 + 3 * ACT_GELU_A * x * x);
    case ACT_SIGMOID:
        s = sigmoid(x);
        return s * (1 - s);
    case ACT_TANH:
        s = tanh(x);
        return 1 - s * s;
    }
    return NAN;
}

static const op_def *const act_ops[ACT_KINDS] = {
    [ACT_RELU] = &op_relu, [ACT_RELU2] = &op_relu2,         [ACT_SILU] = &op_silu,
    [ACT_GELU] = &op_gelu, [ACT_GELU_TANH] = &op_gelu_tanh, [ACT_SIGMOID] = &op_sigmoid,
    [ACT_TANH] = &op_tanh,
};

double act_flops(int32_t act) {
    static const double flops[ACT_KINDS] = {0, 1, 2, 11, 14, 14, 10, 12};
    return act >= 0 && act < ACT_KINDS ? flops[act] : 0;
}

value build_act(graph *g, int32_t act, value x) {
    if (act == ACT_NONE) return x;
    if (act < 0 || act >= ACT_KINDS)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "there is no activation %d", act);
    return graph_add(g, act_ops[act], NULL, 1, &x);
}

/* y' = s + y (1 - s), with s = sigmoid(x). */
static value silu_back(graph *g, value x, value dy) {
    value s = build_sigmoid(g, x), y = build_mul(g, x, s);
    return build_mul(g, dy, build_add(g, s, build_sub(g, y, build_mul(g, y, s))));
}

/* y' = P(x) + x p(x), with the normal distribution P and its density p. */
static value gelu_back(graph *g, value x, value dy) {
    value bell = build_exp(g, build_scale(g, build_square(g, x), -0.5, 0));
    value density = build_scale(g, bell, 0.39894228040143268, 0); /* 1 / sqrt(2 pi) */
    value erf_part = build_erf(g, build_scale(g, x, 0.70710678118654752, 0));
    value below = build_scale(g, erf_part, 0.5, 0.5);
    return build_mul(g, dy, build_add(g, below, build_mul(g, x, density)));
}

static value gelu_tanh_back(graph *g, value x, value dy) {
    value square = build_square(g, x);
    value inner = build_mul(g, x, build_scale(g, square, ACT_GELU_C * ACT_GELU_A, ACT_GELU_C));
    value t = build_tanh(g, inner);
    value inner_slope = build_scale(g, square, 3 * ACT_GELU_C * ACT_GELU_A, ACT_GELU_C);
    value bend = build_mul(g, build_scale(g, build_square(g, t), -0.5, 0.5), inner_slope);
    return build_mul(g, dy, build_add(g, build_scale(g, t, 0.5, 0.5), build_mul(g, x, bend)));
}

value build_act_back(graph *g, int32_t act, value x, value dy) {
    if (act == ACT_NONE) return dy;
    if (act == ACT_SILU) return silu_back(g, x, dy);
    if (act == ACT_GELU) return gelu_back(g, x, dy);
    if (act == ACT_GELU_TANH) return gelu_tanh_back(g, x, dy);
    value y = build_act(g, act, x), dx = NO_VALUE;
    if (!value_absent(y)) act_ops[act]->gradient(g, y, &dy, 1, &dx);
    return dx;
}
