/* The smaller number goes first, and displaces what runs with a larger one when there is no room. Waiting counts too:
 * a unit of priority is worth WORTH later arrivals, so that nobody waits for ever. */
#include "infer/schedule.h"

enum { WORTH = 256 };
static const int64_t FARTHEST = 1 << 20;

static int64_t rank(const sequence *s) {
    return s->arrived + WORTH * MAX_OF(MIN_OF(s->priority, FARTHEST), -FARTHEST);
}

static bool before(const sequence *a, const sequence *b) {
    int64_t x = rank(a), y = rank(b);
    return x != y ? x < y : a->arrived < b->arrived;
}

static bool displaces(const sequence *a, const sequence *b) {
    return a->priority < b->priority && before(a, b);
}

extern const policy_def policy_priority;
const policy_def policy_priority = {.name = "priority",
                                    .help = "by each request's priority, the smallest first",
                                    .before = before,
                                    .displaces = displaces};
