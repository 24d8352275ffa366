/* `hone tokenize`: text from standard input to ids on one line, or ids back to text. */
#include "base/options.h"
#include "text/tokenizer.h"
#include <string.h>

typedef struct tokenize_options {
    bool special, decode, trust_special;
} tokenize_options;

static const option_def options[] = {
    OPTION(tokenize_options, special, OPTION_BOOL,
           .help = "put the ids that begin and end a sequence around it"),
    OPTION(tokenize_options, trust_special, OPTION_BOOL,
           .help = "text that reads like a special token is that token"),
    OPTION(tokenize_options, decode, OPTION_BOOL, .help = "read ids and print their text"),
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

static status encode(const verb_call *call, const tokenizer *t, const text_buffer *in,
                     token_list *ids) {
    const tokenize_options *o = call->options;
    const encode_options how = {.add_special = o->special, .trust_special = o->trust_special};
    encoder *e;
    TRY(encoder_new(call->cx, t, &e));
    status st = encoder_run(e, in->bytes, in->length, how, ids);
    encoder_free(e);
    TRY(st);
    for (int64_t i = 0; i < ids->count; i++) fprintf(call->out, i ? " %d" : "%d", ids->ids[i]);
    fputc('\n', call->out);
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

static status run(const verb_call *call) {
    const tokenize_options *o = call->options;
    tokenizer *t = NULL;
    text_buffer in = {.cx = call->cx};
    token_list ids = {.cx = call->cx};
    status st;
    TRY_GOTO(done, tokenizer_open(call->cx, call->args[0], &t));
    TRY_GOTO(done, read_input(&in));
    TRY_GOTO(done, o->decode ? decode(call, t, &in, &ids) : encode(call, t, &in, &ids));
    if (fflush(call->out)) st = context_fail(call->cx, STATUS_IO, "the result cannot be written");
done:
    token_free(&ids);
    text_free(&in);
    tokenizer_free(t);
    return st;
}

const verb_def verb_tokenize = {
    .name = "tokenize",
    .summary = "turn text into a model's token ids, and back",
    .help =
        "Reads standard input whole. MODEL is a folder with a tokenizer.json or tokenizer.model, "
        "one of these files, or a GGUF file.",
    .positional = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(tokenize_options),
    .options = options,
    .run = run,
};
