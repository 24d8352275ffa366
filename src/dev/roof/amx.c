/* Roofs of AMX: products of 16 x 64-byte tiles onto four accumulators, with the operands kept in tiles, or loaded
 * again from the first cache as a real kernel must (two and two for four products). base/cpu.h asked for tiles. */
#include "dev/roof.h"
#include <immintrin.h>
#include <string.h>

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void tiles_begin(void) {
    tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

#define LOAD_OPERANDS(at)                                                                          \
    _tile_loadd(4, (at), 64);                                                                      \
    _tile_loadd(5, (at) + 1024, 64);                                                               \
    _tile_loadd(6, (at) + 2048, 64);                                                               \
    _tile_loadd(7, (at) + 3072, 64)

#define TILE_LOOPS(name, dot)                                                                      \
    static double name##_tiles(void *memory, int64_t bytes, int64_t rounds) {                      \
        char *x = memory;                                                                          \
        (void)bytes;                                                                               \
        tiles_begin();                                                                             \
        LOAD_OPERANDS(x);                                                                          \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (int64_t r = 0; r < rounds; r++) {                                                     \
            dot(0, 4, 6);                                                                          \
            dot(1, 4, 7);                                                                          \
            dot(2, 5, 6);                                                                          \
            dot(3, 5, 7);                                                                          \
        }                                                                                          \
        _tile_stored(0, x + 8192, 64);                                                             \
        _tile_release();                                                                           \
        return 4.0 * (double)rounds;                                                               \
    }                                                                                              \
    static double name##_cache(void *memory, int64_t bytes, int64_t rounds) {                      \
        char *x = memory;                                                                          \
        (void)bytes;                                                                               \
        tiles_begin();                                                                             \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (int64_t r = 0; r < rounds; r++) {                                                     \
            LOAD_OPERANDS(x);                                                                      \
            dot(0, 4, 6);                                                                          \
            dot(1, 4, 7);                                                                          \
            dot(2, 5, 6);                                                                          \
            dot(3, 5, 7);                                                                          \
        }                                                                                          \
        _tile_stored(0, x + 8192, 64);                                                             \
        _tile_release();                                                                           \
        return 4.0 * (double)rounds;                                                               \
    }

TILE_LOOPS(bf16, _tile_dpbf16ps)
TILE_LOOPS(int8, _tile_dpbssd)

/* A product of tiles is 16 x 16 sums over 64 bytes. */
static double bf16_kept(void *memory, int64_t bytes, int64_t rounds) {
    return 2.0 * 16 * 16 * 32 * bf16_tiles(memory, bytes, rounds);
}
static double bf16_loaded(void *memory, int64_t bytes, int64_t rounds) {
    return 2.0 * 16 * 16 * 32 * bf16_cache(memory, bytes, rounds);
}
static double int8_kept(void *memory, int64_t bytes, int64_t rounds) {
    return 2.0 * 16 * 16 * 64 * int8_tiles(memory, bytes, rounds);
}
static double int8_loaded(void *memory, int64_t bytes, int64_t rounds) {
    return 2.0 * 16 * 16 * 64 * int8_cache(memory, bytes, rounds);
}

extern const roof_def roof_amx[];
const roof_def roof_amx[] = {{ROOF_BF16, "tiles", bf16_kept},
                             {ROOF_BF16, "tiles, first cache", bf16_loaded},
                             {ROOF_INT8, "tiles", int8_kept},
                             {ROOF_INT8, "tiles, first cache", int8_loaded},
                             {0}};
