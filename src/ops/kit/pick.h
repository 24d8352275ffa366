/* What embedding, gather, take and their opposites share. */
#ifndef OPS_KIT_PICK_H
#define OPS_KIT_PICK_H

#include "ops/gather.h"
#include "ops/kit/kit.h"

/* y[i, ..] = x[ids[i], ..] of operands 0 and 1, or zeros. */
void pick_rows(const call *c);
status pick_rows_shape(const graph *g, const node *n, type *out);
void pick_rows_labels(const graph *g, const node *n, labels *l);
void pick_cost(const call *c, cost *out);
/* Some ids in range, now and then one that is not. */
value pick_sample_ids(sample *s, int32_t rank, const int64_t *dim, int64_t below);
/* x [.., V] against ids [.., k] or [..]: leading axes agree. */
status pick_need_rows(const graph *g, const node *n, const type *x, const type *ids);
/* Every axis of ids but its own last (k), labelled alike in all. */
void pick_labels_within(const type *x, axis_label *in_x, const type *ids, axis_label *in_ids,
                        axis_label *picked, labels *l);

#endif
