/* Roofs of AVX-512 with BF16 and VNNI. Dot products come with operands in registers and from the first cache, in 12
 * and 24 chains: cores differ in which of these feeds both ports. */
#include "dev/roof.h"
#include <immintrin.h>

#define DOT_LOOPS(name, T, zero, load, step, add, ops)                                             \
    ALWAYS_INLINE double name##_loop(void *memory, int64_t rounds, const int chains, bool from) {  \
        T sum[24], a = load(memory), b = load((char *)memory + 64);                                \
        for (int i = 0; i < chains; i++) sum[i] = zero();                                          \
        for (int64_t r = 0; r < rounds; r++)                                                       \
            for (int i = 0; i < chains; i++) {                                                     \
                T c = from ? load((char *)memory + 64 * (i % 4)) : a;                              \
                sum[i] = step(sum[i], c, b);                                                       \
            }                                                                                      \
        for (int i = 1; i < chains; i++) sum[0] = add(sum[0], sum[i]);                             \
        _mm512_storeu_si512((char *)memory + 512, (__m512i)sum[0]);                                \
        return (ops) * (double)chains * (double)rounds;                                            \
    }                                                                                              \
    static double name##_12(void *memory, int64_t bytes, int64_t rounds) {                         \
        (void)bytes;                                                                               \
        return name##_loop(memory, rounds, 12, false);                                             \
    }                                                                                              \
    static double name##_24(void *memory, int64_t bytes, int64_t rounds) {                         \
        (void)bytes;                                                                               \
        return name##_loop(memory, rounds, 24, false);                                             \
    }                                                                                              \
    static double name##_cache(void *memory, int64_t bytes, int64_t rounds) {                      \
        (void)bytes;                                                                               \
        return name##_loop(memory, rounds, 24, true);                                              \
    }

#define FMA_STEP(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#define BF16_STEP(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#define INT8_STEP(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
DOT_LOOPS(f32, __m512, _mm512_setzero_ps, _mm512_load_ps, FMA_STEP, _mm512_add_ps, 32.0)
DOT_LOOPS(bf16, __m512, _mm512_setzero_ps, _mm512_load_ps, BF16_STEP, _mm512_add_ps, 64.0)
DOT_LOOPS(int8, __m512i, _mm512_setzero_si512, _mm512_load_si512, INT8_STEP, _mm512_add_epi32,
          128.0)

/* `streams` places at once, each ahead of its own prefetches. */
ALWAYS_INLINE double read_loop(void *memory, int64_t bytes, int64_t rounds, const int streams,
                               const int64_t ahead) {
    const char *x = memory;
    __m512i sum[8];
    int64_t part = bytes / streams;
    for (int k = 0; k < 8; k++) sum[k] = _mm512_setzero_si512();
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < part; i += 512 / streams)
            for (int k = 0; k < 8; k++) {
                const char *p = x + k % streams * part + i + k / streams * 64;
                if (ahead) PREFETCH(p + ahead);
                sum[k] = _mm512_add_epi64(sum[k], _mm512_load_si512(p));
            }
    for (int k = 1; k < 8; k++) sum[0] = _mm512_add_epi64(sum[0], sum[k]);
    *(char *)memory = (char)(*x ^ (_mm512_reduce_add_epi64(sum[0]) == 1));
    return (double)bytes * (double)rounds;
}
static double read_one(void *memory, int64_t bytes, int64_t rounds) {
    return read_loop(memory, bytes, rounds, 1, 0);
}
static double read_ahead(void *memory, int64_t bytes, int64_t rounds) {
    return read_loop(memory, bytes, rounds, 1, 8192);
}
static double read_four(void *memory, int64_t bytes, int64_t rounds) {
    return read_loop(memory, bytes, rounds, 4, 4096);
}
static double read_eight(void *memory, int64_t bytes, int64_t rounds) {
    return read_loop(memory, bytes, rounds, 8, 2048);
}

ALWAYS_INLINE double copy_loop(void *memory, int64_t bytes, int64_t rounds, const int64_t ahead,
                               bool stream) {
    const char *x = memory;
    char *y = (char *)memory + bytes / 2;
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < bytes / 2; i += 256)
            for (int k = 0; k < 256; k += 64) {
                __m512i v = _mm512_load_si512(x + i + k);
                if (ahead) PREFETCH(x + i + k + ahead);
                if (stream)
                    _mm512_stream_si512((__m512i *)(y + i + k), v);
                else
                    _mm512_store_si512(y + i + k, v);
            }
    _mm_sfence();
    return (double)bytes * (double)rounds;
}
static double copy_plain(void *memory, int64_t bytes, int64_t rounds) {
    return copy_loop(memory, bytes, rounds, 0, false);
}
static double copy_ahead(void *memory, int64_t bytes, int64_t rounds) {
    return copy_loop(memory, bytes, rounds, 4096, false);
}
static double copy_stream(void *memory, int64_t bytes, int64_t rounds) {
    return copy_loop(memory, bytes, rounds, 4096, true);
}

extern const roof_def roof_avx512[];
const roof_def roof_avx512[] = {{ROOF_F32, "12 chains", f32_12},
                                {ROOF_F32, "24 chains", f32_24},
                                {ROOF_F32, "24 chains, first cache", f32_cache},
                                {ROOF_BF16, "12 chains", bf16_12},
                                {ROOF_BF16, "24 chains", bf16_24},
                                {ROOF_BF16, "24 chains, first cache", bf16_cache},
                                {ROOF_INT8, "12 chains", int8_12},
                                {ROOF_INT8, "24 chains", int8_24},
                                {ROOF_INT8, "24 chains, first cache", int8_cache},
                                {ROOF_READ, "one stream", read_one},
                                {ROOF_READ, "one stream, prefetched", read_ahead},
                                {ROOF_READ, "four streams, prefetched", read_four},
                                {ROOF_READ, "eight streams, prefetched", read_eight},
                                {ROOF_COPY, "plain", copy_plain},
                                {ROOF_COPY, "prefetched", copy_ahead},
                                {ROOF_COPY_STREAM, "prefetched", copy_stream},
                                {0}};
