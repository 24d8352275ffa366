/* Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): the momentum of a hidden matrix is replaced by
 * the nearest matrix with equal singular values, found by five Newton-Schulz steps:
 *   m = mu m + g;  u = nesterov ? g + mu m : m;  X = u / |u|
 *   A = X X^T;  X = 3.4445 X + (2.0315 A A - 4.7750 A) X      (X^T X and X A where X is tall)
 *   w -= lr (decay w + 0.2 sqrt(max(rows, columns)) X)
 * The last factor gives the update the size that AdamW's has late in training (Liu et al. 2025, "Muon is scalable for
 * LLM training"). Tables, the output layer, norms and biases are AdamW's.
 * Early on AdamW's updates are up to five times as large, and Muon bears, and needs, a larger rate than AdamW's. */
#include "ops/binary.h"
#include "ops/matmul.h"
#include "ops/optimiser.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include "train/optimiser.h"
#include <math.h>

extern const optimiser_def optimiser_adamw;

static const double cubic[3] = {3.4445, -4.7750, 2.0315};
enum { ROUNDS = 5 };

static value newton_schulz(graph *g, value x, bool tall) {
    value size = build_sqrt(g, build_scale(g, build_sum_squares(g, x, 3, false), 1, 1e-14));
    x = build_div(g, x, size);
    for (int i = 0; i < ROUNDS; i++) {
        value a = build_matmul(g, x, x, tall, !tall, NULL);
        value aa = build_scale(g, build_matmul(g, a, a, false, false, NULL), cubic[2], 0);
        value b = build_add(g, build_scale(g, a, cubic[1], 0), aa);
        value bx = tall ? build_matmul(g, x, b, false, false, NULL)
                        : build_matmul(g, b, x, false, false, NULL);
        x = build_add(g, build_scale(g, x, cubic[0], 0), bx);
    }
    return x;
}

static value next(const update *u) {
    if (!u->hidden) return optimiser_adamw.next(u);
    graph *g = u->g;
    const optimiser_options *o = u->options;
    const type *t = value_type(g, u->w);
    int64_t rows = t->dim[0].add, columns = t->dim[1].add;
    value m = update_moment(u, "m"), gradient = build_mul(g, u->gradient, u->scale);
    value moved = build_add(g, build_scale(g, m, o->momentum, 0), gradient);
    value m_next = update_mark(u, build_assign(g, m, moved), m);
    value ahead =
        o->nesterov ? build_add(g, gradient, build_scale(g, m_next, o->momentum, 0)) : m_next;
    value x = newton_schulz(g, ahead, rows > columns);
    x = build_scale(g, x, 0.2 * sqrt((double)MAX_OF(rows, columns)), 0);
    sgd_params p = {update_decay(u)};
    return update_mark(u, build_sgd(g, &p, (value[SGD_OPERANDS]){u->w, x, u->lr, NO_VALUE}), u->w);
}

const optimiser_def optimiser_muon = {
    .name = "muon",
    .help = "orthogonal updates of hidden matrices, AdamW for the rest",
    .lr = 4e-3,
    .next = next,
};
