#include "train/lr_schedule.h"
#include "base/compiler.h"
#include <math.h>

static const double pi = 3.14159265358979323846;

/* From 0 at `from` to 1 at `to`. */
static double way(int64_t at, int64_t from, int64_t to) {
    return to > from ? MAX_OF(0.0, MIN_OF(1.0, (double)(at - from) / (double)(to - from))) : 1;
}

double lr_schedule_at(const lr_schedule *s, int64_t step) {
    if (step <= s->warmup) return (double)step / (double)s->warmup;
    double t = way(step, s->warmup, s->steps), down = 1 - s->final;
    int64_t stable = s->steps - (int64_t)(s->decay * (double)s->steps);
    switch (s->kind) {
    case SCHEDULE_CONSTANT:
        return 1;
    case SCHEDULE_LINEAR:
        return 1 - down * t;
    case SCHEDULE_WSD:
        return 1 - down * way(step, MAX_OF(stable, s->warmup), s->steps);
    case SCHEDULE_COSINE:
        break;
    }
    return s->final + down * 0.5 * (1 + cos(pi * t));
}
