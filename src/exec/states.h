/* States live outside graphs and are bound to them by name, so that training, evaluation and
 * decoding share them. A store owns the memory of its states; they never move while the store
 * lives. */
#ifndef EXEC_STATES_H
#define EXEC_STATES_H

#include "graph/op.h"

typedef struct state {
    const char *name;
    tensor t; /* dense at the bound */
    tag tag;
    int64_t size_bytes;
    bool borrowed; /* memory of somebody else's: a mapped file */
} state;

typedef struct states states;

states *states_new(context *cx);
void states_free(states *s);
/* The state of that name, made (zeroed) if it is new; an error if it is there with another type. */
status states_bind(states *s, const graph *g, const node *n, state **out);
/* Binds the name to memory of somebody else's that is only read and outlives the store; the name must
 * be new. */
status states_borrow(states *s, const graph *g, const node *n, const void *data);
/* Whole pages of the store's own memory go back; read again they are 0. For contents that nobody needs any more. */
void states_let_go(const state *s);
state *states_find(const states *s, const char *name);
int32_t states_count(const states *s);
state *states_at(const states *s, int32_t index);
/* Contents from and to doubles, through the format. `count` must be the number of elements. */
status states_set(states *s, const char *name, const double *numbers, int64_t count);
status states_get(const states *s, const char *name, double *numbers, int64_t count);

/* A tensor as its rows along the innermost axis. */
typedef struct tensor_rows {
    int64_t count, elems, bytes; /* bytes: as stored, of one */
} tensor_rows;
tensor_rows tensor_rows_of(const tensor *t);
/* Elements, and bytes as stored, of a tensor with extents set. */
int64_t tensor_elems(const tensor *t);
int64_t tensor_bytes(const tensor *t);
/* Whole tensors from and to doubles. */
void tensor_set(const tensor *t, const double *numbers);
void tensor_get(const tensor *t, double *numbers);

#endif
