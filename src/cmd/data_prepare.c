/* `hone data prepare`: text files to a folder of token shards that training reads. */
#include "base/json_write.h"
#include "base/log.h"
#include "base/options.h"
#include "base/time.h"
#include "text/prepare.h"
#include "text/scan.h"
#include <math.h>

typedef struct data_prepare_options {
    const char *out, *tokenizer, *pattern, *separator, *begin_token, *end_token;
    bool bytes, chars, replace_invalid, json;
    string_list field;
    int format, split;
    double held_out;
    int64_t vocab, seed, shard_size, threads;
} data_prepare_options;

static const char *const formats[] = {"auto", "text", "jsonl", NULL};
static const char *const splits[] = {"documents", "end", NULL};

static const option_def options[] = {
    OPTION(data_prepare_options, out, OPTION_STRING, .required = true, .letter = 'o',
           .value = "DIR", .help = "the folder to make"),
    OPTION(data_prepare_options, tokenizer, OPTION_STRING, .value = "MODEL",
           .help = "take this model's tokenizer: a folder, tokenizer.json, .model or GGUF file"),
    OPTION(data_prepare_options, vocab, OPTION_INT, .initial = "0", RANGE(0, 1 << 26),
           .help = "learn a byte-level BPE tokenizer of this size from the text"),
    OPTION(data_prepare_options, pattern, OPTION_STRING,
           .help = "with --vocab: what cuts text into words: " SCAN_PATTERN_NAMES
                   ", or a regular expression; gpt2 if not given"),
    OPTION(data_prepare_options, bytes, OPTION_BOOL,
           .help = "a token is a byte: 256, and one that ends a document"),
    OPTION(data_prepare_options, chars, OPTION_BOOL,
           .help = "a token is a character; those of the text make the vocabulary"),
    OPTION(data_prepare_options, format, OPTION_CHOICE, .choices = formats,
           .help = "what the files hold; auto goes by their names"),
    OPTION(data_prepare_options, field, OPTION_STRINGS, .value = "NAME",
           .help = "the field of a JSONL line that holds the text, \"text\" if not given; several "
                   "are joined by newlines"),
    OPTION(data_prepare_options, separator, OPTION_STRING,
           .help = "what parts the documents of a text file; without it a file is one document"),
    OPTION(data_prepare_options, begin_token, OPTION_STRING, .value = "TOKEN",
           .help = "put in front of each document, \"\" for none; not given: the tokenizer's, or "
                   "the end token"),
    OPTION(data_prepare_options, end_token, OPTION_STRING, .value = "TOKEN",
           .help = "put behind each document, \"\" for none; not given: the tokenizer's, "
                   "<|endoftext|> with --vocab and --bytes, none with --chars"),
    OPTION(data_prepare_options, held_out, OPTION_DOUBLE, .initial = "0.1", RANGE(0, 0.5),
           .help = "share that is kept for validation"),
    OPTION(
        data_prepare_options, split, OPTION_CHOICE, .choices = splits,
        .help =
            "what is held out: documents drawn at random, or the end of the text (taken too where "
            "there are so few documents that none is drawn)"),
    OPTION(data_prepare_options, seed, OPTION_INT, .initial = "0", RANGE(0, INFINITY),
           .help = "draws the documents that are held out"),
    OPTION(data_prepare_options, replace_invalid, OPTION_BOOL,
           .help = "put U+FFFD where bytes are not UTF-8, instead of stopping"),
    OPTION(data_prepare_options, shard_size, OPTION_SIZE, .initial = "256M", RANGE(1, INFINITY),
           .help = "a shard ends with the document that takes it to this size"),
    OPTION(data_prepare_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads that encode; 0: all there are"),
    OPTION(data_prepare_options, json, OPTION_BOOL, .help = "print what was made as JSON"),
    {0}};

static void print_json(json_writer *j, const data_prepare_options *o, const prepare_result *r,
                       double seconds) {
    json_write_object(j);
    json_write_string_field(j, "out", o->out);
    json_write_integer_field(j, "vocabulary", r->vocabulary);
    json_write_integer_field(j, "sources", r->sources);
    json_write_integer_field(j, "text_bytes", r->text_bytes);
    for (int i = 0; i < TOKEN_SPLITS; i++) {
        json_write_key(j, token_split_names[i]);
        json_write_object(j);
        json_write_integer_field(j, "documents", r->documents[i]);
        json_write_integer_field(j, "tokens", r->tokens[i]);
        json_write_object_end(j);
    }
    json_write_number_field(j, "seconds", seconds);
    json_write_object_end(j);
}

static status print(const verb_call *call, const prepare_result *r, double seconds) {
    const data_prepare_options *o = call->options;
    if (o->json) {
        json_writer j = json_writer_to_file(call->cx, call->out, 0);
        print_json(&j, o, r, seconds);
        return json_writer_finish(&j);
    }
    fprintf(call->out, "%s: a vocabulary of %lld, %.1f MB of text in %.1f s\n", o->out,
            (long long)r->vocabulary, (double)r->text_bytes * 1e-6, seconds);
    for (int i = 0; i < TOKEN_SPLITS; i++)
        fprintf(call->out, "  %-10s  %lld tokens in %lld documents\n", token_split_names[i],
                (long long)r->tokens[i], (long long)r->documents[i]);
    return STATUS_OK;
}

static status run(const verb_call *call) {
    const data_prepare_options *o = call->options;
    static const char *const input = "-";
    const prepare_options p = {
        .input = {.files = call->n_args ? call->args : &input,
                  .n_files = MAX_OF(call->n_args, 1),
                  .format = (document_format)o->format,
                  .fields = o->field.item,
                  .n_fields = o->field.count,
                  .separator = o->separator && *o->separator ? o->separator : NULL,
                  .replace_invalid = o->replace_invalid},
        .folder = o->out,
        .tokenizer = o->tokenizer,
        .vocabulary = o->vocab,
        .pattern = o->pattern,
        .bytes = o->bytes,
        .characters = o->chars,
        .begin = o->begin_token,
        .end = o->end_token,
        .held_out = o->held_out,
        .held_out_end = o->split == 1,
        .seed = (uint64_t)o->seed,
        .shard_bytes = o->shard_size,
        .threads = (int)o->threads,
    };
    prepare_result r;
    double begun = time_seconds();
    TRY(prepare_run(call->cx, &p, &r));
    if (r.passed_over)
        log_warning("%lld files in archives are neither text nor JSONL by their names and were "
                    "passed over ('%s' first)",
                    (long long)r.passed_over, r.passed_over_first);
    return print(call, &r, time_seconds() - begun);
}

const verb_def verb_data_prepare = {
    .name = "data prepare",
    .summary = "turn text into token shards for training",
    .example = "hone data prepare stories.txt --out tokens --vocab 2048",
    .help = "Reads text files, JSONL (.jsonl, .ndjson, .json), tar archives of them, each also "
            "compressed "
            "by gzip or zstd, or standard input (-, or no FILE). Writes memory-mapped token shards "
            "with "
            "the borders of documents, a part held out for validation, the tokenizer, and a "
            "manifest with "
            "the SHA-256 of everything. Files may be larger than memory.\n"
            "A token set is complete when its manifest.json is there; nothing is overwritten.",
    .positional = "[FILE...]",
    .max_args = -1,
    .options_bytes = sizeof(data_prepare_options),
    .options = options,
    .run = run,
};
