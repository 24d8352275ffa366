/* Two numbers by least squares (infer/reading.h). */
#include "infer/reading.h"
#include "base/compiler.h"
#include <math.h>

/* Of the sums and of the largest step, from one to the next; and tokens of depth within which b is doubted. */
static const double KEPT = 0.9, FADES = 0.98, DOUBT = 150;

double reading_pairs(int64_t from, int64_t tokens) {
    return (double)tokens * ((double)from + 0.5 * (double)tokens);
}

void reading_saw(reading *r, int64_t tokens, double pairs, double seconds) {
    double n = (double)tokens, s = fmax(seconds, 0);
    if (!tokens) return;
    r->nn = KEPT * r->nn + n * n;
    r->nq = KEPT * r->nq + n * pairs;
    r->qq = KEPT * r->qq + pairs * pairs;
    r->ns = KEPT * r->ns + n * s;
    r->qs = KEPT * r->qs + pairs * s;
    r->most = fmax(FADES * r->most, n);
}

typedef struct price {
    double token, pair;
} price;

static price price_of(const reading *r) {
    if (!(r->nn > 0)) return (price){0};
    double spread = r->nn * (r->qq + DOUBT * DOUBT * r->nn) - r->nq * r->nq;
    double pair = fmax((r->nn * r->qs - r->nq * r->ns) / spread, 0);
    return (price){fmax((r->ns - r->nq * pair) / r->nn, 0), pair};
}

double reading_seconds(const reading *r, int64_t from, int64_t tokens) {
    price p = price_of(r);
    return p.token * (double)tokens + p.pair * reading_pairs(from, tokens);
}

/* (pair / 2) n^2 + (token + pair from) n = seconds */
int64_t reading_fits(const reading *r, int64_t from, int64_t tokens, double seconds) {
    price p = price_of(r);
    double first = p.token + p.pair * (double)from, room = 2 * fmax(seconds, 0);
    if (reading_seconds(r, from, tokens) <= seconds) return tokens;
    return (int64_t)(room / (first + sqrt(first * first + p.pair * room)));
}
