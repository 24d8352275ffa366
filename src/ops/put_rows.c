/* target[ids[i], ..] = rows[i, ..]: what a step adds to a cache. */
#include "ops/kit/pick.h"
#include <string.h>

enum { TARGET, IDS, ROWS };

static status shape(const graph *g, const node *n, type *out) {
    const type *target = kit_type(g, n, TARGET), *rows = kit_type(g, n, ROWS);
    out[0] = *target;
    TRY(kit_need_rank(g, n, IDS, 1));
    TRY(kit_need_floats(g, n, ROWS));
    type fitted = *target;
    if (target->format->kind == NUM_INDEX || target->rank < 1)
        return op_fail(g, n, "the target (operand 0) has no rows of numbers");
    fitted.dim[0] = kit_type(g, n, IDS)->dim[0];
    if (!type_same_dims(&fitted, rows))
        return op_fail(g, n, "rows (operand 2) are not one row of operand 0 for each id");
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    const type *target = kit_type(g, n, TARGET);
    l->in[IDS][0].label = l->in[ROWS][0].label = 1;
    l->how[1] = LABEL_WHOLE;
    for (int32_t d = 1; d < target->rank; d++) {
        int64_t grain = d == target->rank - 1 ? target->format->block_elems : 1;
        l->in[TARGET][d] = l->in[ROWS][d] = l->out[0][d] = (axis_label){(int8_t)(d + 1), grain};
    }
}

static void reference(const call *c) {
    int64_t rows = c->out[0].dim[0], width = rows ? kit_elems(&c->out[0]) / rows : 0;
    if (c->out[0].data != c->in[TARGET].data)
        memcpy(c->out[0].data, c->in[TARGET].data, (size_t)(rows * width) * sizeof(double));
    for (int64_t i = 0; i < c->in[IDS].dim[0]; i++) {
        int64_t id = kit_id(&c->in[IDS], i);
        if (id >= 0 && id < rows)
            memcpy(kit_out(c, 0) + id * width, kit_in(c, ROWS) + i * width,
                   (size_t)width * sizeof(double));
    }
}

static void cost_of(const call *c, cost *out) {
    const tensor *rows = &c->in[ROWS];
    double written =
        (double)kit_rows(rows) * (double)num_row_bytes(c->out[0].format, kit_columns(rows));
    *out = (cost){.bytes = written + (double)kit_elems(rows) * rows->format->block_bytes};
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim);
    value target = sample_floats(s, rank, dim, -1, 1);
    int64_t ids[8], slots = dim[0], stride = sample_int(s, 0, 1) ? 1 : -1;
    dim[0] = sample_int(s, 1, MIN_OF(slots, 7));
    for (int64_t i = 0; i < dim[0]; i++)
        ids[i] = sample_int(s, 0, 5) ? (stride > 0 ? i : slots - 1 - i) : -1 - i;
    value at = sample_given_ids(s, dim[0], ids);
    return kit_sampled(s, build_put_rows(s->g, target, at, sample_floats(s, rank, dim, -1, 1)));
}

value build_put_rows(graph *g, value target, value ids, value rows) {
    return graph_add(g, &op_put_rows, NULL, 3, (value[]){target, ids, rows});
}

const op_def op_put_rows = {
    .name = "put_rows",
    .help = "target[ids[i]] = rows[i]",
    .n_in = 3,
    .n_out = 1,
    .index_in = 1u << IDS,
    .writes = {1 + TARGET},
    .no_grad = true,
    .precision = PRECISION_WIDE,
    .narrow_in = 1u << ROWS,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .cost = cost_of,
    .sample = draw,
};
