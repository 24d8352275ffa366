/* Roofs of AVX2 with FMA. */
#include "dev/roof.h"
#include <immintrin.h>

static double fma_registers(void *memory, int64_t bytes, int64_t rounds) {
    enum { CHAINS = 12 };
    float *x = memory;
    __m256 sum[CHAINS], a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8);
    (void)bytes;
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_setzero_ps();
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_fmadd_ps(a, b, sum[i]);
    for (int i = 1; i < CHAINS; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    _mm256_storeu_ps(x + 16, sum[0]);
    return 16.0 * CHAINS * (double)rounds;
}

static double read_lines(void *memory, int64_t bytes, int64_t rounds) {
    const char *x = memory;
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < bytes; i += 128)
            for (int k = 0; k < 4; k++)
                sum[k] =
                    _mm256_add_epi64(sum[k], _mm256_load_si256((const __m256i *)(x + i + 32 * k)));
    for (int k = 1; k < 4; k++) sum[0] = _mm256_add_epi64(sum[0], sum[k]);
    *(char *)memory = (char)(*x ^ (_mm256_extract_epi64(sum[0], 0) == 1));
    return (double)bytes * (double)rounds;
}

static double copy_lines(void *memory, int64_t bytes, int64_t rounds) {
    const char *x = memory;
    char *y = (char *)memory + bytes / 2;
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < bytes / 2; i += 32)
            _mm256_store_si256((__m256i *)(y + i), _mm256_load_si256((const __m256i *)(x + i)));
    return (double)bytes * (double)rounds;
}

extern const roof_def roof_avx2[];
const roof_def roof_avx2[] = {{ROOF_F32, "12 chains", fma_registers},
                              {ROOF_READ, "lines", read_lines},
                              {ROOF_COPY, "lines", copy_lines},
                              {0}};
