/* `hone eval choice MODEL FILE.jsonl`: multiple-choice questions, answered by likelihood. */
#include "base/json_write.h"
#include "base/log.h"
#include "cmd/kit/eval.h"
#include "eval/choice.h"

typedef struct eval_choice_options {
    eval_options all;
    int64_t most;
} eval_choice_options;

static const option_def options[] = {OPTION(eval_choice_options, most, OPTION_INT, .initial = "0",
                                            RANGE(0, 1e12), .help = "questions to ask, 0 for all"),
                                     EVAL_OPTIONS,
                                     {0}};

static status print(const verb_call *call, const choice_result *r) {
    const eval_choice_options *o = call->options;
    if (!o->all.json) {
        fprintf(call->out,
                "%lld questions: %.4f +- %.4f right, by length %.4f +- %.4f, chance %.4f\n",
                (long long)r->questions, r->accuracy, r->accuracy_error, r->normalised,
                r->normalised_error, r->chance);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "questions", r->questions);
    json_write_number_field(&w, "accuracy", r->accuracy);
    json_write_number_field(&w, "accuracy_error", r->accuracy_error);
    json_write_number_field(&w, "accuracy_normalised", r->normalised);
    json_write_number_field(&w, "accuracy_normalised_error", r->normalised_error);
    json_write_number_field(&w, "chance", r->chance);
    json_write_integer_field(&w, "truncated", r->truncated);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status ask(const verb_call *call, likelihood *l) {
    const eval_choice_options *o = call->options;
    file_map text;
    choice_result r;
    TRY(file_map_open(call->cx, call->args[1], &text));
    choice_options how = {(likelihood_begin)o->all.bos, o->most};
    status st = choice_run(l, call->args[1], text.bytes, text.size_bytes, &how, &r);
    file_map_close(&text);
    TRY(st);
    if (r.truncated)
        log_warning("%lld prompts are longer than the context of %lld and lost their begin",
                    (long long)r.truncated, (long long)l->options.context);
    return print(call, &r);
}

static status run(const verb_call *call) {
    const eval_choice_options *o = call->options;
    likelihood l;
    likelihood_options how = eval_likelihood(&o->all);
    TRY(likelihood_open(call->cx, call->args[0], o->all.tokenizer, &how, &l));
    status st = ask(call, &l);
    likelihood_close(&l);
    return st;
}

extern const verb_def verb_eval_choice;
const verb_def verb_eval_choice = {
    .name = "eval choice",
    .summary = "multiple-choice questions, answered by likelihood",
    .example = "hone eval choice storyteller questions.jsonl",
    .help = "A line of FILE is {\"context\": ..., \"question\": ..., \"choices\": [...], "
            "\"answer\": which, from 0}. The prompt is context, newline, question; the choice "
            "follows after a space. The answer is the choice with the largest sum of log p; by "
            "length, with the largest sum over its bytes.",
    .positional = "MODEL FILE",
    .min_args = 2,
    .max_args = 2,
    .options_bytes = sizeof(eval_choice_options),
    .options = options,
    .run = run,
};
