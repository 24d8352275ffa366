/* Whether guessing tokens ahead pays, and how many. A step over x tokens takes t(x) seconds, which is measured as steps
 * go by; V sequences alone give V tokens in t(V). With K guesses, accepted so often that E more tokens are
 * expected, and g seconds to make a guess, the step is worth it where
 *
 *   (V + E) / (t(V + K) + g K)  >  V / t(V)
 *
 * A guess that stands i-th behind a sequence counts when all before it were accepted: chance^i. Guesses are added where
 * they are most likely, one by one, and the number with the best rate is taken. A size of step that was never seen is
 * taken to cost as much as the one below it, and sizes are reached one by one, so that a wrong hope costs one step.
 *
 * What is not done is not measured. So where guessing does not pay, one guess is tried now and then, in case the text
 * has changed: less and less often, and never when all such tries together would have cost more than PACE_TRIES of the
 * time. And where it pays, a step without guesses is taken now and then, since t(V) is what all is weighed against. */
#ifndef INFER_PACE_H
#define INFER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_SIZES = 32, PACE_FIRST_TRY = 32, PACE_LAST_TRY = 512, PACE_PLAIN = 48 };
#define PACE_TRIES 0.01

/* Of one sequence. */
typedef struct pace_voice {
    double chance;           /* that a guess is accepted */
    int32_t quiet, patience; /* steps without a guess, and how many there may be */
} pace_voice;

typedef struct pace {
    double seconds[PACE_SIZES]; /* of a step, by its tokens; 0: not seen */
    int32_t seen[PACE_SIZES];   /* how often, up to a few times */
    double guess_seconds, call_seconds; /* of a guess; of the last call for some */
    double credit, try_seconds; /* what tries may cost now, and what the last one did */
    bool tries;                 /* the guesses that were planned last are a try */
    int32_t since_plain;        /* steps with guesses behind the last one without */
    double chance; /* that of a new sequence: as the others do */
} pace;

void pace_begin(pace *p);
pace_voice pace_voice_begin(const pace *p);
/* How many tokens to guess for each of `n` sequences, 0 .. most. */
void pace_plan(pace *p, pace_voice *const *voices, int32_t n, int32_t most, int32_t *want);
/* Of `guesses` for a sequence, the first `accepted` were. */
void pace_judged(pace *p, pace_voice *v, int32_t guesses, int32_t accepted);
/* A step over so many tokens is over, of which `guesses` were guessed. */
void pace_stepped(pace *p, int64_t tokens, int64_t guesses, double seconds);
void pace_guessed(pace *p, int64_t guesses, double seconds);
/* What a step of so many tokens is thought to take; 0: nothing is known. */
double pace_seconds(const pace *p, int64_t tokens);

#endif
