/* Times of steps by size, chances by sequence (infer/pace.h). */
#include "infer/pace.h"
#include "base/compiler.h"
#include <math.h>

enum {
    MOST_VOICES = 64, /* beyond, guessing does not pay on any machine */
    SURE =
        3 /* the first steps of a size fetch memory that later ones find: the least of so many counts */
};

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

static void see_size(pace *p, int32_t at, double seconds) {
    double *own = &p->seconds[at];
    if (p->seen[at] < SURE) {
        *own = p->seen[at]++ ? fmin(*own, seconds) : seconds;
        return;
    }
    /* a machine that is slower now is slower for all sizes, and a moment of trouble counts for little */
    double off = log(fmin(fmax(seconds / *own, 0.5), 2));
    for (int32_t i = 0; i < PACE_SIZES; i++)
        p->seconds[i] *= exp(off * (&p->seconds[i] == own ? WEIGHT : DRIFT));
}

void pace_stepped(pace *p, int64_t tokens, int64_t guesses, double seconds) {
    see_size(p, place_of(tokens), seconds);
    p->since_plain = guesses ? p->since_plain + 1 : 0;
    p->credit = fmin(p->credit + PACE_TRIES * seconds, p->try_seconds);
    if (!p->tries) return;
    p->tries = false;
    p->try_seconds = p->call_seconds + fmax(seconds - pace_seconds(p, tokens - guesses), 0);
    p->credit -= p->try_seconds;
}

void pace_guessed(pace *p, int64_t guesses, double seconds) {
    p->call_seconds = seconds;
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

/* The most tokens that a step may have so that its size was seen, or is the next above those that were. */
static int64_t most_known(const pace *p, int32_t n) {
    int32_t at = place_of(n);
    while (at < PACE_SIZES - 1 && p->seconds[at] > 0) at++;
    return size_of(at);
}

/* As many guesses as make the most tokens a second: the best number for each is left in `want`. */
static bool plan_best(const pace *p, pace_voice *const *voices, int32_t n, int32_t most,
                      int32_t *want) {
    double next[MOST_VOICES], expected = 0, plain = p->seconds[place_of(n)],
                              rate = GAIN * n / plain;
    int32_t grown[MOST_VOICES] = {0}, guesses = 0, i;
    int64_t known = most_known(p, n);
    bool pays = false;
    for (i = 0; i < n; i++) next[i] = voices[i]->chance;
    while (n + guesses < known && (i = likeliest(next, grown, n, most)) >= 0) {
        expected += next[i];
        next[i] *= voices[i]->chance;
        grown[i]++, guesses++;
        double now = (n + expected) / (pace_seconds(p, n + guesses) + p->guess_seconds * guesses);
        if (now <= rate) continue;
        rate = now;
        pays = true;
        for (int32_t k = 0; k < n; k++) want[k] = grown[k];
    }
    return pays;
}

void pace_plan(pace *p, pace_voice *const *voices, int32_t n, int32_t most, int32_t *want) {
    int32_t waits = -1;
    for (int32_t i = 0; i < n; i++) want[i] = 0;
    p->tries = false;
    p->call_seconds = 0;
    if (n > MOST_VOICES || p->seen[place_of(n)] < 2)
        return; /* first it is seen what a step takes */
    if (p->since_plain >= PACE_PLAIN) return;
    if (plan_best(p, voices, n, most, want)) return;
    for (int32_t i = 0; i < n; i++) {
        pace_voice *v = voices[i];
        if (v->quiet++ > v->patience && (waits < 0 || v->quiet > voices[waits]->quiet)) waits = i;
    }
    if (waits < 0 || p->credit < p->try_seconds) return;
    p->tries = true;
    want[waits] = 1;
}
