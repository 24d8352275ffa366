/* The only place where compiler extensions are named. Everything else is plain C17. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define UNUSED __attribute__((unused))
#define ALIGNED(n) __attribute__((aligned(n)))
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Compiled for wide vector units too, and picked when the program is loaded: for loops that compilers turn into vector
 * code by themselves, on floors below the kernels. What such a function calls must be ALWAYS_INLINE, or it is compiled
 * for the plain machine. (For AVX2, gcc 12 makes slower code of these loops than for plain x86-64.) Picking happens
 * before the thread sanitizer is ready. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_THREAD_SANITIZER
#endif
/* (clang gives the choosers of static functions global names, which clash between files.) */
#if defined(__x86_64__) && !defined(UNDER_THREAD_SANITIZER) && !defined(__clang__)
#define VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v4")))
#else
#define VECTOR_CLONES
#endif
/* Keeps a vector in a register: around some builtins gcc copies and spills what a loop sums up. */
#if defined(__x86_64__)
#define IN_REGISTER(vector) __asm__("" : "+v"(vector))
#else
#define IN_REGISTER(vector) ((void)(vector))
#endif
/* Makes the compiler forget what it knows of a whole number, so that a loop up to it stays a loop. */
#define FORGET(x) __asm__("" : "+r"(x))
/* In front of a loop of a few constant turns, whose body becomes as many copies. */
#if defined(__clang__)
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif
/* out[i] = d * table[the four bits from `shift` on of codes[i]] for sixteen codes: one instruction for the table where
 * the machine has it. */
ALWAYS_INLINE void lookup_16(const int8_t *table, const uint8_t *codes, int shift, float d,
                             float *out) {
#if defined(__GNUC__) && !defined(__clang__)
    typedef int8_t bytes __attribute__((vector_size(16)));
    typedef uint8_t places __attribute__((vector_size(16)));
    typedef int32_t words __attribute__((vector_size(64)));
    typedef float floats __attribute__((vector_size(64)));
    bytes from;
    places code;
    __builtin_memcpy(&from, table, 16);
    __builtin_memcpy(&code, codes, 16);
    from = __builtin_shuffle(from, (bytes)(code >> shift & 15));
    words whole = __builtin_convertvector(from, words);
    floats value = __builtin_convertvector(whole, floats) * d;
    __builtin_memcpy(out, &value, 64);
#else
    for (int i = 0; i < 16; i++) out[i] = d * (float)table[codes[i] >> shift & 15];
#endif
}
/* The same with a table of its own values, for sixteen codes in eight bytes, the upper of each first. */
ALWAYS_INLINE void lookup_pairs_16(const float *table, const uint8_t *codes, float d, float *out) {
#if defined(__GNUC__) && !defined(__clang__)
    typedef uint8_t places __attribute__((vector_size(16)));
    typedef int32_t words __attribute__((vector_size(64)));
    typedef float floats __attribute__((vector_size(64)));
    places code = {0};
    floats from;
    __builtin_memcpy(&code, codes, 8);
    __builtin_memcpy(&from, table, 64);
    code = __builtin_shuffle(code, (places){0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7});
    const words by = {4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0};
    words whole = __builtin_convertvector(code, words) >> by & 15;
    floats value = __builtin_shuffle(from, whole) * d;
    __builtin_memcpy(out, &value, 64);
#else
    for (int i = 0; i < 16; i++) out[i] = d * table[codes[i / 2] >> (i % 2 ? 0 : 4) & 15];
#endif
}
/* out[i] = the four bits from `shift` on of codes[i], above them bit i of `fifth`, for sixteen codes. */
ALWAYS_INLINE void join_fifth_16(const uint8_t *codes, int shift, uint32_t fifth, int32_t *out) {
#if defined(__GNUC__) && !defined(__clang__)
    typedef uint8_t places __attribute__((vector_size(16)));
    typedef int32_t words __attribute__((vector_size(64)));
    places code;
    __builtin_memcpy(&code, codes, 16);
    words whole = __builtin_convertvector(code >> shift & 15, words),
          bits = (words){0} + (int32_t)(fifth & 0xFFFF);
    whole |= (bits >> (words){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} & 1) << 4;
    __builtin_memcpy(out, &whole, 64);
#else
    for (int i = 0; i < 16; i++) out[i] = (codes[i] >> shift & 15) | (int32_t)(fifth >> i & 1) << 4;
#endif
}
#define PREFETCH(p) __builtin_prefetch((p), 0, 3)
/* Of what is read once: it leaves the outer caches to what is read again. */
#define PREFETCH_ONCE(p) __builtin_prefetch((p), 0, 0)

#define COUNT_OF(a) ((int64_t)(sizeof(a) / sizeof((a)[0])))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* A cache line; every tensor, arena block and per-thread slot starts on one. */
#define CACHE_LINE 64

static inline int64_t round_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}
static inline int64_t div_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit;
}

/* What one instruction does, for x86-64; elsewhere nothing, or nothing known. */
static inline void spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
/* MXCSR: rounding, denormals and masked exceptions of this thread's vector arithmetic. */
enum { FLOAT_MODE_DEFAULT = 0x1f80 };
static inline uint32_t float_mode_get(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr();
#else
    return FLOAT_MODE_DEFAULT;
#endif
}
static inline void float_mode_set(uint32_t mode) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(mode);
#else
    (void)mode;
#endif
}
/* CPUID: eax, ebx, ecx, edx of a leaf; XGETBV: the register states that the system saves. */
static inline void cpu_id(uint32_t leaf, uint32_t part, uint32_t out[4]) {
#if defined(__x86_64__)
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(part));
#else
    (void)leaf, (void)part;
    out[0] = out[1] = out[2] = out[3] = 0;
#endif
}
static inline uint64_t cpu_saved_states(void) {
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
#else
    return 0;
#endif
}

/* True on overflow, with the result then unspecified. */
static inline int mul_overflows(int64_t a, int64_t b, int64_t *out) {
    return __builtin_mul_overflow(a, b, out);
}
static inline int add_overflows(int64_t a, int64_t b, int64_t *out) {
    return __builtin_add_overflow(a, b, out);
}

#endif
