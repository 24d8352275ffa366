/* Extents and types: sizes that are constants or affine in a bounded symbol. */
#include "graph/graph.h"
#include <stdio.h>

extent extent_of(int64_t constant) {
    return (extent){.add = constant};
}

extent extent_symbol(int32_t sym) {
    return (extent){.mul = 1, .sym = sym};
}

extent extent_affine(int32_t sym, int64_t mul, int64_t add) {
    return sym && mul ? (extent){.mul = mul, .add = add, .sym = sym} : extent_of(add);
}

bool extent_same(extent a, extent b) {
    return a.mul == b.mul && a.add == b.add && a.sym == b.sym;
}

bool extent_is(extent a, int64_t constant) {
    return !a.sym && a.add == constant;
}

int64_t extent_bound(const graph *g, extent e) {
    int64_t product, sum;
    if (!e.sym) return e.add;
    int64_t at = e.mul < 0 ? 1 : g->symbols[e.sym].bound;
    return mul_overflows(e.mul, at, &product) || add_overflows(product, e.add, &sum) ? INT64_MAX
                                                                                     : sum;
}

int64_t extent_at(extent e, const int64_t *symbols) {
    return e.sym ? e.mul * symbols[e.sym] + e.add : e.add;
}

extent extent_times(extent e, int64_t factor) {
    return extent_affine(e.sym, e.mul * factor, e.add * factor);
}

extent extent_divide(extent e, int64_t divisor, bool *ok) {
    *ok = divisor > 0 && e.mul % divisor == 0 && e.add % divisor == 0;
    return *ok ? extent_affine(e.sym, e.mul / divisor, e.add / divisor) : e;
}

type type_of(const num_format *format, int32_t rank, const extent *dim) {
    type t = {.format = format, .rank = rank};
    for (int32_t d = 0; d < rank && d < MAX_RANK; d++) t.dim[d] = dim[d];
    return t;
}

type type_fixed(const num_format *format, int32_t rank, const int64_t *dim) {
    type t = {.format = format, .rank = rank};
    for (int32_t d = 0; d < rank && d < MAX_RANK; d++) t.dim[d] = extent_of(dim[d]);
    return t;
}

bool type_same_dims(const type *a, const type *b) {
    if (a->rank != b->rank) return false;
    for (int32_t d = 0; d < a->rank; d++)
        if (!extent_same(a->dim[d], b->dim[d])) return false;
    return true;
}

bool type_same(const type *a, const type *b) {
    return a->format == b->format && type_same_dims(a, b);
}

int64_t type_bound_elems(const graph *g, const type *t) {
    int64_t elems = 1;
    for (int32_t d = 0; d < t->rank; d++)
        if (mul_overflows(elems, extent_bound(g, t->dim[d]), &elems)) return INT64_MAX;
    return elems;
}

int64_t type_bound_bytes(const graph *g, const type *t) {
    int64_t rows = 1;
    for (int32_t d = 0; d + 1 < t->rank; d++)
        if (mul_overflows(rows, extent_bound(g, t->dim[d]), &rows)) return INT64_MAX;
    int64_t row = num_row_bytes(t->format, t->rank ? extent_bound(g, t->dim[t->rank - 1]) : 1);
    return mul_overflows(rows, row, &rows) ? INT64_MAX : rows;
}

static void print_extent(const graph *g, extent e, char *buffer, size_t size_bytes) {
    if (!e.sym) {
        snprintf(buffer, size_bytes, "%lld", (long long)e.add);
        return;
    }
    char mul[32] = "", add[32] = "";
    if (e.mul != 1) snprintf(mul, sizeof mul, "%lld*", (long long)e.mul);
    if (e.add) snprintf(add, sizeof add, "%+lld", (long long)e.add);
    snprintf(buffer, size_bytes, "%s%s%s<=%lld", mul, g->symbols[e.sym].name, add,
             (long long)extent_bound(g, e));
}

const char *type_print(const graph *g, const type *t, char *buffer, size_t size_bytes) {
    size_t at = 0;
    int wrote = snprintf(buffer, size_bytes, "%s[", t->format->name);
    for (int32_t d = 0; d <= t->rank; d++) {
        at += (size_t)MAX_OF(wrote, 0);
        if (at >= size_bytes) break;
        if (d == t->rank) {
            snprintf(buffer + at, size_bytes - at, "]");
            break;
        }
        char one[96];
        print_extent(g, t->dim[d], one, sizeof one);
        wrote = snprintf(buffer + at, size_bytes - at, "%s%s", d ? ", " : "", one);
    }
    return buffer;
}
