/* `hone plan scaling`: which size and how many tokens a budget is best spent on, by published laws or by one that is
 * fitted to runs. */
#include "base/file.h"
#include "base/json.h"
#include "cmd/kit/plan.h"
#include "plan/scaling.h"
#include <math.h>
#include <string.h>

typedef struct plan_scaling_options {
    double flops;
    const char *fit;
    int64_t rounds, seed;
    bool json;
} plan_scaling_options;

static const option_def options[] = {
    OPTION(plan_scaling_options, flops, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e40),
           .help = "operations to spend, as 1e21"),
    OPTION(plan_scaling_options, fit, OPTION_STRING, .value = "RUNS",
           .help = "JSONL of runs, each with parameters, tokens and loss (val_loss counts first): "
                   "fits the law to them"),
    OPTION(plan_scaling_options, rounds, OPTION_INT, .initial = "500", RANGE(10, 100000),
           .help = "bootstrap refits, for the intervals"),
    OPTION(plan_scaling_options, seed, OPTION_INT, .initial = "1", RANGE(0, 1e15),
           .help = "of the bootstrap"),
    OPTION(plan_scaling_options, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

/* ---- runs ---- */

static status read_run(json *j, scaling_point *out) {
    json_text key;
    json_kind kind;
    bool more;
    double loss = NAN, held_out = NAN;
    *out = (scaling_point){NAN, NAN, NAN};
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        double *to = json_is(key, "parameters")                           ? &out->parameters
                     : json_is(key, "tokens")                             ? &out->tokens
                     : json_is(key, "val_loss")                           ? &held_out
                     : json_is(key, "loss") || json_is(key, "train_loss") ? &loss
                                                                          : NULL;
        TRY(json_peek(j, &kind));
        if (to && kind == JSON_NUMBER)
            TRY(json_number(j, 0, 1e30, to));
        else
            TRY(json_skip(j));
    }
    out->loss = isnan(held_out) ? loss : held_out;
    if (isnan(out->parameters) || isnan(out->tokens) || isnan(out->loss))
        return json_fail(j, STATUS_BAD_DATA,
                         "a run needs parameters, tokens and loss (or val_loss)");
    return json_finish(j);
}

static status read_runs(const verb_call *call, const char *path, scaling_point **points,
                        int64_t *n) {
    file_map map;
    TRY(file_map_open(call->cx, path, &map));
    int64_t lines = 1, line = 0;
    for (int64_t i = 0; i < map.size_bytes; i++) lines += map.bytes[i] == '\n';
    *points = ARENA_NEW(call->memory, scaling_point, lines);
    status st = *points ? STATUS_OK : STATUS_NO_MEMORY;
    *n = 0;
    for (const char *at = map.bytes, *end = at + map.size_bytes; at < end && st == STATUS_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        line++;
        if (stop > at) {
            json j = json_make(call->cx, path, at, stop - at, NULL);
            st = read_run(&j, &(*points)[(*n)++]);
            json_free(&j);
            if (st != STATUS_OK) st = context_note(call->cx, st, "line %lld", (long long)line);
        }
        at = stop + 1;
    }
    file_map_close(&map);
    return st;
}

/* ---- showing ---- */

typedef struct advice {
    const char *name, *source;
    scaling_choice best;
} advice;

enum { MOST_ADVICE = 8 };
static int64_t gather(double flops, const scaling_fit *fit, advice out[MOST_ADVICE]) {
    int64_t n = 0;
    if (fit) out[n++] = (advice){"fit", "these runs", scaling_best(&fit->law, flops)};
    for (const scaling_law *l = scaling_laws; l->name; l++)
        out[n++] = (advice){l->name, l->source, scaling_best(l, flops)};
    out[n++] = (advice){"kaplan", "Kaplan et al. 2020", scaling_kaplan(flops)};
    return n;
}

static const char *const unknowns[SCALING_UNKNOWNS] = {"E", "A", "B", "alpha", "beta"};
static double unknown(const scaling_law *l, int i) {
    const double all[SCALING_UNKNOWNS] = {l->e, l->a, l->b, l->alpha, l->beta};
    return all[i];
}

static void put_text(FILE *out, double flops, const scaling_fit *fit, int64_t runs, const advice *a,
                     int64_t n) {
    if (fit) {
        fprintf(out,
                "L(N, D) = E + A / N^alpha + B / D^beta, fitted to %lld runs, residual %.2f%%\n",
                (long long)runs, 100 * fit->error);
        for (int i = 0; i < SCALING_UNKNOWNS; i++)
            fprintf(out, "  %-6s %10.5g   95%%: %.5g .. %.5g\n", unknowns[i], unknown(&fit->law, i),
                    fit->low[i], fit->high[i]);
        if (fit->doubt) fprintf(out, "NOT IDENTIFIABLE: %s\n", fit->doubt);
    }
    if (!(flops > 0)) return;
    fprintf(out, "%s%.3g operations are best spent on\n%-18s %20s %20s %8s   %s\n", fit ? "\n" : "",
            flops, "law", "parameters", "tokens", "loss", "source");
    for (int64_t i = 0; i < n; i++) {
        fprintf(out, "%-18s %20s %20s ", a[i].name, plan_count(a[i].best.parameters).text,
                plan_count(a[i].best.tokens).text);
        if (isnan(a[i].best.loss))
            fprintf(out, "%8s", "-");
        else
            fprintf(out, "%8.3f", a[i].best.loss);
        fprintf(out, "   %s\n", a[i].source);
    }
}

static status put_json(const verb_call *call, double flops, const scaling_fit *fit, const advice *a,
                       int64_t n) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    if (fit) {
        json_write_key(&w, "fit");
        json_write_object(&w);
        for (int i = 0; i < SCALING_UNKNOWNS; i++) {
            json_write_key(&w, unknowns[i]);
            json_write_object(&w);
            json_write_number_field(&w, "value", unknown(&fit->law, i));
            json_write_number_field(&w, "low", fit->low[i]);
            json_write_number_field(&w, "high", fit->high[i]);
            json_write_object_end(&w);
        }
        json_write_number_field(&w, "error", fit->error);
        json_write_bool_field(&w, "identifiable", !fit->doubt);
        if (fit->doubt) json_write_string_field(&w, "doubt", fit->doubt);
        json_write_object_end(&w);
    }
    json_write_number_field(&w, "flops", flops);
    json_write_key(&w, "laws");
    json_write_array(&w);
    for (int64_t i = 0; i < n; i++) {
        json_write_object(&w);
        json_write_string_field(&w, "name", a[i].name);
        json_write_number_field(&w, "parameters", a[i].best.parameters);
        json_write_number_field(&w, "tokens", a[i].best.tokens);
        if (!isnan(a[i].best.loss)) json_write_number_field(&w, "loss", a[i].best.loss);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status run(const verb_call *call) {
    const plan_scaling_options *o = call->options;
    scaling_fit fit;
    scaling_point *points;
    advice a[MOST_ADVICE];
    int64_t runs = 0, n = 0;
    if (!(o->flops > 0) && !o->fit)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "give a budget (--flops 1e21), or runs to fit (--fit runs.jsonl)");
    if (o->fit) {
        TRY(read_runs(call, o->fit, &points, &runs));
        TRY_NOTE(call->cx,
                 scaling_fit_points(call->memory, points, runs, o->rounds, (uint64_t)o->seed, &fit),
                 "'%s'", o->fit);
    }
    if (o->flops > 0) n = gather(o->flops, o->fit ? &fit : NULL, a);
    if (o->json) return put_json(call, o->flops, o->fit ? &fit : NULL, a, n);
    put_text(call->out, o->flops, o->fit ? &fit : NULL, runs, a, n);
    return STATUS_OK;
}

extern const verb_def verb_plan_scaling;
const verb_def verb_plan_scaling = {
    .name = "plan scaling",
    .summary = "the best size and tokens for a budget; scaling laws fitted to runs",
    .example = "hone plan scaling --flops 1e21",
    .help = "Published laws: Kaplan et al. 2020 and Hoffmann et al. 2022. With --fit the law is "
            "fitted to your own runs, with intervals, and "
            "it is said when they cannot tell it.",
    .options_bytes = sizeof(plan_scaling_options),
    .options = options,
    .run = run};
