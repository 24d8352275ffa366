/* Answers to prompts that are known: one, or many side by side. */
#include "base/json.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/run.h"
#include <unistd.h>

/* ---- an answer as it comes ---- */

static status keep_token(run_answer *a, const engine_event *event) {
    int64_t at = a->ids.count, likely = a->s->ask.likely;
    TRY(token_append(&a->ids, event->id));
    if (!a->s->ask.logprobs) return STATUS_OK;
    a->logprobs[at] = event->logprob;
    a->n_likely[at] = event->n_likely;
    memcpy(a->likely + at * likely, event->likely, (size_t)event->n_likely * sizeof *a->likely);
    return STATUS_OK;
}

/* The bytes of a character that a terminal takes as a command: one of C0 but for newline and tab, DEL, or one of C1,
 * which UTF-8 writes as C2 80 .. C2 9F. 0: it is none. */
static int64_t command_bytes(const char *at, int64_t left) {
    unsigned char c = (unsigned char)at[0], next = left > 1 ? (unsigned char)at[1] : 0;
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) return 2;
    return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
}

/* Text as it comes. On a terminal, what a model writes moves no cursor and sets no colour. */
static void show(const run_answer *a, const char *text, int64_t length) {
    FILE *out = a->s->call->out;
    bool terminal = isatty(fileno(out));
    for (int64_t at = 0; at < length;) {
        int64_t bytes = terminal ? command_bytes(text + at, length - at) : 0;
        if (bytes)
            fputs("\xef\xbf\xbd", out);
        else
            fputc(text[at], out);
        at += MAX_OF(bytes, 1);
    }
    fflush(out);
}

static void hear(void *user, const engine_event *event) {
    run_answer *a = user;
    if (event->id >= 0) {
        a->last = time_seconds();
        if (!a->ids.count) a->first = a->last;
        if (a->st == STATUS_OK) a->st = keep_token(a, event);
    }
    if (a->st == STATUS_OK) a->st = text_append(&a->text, event->text, event->text_bytes);
    if (a->shows && event->text_bytes) show(a, event->text, event->text_bytes);
    if (event->finish) a->finish = event->finish;
}

status run_submit(run_session *s, const int32_t *ids, int64_t n, run_answer *a) {
    engine_request r = s->ask;
    a->s = s;
    a->text.cx = a->ids.cx = s->cx;
    a->prompt_tokens = n;
    a->asked = time_seconds();
    if (r.logprobs) {
        int64_t most = engine_context(s->e);
        if (r.most_tokens >= 0) most = MIN_OF(most, r.most_tokens);
        a->logprobs = ARENA_NEW(s->mem, double, most + 1);
        a->n_likely = ARENA_NEW(s->mem, int32_t, most + 1);
        a->likely = ARENA_NEW(s->mem, candidate, (most + 1) * MAX_OF(r.likely, 1));
        if (!a->logprobs || !a->n_likely || !a->likely) return STATUS_NO_MEMORY;
    }
    r.prompt = ids;
    r.n_prompt = n;
    r.tell = hear;
    r.user = a;
    return engine_submit(s->e, &r, &a->id);
}

void run_answer_free(run_answer *a) {
    text_free(&a->text);
    token_free(&a->ids);
}

double run_tokens_per_second(const run_answer *a) {
    double n = (double)a->ids.count;
    if (n < 1) return 0;
    return n > 1 ? (n - 1) / (a->last - a->first) : 1 / (a->last - a->asked);
}

void run_say_speed(const run_answer *a) {
    if (!a->ids.count) return;
    log_info("%lld tokens of prompt, first token after %.2f s; %lld tokens, %.1f a second",
             (long long)a->prompt_tokens, a->first - a->asked, (long long)a->ids.count,
             run_tokens_per_second(a));
}

/* ---- results ---- */

static void write_logprobs(json_writer *w, const run_answer *a) {
    json_write_key(w, "logprobs");
    json_write_array(w);
    for (int64_t i = 0; i < a->ids.count; i++) json_write_number(w, a->logprobs[i]);
    json_write_array_end(w);
    if (!a->s->ask.likely) return;
    json_write_key(w, "likely");
    json_write_array(w);
    for (int64_t i = 0; i < a->ids.count; i++) {
        json_write_array(w);
        for (int32_t k = 0; k < a->n_likely[i]; k++) {
            const candidate *c = &a->likely[i * a->s->ask.likely + k];
            json_write_object(w);
            json_write_integer_field(w, "id", c->id);
            json_write_number_field(w, "logprob", (double)c->logit);
            json_write_object_end(w);
        }
        json_write_array_end(w);
    }
    json_write_array_end(w);
}

static status write_json(const run_answer *a, bool indexed) {
    json_writer w = json_writer_to_file(a->s->cx, a->s->call->out, 0);
    json_write_object(&w);
    if (indexed) json_write_integer_field(&w, "index", a->index);
    json_write_key(&w, "text");
    json_write_text(&w, a->text.bytes ? a->text.bytes : "", a->text.length);
    json_write_key(&w, "ids");
    json_write_array(&w);
    for (int64_t i = 0; i < a->ids.count; i++) json_write_integer(&w, a->ids.ids[i]);
    json_write_array_end(&w);
    json_write_integer_field(&w, "prompt_tokens", a->prompt_tokens);
    json_write_string_field(&w, "finish", engine_finish_name(a->finish));
    json_write_number_field(&w, "ttft_seconds", a->ids.count ? a->first - a->asked : 0);
    json_write_number_field(&w, "tokens_per_second", run_tokens_per_second(a));
    if (a->s->ask.logprobs) write_logprobs(&w, a);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static void say_full(const run_answer *a) {
    int64_t context = engine_context(a->s->e);
    if (a->finish == ENGINE_FULL)
        log_warning("the context of %lld tokens is full%s", (long long)context,
                    context < a->s->m->config.positions ? "; --context gives more" : "");
}

status run_once(run_session *s, const char *text, int64_t length) {
    run_answer a = {.shows = !s->o->json};
    token_list ids = {.cx = s->cx};
    status st;
    TRY_GOTO(done, run_encode(s, text, length, &ids));
    TRY_GOTO(done, run_submit(s, ids.ids, ids.count, &a));
    while (engine_busy(s->e)) TRY_GOTO(done, engine_step(s->e));
    TRY_GOTO(done, a.st);
    if (s->o->json)
        st = write_json(&a, false);
    else
        fputc('\n', s->call->out);
    fflush(s->call->out); /* before the words about it */
    say_full(&a);
    run_say_speed(&a);
done:
    token_free(&ids);
    run_answer_free(&a);
    return st;
}

/* ---- many ---- */

/* A line of JSONL: {"prompt": text}; other keys are passed over. */
static status read_json_line(run_session *s, const char *line, int64_t length, int64_t number,
                             text_buffer *prompt) {
    char name[48];
    json_text key, text;
    bool more, found = false;
    snprintf(name, sizeof name, "line %lld", (long long)number);
    json j = json_make(s->cx, name, line, length, NULL);
    status st;
    TRY_GOTO(done, json_enter_object(&j));
    for (;;) {
        TRY_GOTO(done, json_next_key(&j, &more, &key));
        if (!more) break;
        if (!json_is(key, "prompt")) {
            TRY_GOTO(done, json_skip(&j));
            continue;
        }
        TRY_GOTO(done, json_string(&j, &text));
        TRY_GOTO(done, text_append(prompt, text.bytes, text.length));
        found = true;
    }
    if (!found) st = context_fail(s->cx, STATUS_BAD_DATA, "%s has no \"prompt\"", name);
done:
    json_free(&j);
    return st;
}

static status submit_line(run_session *s, const char *line, int64_t length, run_answer *a) {
    text_buffer prompt = {.cx = s->cx};
    token_list ids = {.cx = s->cx};
    status st = line[0] == '{' ? read_json_line(s, line, length, a->index + 1, &prompt)
                               : text_append(&prompt, line, length);
    if (st == STATUS_OK) st = run_encode(s, prompt.bytes ? prompt.bytes : "", prompt.length, &ids);
    if (st == STATUS_OK) st = run_submit(s, ids.ids, ids.count, a);
    if (st != STATUS_OK)
        st = context_note(s->cx, st, "'%s', line %lld", s->o->batch, (long long)a->index + 1);
    text_free(&prompt);
    token_free(&ids);
    return st;
}

static int64_t count_lines(const text_buffer *in) {
    int64_t n = 0;
    for (int64_t i = 0; i < in->length; i++) n += in->bytes[i] == '\n' || !in->bytes[i];
    return n;
}

/* Submits every line that is not empty; *n answers. */
static status submit_lines(run_session *s, const text_buffer *in, run_answer *all, int64_t *n) {
    for (const char *at = in->bytes, *end = at + in->length - 1; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        int64_t length = (stop ? stop : end) - at;
        if (length && at[length - 1] == '\r') length--;
        if (length) {
            all[*n].index = *n;
            TRY(submit_line(s, at, length, &all[(*n)++]));
        }
        at = stop ? stop + 1 : end;
    }
    return STATUS_OK;
}

static status print_all(run_session *s, run_answer *all, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        TRY(all[i].st);
        if (s->o->json) {
            TRY(write_json(&all[i], true));
        } else {
            if (i) fputs("\n", s->call->out);
            fprintf(s->call->out, "== %lld\n%.*s\n", (long long)i + 1, (int)all[i].text.length,
                    all[i].text.bytes ? all[i].text.bytes : "");
        }
    }
    return STATUS_OK;
}

status run_batch(run_session *s) {
    text_buffer in = {.cx = s->cx};
    run_answer *all = NULL;
    int64_t n = 0, drawn = 0;
    double begin = time_seconds();
    status st;
    TRY_GOTO(done, run_read(s->call, s->o->batch, &in));
    all = ARENA_NEW(s->mem, run_answer, count_lines(&in) + 1);
    if (!all) TRY_GOTO(done, STATUS_NO_MEMORY);
    TRY_GOTO(done, submit_lines(s, &in, all, &n));
    while (engine_busy(s->e)) TRY_GOTO(done, engine_step(s->e));
    for (int64_t i = 0; i < n; i++) drawn += all[i].ids.count;
    TRY_GOTO(done, print_all(s, all, n));
    log_info("%lld prompts, %lld tokens, %.1f a second over all", (long long)n, (long long)drawn,
             (double)drawn / (time_seconds() - begin));
done:
    for (int64_t i = 0; i < n; i++) run_answer_free(&all[i]);
    text_free(&in);
    return st;
}
