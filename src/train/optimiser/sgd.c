/* Gradient descent, with momentum (Sutskever et al. 2013) where it is not 0; the equations are in ops/optimiser.h. */
#include "ops/optimiser.h"
#include "train/optimiser.h"

static value next(const update *u) {
    const optimiser_options *o = u->options;
    if (!o->momentum) {
        sgd_params plain = {update_decay(u)};
        value in[SGD_OPERANDS] = {u->w, u->gradient, u->lr, u->scale};
        return update_mark(u, build_sgd(u->g, &plain, in), u->w);
    }
    momentum_params p = {o->momentum, update_decay(u), o->nesterov};
    value m = update_moment(u, "m");
    value in[MOMENTUM_OPERANDS] = {u->w, m, u->gradient, u->lr, u->scale};
    value w = build_momentum(u->g, &p, in);
    update_mark(u, (value){w.node, 1}, m);
    return update_mark(u, w, u->w);
}

const optimiser_def optimiser_sgd = {
    .name = "sgd",
    .help = "gradient descent with momentum",
    .lr = 0.1,
    .next = next,
};
