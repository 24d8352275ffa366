/* Roofs of plain C; what the compiler makes of it counts. */
#include "dev/roof.h"
#include <string.h>

static double fma_chains(void *memory, int64_t bytes, int64_t rounds) {
    enum { CHAINS = 32 };
    float sum[CHAINS] = {0}, *x = memory, a = x[0], b = x[1];
    (void)bytes;
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * a + b;
    for (int i = 0; i < CHAINS; i++) x[2] += sum[i];
    return 2.0 * CHAINS * (double)rounds;
}

static double read_words(void *memory, int64_t bytes, int64_t rounds) {
    volatile const uint64_t *p = memory;
    uint64_t or_of[8] = {0};
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < bytes / 8; i += 8)
            for (int k = 0; k < 8; k++) or_of[k] |= p[i + k];
    for (int k = 1; k < 8; k++) or_of[0] |= or_of[k];
    *(uint64_t *)memory ^= or_of[0] == 1;
    return (double)bytes * (double)rounds;
}

static double copy_library(void *memory, int64_t bytes, int64_t rounds) {
    for (int64_t r = 0; r < rounds; r++)
        memcpy((char *)memory + bytes / 2, memory, (size_t)(bytes / 2));
    return (double)bytes * (double)rounds;
}

static double update_words(void *memory, int64_t bytes, int64_t rounds) {
    volatile uint64_t *p = memory;
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < bytes / 8; i++) p[i] = p[i];
    return 2.0 * (double)bytes * (double)rounds;
}

extern const roof_def roof_scalar[];
const roof_def roof_scalar[] = {{ROOF_F32, "32 chains", fma_chains},
                                {ROOF_READ, "words", read_words},
                                {ROOF_COPY, "memcpy", copy_library},
                                {ROOF_UPDATE, "words", update_words},
                                {0}};
