/* Samples while a model learns: every N steps each --prompt is gone on with by an engine that borrows the weights where
 * they lie. They are shown in the log and kept in the run's samples.jsonl:
 *   {"step": 400, "prompt": "One sunny day,", "text": " Tim went to the park. ..."} */
#include "base/json_write.h"
#include "base/log.h"
#include "cmd/kit/train.h"
#include <errno.h>
#include <string.h>

enum { SAMPLE_STEP_TOKENS = 64 };

static status lend(void *user, states *store, const graph *g) {
    return engine_borrow(user, store, g);
}

static engine_model model_of(const model_config *config, const tokenizer *tokens, states *from) {
    return (engine_model){.config = config, .fill = lend, .user = from, .tokens = tokens};
}

static engine_options options_of(const train_options *o, const model_config *config) {
    int64_t sequences = o->prompt.count;
    int64_t context = MIN_OF(config->positions, 2 * o->sample_tokens + o->context);
    return (engine_options){.context = context,
                            .tokens = SAMPLE_STEP_TOKENS,
                            .sequences = sequences,
                            .kv_tokens = context * sequences,
                            .forgets_prefixes = true};
}

status train_samples_check(const verb_call *call) {
    const train_options *o = call->options;
    if (o->sample_every && !o->prompt.count)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--sample-every %lld: what with? give --prompt TEXT",
             (long long)o->sample_every);
    return STATUS_OK;
}

status train_samples_need(void *user, const model_config *config, int64_t *bytes) {
    const verb_call *call = user;
    const train_options *o = call->options;
    engine_need need;
    *bytes = 0;
    if (!o->sample_every) return STATUS_OK;
    engine_model m = model_of(config, NULL, NULL);
    engine_options how = options_of(o, config);
    TRY(engine_measure(call->cx, &m, &how, &need));
    *bytes = need.parameter_bytes + need.kv_bytes;
    return STATUS_OK;
}

/* ---- drawing ---- */

typedef struct drawing {
    text_buffer text;
    status st;
} drawing;

static void hear(void *user, const engine_event *event) {
    drawing *d = user;
    if (d->st == STATUS_OK) d->st = text_append(&d->text, event->text, event->text_bytes);
}

static status keep(train_samples *s, int64_t step, const char *prompt, const drawing *d) {
    json_writer w = json_writer_to_file(s->call->cx, s->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "step", step);
    json_write_string_field(&w, "prompt", prompt);
    json_write_key(&w, "text");
    json_write_text(&w, d->text.bytes ? d->text.bytes : "", d->text.length);
    json_write_object_end(&w);
    TRY(json_writer_finish(&w));
    log_info("step %lld: %s%.*s", (long long)step, prompt, (int)d->text.length,
             d->text.bytes ? d->text.bytes : "");
    return STATUS_OK;
}

static status submit(train_samples *s, const char *prompt, drawing *d) {
    const train_options *o = s->call->options;
    token_list ids = {.cx = s->call->cx};
    uint64_t id;
    status st = encoder_run(s->encoder, prompt, (int64_t)strlen(prompt),
                            (encode_options){.add_special = true, .trust_special = true}, &ids);
    engine_request r = {.prompt = ids.ids,
                        .n_prompt = ids.count,
                        .most_tokens = o->sample_tokens,
                        .sampling = SAMPLING_PLAIN,
                        .tell = hear,
                        .user = d};
    r.sampling.temperature = 0.8;
    r.sampling.seed = (uint64_t)o->seed;
    if (st == STATUS_OK) st = engine_submit(s->e, &r, &id);
    token_free(&ids);
    return st;
}

status train_samples_draw(train_samples *s, int64_t step) {
    const string_list *prompts = &((const train_options *)s->call->options)->prompt;
    status st = STATUS_OK;
    drawing *all = context_zalloc(s->call->cx, (size_t)prompts->count * sizeof *all);
    if (!all) return STATUS_NO_MEMORY;
    step_average_exchange(s->j->s);
    TRY_GOTO(done, engine_refresh(s->e));
    for (int64_t i = 0; i < prompts->count; i++) {
        all[i].text.cx = s->call->cx;
        TRY_GOTO(done, submit(s, prompts->item[i], &all[i]));
    }
    while (engine_busy(s->e)) TRY_GOTO(done, engine_step(s->e));
    for (int64_t i = 0; i < prompts->count; i++) {
        TRY_GOTO(done, all[i].st);
        TRY_GOTO(done, keep(s, step, prompts->item[i], &all[i]));
    }
    if (fflush(s->out))
        st = context_fail(s->call->cx, STATUS_IO, "writing samples.jsonl: %s", strerror(errno));
done:
    step_average_exchange(s->j->s);
    for (int64_t i = 0; i < prompts->count; i++) text_free(&all[i].text);
    context_release(s->call->cx, all);
    return st;
}

/* ---- opening ---- */

static status open_engine(train_samples *s) {
    const train_options *o = s->call->options;
    const model_config *config = &s->j->options.config;
    const char *words = loader_set(s->j->learn.l)->tokenizer;
    TRY(tokenizer_open(s->call->cx, words, &s->tokens));
    TRY(encoder_new(s->call->cx, s->tokens, &s->encoder));
    engine_model m = model_of(config, s->tokens, s->j->store);
    engine_options how = options_of(o, config);
    how.workers = s->j->workers;
    return engine_open(s->call->cx, &m, &how, &s->e);
}

status train_samples_open(const verb_call *call, job *j, train_samples *out) {
    const train_options *o = call->options;
    *out = (train_samples){.call = call, .j = j};
    if (!o->sample_every) return STATUS_OK;
    TRY(open_engine(out));
    const char *path = arena_printf(call->memory, "%s/samples.jsonl", o->out);
    if (!path) return STATUS_NO_MEMORY;
    out->out = fopen(path, "a");
    if (!out->out) FAIL(call->cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    return STATUS_OK;
}

void train_samples_close(train_samples *s) {
    engine_close(s->e);
    encoder_free(s->encoder);
    tokenizer_free(s->tokens);
    if (s->out) fclose(s->out);
    *s = (train_samples){0};
}
