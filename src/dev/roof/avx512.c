/* Roofs of AVX-512 with BF16 and VNNI. Dot products run in 12 and in 24 chains, each a variable of its own: sums in an
 * array would be kept in memory by some compilers, at half of the rate. */
#include "dev/roof.h"
#include <immintrin.h>

#define SIX(X, set) X(set##0) X(set##1) X(set##2) X(set##3) X(set##4) X(set##5)
#define TWELVE(X) SIX(X, p) SIX(X, q)
#define TWENTY_FOUR(X) TWELVE(X) SIX(X, r) SIX(X, s)

#define F32_START(x) __m512 x = _mm512_setzero_ps();
#define F32_STEP(x)                                                                                \
    x = _mm512_fmadd_ps((__m512)a, (__m512)b, x);                                                  \
    IN_REGISTER(x);
#define BF16_STEP(x)                                                                               \
    x = _mm512_dpbf16_ps(x, (__m512bh)a, (__m512bh)b);                                             \
    IN_REGISTER(x);
#define F32_END(x) a = (__m512i)_mm512_add_ps((__m512)a, x);
#define INT8_START(x) __m512i x = _mm512_setzero_si512();
#define INT8_STEP(x)                                                                               \
    x = _mm512_dpbusd_epi32(x, a, b);                                                              \
    IN_REGISTER(x);
#define INT8_END(x) a = _mm512_add_epi32(a, x);

#define DOT_LOOP(name, EACH, START, STEP, END, ops)                                                \
    static double name(void *memory, int64_t bytes, int64_t rounds) {                              \
        __m512i a = _mm512_load_si512(memory), b = _mm512_load_si512((char *)memory + 64);         \
        (void)bytes;                                                                               \
        EACH(START)                                                                                \
        for (int64_t n = 0; n < rounds; n++) {                                                     \
            EACH(STEP)                                                                             \
        }                                                                                          \
        EACH(END)                                                                                  \
        _mm512_store_si512((char *)memory + 512, a);                                               \
        return (ops) * (double)rounds;                                                             \
    }
DOT_LOOP(f32_12, TWELVE, F32_START, F32_STEP, F32_END, 12 * 32)
DOT_LOOP(f32_24, TWENTY_FOUR, F32_START, F32_STEP, F32_END, 24 * 32)
DOT_LOOP(bf16_12, TWELVE, F32_START, BF16_STEP, F32_END, 12 * 64)
DOT_LOOP(bf16_24, TWENTY_FOUR, F32_START, BF16_STEP, F32_END, 24 * 64)
DOT_LOOP(int8_12, TWELVE, INT8_START, INT8_STEP, INT8_END, 12 * 128)
DOT_LOOP(int8_24, TWENTY_FOUR, INT8_START, INT8_STEP, INT8_END, 24 * 128)

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
    *(char *)memory = (char)(*x ^ (_mm512_test_epi64_mask(sum[0], sum[0]) == 1));
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

/* Of `streams` places, all but the last of several are written where they were read. */
ALWAYS_INLINE double update_loop(void *memory, int64_t bytes, int64_t rounds, const int streams) {
    const int written = streams == 1 ? 1 : streams - 1;
    int64_t part = bytes / streams;
    for (int64_t r = 0; r < rounds; r++)
        for (int64_t i = 0; i < part; i += 64)
            for (int k = 0; k < streams; k++) {
                char *p = (char *)memory + k * part + i;
                PREFETCH(p + 4096);
                __m512i v = _mm512_load_si512(p);
                IN_REGISTER(v);
                if (k < written) _mm512_store_si512(p, v);
            }
    return (double)(part * (streams + written)) * (double)rounds;
}
static double update_one(void *memory, int64_t bytes, int64_t rounds) {
    return update_loop(memory, bytes, rounds, 1);
}
static double update_four(void *memory, int64_t bytes, int64_t rounds) {
    return update_loop(memory, bytes, rounds, 4);
}

extern const roof_def roof_avx512[];
const roof_def roof_avx512[] = {{ROOF_F32, "12 chains", f32_12},
                                {ROOF_F32, "24 chains", f32_24},

                                {ROOF_BF16, "12 chains", bf16_12},
                                {ROOF_BF16, "24 chains", bf16_24},

                                {ROOF_INT8, "12 chains", int8_12},
                                {ROOF_INT8, "24 chains", int8_24},

                                {ROOF_READ, "one stream", read_one},
                                {ROOF_READ, "one stream, prefetched", read_ahead},
                                {ROOF_READ, "four streams, prefetched", read_four},
                                {ROOF_READ, "eight streams, prefetched", read_eight},
                                {ROOF_COPY, "plain", copy_plain},
                                {ROOF_COPY, "prefetched", copy_ahead},
                                {ROOF_COPY_STREAM, "prefetched", copy_stream},
                                {ROOF_UPDATE, "one stream", update_one},
                                {ROOF_UPDATE, "three of four streams", update_four},
                                {0}};
