/* What cross_entropy and its backward share. */
#include "ops/kit/entropy.h"
#include "ops/binary.h"
#include "ops/fill.h"
#include "ops/gather.h"
#include "ops/kit/pick.h"

const field entropy_fields[] = {FIELD(cross_entropy_params, z, FIELD_DOUBLE), {0}};

status entropy_check(const graph *g, const node *n) {
    TRY(kit_need_floats(g, n, CROSS_ENTROPY_LOGITS));
    TRY(kit_need_rank(g, n, CROSS_ENTROPY_LOGITS, 2));
    const type *logits = kit_type(g, n, CROSS_ENTROPY_LOGITS);
    for (int32_t i = CROSS_ENTROPY_TARGETS; i < n->n_in; i++) {
        const type *t = kit_type(g, n, i);
        if (i != CROSS_ENTROPY_TARGETS) TRY(kit_need_floats(g, n, i));
        if (t && (t->rank != 1 || !extent_same(t->dim[0], logits->dim[0])))
            return op_fail(g, n, "operand %d must have one element for each row of the logits", i);
    }
    return STATUS_OK;
}

void entropy_labels(const graph *g, const node *n, labels *l) {
    kit_labels_equal(g, n, l);
    l->how[2] = LABEL_WHOLE;
}

void entropy_sample(sample *s, cross_entropy_params *p, int64_t *tokens, value *in) {
    int64_t dim[2] = {sample_extent(s, 1, 6), sample_extent(s, 1, 9)};
    *p = (cross_entropy_params){sample_int(s, 0, 1) ? 0 : sample_real(s, 0, 0.1)};
    *tokens = dim[0];
    in[CROSS_ENTROPY_LOGITS] = sample_floats(s, 2, dim, -3, 3);
    in[CROSS_ENTROPY_TARGETS] = pick_sample_ids(s, 1, dim, dim[1]);
    in[CROSS_ENTROPY_WEIGHTS] = sample_int(s, 0, 1) ? sample_floats(s, 1, dim, 0, 1) : NO_VALUE;
}

value entropy_masked(graph *g, value v, value targets, value logits) {
    return build_mul(g, v, build_take(g, build_fill(g, logits, 1), targets));
}
