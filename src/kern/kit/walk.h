/* Where element i of a view lies that counts through some axes, the last one fastest, each with a step of its own. */
#ifndef KERN_KIT_WALK_H
#define KERN_KIT_WALK_H

#include "graph/op.h"

typedef struct walk {
    int32_t axes;
    int64_t count; /* of elements */
    int64_t dim[MAX_RANK], step[MAX_RANK];
} walk;

/* Begun as (walk){.count = 1}, from the outermost axis on. */
static inline void walk_add(walk *w, int64_t dim, int64_t step) {
    w->dim[w->axes] = dim;
    w->step[w->axes++] = step;
    w->count *= dim;
}

static inline int64_t walk_at(const walk *w, int64_t i) {
    int64_t at = 0;
    for (int32_t d = w->axes - 1; d > 0; d--) {
        at += i % w->dim[d] * w->step[d];
        i /= w->dim[d];
    }
    return w->axes ? at + i * w->step[0] : 0;
}

/* The steps of a dense tensor's axes. */
static inline void walk_steps(const tensor *t, int64_t *step) {
    int64_t next = 1;
    for (int32_t d = t->rank - 1; d >= 0; d--) {
        step[d] = next;
        next *= t->dim[d];
    }
}

#endif
