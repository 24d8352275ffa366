/* The options of `hone train`, and the job that they ask for. */
#include "cmd/kit/train.h"
#include "base/cpu.h"
#include <stdio.h>
#include <string.h>

static const char *const architectures[] = {"llama", "gpt2", NULL};
static const char *const orders[] = {"packed", "windows", NULL};
static const char *const optimisers[] = {"adamw", "sgd", "muon", NULL};
static const char *const schedules[] = {SCHEDULE_NAMES, NULL};
static const char *const precisions[] = {"f32", "bf16", NULL};
static const char *const recomputes[] = {RECOMPUTE_NAMES, NULL};
static const char *const formats[] = {"f32", "bf16", "f16", NULL};

#define T train_options
const option_def train_option_table[] = {
    OPTION(T, text, OPTION_STRING, .value = "FILE",
           .help = "text to learn, prepared into the run's folder"),
    OPTION(T, data, OPTION_STRING, .value = "DIR",
           .help = "data that `hone data prepare` made, instead of --text"),
    OPTION(T, tokenizer, OPTION_STRING, .value = "WHAT",
           .help = "for --text: characters, bytes, bpe, or a tokenizer's file or model folder; "
                   "default bpe"),
    OPTION(T, held_out, OPTION_DOUBLE, .initial = "0.1", RANGE(0, 0.5),
           .help = "for --text: share of it, from the end, that is only evaluated on"),
    OPTION(T, out, OPTION_STRING, .required = true, .value = "DIR",
           .help = "folder of the run, which becomes the model's"),
    OPTION(T, name, OPTION_STRING, .help = "name in `hone runs`; default: the folder's"),
    OPTION(T, model, OPTION_STRING, .value = "DIR", .help = "saved model to train on"),
    OPTION(T, preset, OPTION_STRING, .value = "NAME", .usual = model_preset_names,
           .help = "a size by name"),
    OPTION(T, architecture, OPTION_CHOICE, .choices = architectures,
           .help = "kind of model, where the size is given by the options below"),
    OPTION(T, layers, OPTION_INT, RANGE(0, 512), .help = "blocks"),
    OPTION(T, width, OPTION_INT, RANGE(0, 65536), .help = "numbers a token is carried in"),
    OPTION(T, heads, OPTION_INT, RANGE(0, 1024), .help = "attention heads"),
    OPTION(T, kv_heads, OPTION_INT, RANGE(0, 1024), .help = "heads of keys; default: as many"),
    OPTION(T, intermediate, OPTION_INT, RANGE(0, 1048576),
           .help = "width inside the MLP; default: 4 widths (llama: 8/3, in steps of 16)"),
    OPTION(T, vocabulary, OPTION_INT, .initial = "2048", RANGE(2, 1048576),
           .help = "for --text with bpe: tokens to train"),
    OPTION(T, table, OPTION_INT, .initial = "0", RANGE(0, 1048576),
           .help = "rows of the table of tokens, at least; more than there are tokens round its "
                   "size up"),
    OPTION(T, tied, OPTION_BOOL, .initial = "true", .help = "the output layer is the table"),
    OPTION(T, steps, OPTION_INT, .initial = "1000", RANGE(1, 1e12), .help = "updates"),
    OPTION(T, batch, OPTION_INT, .initial = "8", RANGE(1, 65536),
           .help = "sequences of the context's length in a micro-batch (as many tokens)"),
    OPTION(T, context, OPTION_INT, .initial = "256", RANGE(2, 1048576), .help = "longest sequence"),
    OPTION(T, accumulate, OPTION_INT, .initial = "1", RANGE(1, 65536),
           .help = "micro-batches in a step"),
    OPTION(T, order, OPTION_CHOICE, .choices = orders,
           .help = "packed: all documents, shuffled, each epoch; windows: pieces from anywhere"),
    OPTION(T, optimiser, OPTION_CHOICE, .choices = optimisers, .help = "what makes updates"),
    OPTION(T, lr, OPTION_DOUBLE, .initial = "0", RANGE(0, 100),
           .help = "peak learning rate, 0 for the optimiser's usual one"),
    OPTION(T, schedule, OPTION_CHOICE, .choices = schedules,
           .help = "how the learning rate goes after the warm-up"),
    OPTION(T, warmup, OPTION_INT, .initial = "0", RANGE(0, 1e12), .help = "steps up to the peak"),
    OPTION(T, lr_final, OPTION_DOUBLE, .initial = "0.1", RANGE(0, 1),
           .help = "learning rate at the end, as a share of the peak"),
    OPTION(T, wsd_decay, OPTION_DOUBLE, .initial = "0.2", RANGE(0, 1),
           .help = "for wsd: share of the steps that go down"),
    OPTION(T, weight_decay, OPTION_DOUBLE, .initial = "0.1", RANGE(0, 10),
           .help = "of matrices and tables; norms and biases have none"),
    OPTION(T, beta1, OPTION_DOUBLE, .initial = "0.9", RANGE(0, 0.9999999), .help = "adamw"),
    OPTION(T, beta2, OPTION_DOUBLE, .initial = "0.95", RANGE(0, 0.9999999), .help = "adamw"),
    OPTION(T, eps, OPTION_DOUBLE, .initial = "1e-8", RANGE_ABOVE(0, 1), .help = "adamw"),
    OPTION(T, momentum, OPTION_DOUBLE, .initial = "0.95", RANGE(0, 0.9999999), .help = "sgd, muon"),
    OPTION(T, clip, OPTION_DOUBLE, .initial = "1", RANGE(0, 1e9),
           .help = "longest gradient, 0 for none"),
    OPTION(T, dropout, OPTION_DOUBLE, .initial = "0", RANGE(0, 0.99), .help = "share dropped"),
    OPTION(T, z_loss, OPTION_DOUBLE, .initial = "0", RANGE(0, 1),
           .help = "weight of the squared log-sum-exp in the loss"),
    OPTION(T, ema, OPTION_DOUBLE, .initial = "0", RANGE(0, 0.9999999),
           .help = "share of the weights' average that stays each step; 0 for no average"),
    OPTION(T, precision, OPTION_CHOICE, .choices = precisions,
           .help = "of products; weights and their updates stay f32"),
    OPTION(T, recompute, OPTION_CHOICE, .choices = recomputes,
           .help = "activations that are computed again instead of kept, which saves memory"),
    OPTION(T, evaluate_every, OPTION_INT, .initial = "-1", RANGE(-1, 1e12),
           .help = "steps between evaluations, 0 for none, -1 for a tenth of the steps"),
    OPTION(T, evaluate_batches, OPTION_INT, .initial = "0", RANGE(0, 1e12),
           .help = "batches an evaluation reads, 0 for the whole held-out split"),
    OPTION(T, sample_every, OPTION_INT, .initial = "0", RANGE(0, 1e12),
           .help = "steps between samples of what the model writes, 0 for none"),
    OPTION(T, prompt, OPTION_STRINGS, .value = "TEXT",
           .help = "where samples begin; repeated, several side by side"),
    OPTION(T, sample_tokens, OPTION_INT, .initial = "64", RANGE(1, 1e6),
           .help = "tokens of a sample, at most"),
    OPTION(T, save_every, OPTION_INT, .initial = "0", RANGE(0, 1e12),
           .help = "steps between checkpoints, besides those of evaluations and of time"),
    OPTION(T, save_interval, OPTION_DURATION, .initial = "5m", RANGE_ABOVE(0, 1e9),
           .help = "longest time without a checkpoint"),
    OPTION(T, spike, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e6),
           .help = "a loss so many times its mean of late is an error; 0 for none"),
    OPTION(T, rewinds, OPTION_INT, .initial = "0", RANGE(0, 1000),
           .help = "after a spike or NaN, go back to the last checkpoint so often, past the data"),
    OPTION(T, resume, OPTION_BOOL, .help = "go on from the folder's last checkpoint"),
    OPTION(T, best, OPTION_BOOL, .help = "the result is the best checkpoint, not the last"),
    OPTION(T, format, OPTION_CHOICE, .choices = formats, .help = "of the result's numbers"),
    OPTION(T, tensorboard, OPTION_BOOL, .initial = "true", .help = "write TensorBoard's events"),
    OPTION(T, record, OPTION_BOOL, .initial = "true", .help = "list the run in `hone runs`"),
    OPTION(T, trace, OPTION_STRING, .value = "FILE",
           .help = "write the last step's timeline, for Perfetto or chrome://tracing"),
    OPTION(T, seed, OPTION_INT, .initial = "1", RANGE(0, 1e15),
           .help = "of weights, order and dropout"),
    OPTION(T, threads, OPTION_INT, .initial = "0", RANGE(0, 1024), .help = "0 for all"),
    OPTION(T, json, OPTION_BOOL, .help = "end with one JSON object"),
    {0}};
#undef T

/* ---- the model ---- */

static status contradiction(const verb_call *call, const char *a, const char *b) {
    return context_fail(call->cx, STATUS_BAD_ARGUMENT, "--%s and --%s contradict each other", a, b);
}

/* The first size that is given, or NULL. */
static const char *given_size(const train_options *o) {
    return o->layers         ? "layers"
           : o->width        ? "width"
           : o->heads        ? "heads"
           : o->kv_heads     ? "kv-heads"
           : o->intermediate ? "intermediate"
                             : NULL;
}

static status check_options(const verb_call *call) {
    const train_options *o = call->options;
    const char *size = given_size(o);
    if (o->text && o->data) return contradiction(call, "text", "data");
    if (!o->text && !o->data)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "there is nothing to learn: give --text or --data");
    if (o->data && o->tokenizer) return contradiction(call, "data", "tokenizer");
    if (o->model && o->preset) return contradiction(call, "model", "preset");
    if (o->model && size) return contradiction(call, "model", size);
    if (!o->model && !o->preset && !(o->layers && o->width && o->heads))
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "which model? give --preset, or --layers, --width and --heads, or --model");
    if (o->warmup > o->steps)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--warmup is %lld, but there are only %lld steps",
             (long long)o->warmup, (long long)o->steps);
    return train_samples_check(call);
}

static status make_config(const verb_call *call, model_config *out) {
    const train_options *o = call->options;
    if (o->preset)
        TRY(model_preset(call->cx, o->preset, out));
    else
        TRY(model_config_start(call->cx, architectures[o->architecture], out));
    if (o->layers) out->layers = o->layers;
    if (o->width) out->hidden = o->width;
    if (o->heads) out->heads = o->heads;
    if (o->heads || o->kv_heads) out->kv_heads = o->kv_heads ? o->kv_heads : o->heads;
    bool gated = strcmp(out->model_type, "gpt2") != 0;
    if (o->width) {
        out->intermediate = gated ? round_up(8 * o->width / 3, 16) : 4 * o->width;
        out->head_size = 0;
    }
    if (o->intermediate) out->intermediate = o->intermediate;
    if (o->heads) out->head_size = 0;
    if (!o->preset) {
        out->tied = o->tied;
        out->norm_epsilon = 1e-5;
        out->vocabulary = o->vocabulary;
        out->positions = o->context;
    }
    status st = model_config_complete(call->cx, out);
    if (st != STATUS_BAD_DATA) return st;
    return context_note(call->cx, STATUS_BAD_ARGUMENT, "the sizes asked for");
}

/* ---- what must not change ---- */

static const char *const may_change[] = {
    "text",         "data",          "tokenizer",      "held_out",
    "out",          "name",          "save_every",     "save_interval",
    "spike",        "best",          "tensorboard",    "record",
    "rewinds",      "resume",        "format",         "trace",
    "json",         "threads",       "evaluate_every", "evaluate_batches",
    "sample_every", "sample_tokens", "prompt",         NULL};

static bool is_fixed(const char *name) {
    for (int64_t i = 0; may_change[i]; i++)
        if (!strcmp(may_change[i], name)) return false;
    return true;
}

static char *describe_one(arena *mem, const char *before, const option_def *d, const void *at) {
    switch (d->kind) {
    case OPTION_BOOL:
        return arena_printf(mem, "%s%s=%s\n", before, d->name, *(const bool *)at ? "yes" : "no");
    case OPTION_INT:
    case OPTION_SIZE:
        return arena_printf(mem, "%s%s=%lld\n", before, d->name, (long long)*(const int64_t *)at);
    case OPTION_DOUBLE:
    case OPTION_DURATION:
        return arena_printf(mem, "%s%s=%.17g\n", before, d->name, *(const double *)at);
    case OPTION_CHOICE:
        return arena_printf(mem, "%s%s=%s\n", before, d->name, d->choices[*(const int *)at]);
    default: {
        const char *text;
        memcpy(&text, at, sizeof text);
        return arena_printf(mem, "%s%s=%s\n", before, d->name, text ? text : "");
    }
    }
}

static status describe(const verb_call *call, const char **out) {
    *out = "";
    for (const option_def *d = train_option_table; d->kind != OPTION_NONE; d++) {
        if (!is_fixed(d->name)) continue;
        *out = describe_one(call->memory, *out, d, (const char *)call->options + d->offset);
        if (!*out) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* ---- the job ---- */

static step_options make_step(const train_options *o, const optimiser_def *optimiser) {
    return (step_options){.dropout = o->dropout,
                          .z = o->z_loss,
                          .clip = o->clip,
                          .ema = o->ema,
                          .optimiser = optimiser,
                          .optimiser_options = {.decay = o->weight_decay,
                                                .beta1 = o->beta1,
                                                .beta2 = o->beta2,
                                                .eps = o->eps,
                                                .momentum = o->momentum,
                                                .nesterov = true},
                          .precision = num_find(precisions[o->precision]),
                          .recompute = (recompute_kind)o->recompute,
                          .seed = (uint64_t)o->seed};
}

static trainer_options make_trainer(const train_options *o, const optimiser_def *optimiser) {
    int64_t every = o->evaluate_every;
    return (trainer_options){.rate = {.kind = (lr_schedule_kind)o->schedule,
                                      .warmup = o->warmup,
                                      .steps = o->steps,
                                      .final = o->lr_final,
                                      .decay = o->wsd_decay},
                             .lr = o->lr > 0 ? o->lr : optimiser->lr,
                             .parts = o->accumulate,
                             .evaluate_every = every < 0 ? MAX_OF(1, o->steps / 10) : every,
                             .evaluate_batches = o->evaluate_batches,
                             .save_every = o->save_every,
                             .save_seconds = o->save_interval,
                             .spike = o->spike,
                             .rewinds = o->rewinds};
}

status train_make_job(verb_call *call, job_options *out) {
    const train_options *o = call->options;
    TRY(check_options(call));
    const optimiser_def *optimiser = optimiser_find(optimisers[o->optimiser]);
    *out = (job_options){.data = o->data,
                         .prepare = o->text ? train_prepare : NULL,
                         .beside = train_samples_need,
                         .user = call,
                         .folder = o->out,
                         .from = o->model,
                         .step = make_step(o, optimiser),
                         .trainer = make_trainer(o, optimiser),
                         .least_vocabulary = o->table,
                         .batch = o->batch,
                         .context = o->context,
                         .windows = o->order == 1,
                         .resume = o->resume,
                         .best = o->best,
                         .format = formats[o->format],
                         .threads = (int)o->threads};
    if (!o->model) TRY(make_config(call, &out->config));
    return describe(call, &out->described);
}
