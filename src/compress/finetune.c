/* Recovery: the model as it is now learns on from a text, by cross-entropy. Zeros of pruned products stay zeros, so
 * that pruning and recovery can take turns (Han et al., "Learning both weights and connections", 2015); codes stay
 * codes, so that it can come last. */
#include "compress/kit/learn.h"

typedef struct finetune_options {
    LEARN_MEMBERS;
} finetune_options;

static const option_def options[] = {LEARN_OPTIONS(finetune_options, "1e-4"), {0}};

static status check(compress *c, const void *options_) {
    learn_options o = LEARN_OF((const finetune_options *)options_);
    return learn_check(c, &o);
}

static status apply(compress *c, const void *options_) {
    learn_options o = LEARN_OF((const finetune_options *)options_);
    return learn_run(c, &o, &(learn_way){0});
}

extern const compress_method compress_finetune;
const compress_method compress_finetune = {
    .name = "finetune",
    .help = "learn on from a text; what is pruned stays pruned",
    .options = options,
    .options_bytes = sizeof(finetune_options),
    .calibrates = true,
    .check = check,
    .apply = apply,
};
