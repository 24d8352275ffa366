/* `hone plan serve MODEL`: what serving a model to so many users will need. */
#include "cmd/kit/plan.h"
#include "model/kit/mixture.h"

typedef struct plan_serve_options {
    const char *preset, *hardware, *format, *kv;
    int64_t users, context, answer, devices;
    bool json;
} plan_serve_options;

static const option_def options[] = {
    OPTION(plan_serve_options, preset, OPTION_STRING, .value = "NAME", .usual = model_preset_names,
           .help = "a size by name, instead of MODEL"),
    OPTION(plan_serve_options, users, OPTION_INT, .initial = "8", RANGE(1, 1 << 20),
           .help = "who are answered at once"),
    OPTION(plan_serve_options, context, OPTION_SIZE, .initial = "2k", RANGE(2, 1 << 30),
           .value = "TOKENS", .help = "tokens of a prompt and its answer together, as 8k"),
    OPTION(plan_serve_options, answer, OPTION_INT, .initial = "256", RANGE(1, 1 << 30),
           .help = "tokens of an answer, of these"),
    OPTION(plan_serve_options, format, OPTION_STRING,
           .help = "of the weights, as bf16, q8_0, q4_0 or q4_k; else MODEL's own, or bf16"),
    OPTION(plan_serve_options, kv, OPTION_STRING, .initial = "bf16",
           .help = "of keys and values: bf16, f16, f32, int8_row"),
    OPTION(plan_serve_options, hardware, OPTION_STRING, .initial = "this", .value = "NAME",
           .help = "this (measured now), a machine by name (as h100-sxm), or a YAML file"),
    OPTION(plan_serve_options, devices, OPTION_INT, .initial = "0", RANGE(0, 1e6),
           .help = "how many share the work; 0: as the profile says"),
    OPTION(plan_serve_options, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

static status put_json(const verb_call *call, const machine *m, const serve_estimate *e) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "parameters", e->parameters);
    json_write_number_field(&w, "flops", e->decode.all.flops);
    plan_json_bytes(&w, &e->bytes);
    json_write_integer_field(&w, "kv_token_bytes", e->kv_token_bytes);
    json_write_integer_field(&w, "most_users", e->most_users);
    json_write_number_field(&w, "seconds", e->step_seconds);
    json_write_number_field(&w, "ttft_seconds", e->first_seconds);
    json_write_number_field(&w, "tokens_per_second", e->tokens_per_second);
    json_write_number_field(&w, "energy_joules", e->step_seconds * m->watts * (double)m->devices);
    json_write_string_field(&w, "bottleneck", cost_bottleneck(&e->decode));
    json_write_bool_field(&w, "fits", e->fits);
    plan_json_machine(&w, m);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static const char *relief(const serve_estimate *e) {
    return cost_is_arithmetic(&e->decode) ? "fewer --users, or more --devices"
                                          : "a narrower --format or --kv; more --users share what "
                                            "is read of the weights";
}

static void put_text(const verb_call *call, const model_config *c, const serve_setting *s,
                     const machine *m, const serve_estimate *e) {
    FILE *out = call->out;
    plan_put_machine(out, m);
    fprintf(out,
            "model          %s, %s parameters (%lld), %s weights, %s keys and values: %s a token\n",
            c->model_type, plan_count((double)e->parameters).text, (long long)e->parameters,
            s->weights, s->kv, plan_bytes((double)e->kv_token_bytes).text);
    fprintf(out, "users          %lld at once, prompts of %lld tokens, answers of %lld\n",
            (long long)s->users, (long long)s->prompt, (long long)s->answer);
    fprintf(out, "\nmemory, which %s\n", e->fits ? "fits" : "DOES NOT FIT");
    plan_put_bytes(out, &e->bytes);
    fprintf(out, "  the memory holds %lld users\n", (long long)e->most_users);
    fprintf(out, "\na prompt alone %s, bound by %s\n", plan_span(e->first_seconds).text,
            cost_bottleneck(&e->prefill));
    fprintf(out, "a token of all %s, bound by %s; what would relieve it: %s\n",
            plan_span(e->step_seconds).text, cost_bottleneck(&e->decode), relief(e));
    fprintf(out, "generated      %.1f tokens/s together, %.1f for each\n", e->tokens_per_second,
            e->tokens_per_second / (double)s->users);
    if (!e->fits)
        fprintf(out, "\nWhat takes less memory: a narrower --format or --kv, fewer --users, a "
                     "shorter --context.\n");
}

static status run(const verb_call *call) {
    const plan_serve_options *o = call->options;
    model_config c;
    machine m;
    serve_estimate e;
    if (o->answer >= o->context)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--answer %lld leaves no room for a prompt in a --context of %lld",
             (long long)o->answer, (long long)o->context);
    TRY(plan_find_model(call, o->preset, &c));
    const char *format = o->format ? o->format : plan_own_format(call);
    TRY(mixture_check_single(call->cx, format));
    TRY(plan_find_machine(call, o->hardware, o->devices, &m));
    if (plan_is_here(o->hardware)) TRY(plan_calibrate_serve(call, &m, format, NULL));
    c.positions = MAX_OF(c.positions, o->context);
    serve_setting s = {.users = o->users,
                       .prompt = o->context - o->answer,
                       .answer = o->answer,
                       .weights = format,
                       .kv = o->kv};
    TRY(estimate_serve(call->cx, &c, &s, &m, &e));
    if (o->json) return put_json(call, &m, &e);
    put_text(call, &c, &s, &m, &e);
    return STATUS_OK;
}

extern const verb_def verb_plan_serve;
const verb_def verb_plan_serve = {
    .name = "plan serve",
    .summary = "what serving a model will need: memory, latency, throughput",
    .example = "hone plan serve --preset llama-3.2-1b --users 50 --context 8k",
    .help = "MODEL is a model folder, a config.json or a GGUF file. Work is what the ops say of "
            "themselves, for the shapes of a prompt and "
            "of one token of every user.",
    .positional = "[MODEL]",
    .min_args = 0,
    .max_args = 1,
    .options_bytes = sizeof(plan_serve_options),
    .options = options,
    .run = run};
