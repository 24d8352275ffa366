/* AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization"); the equations are in ops/optimiser.h. */
#include "ops/optimiser.h"
#include "train/optimiser.h"

static value next(const update *u) {
    adamw_params p = {u->options->beta1, u->options->beta2, u->options->eps, update_decay(u)};
    value m = update_moment(u, "m"), v = update_moment(u, "v");
    value w = build_adamw(
        u->g, &p, (value[ADAMW_OPERANDS]){u->w, m, v, u->gradient, u->lr, u->step, u->scale});
    update_mark(u, (value){w.node, 1}, m);
    update_mark(u, (value){w.node, 2}, v);
    return update_mark(u, w, u->w);
}

const optimiser_def optimiser_adamw = {
    .name = "adamw",
    .help = "running means of the gradient and of its square; decoupled weight decay",
    .lr = 1e-3,
    .next = next,
};
