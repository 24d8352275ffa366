/* Opening what `hone run` works with; whether it fits into this machine. */
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "infer/fits.h"
#include "cmd/kit/run.h"
#include <stdlib.h>

static status open_tokenizer(run_session *s, const char *path) {
    status st = tokenizer_open(s->cx, path, &s->tokens);
    if (st != STATUS_OK && file_is_folder(path) && !strstr(context_error(s->cx), "tokenizer."))
        return st;
    return st == STATUS_OK ? encoder_new(s->cx, s->tokens, &s->encoder) : st;
}

static status read_bias(run_session *s) {
    const string_list *list = &s->o->logit_bias;
    sampling_bias *bias = ARENA_NEW(s->mem, sampling_bias, list->count + 1);
    if (!bias) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < list->count; i++) {
        const char *at = strchr(list->item[i], '=');
        int64_t id = 0;
        double by = 0;
        char *number =
            at ? arena_strndup(s->mem, list->item[i], (size_t)(at - list->item[i])) : NULL;
        if (!number || !options_int_from(number, &id) || !options_double_from(at + 1, &by) ||
            id < 0 || id >= s->m->config.vocabulary)
            FAIL(s->cx, STATUS_BAD_ARGUMENT,
                 "--logit-bias '%s': must be ID=BIAS, with ID 0 .. %lld", list->item[i],
                 (long long)s->m->config.vocabulary - 1);
        bias[i] = (sampling_bias){(int32_t)id, (float)by};
    }
    s->ask.sampling.bias = bias;
    s->ask.sampling.n_bias = list->count;
    return STATUS_OK;
}

static status read_stops(run_session *s) {
    const string_list *list = &s->o->stop;
    stop_text *stops = ARENA_NEW(s->mem, stop_text, list->count + 1);
    if (!stops) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < list->count; i++)
        stops[i] = (stop_text){list->item[i], (int64_t)strlen(list->item[i])};
    s->ask.stops = stops;
    s->ask.n_stops = list->count;
    return STATUS_OK;
}

/* Negative options: what the makers of the model recommend, else the most likely token each time. */
static status read_sampling(run_session *s) {
    const run_options *o = s->o;
    const model_config *c = &s->m->config;
    bool advised = c->sample;
    s->ask.sampling =
        (sampling){.temperature = o->temp >= 0 ? o->temp
                                  : advised    ? c->temperature
                                               : 0,
                   .top_k = o->top_k >= 0 ? o->top_k
                            : advised     ? c->top_k
                                          : 0,
                   .top_p = o->top_p >= 0 ? o->top_p
                            : advised     ? c->top_p
                                          : 1,
                   .min_p = o->min_p,
                   .typical_p = o->typical,
                   .repetition_penalty = o->repetition_penalty > 0 ? o->repetition_penalty
                                         : advised                 ? c->repetition_penalty
                                                                   : 1,
                   .presence_penalty = o->presence_penalty,
                   .frequency_penalty = o->frequency_penalty,
                   .seed = o->seed >= 0 ? (uint64_t)o->seed : (uint64_t)time_ns()};
    s->ask.most_tokens = o->tokens;
    s->ask.least_tokens = o->least_tokens;
    s->ask.ignore_end = o->ignore_end;
    s->ask.logprobs = o->logprobs >= 0;
    s->ask.likely = (int32_t)MAX_OF(o->logprobs, 0);
    TRY(read_bias(s));
    TRY(read_stops(s));
    return sampling_check(s->cx, &s->ask.sampling);
}

status run_open(const verb_call *call, int64_t sequences, run_session *out) {
    const run_options *o = call->options;
    const char *path = call->args[0];
    *out = (run_session){.call = call, .o = o, .cx = call->cx, .mem = call->memory};
    TRY(model_check_there(call->cx, path));
    TRY(model_open(call->cx, path, &out->m));
    TRY(open_tokenizer(out, path));
    if (o->embed) return STATUS_OK;
    if (!out->m->def->logits)
        FAIL(call->cx, STATUS_UNSUPPORTED,
             "'%s' is an encoder, which does not write text: --embed prints vectors", path);
    TRY(chat_open(call->cx, path, out->tokens, &out->chat));
    TRY(read_sampling(out));
    engine_model m = engine_model_of(out->m, out->tokens);
    engine_options options = {.context = o->context,
                              .tokens = o->step,
                              .page = o->page,
                              .sequences = sequences,
                              .queue = 1 << 20,
                              .kv_format = run_kv_formats[o->kv_format],
                              .act = run_acts[o->act],
                              .threads = o->threads};
    engine_need need;
    TRY(engine_measure(call->cx, &m, &options, &need));
    options.context = need.context;
    options.kv_tokens = need.context * sequences;
    TRY(engine_fits(out->cx, out->m->path, &m, &options));
    TRY(guess_open(call->cx, &o->guess, &out->draft, &options));
    return engine_open(call->cx, &m, &options, &out->e);
}

void run_close(run_session *s) {
    engine_close(s->e);
    guess_close(&s->draft);
    chat_close(s->chat);
    encoder_free(s->encoder);
    tokenizer_free(s->tokens);
    model_close(s->m);
}

status run_encode(run_session *s, const char *text, int64_t length, token_list *ids) {
    if (!s->o->chat)
        return encoder_run(s->encoder, text, length,
                           (encode_options){.add_special = true, .trust_special = true}, ids);
    template_input input = {.add_generation_prompt = true};
    TRY(template_list_new(s->mem, TEMPLATE_PLAIN_LIST, &input.messages));
    if (s->o->system)
        TRY(chat_message(s->mem, input.messages, "system", s->o->system,
                         (int64_t)strlen(s->o->system)));
    TRY(chat_message(s->mem, input.messages, "user", text, length));
    return chat_encode(s->chat, &input, ids);
}

status run_read(const verb_call *call, const char *path, text_buffer *out) {
    FILE *in = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!in) FAIL(call->cx, STATUS_IO, "'%s' cannot be opened", path);
    status st = STATUS_OK;
    for (size_t got = 1; st == STATUS_OK && got;) {
        st = text_reserve(out, 1 << 16);
        if (st != STATUS_OK) break;
        got = fread(out->bytes + out->length, 1, (size_t)(out->capacity - out->length), in);
        out->length += (int64_t)got;
    }
    if (st == STATUS_OK && ferror(in))
        st = context_fail(call->cx, STATUS_IO, "'%s' cannot be read", path);
    if (in != stdin) fclose(in);
    return st == STATUS_OK ? text_append(out, "", 1) : st;
}
