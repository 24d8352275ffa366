/* Who came first goes first. */
#include "infer/schedule.h"

static bool before(const sequence *a, const sequence *b) {
    return a->arrived < b->arrived;
}

extern const policy_def policy_first_come;
const policy_def policy_first_come = {
    .name = "first_come", .help = "in the order of arrival", .before = before};
