/* `hone run MODEL`: text from a model, for one prompt, for many, or in conversation. */
#include "cmd/kit/run.h"
#include <unistd.h>

enum { BATCH_SEQUENCES = 32 };

const char *const run_kv_formats[] = {"bf16", "f16", "f32", "int8_row", NULL};
const char *const run_acts[] = {"auto", "bf16", "int8", "int8_row", NULL};

static const option_def options[] = {
    OPTION(run_options, prompt, OPTION_STRING, .letter = 'p', .value = "TEXT",
           .help = "the text to continue (with --chat: a question)"),
    OPTION(run_options, file, OPTION_STRING, .letter = 'f', .value = "FILE",
           .help = "the same from a file, - for standard input"),
    OPTION(run_options, batch, OPTION_STRING, .value = "FILE",
           .help = "many prompts side by side: one a line, or JSONL with \"prompt\""),
    OPTION(run_options, chat, OPTION_BOOL,
           .help = "ask by the model's chat template; without a prompt this is a conversation"),
    OPTION(run_options, system, OPTION_STRING, .value = "TEXT",
           .help = "the system message of a conversation"),
    OPTION(run_options, roll, OPTION_BOOL,
           .help = "when a conversation outgrows the context, drop its oldest turns"),
    OPTION(run_options, embed, OPTION_BOOL,
           .help = "print the vector of the prompt, or of each line, instead of going on"),
    OPTION(run_options, tokens, OPTION_INT, .letter = 'n', .initial = "-1", RANGE(-1, 1e9),
           .help = "tokens at most, -1 for what the context leaves"),
    OPTION(run_options, least_tokens, OPTION_INT, .initial = "0", RANGE(0, 1e9),
           .help = "tokens before the text may end"),
    OPTION(run_options, temp, OPTION_DOUBLE, .initial = "-1", RANGE(-1, 100),
           .help = "temperature: 0 takes the most likely token, -1 what the model's makers "
                   "recommend (else 0)"),
    OPTION(run_options, top_k, OPTION_INT, .initial = "-1", RANGE(-1, 1e9),
           .help = "draw from the k most likely, 0 for all, -1 as recommended"),
    OPTION(run_options, top_p, OPTION_DOUBLE, .initial = "-1", RANGE(-1, 1),
           .help = "draw from the most likely that reach this probability, -1 as recommended"),
    OPTION(run_options, min_p, OPTION_DOUBLE, .initial = "0", RANGE(0, 1),
           .help = "draw from what is so many times as likely as the most likely"),
    OPTION(run_options, typical, OPTION_DOUBLE, .initial = "1", RANGE(0, 1),
           .help = "draw from the most typical that reach this probability"),
    OPTION(run_options, repetition_penalty, OPTION_DOUBLE, .initial = "0", RANGE(0, 100),
           .help = "divide the logits of tokens seen before, 0 as recommended (else 1)"),
    OPTION(run_options, presence_penalty, OPTION_DOUBLE, .initial = "0", RANGE(-100, 100),
           .help = "take this off the logits of tokens drawn before"),
    OPTION(run_options, frequency_penalty, OPTION_DOUBLE, .initial = "0", RANGE(-100, 100),
           .help = "take this off for each time that a token was drawn"),
    OPTION(run_options, seed, OPTION_INT, .initial = "-1", RANGE(-1, 1e15),
           .help = "of the draws: a seed gives the same text each time; -1 for a new one"),
    OPTION(run_options, stop, OPTION_STRINGS, .value = "TEXT",
           .help = "end before this text, which is not shown"),
    OPTION(run_options, logit_bias, OPTION_STRINGS, .value = "ID=BIAS",
           .help = "add to the logit of a token"),
    OPTION(run_options, ignore_end, OPTION_BOOL, .help = "go on after the model's end tokens"),
    OPTION(run_options, logprobs, OPTION_INT, .initial = "-1", RANGE(-1, ENGINE_MOST_LIKELY),
           .help = "with --json: log-probability of each token, and so many likely ones beside it"),
    OPTION(run_options, json, OPTION_BOOL, .help = "print one JSON object for each prompt"),
    OPTION(run_options, context, OPTION_INT, .initial = "0", RANGE(0, 1 << 20),
           .help = "tokens of a sequence at most, 0 for what the model can, up to 8192"),
    OPTION(run_options, act, OPTION_CHOICE, .choices = run_acts,
           .help = "what meets quantised weights: bf16, or int8 in blocks of 32 as llama.cpp has "
                   "it; auto is int8. int8_row: both sides of all layers' products in int8"),
    OPTION(run_options, kv_format, OPTION_CHOICE, .choices = run_kv_formats,
           .help = "how keys and values are kept"),
    OPTION(run_options, step, OPTION_INT, .initial = "0", RANGE(0, 1 << 16),
           .help = "tokens that are computed at once at most, 0 for 512"),
    OPTION(run_options, page, OPTION_INT, .initial = "0", RANGE(0, 1 << 16),
           .help = "tokens in a page of keys and values, 0 for 16"),
    GUESS_OPTIONS(run_options),
    OPTION(run_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    {0}};

static status check(const verb_call *call) {
    const run_options *o = call->options;
    int given = (o->prompt != NULL) + (o->file != NULL) + (o->batch != NULL);
    if (given > 1)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--prompt, --file and --batch: only one can be given");
    if (o->logprobs >= 0 && !o->json)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--logprobs are printed with --json only");
    return STATUS_OK;
}

static status run_file(run_session *s, const char *path) {
    text_buffer text = {.cx = s->cx};
    status st = run_read(s->call, path, &text);
    if (st == STATUS_OK) st = run_once(s, text.bytes, text.length - 1);
    text_free(&text);
    return st;
}

static status dispatch(run_session *s) {
    const run_options *o = s->o;
    if (o->embed) return run_embed(s);
    if (o->batch) return run_batch(s);
    if (o->prompt) return run_once(s, o->prompt, (int64_t)strlen(o->prompt));
    if (o->file) return run_file(s, o->file);
    return isatty(STDIN_FILENO) || o->chat ? run_chat(s) : run_file(s, "-");
}

static status run(const verb_call *call) {
    const run_options *o = call->options;
    run_session s = {0};
    TRY(check(call));
    status st = run_open(call, o->batch ? BATCH_SEQUENCES : 1, &s);
    if (st == STATUS_OK) st = dispatch(&s);
    run_close(&s);
    return st;
}

extern const verb_def verb_run;
const verb_def verb_run = {
    .name = "run",
    .summary = "generate text with a model",
    .example = "hone run storyteller -p \"One windy day,\" -n 100",
    .help = "MODEL is a Hugging Face folder or a GGUF file. With -p, -f, --batch or text on "
            "standard input it "
            "continues that text; without, on a terminal, it is a conversation.\n"
            "Text goes to standard output, words about it to standard error.",
    .positional = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(run_options),
    .options = options,
    .run = run,
};
