/* Times of steps by size, chances by sequence (infer/pace.h). */
#include "infer/pace.h"
#include "base/compiler.h"
#include <math.h>

enum { MOST_VOICES = 64 }; /* beyond, guessing does not pay on any machine */

static const double BEGIN = 0.6, WEIGHT = 0.15, DRIFT = 0.02, GAIN = 1.02;

/* Sizes 1 .. 16 stand alone; then two for each doubling. */
static int32_t place_of(int64_t tokens) {
    int32_t at = 15;
    if (tokens <= 16) return (int32_t)MAX_OF(tokens, 1) - 1;
    for (int64_t size = 16; at < PACE_SIZES - 1 && size < tokens; at++)
        size = at % 2 ? size + size / 2 : size / 3 * 4;
    return at;
}
static int64_t size_of(int32_t place) {
    int64_t size = 16;
    if (place < 16) return place + 1;
    for (int32_t at = 15; at < place; at++) size = at % 2 ? size + size / 2 : size / 3 * 4;
    return size;
}

void pace_begin(pace *p) {
    *p = (pace){.chance = BEGIN};
}

pace_voice pace_voice_begin(const pace *p) {
    return (pace_voice){.chance = p->chance, .patience = PACE_FIRST_TRY};
}

/* Between the nearest sizes that were seen; beyond the largest one as much as that, so that more is tried once. */
double pace_seconds(const pace *p, int64_t tokens) {
    int32_t at = place_of(tokens), below = at, above = at;
    while (below >= 0 && !(p->seconds[below] > 0)) below--;
    while (above < PACE_SIZES && !(p->seconds[above] > 0)) above++;
    if (below < 0) return above < PACE_SIZES ? p->seconds[above] : 0;
    if (above >= PACE_SIZES || above == below) return p->seconds[below];
    double from = (double)size_of(below), to = (double)size_of(above);
    double share = ((double)tokens - from) / (to - from);
    return p->seconds[below] + share * (p->seconds[above] - p->seconds[below]);
}

void pace_stepped(pace *p, int64_t tokens, double seconds) {
    double *own = &p->seconds[place_of(tokens)];
    if (!(*own > 0)) {
        *own = seconds;
        return;
    }
    /* a machine that is slower now is slower for all sizes, and a moment of trouble counts for little */
    double off = log(fmin(fmax(seconds / *own, 0.5), 2));
    for (int32_t i = 0; i < PACE_SIZES; i++)
        p->seconds[i] *= exp(off * (&p->seconds[i] == own ? WEIGHT : DRIFT));
}

void pace_guessed(pace *p, int64_t guesses, double seconds) {
    if (!guesses) return;
    double each = seconds / (double)guesses;
    p->guess_seconds += (p->guess_seconds > 0 ? WEIGHT : 1) * (each - p->guess_seconds);
}

void pace_judged(pace *p, pace_voice *v, int32_t guesses, int32_t accepted) {
    int32_t judged = MIN_OF(accepted + 1, guesses);
    for (int32_t i = 0; i < judged; i++) {
        double hit = i < accepted;
        v->chance += WEIGHT * (hit - v->chance);
        p->chance += DRIFT * (hit - p->chance);
    }
    if (!guesses) return;
    v->quiet = 0;
    if (accepted)
        v->patience = PACE_FIRST_TRY;
    else
        v->patience = MIN_OF(2 * v->patience, PACE_LAST_TRY);
}

/* The sequence whose next guess is the likeliest; -1: all have as many as may be. */
static int32_t likeliest(const double *next, const int32_t *want, int32_t n, int32_t most) {
    int32_t best = -1;
    for (int32_t i = 0; i < n; i++)
        if (want[i] < most && (best < 0 || next[i] > next[best])) best = i;
    return best;
}

void pace_plan(const pace *p, pace_voice *const *voices, int32_t n, int32_t most, int32_t *want) {
    double next[MOST_VOICES], expected = 0, plain = p->seconds[place_of(n)];
    int32_t grown[MOST_VOICES] = {0}, guesses = 0, i;
    for (i = 0; i < n; i++) want[i] = 0;
    if (n > MOST_VOICES || !(plain > 0)) return; /* first it is seen what a step takes */
    double rate = GAIN * n / plain;
    for (i = 0; i < n; i++) next[i] = voices[i]->chance;
    while ((i = likeliest(next, grown, n, most)) >= 0) {
        expected += next[i];
        next[i] *= voices[i]->chance;
        grown[i]++, guesses++;
        double now = (n + expected) / (pace_seconds(p, n + guesses) + p->guess_seconds * guesses);
        if (now <= rate) continue;
        rate = now;
        for (int32_t k = 0; k < n; k++) want[k] = grown[k];
    }
    for (i = 0; i < n; i++) {
        voices[i]->quiet++;
        if (!want[i] && voices[i]->quiet > voices[i]->patience) want[i] = 1;
    }
}
