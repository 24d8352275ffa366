/* `hone plan compress MODEL --do RECIPE`: what making a model lighter will take, from a dry run of the recipe. */
#include "base/file.h"
#include "cmd/kit/plan.h"
#include "compress/kit/foresee.h"
#include "model/kit/mixture.h"
#include <math.h>
#include <string.h>

typedef struct plan_compress_options {
    const char *preset, *recipe, *calib, *hardware, *format;
    int64_t calib_sequences, calib_length, threads;
    bool json;
} plan_compress_options;

static const option_def options[] = {
    OPTION(plan_compress_options, preset, OPTION_STRING, .value = "NAME",
           .usual = model_preset_names, .help = "a size by name, instead of MODEL"),
    {.name = "do",
     .kind = OPTION_STRING,
     .offset = offsetof(plan_compress_options, recipe),
     .bytes = sizeof(const char *),
     .value = "RECIPE",
     .required = true,
     .help = "as hone compress takes it: \"prune(0.5) > gptq(4, group=128)\""},
    OPTION(plan_compress_options, calib, OPTION_STRING, .value = "FILE",
           .help = "the text for methods that look at activations; none: one that is long enough"),
    OPTION(plan_compress_options, calib_sequences, OPTION_INT, .initial = "32", RANGE(1, 65536),
           .help = "sequences of the text that are looked at"),
    OPTION(plan_compress_options, calib_length, OPTION_INT, .initial = "512", RANGE(2, 1048576),
           .help = "tokens of each, at most the model's positions"),
    OPTION(plan_compress_options, format, OPTION_STRING, .initial = "bf16",
           .help = "of the weights of a model that is known by its configuration only"),
    OPTION(plan_compress_options, hardware, OPTION_STRING, .initial = "this", .value = "NAME",
           .help = "this (measured now), a machine by name (as epyc-9755), or a YAML file"),
    OPTION(plan_compress_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "of this machine, 0 for all"),
    OPTION(plan_compress_options, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

enum { MOST_STEPS = 64 };

/* What graphs take, by step of the recipe and kind of work. */
typedef struct costs {
    const verb_call *call;
    machine m;
    /* Solves are timed here: another machine takes as much less as its arithmetic is faster. */
    double solving_scale;
    double seconds[MOST_STEPS][WORK_KINDS];
    double arithmetic, memory, solving; /* seconds, by what bounds them */
} costs;

typedef struct outlook {
    foresight of;
    int64_t peak_bytes;
    double flops, seconds;
    bool fits;
} outlook;

static void see(void *user, int64_t step, work_kind kind, const struct plan *p, double runs) {
    costs *to = user;
    graph_cost cost;
    cost_of_plan(p, &to->m, &cost);
    to->seconds[MIN_OF(step, MOST_STEPS - 1)][kind] += runs * cost.all.seconds;
    to->arithmetic += runs * cost.all.arithmetic;
    to->memory += runs * cost.all.memory;
}

static double step_seconds(const costs *k, int64_t step) {
    double sum = 0;
    for (int i = 0; i < WORK_KINDS; i++) sum += k->seconds[step][i];
    return sum;
}

static const num_format *imagined(void *user, const char *name, int32_t rank) {
    (void)name;
    return num_find(rank > 1 ? user : "f32");
}

static void add_up(costs *k, outlook *out) {
    for (int64_t i = 0; i < out->of.count; i++) {
        const foreseen *f = &out->of.step[i];
        int64_t at = MIN_OF(i, MOST_STEPS - 1);
        k->seconds[at][WORK_SOLVE] += k->solving_scale * f->solve_seconds;
        k->solving += k->solving_scale * f->solve_seconds;
        out->seconds += step_seconds(k, at);
        for (int j = 0; j < WORK_KINDS; j++) out->flops += f->flops[j];
        out->peak_bytes = MAX_OF(out->peak_bytes, f->peak_bytes);
    }
    out->fits = out->peak_bytes <= k->m.memory;
}

static const char *bottleneck(const costs *k) {
    if (k->solving > fmax(k->arithmetic, k->memory)) return "solving";
    return k->arithmetic >= k->memory ? "arithmetic" : "memory bandwidth";
}

/* ---- words ---- */

static double bits(int64_t bytes, int64_t parameters) {
    return 8 * (double)bytes / (double)MAX_OF(parameters, 1);
}

static void put_text(const verb_call *call, const model_config *c, const costs *k,
                     const outlook *o) {
    FILE *out = call->out;
    plan_put_machine(out, &k->m);
    fprintf(out, "model          %s, %s parameters (%lld), %s, %.2f bits a weight\n\n",
            c->model_type, plan_count((double)o->of.before.parameters).text,
            (long long)o->of.before.parameters, plan_bytes((double)o->of.before.bytes).text,
            bits(o->of.before.bytes, o->of.before.parameters));
    fprintf(out, "%-12s %11s %8s %11s   %-22s %-22s %s\n", "method", "weights", "bits", "at most",
            "calibration", "solving", "training");
    for (int64_t i = 0; i < o->of.count; i++) {
        const foreseen *f = &o->of.step[i];
        fprintf(out, "%-12s %11s %8.2f %11s  ", f->method, plan_bytes((double)f->bytes).text,
                bits(f->bytes, f->parameters), plan_bytes((double)f->peak_bytes).text);
        for (int j = 0; j < WORK_KINDS; j++) {
            char cell[64] = "-";
            double seconds = k->seconds[MIN_OF(i, MOST_STEPS - 1)][j];
            if (seconds > 0 || f->flops[j] > 0)
                snprintf(cell, sizeof cell, "%.3g FLOPs, %s", f->flops[j], plan_span(seconds).text);
            fprintf(out, " %-22s", cell);
        }
        fprintf(out, "\n");
    }
    fprintf(out, "\nthe whole      %.3g FLOPs, %s, at most %s of memory%s\nbottleneck     %s\n",
            o->flops, plan_span(o->seconds).text, plan_bytes((double)o->peak_bytes).text,
            o->fits ? ", which fits" : ": DOES NOT FIT", bottleneck(k));
    if (!o->fits)
        fprintf(out, "\nWhat takes less memory: fewer --calib-sequences, a shorter --calib-length; "
                     "for learning a smaller batch or length.\n");
}

static void put_step(json_writer *w, const foreseen *f, const double seconds[WORK_KINDS]) {
    json_write_object(w);
    json_write_string_field(w, "method", f->method);
    json_write_integer_field(w, "parameters", f->parameters);
    json_write_integer_field(w, "bytes", f->bytes);
    json_write_number_field(w, "bits_per_weight", bits(f->bytes, f->parameters));
    json_write_integer_field(w, "peak_bytes", f->peak_bytes);
    for (int j = 0; j < WORK_KINDS; j++) {
        json_write_key(w, work_names[j]);
        json_write_object(w);
        json_write_number_field(w, "flops", f->flops[j]);
        json_write_number_field(w, "seconds", seconds[j]);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static status put_json(const verb_call *call, const costs *k, const outlook *o) {
    const foreseen *last = &o->of.step[o->of.count - 1];
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "parameters", last->parameters);
    json_write_number_field(&w, "flops", o->flops);
    json_write_key(&w, "bytes");
    json_write_object(&w);
    json_write_integer_field(&w, "before", o->of.before.bytes);
    json_write_integer_field(&w, "weights", last->bytes);
    json_write_integer_field(&w, "total", o->peak_bytes);
    json_write_object_end(&w);
    json_write_number_field(&w, "bits_per_weight", bits(last->bytes, last->parameters));
    json_write_number_field(&w, "seconds", o->seconds);
    json_write_number_field(&w, "energy_joules", o->seconds * k->m.watts);
    json_write_number_field(&w, "price", o->seconds / 3600 * k->m.price);
    json_write_string_field(&w, "bottleneck", bottleneck(k));
    json_write_bool_field(&w, "fits", o->fits);
    plan_json_machine(&w, &k->m);
    json_write_key(&w, "steps");
    json_write_array(&w);
    for (int64_t i = 0; i < o->of.count; i++)
        put_step(&w, &o->of.step[i], k->seconds[MIN_OF(i, MOST_STEPS - 1)]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

/* ---- the verb ---- */

/* MODEL's own weights where there are files; else its configuration in --format. */
static status describe(const verb_call *call, model_config *c, foresee_options *out) {
    const plan_compress_options *o = call->options;
    *out = (foresee_options){.how = {.recipe = o->recipe,
                                     .calib = o->calib,
                                     .calib_sequences = o->calib_sequences,
                                     .calib_length = o->calib_length,
                                     .threads = (int)o->threads},
                             .config = c,
                             .format = imagined,
                             .user = (void *)o->format};
    TRY(mixture_check_single(call->cx, o->format));
    out->how.model = plan_model_path(call);
    return plan_find_model(call, o->preset, c);
}

static status measure(void *user) {
    costs *k = user;
    const plan_compress_options *o = k->call->options;
    machine here;
    k->solving_scale = 1;
    TRY(plan_find_machine(k->call, o->hardware, 0, &k->m));
    if (plan_is_here(o->hardware)) return plan_calibrate_train(k->call, &k->m);
    TRY(plan_measure_machine(k->call->cx, o->threads, &here));
    k->solving_scale = here.f32 / k->m.f32;
    return STATUS_OK;
}

static status run(const verb_call *call) {
    const plan_compress_options *o = call->options;
    model_config c;
    foresee_options how;
    outlook out = {0};
    costs k = {.call = call};
    TRY(describe(call, &c, &how));
    if (o->calib && !file_exists(o->calib))
        FAIL(call->cx, STATUS_IO, "the text '%s' is not there", o->calib);
    how.begin = measure;
    how.see = see;
    how.see_user = &k;
    TRY(foresee_run(call->memory, &how, &out.of));
    add_up(&k, &out);
    if (o->json) return put_json(call, &k, &out);
    put_text(call, &c, &k, &out);
    return STATUS_OK;
}

extern const verb_def verb_plan_compress;
const verb_def verb_plan_compress = {
    .name = "plan compress",
    .summary = "what making a model lighter will need: size, work, time, memory",
    .example = "hone plan compress --preset llama-3.2-1b --do \"gptq(4)\"",
    .help = "MODEL is a model folder, a config.json or a GGUF file. The recipe is carried out "
            "without weights: each method counts what it would do, by the functions by which "
            "hone compress counts what it does.\n"
            "Rounding and solving are timed on samples, on this machine.",
    .positional = "[MODEL]",
    .min_args = 0,
    .max_args = 1,
    .options_bytes = sizeof(plan_compress_options),
    .options = options,
    .run = run};
