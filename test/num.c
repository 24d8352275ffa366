/* Base formats: every code of the 16-bit floats against arithmetic on whole numbers written here,
 * rounding to nearest even between every two neighbours, and every format's own error bound and
 * layout. */
#include "test.h"
#include "num/num.h"
#include <math.h>
#include <stdlib.h>

/* The value of a code with `m` mantissa bits and exponent bias `bias`, by ldexp. */
static double code_value(uint32_t code, int m, int exponent_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    int e = (int)(code >> m) & ((1 << exponent_bits) - 1);
    double f = (double)(code & ((1u << m) - 1));
    double v = e ? ldexp(f + (1 << m), e - bias - m) : ldexp(f, 1 - bias - m);
    if (e == (1 << exponent_bits) - 1) v = f != 0 ? (double)NAN : (double)INFINITY;
    return code >> (m + exponent_bits) ? -v : v;
}

static void all_codes(test *t, const num_format *f, int m, int exponent_bits) {
    uint32_t inf = ((1u << exponent_bits) - 1) << m;
    for (uint32_t code = 0; code < 65536; code++) {
        uint16_t in = (uint16_t)code, back;
        float x;
        f->unpack(&in, 0, 1, &x);
        double want = code_value(code, m, exponent_bits);
        CHECK(t, isnan(want) ? isnan(x) : (double)x == want && !signbit(x) == !(code >> 15),
              "%s code %x", f->name, code);
        f->pack(&x, 1, &back);
        uint32_t quiet = isnan(want) ? code | 1u << (m - 1) : code;
        CHECK(t, back == quiet, "%s code %x came back as %x", f->name, code, back);
        if ((code & 0x7fff) >= inf) continue;
        /* The middle to the next code goes to the even one, its neighbours to the nearer one, also
         * as double. */
        double next = (code & 0x7fff) == inf - 1
                          ? want + (want - code_value(code - 1, m, exponent_bits))
                          : code_value(code + 1, m, exponent_bits);
        double middle = want + (next - want) / 2;
        double around[3] = {nextafter(middle, want), middle, nextafter(middle, next)};
        uint16_t expect[3] = {in, (uint16_t)(code + (code & 1)), (uint16_t)(code + 1)};
        for (int i = 0; i < 3; i++) {
            num_pack_f64(f, &around[i], 1, &back);
            CHECK(t, back == expect[i], "%s %a gave %x, not %x", f->name, around[i], back,
                  expect[i]);
        }
        float single = (float)middle;
        if ((double)single == middle) {
            f->pack(&single, 1, &back);
            CHECK(t, back == expect[1], "%s tie %a", f->name, middle);
        }
    }
}

static void half_codes(test *t) {
    all_codes(t, num_find("bf16"), 7, 8);
    all_codes(t, num_find("f16"), 10, 5);
}

/* Whether unpack(pack(x)) stays within `slack` times what the format promises. */
static bool keeps_bound(const num_format *f, const double *x, int64_t count, double slack) {
    double back[1100];
    void *row = calloc(1, (size_t)num_row_bytes(f, count));
    num_pack_f64(f, x, count, row);
    num_unpack_f64(f, row, 0, count, back);
    free(row);
    int64_t block = f->row_head_bytes ? count : f->block_elems;
    for (int64_t i = 0; i < count; i++) {
        double amax = 0;
        for (int64_t j = i / block * block; j < MIN_OF(count, (i / block + 1) * block); j++)
            amax = fmax(amax, fabs(x[j]));
        if (!(fabs(back[i] - x[i]) <= slack * f->error * amax)) return false;
    }
    return true;
}

static void bounds(test *t) {
    double x[1100];
    for (int i = 0; i < 1100; i++) x[i] = sin(i * 1.7) * exp(cos(i * 0.3) * 4);
    const num_format *f;
    for (int64_t i = 0; (f = num_at(i)); i++) {
        CHECK(t, num_find(f->name) == f && f->block_elems <= 512, "%s", f->name);
        if (f->kind == NUM_INDEX) continue;
        CHECK(t, !f->row_head_bytes || f->pack_f64, "%s", f->name);
        const int64_t counts[] = {1, 7, 32, 33, 515, 1100};
        for (int c = 0; c < 6; c++)
            CHECK(t, keeps_bound(f, x, counts[c], 1), "%s, %ld values", f->name, (long)counts[c]);
        if (f->error > 0) CHECK(t, !keeps_bound(f, x, 1100, 0.3), "%s: the bound is idle", f->name);
    }
    CHECK(t, num_find("nonsense") == NULL, "found");
}

static void int8_layout(test *t) {
    float in[6] = {127, -63.5f, 2.5f, 3.5f, 0, -0.4f}, out[6];
    int8_t row[16] = {0};
    float scale;
    num_find("int8_row")->pack(in, 6, row);
    memcpy(&scale, row, 4);
    const int8_t want[6] = {127, -64, 2, 4, 0, 0};
    CHECK(t, scale == 1 && !memcmp(row + 4, want, 6), "row codes");
    float two[4] = {1, 2, 254, 3};
    char rows[12];
    num_find("int8_tensor")->pack_tensor(two, 2, 2, rows);
    CHECK(t, !memcmp(rows, rows + 6, 4) && rows[4] == 0 && rows[5] == 1 && rows[10] == 127,
          "tensor");
    in[4] = INFINITY;
    num_find("int8_row")->pack(in, 6, row);
    num_find("int8_row")->unpack(row, 0, 6, out);
    CHECK(t, isnan(out[0]) && isnan(out[5]), "a group with infinity reads as NaN");
    float zero[3] = {0, -0.0f, 0};
    num_find("int8_row")->pack(zero, 3, row);
    num_find("int8_row")->unpack(row, 0, 3, out);
    CHECK(t, out[0] == 0 && out[1] == 0 && out[2] == 0, "zeros");
}

static void indices(test *t) {
    const int64_t in[4] = {0, -1, INT32_MAX, (int64_t)1 << 40};
    int64_t out[4];
    int32_t narrow[4];
    int64_t wide[4];
    num_find("i32")->pack_index(in, 4, narrow);
    num_find("i32")->unpack_index(narrow, 0, 4, out);
    CHECK(t, out[1] == -1 && out[2] == INT32_MAX && out[3] == INT32_MAX, "i32");
    num_find("i64")->pack_index(in, 4, wide);
    num_find("i64")->unpack_index(wide, 1, 3, out);
    CHECK(t, out[0] == -1 && out[2] == in[3], "i64");
}

const test_case suite_num[] = {{"half_codes", half_codes},
                               {"bounds", bounds},
                               {"int8_layout", int8_layout},
                               {"indices", indices},
                               {0}};
