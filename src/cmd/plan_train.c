/* `hone plan train`: what training a model will need, from dry runs of the training step itself. */
#include "cmd/kit/plan.h"
#include <math.h>
#include <string.h>

typedef struct plan_train_options {
    const char *preset, *hardware, *optimiser;
    double tokens;
    int64_t batch, context, accumulate, devices;
    int precision, recompute;
    bool json;
} plan_train_options;

static const char *const precisions[] = {"f32", "bf16", NULL};
static const char *const recomputes[] = {RECOMPUTE_NAMES, NULL};
static const option_def options[] = {
    OPTION(plan_train_options, preset, OPTION_STRING, .value = "NAME", .usual = model_preset_names,
           .help = "a size by name, instead of MODEL"),
    OPTION(plan_train_options, tokens, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e18),
           .help = "tokens to learn, as 20e9; 0 for 20 a parameter"),
    OPTION(plan_train_options, batch, OPTION_INT, .initial = "8", RANGE(1, 1 << 20),
           .help = "sequences of a micro-batch"),
    OPTION(plan_train_options, context, OPTION_INT, .initial = "1024", RANGE(2, 1 << 20),
           .help = "their length"),
    OPTION(plan_train_options, accumulate, OPTION_INT, .initial = "1", RANGE(1, 1 << 20),
           .help = "micro-batches of a step"),
    OPTION(plan_train_options, optimiser, OPTION_STRING, .initial = "adamw",
           .help = "adamw, sgd or muon"),
    OPTION(plan_train_options, precision, OPTION_CHOICE, .choices = precisions, .initial = "bf16",
           .help = "of products"),
    OPTION(plan_train_options, recompute, OPTION_CHOICE, .choices = recomputes,
           .help = "activations computed again instead of kept"),
    OPTION(plan_train_options, hardware, OPTION_STRING, .initial = "this", .value = "NAME",
           .help = "this (measured now), a machine by name (as h100-sxm), or a YAML file"),
    OPTION(plan_train_options, devices, OPTION_INT, .initial = "0", RANGE(0, 1e6),
           .help = "how many work side by side; 0: as the profile says"),
    OPTION(plan_train_options, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

enum { SETTINGS = 2 * 4 };
typedef struct setting_line {
    train_setting s;
    estimate e;
} setting_line;

/* The setting that was asked for, and all others of precision and recomputation. */
static status estimate_all(const verb_call *call, const model_config *c, const train_setting *asked,
                           const machine *m, estimate *out, setting_line line[SETTINGS]) {
    TRY(estimate_train(call->cx, c, asked, m, out));
    for (int i = 0; i < SETTINGS; i++) {
        line[i].s = *asked;
        line[i].s.precision = num_find(precisions[i / 4]);
        line[i].s.recompute = (recompute_kind)(i % 4);
        TRY(estimate_train(call->cx, c, &line[i].s, m, &line[i].e));
    }
    return STATUS_OK;
}

/* Where a phase lies on the roofline: a byte's operations, left or right of where the roofs meet. */
static void put_phase(FILE *out, const char *name, const phase_cost *p) {
    if (!(p->seconds > 0)) return;
    fprintf(out,
            "  %-12s %s operations, %s moved, %.1f a byte, %.0f%% of its time bound by "
            "arithmetic\n",
            name, plan_count(p->flops).text, plan_bytes(p->bytes).text,
            p->flops / fmax(p->bytes, 1), 100 * p->arithmetic / p->seconds);
}

static const char *relief(const estimate *e, const train_setting *s) {
    if (!cost_is_arithmetic(&e->cost))
        return "a larger --batch, which reads the weights once for more tokens";
    if (s->precision == num_find("f32")) return "--precision bf16, or more --devices";
    return s->recompute == RECOMPUTE_NONE ? "more --devices, or fewer --tokens for a smaller model"
                                          : "less --recompute, or more --devices";
}

static void put_text(const verb_call *call, const model_config *c, const train_setting *s,
                     const machine *m, const estimate *e, const setting_line *line) {
    FILE *out = call->out;
    plan_put_machine(out, m);
    fprintf(out, "model          %s, %lld layers of %lld, %s parameters (%lld)\n", c->model_type,
            (long long)c->layers, (long long)c->hidden, plan_count((double)e->parameters).text,
            (long long)e->parameters);
    fprintf(out, "job            %s tokens, %lld x %lld x %lld a step, %s, recompute %s, %s\n",
            plan_count(s->tokens).text, (long long)s->accumulate, (long long)s->batch,
            (long long)s->context, s->precision->name, recomputes[s->recompute], s->optimiser);
    fprintf(out, "\nmemory of a device%s\n", e->fits ? ", which fits" : ": DOES NOT FIT");
    plan_put_bytes(out, &e->bytes);
    fprintf(out, "\nwork of a micro-batch, beside roofs that meet at %.1f operations a byte\n",
            machine_rate(m, s->precision == num_find("f32") ? MACHINE_F32 : MACHINE_BF16) /
                m->bandwidth);
    put_phase(out, "forward", &e->cost.phase[PHASE_FORWARD]);
    put_phase(out, "backward", &e->cost.phase[PHASE_BACKWARD]);
    put_phase(out, "update", &e->cost.phase[PHASE_UPDATE]);
    fprintf(out, "\nthe whole job  %s operations, %s", plan_count(e->flops).text,
            plan_span(e->seconds).text);
    if (e->joules > 0) fprintf(out, ", %.3g kWh", e->joules / 3.6e6);
    if (e->price > 0) fprintf(out, ", price %.2f", e->price);
    fprintf(out, "\nbottleneck     %s; what would relieve it: %s\n\n%-10s %-10s %12s %12s %14s\n",
            cost_bottleneck(&e->cost), relief(e, s), "precision", "recompute", "activations",
            "memory", "time");
    for (int i = 0; i < SETTINGS; i++)
        fprintf(out, "%-10s %-10s %12s %12s %14s%s\n", line[i].s.precision->name,
                recomputes[line[i].s.recompute],
                plan_bytes((double)line[i].e.bytes.tag[TAG_ACTIVATION]).text,
                plan_bytes((double)line[i].e.bytes.total).text, plan_span(line[i].e.seconds).text,
                line[i].e.fits ? "" : "  does not fit");
    if (!e->fits)
        fprintf(out, "\nWhat takes less memory: --recompute block, a smaller --batch with more "
                     "--accumulate, a shorter --context.\n");
}

static status put_json(const verb_call *call, const machine *m, const estimate *e,
                       const setting_line *line) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "parameters", e->parameters);
    json_write_number_field(&w, "flops", e->flops);
    plan_json_bytes(&w, &e->bytes);
    json_write_number_field(&w, "seconds", e->seconds);
    json_write_number_field(&w, "energy_joules", e->joules);
    json_write_number_field(&w, "price", e->price);
    json_write_string_field(&w, "bottleneck", cost_bottleneck(&e->cost));
    json_write_bool_field(&w, "fits", e->fits);
    plan_json_machine(&w, m);
    json_write_key(&w, "settings");
    json_write_array(&w);
    for (int i = 0; i < SETTINGS; i++) {
        json_write_object(&w);
        json_write_string_field(&w, "precision", line[i].s.precision->name);
        json_write_string_field(&w, "recompute", recomputes[line[i].s.recompute]);
        json_write_integer_field(&w, "activations", line[i].e.bytes.tag[TAG_ACTIVATION]);
        json_write_integer_field(&w, "bytes", line[i].e.bytes.total);
        json_write_number_field(&w, "seconds", line[i].e.seconds);
        json_write_bool_field(&w, "fits", line[i].e.fits);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status run(const verb_call *call) {
    const plan_train_options *o = call->options;
    model_config c;
    machine m;
    estimate e;
    setting_line line[SETTINGS];
    TRY(plan_find_model(call, o->preset, &c));
    TRY(plan_find_machine(call, o->hardware, o->devices, &m));
    if (plan_is_here(o->hardware)) TRY(plan_calibrate_train(call, &m));
    c.positions = MAX_OF(c.positions, o->context);
    train_setting s = {.precision = num_find(precisions[o->precision]),
                       .recompute = (recompute_kind)o->recompute,
                       .optimiser = o->optimiser,
                       .batch = o->batch,
                       .context = o->context,
                       .accumulate = o->accumulate,
                       .tokens = o->tokens};
    int64_t parameters;
    TRY(estimate_parameters(call->cx, &c, &parameters));
    if (!(s.tokens > 0)) s.tokens = 20 * (double)parameters;
    TRY(estimate_all(call, &c, &s, &m, &e, line));
    if (o->json) return put_json(call, &m, &e, line);
    put_text(call, &c, &s, &m, &e, line);
    return STATUS_OK;
}

extern const verb_def verb_plan_train;
const verb_def verb_plan_train = {
    .name = "plan train",
    .summary = "what training a model will need: memory, work, time, energy",
    .example = "hone plan train --preset llama-3.2-1b --tokens 20e9",
    .help = "MODEL is a model folder, a config.json or a GGUF file. The training step is planned "
            "without being run, so that memory is what "
            "the planner will place and work is what the ops say of themselves.\n"
            "Several --devices share the work; each holds all of the model.",
    .positional = "[MODEL]",
    .min_args = 0,
    .max_args = 1,
    .options_bytes = sizeof(plan_train_options),
    .options = options,
    .run = run};
