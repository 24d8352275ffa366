/* What samplers draw from: a small generator of its own (splitmix64), since cases need only
 * variety. */
#include "graph/op.h"
#include <stdio.h>

uint64_t sample_bits(sample *s) {
    uint64_t z = (s->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t sample_int(sample *s, int64_t low, int64_t high) {
    return low + (int64_t)(sample_bits(s) % (uint64_t)(high - low + 1));
}

double sample_real(sample *s, double low, double high) {
    return low + (high - low) * (double)(sample_bits(s) >> 11) * 0x1p-53;
}

int64_t sample_extent(sample *s, int64_t low, int64_t high) {
    bool far = s->wide > 1 && sample_int(s, 0, 2) == 0;
    int64_t n = sample_int(s, low, far ? high * s->wide : high);
    return s->even ? round_up(n, 4) : n;
}

static sample_input *next_input(sample *s, const num_format *format, int32_t rank,
                                const int64_t *dim) {
    if (s->n_inputs == COUNT_OF(s->inputs)) {
        (void)graph_fail(s->g, STATUS_BUG, "a sampler made more than %d inputs", s->n_inputs);
        return NULL;
    }
    char name[16];
    snprintf(name, sizeof name, "x%d", s->n_inputs);
    type t = type_fixed(format, rank, dim);
    value v = graph_input(s->g, name, t);
    if (value_absent(v)) return NULL;
    sample_input *in = &s->inputs[s->n_inputs++];
    *in = (sample_input){.v = v, .count = type_bound_elems(s->g, &t)};
    return in;
}

value sample_floats(sample *s, int32_t rank, const int64_t *dim, double low, double high) {
    sample_input *in = next_input(s, num_find("f64"), rank, dim);
    if (!in) return NO_VALUE;
    in->numbers = ARENA_NEW(&s->g->mem, double, in->count);
    if (!in->numbers) return graph_fail(s->g, STATUS_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < in->count; i++) in->numbers[i] = sample_real(s, low, high);
    return in->v;
}

static value ids(sample *s, int32_t rank, const int64_t *dim, int64_t below, const int64_t *given) {
    sample_input *in = next_input(s, num_find("i32"), rank, dim);
    if (!in) return NO_VALUE;
    in->ids = ARENA_NEW(&s->g->mem, int64_t, in->count);
    if (!in->ids) return graph_fail(s->g, STATUS_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < in->count; i++)
        in->ids[i] = given ? given[i] : sample_int(s, 0, below - 1);
    return in->v;
}

value sample_ids(sample *s, int32_t rank, const int64_t *dim, int64_t below) {
    return ids(s, rank, dim, below, NULL);
}

value sample_given_ids(sample *s, int64_t count, const int64_t *given) {
    return ids(s, 1, &count, 0, given);
}
