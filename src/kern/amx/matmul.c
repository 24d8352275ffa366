/* bf16 by TDPBF16PS, int8 by TDPBSUD (a signed, b unsigned): 16 groups of K a step.
 * A strip of up to 16 rows is one tile of a against the four tiles of a panel; 17 to 32 rows are two
 * tiles of a against two of b, twice. */
#include "kern/kit/matmul.h"
#include <immintrin.h>

enum { STRIP = 32, STEP = GROUP_FILL * GROUP_BYTES };

/* What the tile registers are configured for. */
typedef struct tile_state {
    int32_t tail; /* rows % 16 of a strip, below 0: nothing yet */
    int32_t wide; /* two tiles of a */
} tile_state;

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0..3 accumulate, 4 and 5 hold a, 6 and 7 (for one tile of a also 5) hold b. */
static void configure(tile_state *s, int32_t rows) {
    int32_t tail = rows % 16, wide = rows > 16;
    if (s->tail == tail && (tail == 0 || s->wide == wide)) return;
    *s = (tile_state){tail, wide};
    /* volatile: gcc's intrinsic tells the compiler of only the first bytes that it reads */
    volatile tile_config cfg ALIGNED(64) = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        cfg.row_bytes[i] = 64;
        cfg.rows[i] = 16;
    }
    if (tail && wide) cfg.rows[2] = cfg.rows[3] = cfg.rows[5] = (uint8_t)tail;
    if (tail && !wide)
        for (int i = 0; i < 5; i++) cfg.rows[i] = (uint8_t)tail;
    _tile_loadconfig((const void *)&cfg);
}

static void begin(void *state) {
    *(tile_state *)state = (tile_state){.tail = -1};
}

static void end(void) {
    _tile_release();
}

#define DOT(kind, acc, a, b)                                                                       \
    do {                                                                                           \
        if (kind == MATMUL_BF16)                                                                   \
            _tile_dpbf16ps(acc, a, b);                                                             \
        else                                                                                       \
            _tile_dpbsud(acc, a, b);                                                               \
    } while (0)
#define START(acc, at)                                                                             \
    do {                                                                                           \
        if (t->first)                                                                              \
            _tile_zero(acc);                                                                       \
        else                                                                                       \
            _tile_loadd(acc, at, GROUP_BYTES);                                                     \
    } while (0)

/* Up to 16 rows x 64 columns. */
ALWAYS_INLINE void one_by_four(matmul_kind kind, const matmul_tile *t) {
    const char *a = t->a, *b = t->b, *next = t->next;
    const int64_t stride = t->a_stride, step = t->next_bytes * GROUP_FILL / t->groups;
    START(0, t->c);
    START(1, t->c + 16);
    START(2, t->c + 32);
    START(3, t->c + 48);
    for (int64_t g = 0; g < t->groups; g += GROUP_FILL) {
        _tile_loadd(4, a, stride);
        for (int64_t i = 0; i < step; i += CACHE_LINE) PREFETCH(next + i);
        next += step;
        _tile_loadd(6, b, GROUP_BYTES);
        DOT(kind, 0, 4, 6);
        _tile_loadd(7, b + 64, GROUP_BYTES);
        DOT(kind, 1, 4, 7);
        _tile_loadd(6, b + 128, GROUP_BYTES);
        DOT(kind, 2, 4, 6);
        _tile_loadd(7, b + 192, GROUP_BYTES);
        DOT(kind, 3, 4, 7);
        a += 64;
        b += STEP;
    }
    _tile_stored(0, t->c, GROUP_BYTES);
    _tile_stored(1, t->c + 16, GROUP_BYTES);
    _tile_stored(2, t->c + 32, GROUP_BYTES);
    _tile_stored(3, t->c + 48, GROUP_BYTES);
}

/* 17 to 32 rows x 32 columns. */
ALWAYS_INLINE void two_by_two(matmul_kind kind, const matmul_tile *t, int column, const char *next,
                              int64_t step) {
    const int64_t stride = t->a_stride;
    const char *a = t->a, *a2 = a + 16 * stride, *b = t->b + column * 4;
    float *c = t->c + column, *c2 = c + 16 * PANEL;
    START(0, c);
    START(1, c + 16);
    START(2, c2);
    START(3, c2 + 16);
    for (int64_t g = 0; g < t->groups; g += GROUP_FILL) {
        for (int64_t i = 0; i < step; i += CACHE_LINE) _mm_prefetch(next + i, _MM_HINT_T1);
        next += step;
        _tile_loadd(6, b, GROUP_BYTES);
        _tile_loadd(4, a, stride);
        DOT(kind, 0, 4, 6);
        _tile_loadd(7, b + 64, GROUP_BYTES);
        DOT(kind, 1, 4, 7);
        _tile_loadd(5, a2, stride);
        DOT(kind, 2, 5, 6);
        DOT(kind, 3, 5, 7);
        a += 64;
        a2 += 64;
        b += STEP;
    }
    _tile_stored(0, c, GROUP_BYTES);
    _tile_stored(1, c + 16, GROUP_BYTES);
    _tile_stored(2, c2, GROUP_BYTES);
    _tile_stored(3, c2 + 16, GROUP_BYTES);
}

ALWAYS_INLINE void tile_of(matmul_kind kind, const matmul_tile *t, tile_state *s) {
    configure(s, t->rows);
    if (t->rows > 16) {
        int64_t steps = div_up(t->groups, GROUP_FILL);
        int64_t step = round_up(div_up(t->next_bytes, 2 * steps), CACHE_LINE);
        two_by_two(kind, t, 0, t->next, step);
        if (t->vectors > 2) two_by_two(kind, t, 32, t->next + steps * step, step);
    } else {
        one_by_four(kind, t);
    }
}

static void bf16_tile(const matmul_tile *t, void *state) {
    tile_of(MATMUL_BF16, t, state);
}

static void int8_tile(const matmul_tile *t, void *state) {
    tile_of(MATMUL_INT8, t, state);
}

static const matmul_family amx_bf16 = {.kind = MATMUL_BF16,
                                       .strip = STRIP,
                                       .block_rows = 256,
                                       .block_groups = 1024,
                                       .near_groups = 1024,
                                       .unit_groups = GROUP_FILL,
                                       .max_chunk = 8,
                                       .tile = bf16_tile,
                                       .begin = begin,
                                       .end = end};
static const matmul_family amx_int8 = {.kind = MATMUL_INT8,
                                       .strip = STRIP,
                                       .block_rows = 256,
                                       .block_groups = 1024,
                                       .near_groups = 1024,
                                       .unit_groups = GROUP_FILL,
                                       .max_chunk = 8,
                                       .tile = int8_tile,
                                       .begin = begin,
                                       .end = end};
MATMUL_KERNEL(amx_bf16, "amx", 0xa3100002, 4e-3);
MATMUL_KERNEL(amx_int8, "amx", MATMUL_INT8_ORDER, 1e-6);

const kernel_def *const kernels_amx_matmul[] = {&amx_bf16_kernel, &amx_int8_kernel, NULL};
