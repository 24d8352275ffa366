/* Whether guessing tokens ahead pays, and how many. A step over x tokens takes t(x) seconds, which is measured as steps
 * go by; V sequences alone give V tokens in t(V). With K guesses, accepted so often that E more tokens are
 * expected, and g seconds to make a guess, the step is worth it where
 *
 *   (V + E) / (t(V + K) + g K)  >  V / t(V)
 *
 * A guess that stands i-th behind a sequence counts when all before it were accepted: chance^i. Guesses are added where
 * they are most likely, one by one, and the number with the best rate is taken. Where guessing does not pay, one is
 * tried now and then, less and less often, in case the text has changed. */
#ifndef INFER_PACE_H
#define INFER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_SIZES = 32, PACE_FIRST_TRY = 32, PACE_LAST_TRY = 512 };

/* Of one sequence. */
typedef struct pace_voice {
    double chance;           /* that a guess is accepted */
    int32_t quiet, patience; /* steps without a guess, and how many there may be */
} pace_voice;

typedef struct pace {
    double seconds[PACE_SIZES]; /* of a step, by its tokens; 0: not seen */
    double guess_seconds;
    double chance; /* that of a new sequence: as the others do */
} pace;

void pace_begin(pace *p);
pace_voice pace_voice_begin(const pace *p);
/* How many tokens to guess for each of `n` sequences, 0 .. most. */
void pace_plan(const pace *p, pace_voice *const *voices, int32_t n, int32_t most, int32_t *want);
/* Of `guesses` for a sequence, the first `accepted` were. */
void pace_judged(pace *p, pace_voice *v, int32_t guesses, int32_t accepted);
void pace_stepped(pace *p, int64_t tokens, double seconds);
void pace_guessed(pace *p, int64_t guesses, double seconds);
/* What a step of so many tokens is thought to take; 0: nothing is known. */
double pace_seconds(const pace *p, int64_t tokens);

#endif
