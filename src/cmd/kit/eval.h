/* What the verbs of `hone eval` share: how a model is asked. A verb's own struct begins with eval_options. */
#ifndef CMD_KIT_EVAL_H
#define CMD_KIT_EVAL_H

#include "base/options.h"
#include "eval/likelihood.h"

typedef struct eval_options {
    int64_t context, threads;
    int bos, precision, act;
    const char *tokenizer;
    bool json;
} eval_options;

extern const char *const eval_begins[], *const eval_precisions[], *const eval_acts[];

#define EVAL_OPTIONS                                                                               \
    OPTION(eval_options, context, OPTION_INT, .initial = "0", RANGE(0, 1048576),                   \
           .help = "ids that the model sees at once, 0 for its positions, at most 1024"),          \
        OPTION(eval_options, bos, OPTION_CHOICE, .choices = eval_begins,                           \
               .help = "put the begin token in front; auto: if the tokenizer does, or the model "  \
                       "has one"),                                                                 \
        OPTION(eval_options, tokenizer, OPTION_STRING, .value = "PATH",                            \
               .help = "another tokenizer than the model's"),                                      \
        OPTION(eval_options, precision, OPTION_CHOICE, .choices = eval_precisions,                 \
               .help = "of products"),                                                             \
        OPTION(eval_options, act, OPTION_CHOICE, .choices = eval_acts,                             \
               .help = "what meets quantised weights: bf16, or int8 in blocks of 32; auto is "     \
                       "int8, as `hone run` has it. int8_row, int8_tensor: both sides of the "     \
                       "layers' products in int8, with a scale a row or one for all"),             \
        OPTION(eval_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),                  \
               .help = "0 for all"),                                                               \
        OPTION(eval_options, json, OPTION_BOOL, .help = "print one JSON object")

likelihood_options eval_likelihood(const eval_options *o);

#endif
