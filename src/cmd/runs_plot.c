/* `hone runs plot`: the curves of runs, in the terminal or as an SVG or PNG file. */
#include "base/log.h"
#include "cmd/kit/runs.h"
#include "report/plot.h"
#include "train/record.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct runs_plot_options {
    const char *out;
    bool logarithmic, validation;
    int64_t smooth;
} runs_plot_options;

static const option_def options[] = {
    OPTION(runs_plot_options, out, OPTION_STRING, .letter = 'o', .value = "FILE",
           .help = "an .svg or .png file, instead of the terminal"),
    OPTION(runs_plot_options, validation, OPTION_BOOL,
           .help = "the loss on the held-out split instead of the training loss"),
    OPTION(runs_plot_options, logarithmic, OPTION_BOOL, .help = "a logarithmic axis of losses"),
    OPTION(runs_plot_options, smooth, OPTION_INT, .initial = "0", RANGE(0, 1000000),
           .help = "steps to average over, 0 for a hundredth of the run"),
    {0}};

/* Means over so many points; held-out losses stand as they are. */
static status read_curve(const verb_call *call, const run_row *row, plot_curve *out) {
    const runs_plot_options *o = call->options;
    record_point *points;
    int64_t n, over;
    TRY(record_read(call->cx, row->folder ? row->folder : ".", call->memory, &points, &n));
    double *x = ARENA_NEW(call->memory, double, n + 1), *y = ARENA_NEW(call->memory, double, n + 1);
    char *name = arena_printf(call->memory, "%lld %s", (long long)row->id, row->name);
    if (!x || !y || !name) return STATUS_NO_MEMORY;
    *out = (plot_curve){.name = name, .number = row->id, .x = x, .y = y, .dots = o->validation};
    over = o->validation ? 1 : o->smooth ? o->smooth : MAX_OF(1, n / 100);
    double sum = 0;
    for (int64_t i = 0, held = 0; i < n; i++) {
        double v = o->validation ? points[i].validation_loss : points[i].loss;
        if (!isfinite(v)) continue;
        sum += v;
        if (++held < over && i + 1 < n) continue;
        x[out->n] = (double)points[i].step;
        y[out->n++] = sum / (double)held;
        sum = 0, held = 0;
    }
    return STATUS_OK;
}

static status draw(const verb_call *call, const plot *p) {
    const runs_plot_options *o = call->options;
    struct winsize size = {.ws_col = 100};
    plot_frame f;
    if (!plot_measure(p, &f))
        FAIL(call->cx, STATUS_BAD_DATA, "there is nothing to plot%s",
             o->validation ? ": nothing was evaluated" : "");
    if (o->out) return plot_file(call->cx, p, o->out);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col) size.ws_col = 100;
    plot_terminal(p, size.ws_col, 20, log_may_colour(STDOUT_FILENO), call->out);
    return STATUS_OK;
}

static status run(const verb_call *call) {
    const runs_plot_options *o = call->options;
    run_row *rows;
    TRY(runs_named(call, &rows));
    plot_curve *curves = ARENA_NEW(call->memory, plot_curve, call->n_args);
    if (!curves) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < call->n_args; i++) TRY(read_curve(call, &rows[i], &curves[i]));
    plot p = {.title =
                  o->validation ? "held-out loss, nats a token" : "training loss, nats a token",
              .curves = curves,
              .n_curves = call->n_args,
              .logarithmic = o->logarithmic};
    return draw(call, &p);
}

extern const verb_def verb_runs_plot;
const verb_def verb_runs_plot = {
    .name = "runs plot",
    .summary = "the losses of runs as curves",
    .example = "hone runs plot 1 2",
    .help = "RUN is a number, a name (the newest of that name) or a folder. The curves come from "
            "metrics.jsonl in the run's folder.",
    .positional = "RUN...",
    .min_args = 1,
    .max_args = 16,
    .options_bytes = sizeof(runs_plot_options),
    .options = options,
    .run = run,
};
