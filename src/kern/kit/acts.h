/* The activations that other ops fold in, by their number. */
#ifndef KERN_KIT_ACTS_H
#define KERN_KIT_ACTS_H

#include "kern/kit/vec.h"
#include "ops/matmul.h"

ALWAYS_INLINE vec vec_act(int32_t act, vec x, bool coarse) {
    switch ((matmul_act)act) {
    case ACT_NONE:
        return x;
    case ACT_RELU:
        return vec_relu(x);
    case ACT_RELU2:
        return vec_relu2(x);
    case ACT_SILU:
        return vec_silu(x, coarse);
    case ACT_GELU:
        return vec_gelu(x, coarse);
    case ACT_GELU_TANH:
        return vec_gelu_tanh(x, coarse);
    case ACT_SIGMOID:
        return vec_sigmoid(x, coarse);
    case ACT_TANH:
        return vec_tanh(x, coarse);
    }
    return x;
}

#endif
