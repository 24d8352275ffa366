/* Weights that go on learning from a text: recovery, distillation, training aware of quantisation. Windows of equal
 * length, drawn by the seed from those that the text is cut into; AdamW, warmed up over a tenth of the steps and then
 * let down along a cosine to a tenth. What is pruned stays pruned: a product's zeros are zeros again after every step
 * where the model is sparse. What is codes stays codes: norms, biases and tables learn around them.
 *
 * A way of learning may replace the loss, fill inputs of its own, and show the gradient other weights than those that
 * are updated. */
#ifndef COMPRESS_KIT_LEARN_H
#define COMPRESS_KIT_LEARN_H

#include "compress/kit/compress.h"
#include "exec/plan.h"

/* The arguments that such methods share: first members of their options, and their table. */
#define LEARN_MEMBERS                                                                              \
    int64_t steps, batch, length;                                                                  \
    double lr;                                                                                     \
    const char *text
#define LEARN_OPTIONS(T, lr_initial)                                                               \
    OPTION(T, steps, OPTION_INT, .initial = "200", RANGE(1, 1e9), .help = "updates"),              \
        OPTION(T, lr, OPTION_DOUBLE, .initial = lr_initial, RANGE(0, 1),                           \
               .help = "peak learning rate"),                                                      \
        OPTION(T, batch, OPTION_INT, .initial = "8", RANGE(1, 4096), .help = "windows an update"), \
        OPTION(T, length, OPTION_INT, .initial = "256", RANGE(2, 1048576),                         \
               .help = "tokens of a window, at most the model's positions"),                       \
        OPTION(T, text, OPTION_STRING, .help = "the text to learn from; else that of --calib")
#define LEARN_OF(o) ((learn_options){(o)->steps, (o)->batch, (o)->length, (o)->lr, (o)->text})

typedef struct learn_options {
    int64_t steps, batch, length;
    double lr;
    const char *text;
} learn_options;

/* The windows of a step; window w holds ids [w * length, w * length + length] of the text. */
typedef struct learn_windows {
    const int32_t *ids;
    const int64_t *drawn; /* [count] */
    int64_t count, length;
} learn_windows;

/* Members may be NULL. */
typedef struct learn_way {
    void *user;
    /* In the learning graph, whose rows of the last layer are `hidden`: a loss for each token, from the
     * cross-entropy `each`. */
    value (*loss)(void *user, graph *g, value hidden, value logits, value each);
    status (*fill)(void *user, plan *p, const learn_windows *w); /* inputs of its own */
    /* Weights in f32, before the gradients; and before the update, when they must be what is updated. */
    void (*before)(void *user, states *store);
    void (*between)(void *user, states *store);
} learn_way;

/* The length that windows will have. */
int64_t learn_length(const compress *c, const learn_options *o);
/* Whether the text is there and long enough. For methods' checks. */
status learn_check(compress *c, const learn_options *o) MUST_USE;
/* How many different windows so many steps draw, in the mean; where the text is not known, as if each were new. */
double learn_windows_seen(compress *c, const learn_options *o);
/* The weights of `c` become what was learned, in the float formats that they have. */
status learn_run(compress *c, const learn_options *o, const learn_way *way) MUST_USE;

#endif
