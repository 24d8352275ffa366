/* Philox against the known answers published with Random123 (tests/kat_vectors, philox4x32 10), and the
 * properties that users lean on: any part of a stream alone, moments, independence of streams. */
#include "test.h"
#include "base/rng.h"
#include <math.h>

static void known_answers(test *t) {
    static const struct {
        rng_block counter;
        uint32_t key[2];
        rng_block answer;
    } cases[] = {
        {{{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         {0xffffffff, 0xffffffff},
         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {0xa4093822, 0x299f31d0},
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        rng_block b = rng_philox(cases[i].counter, cases[i].key[0], cases[i].key[1]);
        CHECK(t, !memcmp(&b, &cases[i].answer, sizeof b), "case %d: %08x", i, b.word[0]);
        b = rng_philox(cases[i].counter, cases[i].key[0] ^ 1, cases[i].key[1]);
        CHECK(t, memcmp(&b, &cases[i].answer, sizeof b), "another key must differ");
    }
    rng_block b = rng_at(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88);
    CHECK(t, !memcmp(&b, &cases[2].answer, sizeof b));
}

static void any_part(test *t) {
    enum { N = 103 };
    float whole[N], part[N], other[N];
    void (*fill[])(uint64_t, uint64_t, int64_t, int64_t, float *) = {rng_fill_uniform,
                                                                     rng_fill_normal};
    for (int f = 0; f < 2; f++) {
        fill[f](7, 3, 0, N, whole);
        for (int from = 0; from < N; from += 9) {
            for (int count = 1; from + count <= N; count += 5) {
                fill[f](7, 3, from, count, part);
                CHECK(t, !memcmp(part, whole + from, sizeof(float) * (size_t)count), "%d..", from);
            }
        }
        fill[f](7, 4, 0, N, other);
        CHECK(t, memcmp(other, whole, sizeof whole), "another stream must differ");
        fill[f](8, 3, 0, N, other);
        CHECK(t, memcmp(other, whole, sizeof whole), "another seed must differ");
    }
    rng a = rng_make(5, 1), b = rng_make(5, 1);
    for (int i = 0; i < 9; i++) CHECK(t, rng_next(&a) == rng_next(&b));
    b.position += 4;
    for (int i = 0; i < 4; i++) rng_next(&a);
    CHECK(t, rng_next(&a) == rng_next(&b));
}

static void moments(test *t) {
    enum { N = 100000 };
    rng r = rng_make(1, rng_stream("moments"));
    double u1 = 0, u2 = 0, n1 = 0, n2 = 0, n4 = 0, product = 0, last = 0;
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r), n = rng_normal(&r);
        CHECK(t, u >= 0 && u < 1);
        u1 += u, u2 += u * u;
        n1 += n, n2 += n * n, n4 += n * n * n * n;
        product += n * last;
        last = n;
    }
    CHECK(t, fabs(u1 / N - 0.5) < 0.005 && fabs(u2 / N - 1.0 / 3) < 0.005, "%f", u1 / N);
    CHECK(t, fabs(n1 / N) < 0.015 && fabs(n2 / N - 1) < 0.02 && fabs(n4 / N - 3) < 0.15, "%f",
          n2 / N);
    CHECK(t, fabs(product / N) < 0.015, "neighbours are correlated: %f", product / N);
}

static void below(test *t) {
    rng r = rng_make(3, 0);
    int count[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t n = rng_below(&r, 7);
        CHECK(t, n < 7);
        count[n]++;
    }
    for (int i = 0; i < 7; i++)
        CHECK(t, count[i] > 9500 && count[i] < 10500, "%d: %d", i, count[i]);
    uint64_t large = UINT64_C(3) << 62; /* a remainder would favour the lower third */
    int low = 0;
    for (int i = 0; i < 3000; i++) low += rng_below(&r, large) < large / 3;
    CHECK(t, low > 850 && low < 1150, "%d of 3000", low);
    CHECK(t, rng_below(&r, 1) == 0);
}

const test_case suite_rng[] = {{"known_answers", known_answers},
                               {"any_part", any_part},
                               {"moments", moments},
                               {"below", below},
                               {0}};
