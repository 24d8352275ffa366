/* `hone eval compare MODEL OTHER FILE`: whether two models differ, with an interval. */
#include "base/json_write.h"
#include "cmd/kit/eval.h"
#include "eval/choice.h"
#include "eval/paired.h"
#include "eval/perplexity.h"
#include <math.h>
#include <string.h>

typedef struct eval_compare_options {
    eval_options all;
    int64_t stride, seed;
} eval_compare_options;

static const option_def options[] = {
    EVAL_OPTIONS,
    OPTION(eval_compare_options, stride, OPTION_INT, .initial = "0", RANGE(0, 1048576),
           .help = "of a text: ids between windows, 0 for half of the context"),
    OPTION(eval_compare_options, seed, OPTION_INT, .initial = "1", RANGE(0, 1e15),
           .help = "of the resamples"),
    {0}};

/* What one model makes of the file, item by item. */
typedef struct scores {
    double *sum, *parts;
    int64_t n;
} scores;

static bool is_questions(const char *path) {
    size_t n = strlen(path);
    return n > 6 && !strcmp(path + n - 6, ".jsonl");
}

static status score_text(const verb_call *call, likelihood *l, const file_map *text, scores *out) {
    const eval_compare_options *o = call->options;
    perplexity_options how = {
        .stride = o->stride, .begin = (likelihood_begin)o->all.bos, .keep = call->memory};
    perplexity_result r;
    TRY(perplexity_run(l, text->bytes, text->size_bytes, &how, &r));
    out->n = r.windows;
    out->sum = ARENA_NEW(call->memory, double, r.windows);
    out->parts = ARENA_NEW(call->memory, double, r.windows);
    if (!out->sum || !out->parts) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < r.windows; i++) {
        out->sum[i] = r.each[i].nll;
        out->parts[i] = (double)r.each[i].count;
    }
    return STATUS_OK;
}

static status score_questions(const verb_call *call, likelihood *l, const file_map *text,
                              scores *out) {
    const eval_compare_options *o = call->options;
    choice_options how = {.begin = (likelihood_begin)o->all.bos, .keep = call->memory};
    choice_result r;
    TRY(choice_run(l, call->args[2], text->bytes, text->size_bytes, &how, &r));
    *out = (scores){.sum = r.right, .n = r.questions};
    return STATUS_OK;
}

static status score_model(const verb_call *call, const char *model, const file_map *text,
                          scores *out) {
    const eval_compare_options *o = call->options;
    likelihood_options how = eval_likelihood(&o->all);
    likelihood l;
    TRY(likelihood_open(call->cx, model, o->all.tokenizer, &how, &l));
    status st = is_questions(call->args[2]) ? score_questions(call, &l, text, out)
                                            : score_text(call, &l, text, out);
    likelihood_close(&l);
    return st == STATUS_OK ? st : context_note(call->cx, st, "'%s'", model);
}

static status print(const verb_call *call, const paired_result *r) {
    const eval_compare_options *o = call->options;
    bool text = !is_questions(call->args[2]);
    double a = text ? exp(r->a) : r->a, b = text ? exp(r->b) : r->b;
    double difference = text ? expm1(r->difference) : r->difference;
    double low = text ? expm1(r->low) : r->low, high = text ? expm1(r->high) : r->high;
    if (!o->all.json) {
        fprintf(call->out,
                "%s %.5g and %.5g: the first is %+.3f%% off the second (95%%: %+.3f%% .. "
                "%+.3f%%)%s\n",
                text ? "perplexity" : "accuracy", a, b, 100 * difference, 100 * low, 100 * high,
                low <= 0 && high >= 0 ? ", which may be chance" : "");
        fprintf(call->out, "over %lld %s\n", (long long)r->items, text ? "windows" : "questions");
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "measure", text ? "perplexity" : "accuracy");
    json_write_number_field(&w, "model", a);
    json_write_number_field(&w, "other", b);
    json_write_number_field(&w, "difference", difference);
    json_write_number_field(&w, "low", low);
    json_write_number_field(&w, "high", high);
    json_write_number_field(&w, "standard_error", r->error);
    json_write_integer_field(&w, "items", r->items);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status compare(const verb_call *call, const file_map *text) {
    const eval_compare_options *o = call->options;
    scores s[2] = {{0}};
    paired_result r;
    for (int i = 0; i < 2; i++) TRY(score_model(call, call->args[i], text, &s[i]));
    bool same = s[0].n == s[1].n;
    for (int64_t i = 0; same && s[0].parts && i < s[0].n; i++)
        same = s[0].parts[i] == s[1].parts[i];
    if (!same)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "'%s' and '%s' cut '%s' into different tokens; `hone eval ppl` gives bits per byte, "
             "which can be compared",
             call->args[0], call->args[1], call->args[2]);
    TRY(paired_compare(call->memory, s[0].sum, s[1].sum, s[0].parts, s[0].n, (uint64_t)o->seed,
                       &r));
    return print(call, &r);
}

static status run(const verb_call *call) {
    file_map text;
    TRY(file_map_open(call->cx, call->args[2], &text));
    status st = compare(call, &text);
    file_map_close(&text);
    return st;
}

extern const verb_def verb_eval_compare;
const verb_def verb_eval_compare = {
    .name = "eval compare",
    .summary = "whether two models differ on a text or on questions, with an interval",
    .example = "hone eval compare storyteller storyteller-q4_0.gguf held-out.txt",
    .help = "FILE is a text, compared by perplexity over the windows of `hone eval ppl`; or, "
            "ending in .jsonl, questions as `hone eval choice` takes them, compared by how many "
            "are answered right.\n"
            "Both models are asked the same; the interval is a paired bootstrap, and the standard "
            "error is of the difference: of nats a token, or of the share.",
    .positional = "MODEL OTHER FILE",
    .min_args = 3,
    .max_args = 3,
    .options_bytes = sizeof(eval_compare_options),
    .options = options,
    .run = run,
};
