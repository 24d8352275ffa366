/* Who has been served least goes first. Tokens are counted by client, those drawn twice, since a step for one of them
 * costs more. A client who comes back counts as having been served as much as the least served of those who are here,
 * so that nobody saves up for a flood. (Sheng et al., "Fairness in serving large language models", 2024: the
 * virtual token counter.) */
#include "infer/schedule.h"

static bool before(const sequence *a, const sequence *b) {
    int64_t x = a->account->served, y = b->account->served;
    return x != y ? x < y : a->arrived < b->arrived;
}

extern const policy_def policy_fair;
const policy_def policy_fair = {.name = "fair",
                                .help = "of the user who was served least, as keys tell them apart",
                                .before = before};
