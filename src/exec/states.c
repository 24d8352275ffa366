#include "exec/states.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct states {
    context *cx;
    arena mem;
    state **items;
    int32_t n, cap;
};

states *states_new(context *cx) {
    states *s = context_zalloc(cx, sizeof *s);
    if (!s) return NULL;
    s->cx = cx;
    s->mem = arena_make(cx);
    return s;
}

void states_let_go(const state *s) {
    uintptr_t unit = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)s->t.data;
    uintptr_t from = (at + unit - 1) / unit * unit;
    uintptr_t to = (at + (uintptr_t)s->size_bytes) / unit * unit;
    if (!s->borrowed && from < to) (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void states_free(states *s) {
    if (!s) return;
    for (int32_t i = 0; i < s->n; i++)
        if (!s->items[i]->borrowed) context_release(s->cx, s->items[i]->t.data);
    arena_free(&s->mem);
    context_release(s->cx, s);
}

state *states_find(const states *s, const char *name) {
    for (int32_t i = 0; i < s->n; i++)
        if (!strcmp(s->items[i]->name, name)) return s->items[i];
    return NULL;
}

int32_t states_count(const states *s) {
    return s->n;
}

state *states_at(const states *s, int32_t index) {
    return s->items[index];
}

static tensor bound_tensor(const graph *g, const type *t) {
    tensor out = {.format = t->format, .rank = t->rank};
    for (int32_t d = 0; d < t->rank; d++) out.dim[d] = extent_bound(g, t->dim[d]);
    return out;
}

static bool same_tensor(const tensor *a, const tensor *b) {
    if (a->format != b->format || a->rank != b->rank) return false;
    return !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

static status append(states *s, state *item) {
    if (s->n == s->cap) {
        int32_t cap = s->cap ? s->cap * 2 : 32;
        state **wider = ARENA_NEW(&s->mem, state *, cap);
        if (!wider) return STATUS_NO_MEMORY;
        if (s->n) memcpy(wider, s->items, (size_t)s->n * sizeof *wider);
        s->items = wider;
        s->cap = cap;
    }
    s->items[s->n++] = item;
    return STATUS_OK;
}

/* A state of the node's name and type over `data`, which becomes the store's unless it is borrowed. */
static status add(states *s, const graph *g, const node *n, void *data, bool borrowed,
                  state **out) {
    state *item = ARENA_NEW(&s->mem, state, 1);
    char *name = item ? arena_strdup(&s->mem, n->name) : NULL;
    if (!name) return STATUS_NO_MEMORY;
    *item = (state){.name = name,
                    .t = bound_tensor(g, &n->out[0]),
                    .tag = n->tag,
                    .size_bytes = type_bound_bytes(g, &n->out[0]),
                    .borrowed = borrowed};
    item->t.data = data;
    *out = item;
    return append(s, item);
}

status states_borrow(states *s, const graph *g, const node *n, const void *data) {
    state *item;
    if (states_find(s, n->name))
        return context_fail(s->cx, STATUS_BUG, "state '%s' has memory already", n->name);
    return add(s, g, n, (void *)data, true, &item);
}

status states_bind(states *s, const graph *g, const node *n, state **out) {
    tensor t = bound_tensor(g, &n->out[0]);
    *out = states_find(s, n->name);
    if (*out) {
        char wants[160];
        if (same_tensor(&(*out)->t, &t)) return STATUS_OK;
        return context_fail(s->cx, STATUS_BAD_ARGUMENT,
                            "state '%s' is stored with another type than the graph's %s", n->name,
                            type_print(g, &n->out[0], wants, sizeof wants));
    }
    void *data = context_zalloc(s->cx, (size_t)type_bound_bytes(g, &n->out[0]));
    if (!data) return context_note(s->cx, STATUS_NO_MEMORY, "state '%s'", n->name);
    status st = add(s, g, n, data, false, out);
    if (st != STATUS_OK) {
        context_release(s->cx, data);
        *out = NULL;
    }
    return st;
}

int64_t tensor_elems(const tensor *t) {
    int64_t elems = 1;
    for (int32_t d = 0; d < t->rank; d++) elems *= t->dim[d];
    return elems;
}

tensor_rows tensor_rows_of(const tensor *t) {
    int64_t elems = t->rank ? t->dim[t->rank - 1] : 1;
    return (tensor_rows){.count = elems ? tensor_elems(t) / elems : 0,
                         .elems = elems,
                         .bytes = num_row_bytes(t->format, elems)};
}

int64_t tensor_bytes(const tensor *t) {
    tensor_rows rows = tensor_rows_of(t);
    return rows.count * rows.bytes;
}

void tensor_set(const tensor *t, const double *numbers) {
    tensor_rows rows = tensor_rows_of(t);
    if (t->format->pack_tensor_f64) {
        t->format->pack_tensor_f64(numbers, rows.count, rows.elems, t->data);
        return;
    }
    for (int64_t r = 0; r < rows.count; r++)
        num_pack_f64(t->format, numbers + r * rows.elems, rows.elems,
                     (char *)t->data + r * rows.bytes);
}

void tensor_get(const tensor *t, double *numbers) {
    tensor_rows rows = tensor_rows_of(t);
    for (int64_t r = 0; r < rows.count; r++)
        num_unpack_f64(t->format, (const char *)t->data + r * rows.bytes, 0, rows.elems,
                       numbers + r * rows.elems);
}

static status find_counted(const states *s, const char *name, int64_t count, state **out) {
    *out = states_find(s, name);
    if (!*out) return context_fail(s->cx, STATUS_BAD_ARGUMENT, "there is no state '%s'", name);
    if ((*out)->t.format->kind == NUM_INDEX)
        return context_fail(s->cx, STATUS_BAD_ARGUMENT, "state '%s' holds whole numbers (%s)", name,
                            (*out)->t.format->name);
    if (tensor_elems(&(*out)->t) == count) return STATUS_OK;
    return context_fail(s->cx, STATUS_BAD_ARGUMENT, "state '%s' has %lld elements, not %lld", name,
                        (long long)tensor_elems(&(*out)->t), (long long)count);
}

status states_set(states *s, const char *name, const double *numbers, int64_t count) {
    state *item;
    TRY(find_counted(s, name, count, &item));
    tensor_set(&item->t, numbers);
    return STATUS_OK;
}

status states_get(const states *s, const char *name, double *numbers, int64_t count) {
    state *item;
    TRY(find_counted(s, name, count, &item));
    tensor_get(&item->t, numbers);
    return STATUS_OK;
}
