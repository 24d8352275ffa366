/* Normal numbers come from pairs of uniforms (Box and Muller 1958): r = sqrt(-2 ln u), u in (0, 1], and an
 * angle 2 pi v; both of the pair are used. They are computed in double and rounded once. */
#include "base/rng.h"
#include "base/time.h"
#include <math.h>
#include <stdatomic.h>

#define TAU 6.28318530717958647692

rng rng_make(uint64_t seed, uint64_t stream) {
    return (rng){.seed = seed, .stream = stream};
}

/* Two numbers to a block. */
uint64_t rng_next(rng *r) {
    rng_block b = rng_at(r->seed, r->stream, r->position >> 1);
    int half = (int)(r->position++ & 1) * 2;
    return (uint64_t)b.word[half + 1] << 32 | b.word[half];
}

/* Rejects the last, incomplete round of `below` numbers. */
uint64_t rng_below(rng *r, uint64_t below) {
    uint64_t excess = (UINT64_MAX % below + 1) % below, n;
    do n = rng_next(r);
    while (n > UINT64_MAX - excess);
    return n % below;
}

double rng_uniform(rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

static void normal_pair(uint32_t a, uint32_t b, double out[2]) {
    double radius = sqrt(-2 * log(((double)a + 1) * 0x1p-32));
    double angle = TAU * 0x1p-32 * (double)b;
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

double rng_normal(rng *r) {
    uint64_t n = rng_next(r);
    double pair[2];
    normal_pair((uint32_t)n, (uint32_t)(n >> 32), pair);
    return pair[0];
}

void rng_fill_uniform(uint64_t seed, uint64_t stream, int64_t first, int64_t count, float *out) {
    for (int64_t i = 0; i < count;) {
        uint64_t at = (uint64_t)(first + i);
        rng_block b = rng_at(seed, stream, at >> 2);
        for (int k = (int)(at & 3); k < 4 && i < count; k++) out[i++] = rng_unit_float(b.word[k]);
    }
}

void rng_fill_normal(uint64_t seed, uint64_t stream, int64_t first, int64_t count, float *out) {
    for (int64_t i = 0; i < count;) {
        uint64_t at = (uint64_t)(first + i);
        rng_block b = rng_at(seed, stream, at >> 2);
        double four[4];
        normal_pair(b.word[0], b.word[1], four);
        normal_pair(b.word[2], b.word[3], four + 2);
        for (int k = (int)(at & 3); k < 4 && i < count; k++) out[i++] = (float)four[k];
    }
}

uint64_t rng_fresh(void) {
    static atomic_uint_fast64_t count;
    rng_block b = rng_at((uint64_t)time_ns(), atomic_fetch_add(&count, 1), 0);
    return (uint64_t)b.word[0] << 32 | b.word[1];
}

uint64_t rng_stream(const char *name) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return h;
}
