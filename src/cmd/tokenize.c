/* `hone tokenize`: text from standard input to ids on one line, or ids back to text; --train makes a tokenizer. */
#include "base/json_write.h"
#include "base/options.h"
#include "base/time.h"
#include "text/bpe_train.h"
#include "text/scan.h"
#include "text/tokenizer.h"
#include <math.h>
#include <string.h>

typedef struct tokenize_options {
    bool special, decode, trust_special, train, json;
    int64_t vocab, min_count, threads;
    const char *out, *pattern, *separator;
    string_list special_token, field;
} tokenize_options;

static const option_def options[] = {
    OPTION(tokenize_options, special, OPTION_BOOL,
           .help = "put the ids that begin and end a sequence around it"),
    OPTION(tokenize_options, trust_special, OPTION_BOOL,
           .help = "text that reads like a special token is that token"),
    OPTION(tokenize_options, decode, OPTION_BOOL, .help = "read ids and print their text"),
    OPTION(tokenize_options, train, OPTION_BOOL,
           .help = "learn byte-level BPE from text files, JSONL or archives (as hone data prepare "
                   "reads them) and write tokenizer.json"),
    OPTION(tokenize_options, vocab, OPTION_INT, .initial = "32000", RANGE(256, 1 << 26),
           .help = "with --train: tokens, the bytes and special tokens among them"),
    OPTION(tokenize_options, out, OPTION_STRING, .letter = 'o', .value = "FILE",
           .help = "with --train: the file to write, tokenizer.json if not given"),
    OPTION(tokenize_options, pattern, OPTION_STRING,
           .help = "with --train: what cuts text into words: " SCAN_PATTERN_NAMES
                   ", or a regular expression; gpt2 if not given"),
    OPTION(tokenize_options, special_token, OPTION_STRINGS, .value = "TOKEN",
           .help = "with --train: a special token; <|endoftext|> if none is given"),
    OPTION(tokenize_options, min_count, OPTION_INT, .initial = "1", RANGE(1, INFINITY),
           .help = "with --train: pairs that come less often do not join"),
    OPTION(tokenize_options, field, OPTION_STRINGS, .value = "NAME",
           .help = "with --train: the field of a JSONL line that holds the text, \"text\" if not "
                   "given"),
    OPTION(tokenize_options, separator, OPTION_STRING,
           .help = "with --train: what parts the documents of a text file"),
    OPTION(tokenize_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "with --train: threads that count words; 0: all there are"),
    OPTION(tokenize_options, json, OPTION_BOOL,
           .help = "with --train: print what was made as JSON"),
    {0}};

static status read_input(text_buffer *in) {
    for (;;) {
        TRY(text_reserve(in, 1 << 16));
        size_t got = fread(in->bytes + in->length, 1, (size_t)(in->capacity - in->length), stdin);
        in->length += (int64_t)got;
        if (!got) break;
    }
    if (ferror(stdin)) FAIL(in->cx, STATUS_IO, "standard input cannot be read");
    return STATUS_OK;
}

static status parse_ids(const text_buffer *in, token_list *out) {
    for (int64_t at = 0; at < in->length;) {
        int64_t id = 0, from = at;
        while (at < in->length && in->bytes[at] >= '0' && in->bytes[at] <= '9' && id < INT32_MAX)
            id = id * 10 + in->bytes[at++] - '0';
        bool blank = at < in->length && strchr(" \t\r\n", in->bytes[at]) && in->bytes[at];
        if (id >= INT32_MAX || (at < in->length && !blank))
            FAIL(in->cx, STATUS_BAD_ARGUMENT, "standard input: byte %lld is not part of an id",
                 (long long)at);
        if (at > from) TRY(token_append(out, (int32_t)id));
        at++;
    }
    return STATUS_OK;
}

/* In decimals, parted by spaces: formatting each by itself would take as long as encoding. */
static void print_ids(FILE *out, const token_list *ids) {
    enum { CHUNK = 1 << 14, LONGEST = 12 };
    char text[CHUNK];
    size_t n = 0;
    for (int64_t i = 0; i < ids->count; i++) {
        if (n > CHUNK - LONGEST) {
            fwrite(text, 1, n, out);
            n = 0;
        }
        if (i) text[n++] = ' ';
        char digits[LONGEST];
        int32_t left = ids->ids[i], d = 0;
        do digits[d++] = (char)('0' + left % 10);
        while (left /= 10);
        while (d) text[n++] = digits[--d];
    }
    text[n++] = '\n';
    fwrite(text, 1, n, out);
}

static status encode(const verb_call *call, const tokenizer *t, const text_buffer *in,
                     token_list *ids) {
    const tokenize_options *o = call->options;
    const encode_options how = {.add_special = o->special, .trust_special = o->trust_special};
    encoder *e;
    TRY(encoder_new(call->cx, t, &e));
    status st = encoder_run(e, in->bytes, in->length, how, ids);
    encoder_free(e);
    TRY(st);
    print_ids(call->out, ids);
    return STATUS_OK;
}

static status decode(const verb_call *call, const tokenizer *t, const text_buffer *in,
                     token_list *ids) {
    text_buffer text = {.cx = call->cx};
    decoder d = {0};
    status st = parse_ids(in, ids);
    if (st == STATUS_OK) st = tokenizer_decode(t, &d, ids->ids, ids->count, &text);
    if (st == STATUS_OK) fwrite(text.bytes, 1, (size_t)text.length, call->out);
    text_free(&text);
    return st;
}

static status print_trained(const verb_call *call, const char *path, const bpe_train_result *r,
                            double seconds) {
    const tokenize_options *o = call->options;
    if (!o->json) {
        fprintf(call->out,
                "%s: %lld tokens, %lld merges from %lld different words in %.1f MB, %.1f s\n", path,
                (long long)r->vocabulary, (long long)r->merges, (long long)r->words,
                (double)r->text_bytes * 1e-6, seconds);
        return STATUS_OK;
    }
    json_writer j = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&j);
    json_write_string_field(&j, "out", path);
    json_write_integer_field(&j, "vocabulary", r->vocabulary);
    json_write_integer_field(&j, "merges", r->merges);
    json_write_integer_field(&j, "words", r->words);
    json_write_integer_field(&j, "words_dropped", r->dropped);
    json_write_integer_field(&j, "text_bytes", r->text_bytes);
    json_write_number_field(&j, "seconds", seconds);
    json_write_object_end(&j);
    return json_writer_finish(&j);
}

static status train(const verb_call *call) {
    const tokenize_options *o = call->options;
    static const char *const input = "-", *const usual = "<|endoftext|>";
    const char *path = o->out ? o->out : "tokenizer.json";
    bool special = o->special_token.count > 0;
    const bpe_train_options how = {
        .input = {.files = call->n_args ? call->args : &input,
                  .n_files = MAX_OF(call->n_args, 1),
                  .fields = o->field.item,
                  .n_fields = o->field.count,
                  .separator = o->separator && *o->separator ? o->separator : NULL},
        .vocabulary = o->vocab,
        .least = o->min_count,
        .pattern = o->pattern,
        .special = special ? o->special_token.item : &usual,
        .n_special = special ? o->special_token.count : 1,
        .threads = (int)o->threads,
    };
    text_buffer made = {.cx = call->cx};
    bpe_train_result r;
    double begun = time_seconds();
    status st = bpe_train_files(call->cx, &how, &made, &r);
    if (st == STATUS_OK) st = file_write_whole(call->cx, path, made.bytes, made.length);
    text_free(&made);
    TRY(st);
    return print_trained(call, path, &r, time_seconds() - begun);
}

static status run(const verb_call *call) {
    const tokenize_options *o = call->options;
    if (o->train) return train(call);
    if (!call->n_args)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "which MODEL's tokenizer? (or --train and text files)");
    if (call->n_args > 1)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "one MODEL, and its text from standard input: hone tokenize %s < %s", call->args[0],
             call->args[1]);
    tokenizer *t = NULL;
    text_buffer in = {.cx = call->cx};
    token_list ids = {.cx = call->cx};
    status st;
    TRY_GOTO(done, tokenizer_open(call->cx, call->args[0], &t));
    TRY_GOTO(done, read_input(&in));
    TRY_GOTO(done, o->decode ? decode(call, t, &in, &ids) : encode(call, t, &in, &ids));
    if (ferror(call->out) || fflush(call->out))
        st = context_fail(call->cx, STATUS_IO, "the result cannot be written");
done:
    token_free(&ids);
    text_free(&in);
    tokenizer_free(t);
    return st;
}

const verb_def verb_tokenize = {
    .name = "tokenize",
    .summary = "turn text into a model's token ids, and back",
    .example = "echo \"One windy day,\" | hone tokenize storyteller",
    .help =
        "Reads standard input whole. MODEL is a folder with a tokenizer.json or tokenizer.model, "
        "one of these files, or a GGUF file.\n"
        "With --train the arguments are text to learn a tokenizer from, of any size, or standard "
        "input if "
        "there are none.",
    .positional = "MODEL | --train FILE...",
    .max_args = -1,
    .options_bytes = sizeof(tokenize_options),
    .options = options,
    .run = run,
};
