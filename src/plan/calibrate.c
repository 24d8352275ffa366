#include "plan/calibrate.h"
#include "base/time.h"
#include <math.h>

double calibrate_seconds(int threads) {
    return threads == 1 ? time_process_seconds() : time_seconds();
}

void calibrate_show(calibration *c) {
    if (c->shown) progress_show(c->shown, ++c->done, NULL);
}

status calibrate_times_make(arena *mem, const plan *p, calibrate_times *out) {
    *out = (calibrate_times){ARENA_NEW(mem, double, p->n_steps + 1), INFINITY};
    for (int32_t i = 0; out->node && i < p->n_steps; i++) out->node[i] = INFINITY;
    return out->node ? STATUS_OK : STATUS_NO_MEMORY;
}

void calibrate_see(calibrate_times *t, const plan *p, double seconds) {
    for (int32_t i = p->n_load; i < p->n_steps; i++)
        t->node[i] = fmin(t->node[i], p->steps[i].seconds);
    t->whole = fmin(t->whole, seconds);
}

static int32_t place_of(calibration *c, const op_def *op, const cost_step *s) {
    for (int32_t i = 0; i < c->n; i++)
        if (c->share[i].op == op && c->share[i].type == s->type &&
            c->share[i].memory == s->memory && c->share[i].both == s->both)
            return i;
    if (c->n == CALIBRATE_MOST) return -1;
    c->share[c->n] = (machine_share){op, s->type, s->memory, s->both, 0};
    return c->n++;
}

void calibrate_add(calibration *c, const plan *p, const calibrate_times *t) {
    /* what the roof lets pass in less is all beginning and end, and tells nothing of the same op on a large tensor */
    static const double least = 1e-6;
    cost_step s;
    double counted = 0;
    for (int32_t i = p->n_load; i < p->n_steps; i++)
        if (cost_of_step(&p->steps[i], c->m, &s) && s.seconds > 0) counted += t->node[i];
    /* what no node shows (packing again, nodes without a cost) falls to all alike, as does what nodes show too much of
     * where others use the machine */
    double more = counted > 0 ? t->whole / counted : 1;
    for (int32_t i = p->n_load; i < p->n_steps; i++) {
        if (!cost_of_step(&p->steps[i], c->m, &s) || !(s.seconds > least)) continue;
        int32_t at = place_of(c, p->steps[i].node->op, &s);
        if (at < 0) continue;
        c->roof[at] += s.seconds;
        c->real[at] += t->node[i] * more;
    }
}

status calibrate_end(calibration *c, arena *mem) {
    machine_share *kept = ARENA_NEW(mem, machine_share, c->n + 1);
    if (!kept) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < c->n; i++) {
        kept[i] = c->share[i];
        kept[i].share = c->real[i] > 0 ? c->roof[i] / c->real[i] : 1;
    }
    double roof[2] = {0}, real[2] = {0};
    for (int32_t i = 0; i < c->n; i++) {
        roof[c->share[i].memory] += c->roof[i];
        real[c->share[i].memory] += c->real[i];
    }
    if (real[0] > 0) c->m->reached = fmin(roof[0] / real[0], 1);
    if (real[1] > 0) c->m->carried = fmin(roof[1] / real[1], 1);
    c->m->shares = kept;
    c->m->n_shares = c->n;
    return STATUS_OK;
}
