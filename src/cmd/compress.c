/* `hone compress`: a model made lighter by a chain of methods. */
#include "base/file.h"
#include "base/json_write.h"
#include "base/options.h"
#include "base/log.h"
#include "compress/kit/run.h"
#include <string.h>

typedef struct compress_verb {
    string_list recipe;
    const char *out, *calib, *rerun;
    int64_t calib_sequences, calib_length, seed, threads, target_size;
    double target_bpw;
    int container;
    bool list, json;
} compress_verb;

static const char *const containers[] = {COMPRESS_CONTAINERS, NULL};

static const option_def options[] = {
    {.name = "do",
     .kind = OPTION_STRINGS,
     .offset = offsetof(compress_verb, recipe),
     .bytes = sizeof(string_list),
     .value = "RECIPE",
     .help = "methods, each on what the one before it made: \"prune(0.5) > gptq(4, group=128)\""},
    OPTION(compress_verb, out, OPTION_STRING, .letter = 'o', .value = "OUT",
           .help = "where the model goes: a GGUF file if the name ends in .gguf, else a folder"),
    OPTION(compress_verb, target_bpw, OPTION_DOUBLE, .initial = "0", RANGE(0, 32),
           .help = "end with mixed(bpw=...): a format for each matrix, so many bits a weight"),
    OPTION(compress_verb, target_size, OPTION_SIZE, .initial = "0", RANGE(0, 1e15),
           .help = "the same for so many bytes of weights, such as 500M"),
    OPTION(compress_verb, calib, OPTION_STRING, .value = "FILE",
           .help = "a text for methods that look at activations"),
    OPTION(compress_verb, calib_sequences, OPTION_INT, .initial = "32", RANGE(1, 65536),
           .help = "sequences of the text that are looked at"),
    OPTION(compress_verb, calib_length, OPTION_INT, .initial = "512", RANGE(2, 1048576),
           .help = "tokens of each, at most the model's positions"),
    OPTION(compress_verb, container, OPTION_CHOICE, .choices = containers,
           .help = "how a folder holds codes, or what prune(2:4) left; values: as the floats "
                   "that they stand for"),
    OPTION(compress_verb, rerun, OPTION_STRING, .value = "MODEL",
           .help = "make that model again, by its lineage; MODEL, if given, is its parent"),
    OPTION(compress_verb, seed, OPTION_INT, .initial = "0", RANGE(0, 1e18),
           .help = "of what is drawn at random"),
    OPTION(compress_verb, threads, OPTION_INT, .initial = "0", RANGE(0, 1024), .help = "0 for all"),
    OPTION(compress_verb, list, OPTION_BOOL, .help = "show the methods and what they take"),
    OPTION(compress_verb, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

static void print_methods(FILE *out) {
    for (int64_t i = 0; registry_compress[i]; i++) {
        const compress_method *m = registry_compress[i];
        fprintf(out, "%s: %s\n", m->name, m->help);
        for (const option_def *d = m->options; d && d->kind; d++) {
            char range[256];
            options_range_text(d, range, sizeof range);
            fprintf(out, "    %s%s%s  %s%s%s%s\n", d->name, d->initial ? "=" : "",
                    d->initial ? d->initial : "", d->help, *range ? " (" : "", range,
                    *range ? ")" : "");
        }
    }
}

static status print(const verb_call *call, const compress_result *r) {
    const compress_verb *o = call->options;
    if (!o->json) {
        fprintf(call->out, "%s: %.1f MB, %.3f bits a weight; %.3g FLOPs, %.1f s, %.0f MB at most\n",
                o->out, (double)r->bytes / 1e6, r->bits_per_weight, r->flops, r->seconds,
                (double)r->peak_bytes / 1e6);
        if (*r->note) fprintf(call->out, "%s\n", r->note);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "model", o->out);
    json_write_integer_field(&w, "parameters", r->parameters);
    json_write_integer_field(&w, "bytes", r->bytes);
    json_write_number_field(&w, "bits_per_weight", r->bits_per_weight);
    json_write_string_field(&w, "tensors_sha256", r->sha256);
    json_write_number_field(&w, "cost_flops", r->flops);
    json_write_number_field(&w, "cost_seconds", r->seconds);
    json_write_integer_field(&w, "peak_bytes", r->peak_bytes);
    if (*r->note) json_write_string_field(&w, "note", r->note);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status add_method(const verb_call *call, const char *method, const char **out) {
    *out = *out ? arena_printf(call->memory, "%s > %s", *out, method) : method;
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The recipe as one line; a list of methods is a chain, and a target is one more. */
static status join(const verb_call *call, const char **out) {
    const compress_verb *o = call->options;
    const char *last = NULL;
    *out = NULL;
    for (int64_t i = 0; i < o->recipe.count; i++) TRY(add_method(call, o->recipe.item[i], out));
    if (o->target_bpw > 0) last = arena_printf(call->memory, "mixed(bpw=%.9g)", o->target_bpw);
    if (o->target_size)
        last = arena_printf(call->memory, "mixed(size=%lld)", (long long)o->target_size);
    if (o->target_bpw > 0 && o->target_size)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--target-bpw and --target-size are two budgets");
    return last ? add_method(call, last, out) : STATUS_OK;
}

static status run(const verb_call *call) {
    const compress_verb *o = call->options;
    compress_result r;
    compress_options how = {.model = call->n_args ? call->args[0] : NULL,
                            .out = o->out,
                            .calib = o->calib,
                            .calib_sequences = o->calib_sequences,
                            .calib_length = o->calib_length,
                            .seed = o->seed,
                            .threads = (int)o->threads,
                            .container = (compress_container)o->container};
    if (o->list) {
        print_methods(call->out);
        return STATUS_OK;
    }
    TRY(join(call, &how.recipe));
    if (o->rerun && (how.recipe || how.calib))
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--rerun takes the recipe and --calib from the lineage");
    if (o->rerun) TRY(compress_rerun_read(call->memory, o->rerun, &how));
    if (!how.model)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "name the model: hone compress MODEL -o OUT");
    TRY(model_check_there(call->cx, how.model));
    if (!how.out) FAIL(call->cx, STATUS_BAD_ARGUMENT, "-o OUT says where the model goes");
    if (!how.recipe)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--do \"RECIPE\" says what to do; --list shows what");
    TRY(compress_run(call->cx, &how, &r));
    return print(call, &r);
}

extern const verb_def verb_compress;
const verb_def verb_compress = {
    .name = "compress",
    .summary = "make a model lighter",
    .help = "RECIPE is a chain: name(argument, key=value, ...) > name(...). --list shows the "
            "methods.\n"
            "The whole chain is checked before work starts; OUT appears when it is complete, and "
            "holds its lineage: "
            "parents, hashes, recipe, seed, and what it cost. Calibration goes layer by layer.",
    .positional = "MODEL",
    .min_args = 0,
    .max_args = 1,
    .example = "hone compress storyteller --out storyteller-w4 --do \"round(4, group=32)\"",
    .job_file = true,
    .options_bytes = sizeof(compress_verb),
    .options = options,
    .run = run,
};
