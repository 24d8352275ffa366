#include "cmd/kit/eval.h"

const char *const eval_begins[] = {LIKELIHOOD_BEGIN_NAMES, NULL};
const char *const eval_precisions[] = {"f32", "bf16", NULL};
const char *const eval_acts[] = {"auto", "bf16", "int8", "int8_row", "int8_tensor", NULL};

likelihood_options eval_likelihood(const eval_options *o) {
    enum { ACT_BF16 = 1, ACT_W8A8 = 3 };
    return (likelihood_options){.context = o->context,
                                .precision = num_find(eval_precisions[o->precision]),
                                .act_bf16 = o->act == ACT_BF16,
                                .w8a8 = o->act >= ACT_W8A8 ? num_find(eval_acts[o->act]) : NULL,
                                .threads = (int)o->threads};
}
