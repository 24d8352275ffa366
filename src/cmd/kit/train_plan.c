/* How long a run will take, told at its start: the plan of its own step, at what a small step reaches of this machine
 * (plan/calibrate.h). Only for runs that take much longer than that measuring does. */
#include "base/footprint.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/plan.h"
#include "cmd/kit/train.h"
#include "plan/calibrate.h"
#include <math.h>

/* Seconds of `steps` steps. */
static double seconds_of(const job *j, const machine *m, int64_t steps) {
    graph_cost micro, update = {0};
    cost_of_plan(j->s->learn, m, &micro);
    if (j->s->update) cost_of_plan(j->s->update, m, &update);
    double parts = (double)j->options.trainer.parts;
    return (double)steps * (parts * cost_seconds(&micro, m) + cost_seconds(&update, m));
}

static status predict(train_view *v, int64_t steps, double *seconds) {
    enum { WORTH_SECONDS = 30 };
    machine m;
    calibration c = {.m = &m};
    const num_format *precision = v->j->options.step.precision;
    plan_rate_machine(&v->machine, &m);
    if (seconds_of(v->j, &m, steps) < WORTH_SECONDS) return STATUS_OK;
    TRY(calibrate_train(v->call->cx, &c, precision ? precision : num_find("f32")));
    TRY(calibrate_end(&c, v->call->memory));
    footprint_forget_peak(); /* measuring is no part of the job */
    *seconds = seconds_of(v->j, &m, steps);
    return STATUS_OK;
}

status train_predict(train_view *v) {
    char span[TIME_TEXT_BYTES];
    const train_options *o = v->call->options;
    v->planned_seconds = NAN;
    if (!v->machine.memory) return STATUS_OK;
    TRY(predict(v, o->steps - v->first_step, &v->planned_seconds));
    if (!isfinite(v->planned_seconds)) return STATUS_OK;
    time_span_text(v->planned_seconds, span, sizeof span);
    log_info("planned: %s in steps, %lld MiB", span, (long long)(v->j->result.planned_bytes >> 20));
    return STATUS_OK;
}
