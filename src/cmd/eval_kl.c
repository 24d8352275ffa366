/* `hone eval kl MODEL FILE --against REFERENCE`: how far a model's predictions are from a reference's. */
#include "base/json_write.h"
#include "cmd/kit/eval.h"
#include "eval/divergence.h"
#include "eval/document_text.h"
#include <math.h>

typedef struct eval_kl_options {
    eval_options all;
    int64_t stride;
    const char *against;
} eval_kl_options;

static const option_def options[] = {
    EVAL_OPTIONS,
    OPTION(eval_kl_options, against, OPTION_STRING, .required = true, .value = "MODEL",
           .help = "the reference, as the model before it was compressed"),
    OPTION(eval_kl_options, stride, OPTION_INT, .initial = "0", RANGE(0, 1048576),
           .help = "ids between windows, 0 for half of the context"),
    {0}};

static void write_finite(json_writer *w, const char *key, double v) {
    if (isfinite(v)) json_write_number_field(w, key, v);
}

static status print(const verb_call *call, const divergence_result *r) {
    const eval_kl_options *o = call->options;
    double ratio = exp(r->nats.difference);
    if (!o->all.json) {
        fprintf(call->out,
                "kl %.6f +- %.6f nats a token, at most %.3f; same first choice %.4f +- "
                "%.4f\n",
                r->kl, r->kl_error, r->kl_most, r->top1, r->top1_error);
        fprintf(call->out, "perplexity %.4f, the reference's %.4f: ratio %.5f", r->model.perplexity,
                r->reference_perplexity, ratio);
        if (isfinite(r->nats.low))
            fprintf(call->out, " (95%%: %.5f .. %.5f)", exp(r->nats.low), exp(r->nats.high));
        fprintf(call->out, "\n%lld tokens scored\n", (long long)r->model.scored);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_number_field(&w, "kl", r->kl);
    json_write_number_field(&w, "kl_error", r->kl_error);
    json_write_number_field(&w, "kl_most", r->kl_most);
    json_write_number_field(&w, "top1", r->top1);
    json_write_number_field(&w, "top1_error", r->top1_error);
    json_write_number_field(&w, "perplexity", r->model.perplexity);
    json_write_number_field(&w, "reference_perplexity", r->reference_perplexity);
    json_write_number_field(&w, "ratio", ratio);
    write_finite(&w, "ratio_low", exp(r->nats.low));
    write_finite(&w, "ratio_high", exp(r->nats.high));
    json_write_integer_field(&w, "scored", r->model.scored);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status compare(const verb_call *call, likelihood *model, likelihood *reference) {
    const eval_kl_options *o = call->options;
    divergence_result r;
    document_text text;
    TRY(document_text_open(call->cx, call->args[1], &text));
    perplexity_options how = {.stride = o->stride,
                              .begin = (likelihood_begin)o->all.bos,
                              .ends = text.ends,
                              .documents = text.documents};
    status st = divergence_run(model, reference, text.bytes, text.size_bytes, &how, &r);
    document_text_close(&text);
    TRY_NOTE(call->cx, st, "'%s'", call->args[1]);
    return print(call, &r);
}

static status run(const verb_call *call) {
    const eval_kl_options *o = call->options;
    likelihood model, reference = {0};
    likelihood_options how = eval_likelihood(&o->all);
    how.keeps_logits = true;
    TRY(likelihood_open(call->cx, call->args[0], o->all.tokenizer, &how, &model));
    status st = likelihood_open(call->cx, o->against, o->all.tokenizer, &model.options, &reference);
    if (st == STATUS_OK) st = compare(call, &model, &reference);
    likelihood_close(&reference);
    likelihood_close(&model);
    return st;
}

extern const verb_def verb_eval_kl;
const verb_def verb_eval_kl = {
    .name = "eval kl",
    .summary = "how far a model's predictions are from another's",
    .example = "hone eval kl storyteller-q4_0.gguf held-out.txt --against storyteller",
    .help = "The mean over a text's tokens of sum p log(p / q), p of the reference and q of the "
            "model, and how often both find the same token likeliest. Both must have the same "
            "tokenizer.\n"
            "Windows are those of `hone eval ppl`; the interval of the perplexities' ratio is a "
            "paired bootstrap over windows.",
    .positional = "MODEL FILE",
    .min_args = 2,
    .max_args = 2,
    .options_bytes = sizeof(eval_kl_options),
    .options = options,
    .run = run,
};
