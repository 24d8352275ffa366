/* `hone eval ppl MODEL FILE`: perplexity and bits per byte of a text. */
#include "base/json_write.h"
#include "cmd/kit/eval.h"
#include "eval/document_text.h"
#include "eval/perplexity.h"

typedef struct eval_ppl_options {
    eval_options all;
    int64_t stride;
    int convention;
} eval_ppl_options;

static const char *const conventions[] = {PERPLEXITY_NAMES, NULL};

static const option_def options[] = {
    OPTION(eval_ppl_options, convention, OPTION_CHOICE, .choices = conventions,
           .help = "whose figure it compares with"),
    EVAL_OPTIONS,
    OPTION(eval_ppl_options, stride, OPTION_INT, .initial = "0", RANGE(0, 1048576),
           .help = "ids between windows, 0 for half of the context; llama.cpp has none"),
    {0}};

/* `documents`: how many there were; 0: one text. */
static status print(const verb_call *call, const perplexity_result *r, int64_t documents,
                    int64_t context, int64_t stride) {
    const eval_ppl_options *o = call->options;
    if (!o->all.json) {
        fprintf(call->out, "perplexity %.4f +- %.4f, %.4f bits per byte\n", r->perplexity,
                r->standard_error, r->bits_per_byte);
        fprintf(call->out, "%lld tokens, %lld scored, in %lld windows of %lld, stride %lld (%s)\n",
                (long long)r->tokens, (long long)r->scored, (long long)r->windows,
                (long long)context, (long long)stride, conventions[o->convention]);
        if (documents)
            fprintf(call->out, "%lld of %lld documents, each in a context of its own\n",
                    (long long)r->documents, (long long)documents);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_number_field(&w, "perplexity", r->perplexity);
    json_write_number_field(&w, "standard_error", r->standard_error);
    json_write_number_field(&w, "bits_per_byte", r->bits_per_byte);
    json_write_number_field(&w, "nats_per_token", r->nats);
    json_write_integer_field(&w, "tokens", r->tokens);
    json_write_integer_field(&w, "scored", r->scored);
    json_write_integer_field(&w, "bytes", r->bytes);
    if (documents) json_write_integer_field(&w, "documents", r->documents);
    json_write_string_field(&w, "convention", conventions[o->convention]);
    json_write_integer_field(&w, "context", context);
    json_write_integer_field(&w, "stride", stride);
    json_write_string_field(&w, "bos", eval_begins[o->all.bos]);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status measure(const verb_call *call, likelihood *l) {
    const eval_ppl_options *o = call->options;
    document_text text;
    perplexity_result r;
    bool halves = o->convention == PERPLEXITY_LLAMA_CPP;
    if (halves && o->stride)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "llama.cpp's convention has no --stride");
    TRY(document_text_open(call->cx, call->args[1], &text));
    perplexity_options how = {.kind = (perplexity_kind)o->convention,
                              .stride = o->stride,
                              .begin = (likelihood_begin)o->all.bos,
                              .ends = text.ends,
                              .documents = text.documents};
    status st = perplexity_run(l, text.bytes, text.size_bytes, &how, &r);
    int64_t documents = text.ends ? text.documents : 0;
    document_text_close(&text);
    TRY_NOTE(call->cx, st, "'%s'", call->args[1]);
    int64_t context = l->options.context, stride = halves ? context : context / 2;
    return print(call, &r, documents, context, o->stride ? o->stride : stride);
}

static status run(const verb_call *call) {
    enum { LLAMA_CPP_CONTEXT = 512 };
    const eval_ppl_options *o = call->options;
    likelihood l;
    likelihood_options how = eval_likelihood(&o->all);
    if (!how.context && o->convention == PERPLEXITY_LLAMA_CPP) how.context = LLAMA_CPP_CONTEXT;
    TRY(likelihood_open(call->cx, call->args[0], o->all.tokenizer, &how, &l));
    status st = measure(call, &l);
    likelihood_close(&l);
    return st;
}

extern const verb_def verb_eval_ppl;
const verb_def verb_eval_ppl = {
    .name = "eval ppl",
    .summary = "perplexity and bits per byte of a text",
    .example = "hone eval ppl storyteller held-out.txt",
    .help = "FILE is a text, or JSONL whose lines' \"text\" are documents, each scored with a "
            "context of its own.\n"
            "hone: every id is scored once, with at least context - stride ids before it; all ids "
            "weigh alike.\n"
            "transformers: as its page on fixed-length models does; windows weigh by their ids "
            "less one.\n"
            "llama.cpp: as llama-perplexity does; the second half of disjoint windows of 512 is "
            "scored.\n"
            "Bits per byte are the mean bits of a scored id, times the ids of the text, over its "
            "bytes.",
    .positional = "MODEL FILE",
    .min_args = 2,
    .max_args = 2,
    .options_bytes = sizeof(eval_ppl_options),
    .options = options,
    .run = run,
};
