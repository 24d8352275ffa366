/* Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3" (SC 2011). A block of four 32-bit words is a function of (seed, stream, position):
 * the key is the seed, the counter is the position below and the stream above. Nothing is drawn in order, so
 * that any thread, rank or recomputation gets the same number at the same place. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

typedef struct rng_block {
    uint32_t word[4];
} rng_block;

static inline rng_block rng_philox(rng_block counter, uint32_t key0, uint32_t key1) {
    uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return (rng_block){{c0, c1, c2, c3}};
}

static inline rng_block rng_at(uint64_t seed, uint64_t stream, uint64_t position) {
    rng_block counter = {{(uint32_t)position, (uint32_t)(position >> 32), (uint32_t)stream,
                          (uint32_t)(stream >> 32)}};
    return rng_philox(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
}

/* In [0, 1), a multiple of 2^-24 and of 2^-53. */
static inline float rng_unit_float(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}
static inline double rng_unit_double(uint32_t low, uint32_t high) {
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

/* A sequence that remembers where it is. Two sequences with one (seed, stream) are equal. */
typedef struct rng {
    uint64_t seed, stream, position;
} rng;

rng rng_make(uint64_t seed, uint64_t stream);
uint64_t rng_next(rng *r);
/* In 0 .. below - 1, without bias; below > 0. */
uint64_t rng_below(rng *r, uint64_t below);
double rng_uniform(rng *r); /* [0, 1) */
double rng_normal(rng *r);  /* mean 0, deviation 1 */

/* out[i] is the number at position first + i of the stream, whoever asks for which part. */
void rng_fill_uniform(uint64_t seed, uint64_t stream, int64_t first, int64_t count, float *out);
void rng_fill_normal(uint64_t seed, uint64_t stream, int64_t first, int64_t count, float *out);

/* A number for a name that comes only once, in any process: of the time and a count. Not for secrets. */
uint64_t rng_fresh(void);

/* A stream number for a name, so that streams stay apart without a list of them. */
uint64_t rng_stream(const char *name);

#endif
