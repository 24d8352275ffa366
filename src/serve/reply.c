/* The JSON of the API's answers, as OpenAI documents it (serve/reply.h). */
#include "serve/reply.h"
#include "base/utf8.h"
#include <stdio.h>
#include <string.h>

static bool is_chat(const job *j) {
    return j->q.endpoint == API_CHAT;
}

/* ---- errors ---- */

void reply_json(http_exchange *x, int code, json_writer *w) {
    if (json_writer_finish(w) == STATUS_OK)
        http_reply(x, code, "application/json", NULL, w->bytes, w->size);
    else
        http_reply(x, 500, "application/json", NULL, "{}", 2);
    json_writer_free(w);
}

static const char *kind_of_error(int code) {
    switch (code) {
    case 401:
        return "authentication_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    case 500:
        return "server_error";
    case 503:
        return "overloaded_error";
    default:
        return "invalid_request_error";
    }
}

static const char *headers_of(const api_problem *problem) {
    if (problem->headers) return problem->headers;
    switch (problem->code) {
    case 401:
        return "www-authenticate: Bearer\r\n";
    case 429:
    case 503:
        return "retry-after: 1\r\n";
    default:
        return NULL;
    }
}

void reply_error(http_exchange *x, const api_problem *problem) {
    context *cx = context_new();
    if (!cx) {
        http_reply(x, 503, "application/json", NULL, "{}", 2);
        return;
    }
    json_writer w = json_writer_to_buffer(cx, 0);
    json_write_object(&w);
    json_write_key(&w, "error");
    json_write_object(&w);
    json_write_string_field(&w, "message", problem->message);
    json_write_string_field(&w, "type", kind_of_error(problem->code));
    json_write_key(&w, "param");
    if (problem->param)
        json_write_string(&w, problem->param);
    else
        json_write_null(&w);
    json_write_key(&w, "code");
    if (problem->code == 404 && problem->param && !strcmp(problem->param, "model"))
        json_write_string(&w, "model_not_found");
    else if (problem->code == 401)
        json_write_string(&w, "invalid_api_key");
    else
        json_write_null(&w);
    json_write_object_end(&w);
    json_write_object_end(&w);
    if (json_writer_finish(&w) == STATUS_OK)
        http_reply(x, problem->code, "application/json", headers_of(problem), w.bytes, w.size);
    else
        http_reply(x, problem->code, "application/json", NULL, "{}", 2);
    json_writer_free(&w);
    context_free(cx);
}

/* ---- tokens as text ---- */

/* A token's own bytes; where they are not whole characters, "bytes:\xe2\x80", as OpenAI shows them, so that different
 * tokens look different. */
static status token_text(const job *j, int32_t id, text_buffer *bytes, text_buffer *shown) {
    bytes->length = shown->length = 0;
    TRY(tokenizer_decode(j->world->tokens, &(decoder){.started = true}, &id, 1, bytes));
    const char *at = bytes->bytes, *end = at + bytes->length;
    int n = 1;
    while (at && at < end && (n = utf8_length(at, end)) > 0) at += n;
    if (n > 0) return text_append(shown, bytes->bytes ? bytes->bytes : "", bytes->length);
    TRY(text_append(shown, "bytes:", 6));
    for (int64_t i = 0; i < bytes->length; i++) {
        char hex[5];
        snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)bytes->bytes[i]);
        TRY(text_append(shown, hex, 4));
    }
    return STATUS_OK;
}

static int64_t characters(const text_buffer *text) {
    int64_t n = 0;
    for (int64_t i = 0; i < text->length; i++) n += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
    return n;
}

static void put_number_or_null(json_writer *w, const job_token *t) {
    if (t->first)
        json_write_null(w);
    else
        json_write_number(w, t->logprob);
}

/* ---- logprobs ---- */

typedef struct texts {
    text_buffer bytes, shown;
} texts;

static texts texts_of(const job *j) {
    return (texts){.bytes.cx = j->cx, .shown.cx = j->cx};
}
static void texts_free(texts *t) {
    text_free(&t->bytes);
    text_free(&t->shown);
}

/* {"token", "logprob", "bytes"}, left open. */
static void open_chat_token(json_writer *w, const job *j, texts *t, int32_t id, double logprob) {
    json_write_object(w);
    if (token_text(j, id, &t->bytes, &t->shown) != STATUS_OK) t->shown.length = t->bytes.length = 0;
    json_write_key(w, "token");
    json_write_text(w, t->shown.bytes ? t->shown.bytes : "", t->shown.length);
    json_write_number_field(w, "logprob", logprob);
    json_write_key(w, "bytes");
    json_write_array(w);
    for (int64_t i = 0; i < t->bytes.length; i++)
        json_write_integer(w, (unsigned char)t->bytes.bytes[i]);
    json_write_array_end(w);
}

static void put_chat_logprobs(json_writer *w, const job_choice *c, const job_token *list) {
    texts t = texts_of(c->of);
    json_write_object(w);
    json_write_key(w, "content");
    json_write_array(w);
    for (; list; list = list->next) {
        open_chat_token(w, c->of, &t, list->id, list->logprob);
        json_write_key(w, "top_logprobs");
        json_write_array(w);
        for (int32_t i = 0; i < list->n_likely; i++) {
            open_chat_token(w, c->of, &t, list->likely[i].id, (double)list->likely[i].logit);
            json_write_object_end(w);
        }
        json_write_array_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
    texts_free(&t);
}

static void put_token_text(json_writer *w, const job *j, texts *t, int32_t id) {
    if (token_text(j, id, &t->bytes, &t->shown) != STATUS_OK) t->shown.length = 0;
    json_write_text(w, t->shown.bytes ? t->shown.bytes : "", t->shown.length);
}

/* The likely tokens by their text, and the one that came, as OpenAI's first API had it. */
static void put_top(json_writer *w, const job *j, texts *t, const job_token *token) {
    bool has_own = false;
    if (token->first) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    for (int32_t i = 0; i <= token->n_likely; i++) {
        bool own = i == token->n_likely;
        if (own && has_own) break;
        int32_t id = own ? token->id : token->likely[i].id;
        has_own = has_own || id == token->id;
        if (token_text(j, id, &t->bytes, &t->shown) != STATUS_OK) t->shown.length = 0;
        json_write_key_text(w, t->shown.bytes ? t->shown.bytes : "", t->shown.length);
        json_write_number(w, own ? token->logprob : (double)token->likely[i].logit);
    }
    json_write_object_end(w);
}

static void put_completion_logprobs(json_writer *w, job_choice *c, const job_token *list) {
    texts t = texts_of(c->of);
    json_write_object(w);
    json_write_key(w, "tokens");
    json_write_array(w);
    for (const job_token *k = list; k; k = k->next) put_token_text(w, c->of, &t, k->id);
    json_write_array_end(w);
    json_write_key(w, "token_logprobs");
    json_write_array(w);
    for (const job_token *k = list; k; k = k->next) put_number_or_null(w, k);
    json_write_array_end(w);
    json_write_key(w, "top_logprobs");
    json_write_array(w);
    for (const job_token *k = list; k; k = k->next) put_top(w, c->of, &t, k);
    json_write_array_end(w);
    json_write_key(w, "text_offset");
    json_write_array(w);
    for (const job_token *k = list; k; k = k->next) {
        json_write_integer(w, c->offset);
        if (token_text(c->of, k->id, &t.bytes, &t.shown) == STATUS_OK)
            c->offset += characters(&t.bytes);
    }
    json_write_array_end(w);
    json_write_object_end(w);
    texts_free(&t);
}

static void put_logprobs(json_writer *w, job_choice *c, const job_token *list) {
    json_write_key(w, "logprobs");
    if (c->of->q.logprobs < 0 || !list)
        json_write_null(w);
    else if (is_chat(c->of))
        put_chat_logprobs(w, c, list);
    else
        put_completion_logprobs(w, c, list);
}

/* ---- parts that whole and streamed answers share ---- */

static const char *finish_name(const job_choice *c) {
    return c->n_calls && c->finish == ENGINE_STOP ? "tool_calls" : engine_finish_name(c->finish);
}

static void put_head(json_writer *w, const job *j, const char *object) {
    json_write_object(w);
    json_write_string_field(w, "id", j->id);
    json_write_string_field(w, "object", object);
    json_write_integer_field(w, "created", j->created);
    json_write_string_field(w, "model", j->world->model);
}

static void put_usage(json_writer *w, const job *j) {
    int64_t tokens = 0;
    for (int32_t i = 0; i < j->n_choices; i++) tokens += j->choices[i].n_tokens;
    json_write_key(w, "usage");
    json_write_object(w);
    json_write_integer_field(w, "prompt_tokens", j->prompt_tokens);
    json_write_integer_field(w, "completion_tokens", tokens);
    json_write_integer_field(w, "total_tokens", j->prompt_tokens + tokens);
    json_write_object_end(w);
}

static void call_id(const job_choice *c, int32_t call, char out[64]) {
    int length = answer_id_length(c->of->world->dialect);
    size_t n = strlen(c->of->id);
    char tail[16]; /* the end of the job's id, and the call's number in letters */
    snprintf(tail, sizeof tail, "%.6s%c%c%c", c->of->id + n - 6, 'a' + c->index % 26,
             'a' + call / 26 % 26, 'a' + call % 26);
    snprintf(out, 64, "%s%.*s", length == 9 ? "" : "call_", 15, tail);
}

/* ---- answers in pieces ---- */

/* An event with one choice, left open inside the choice. */
static json_writer open_event(job_choice *c) {
    const job *j = c->of;
    json_writer w = json_writer_to_buffer(j->cx, 0);
    put_head(&w, j, is_chat(j) ? "chat.completion.chunk" : "text_completion");
    json_write_key(&w, "choices");
    json_write_array(&w);
    json_write_object(&w);
    json_write_integer_field(&w, "index", c->index);
    return w;
}

static void send_event(const job *j, json_writer *w) {
    if (json_writer_finish(w) == STATUS_OK) {
        text_buffer event = {.cx = j->cx};
        bool made = text_append(&event, "data: ", 6) == STATUS_OK &&
                    text_append(&event, w->bytes, w->size) == STATUS_OK &&
                    text_append(&event, "\n\n", 2) == STATUS_OK;
        if (made) http_send(j->x, event.bytes, event.length);
        text_free(&event);
    }
    json_writer_free(w);
}

/* Closes the choice and the event; `finish` NULL: it goes on. */
static void close_event(job_choice *c, json_writer *w, const job_token *logprobs,
                        const char *finish) {
    const job *j = c->of;
    put_logprobs(w, c, logprobs);
    json_write_key(w, "finish_reason");
    if (finish)
        json_write_string(w, finish);
    else
        json_write_null(w);
    json_write_object_end(w);
    json_write_array_end(w);
    if (j->q.include_usage) {
        json_write_key(w, "usage");
        json_write_null(w);
    }
    json_write_object_end(w);
    send_event(j, w);
}

/* The beginning of a chat's delta; the first one names the role. */
static void open_delta(job_choice *c, json_writer *w) {
    json_write_key(w, "delta");
    json_write_object(w);
    if (!c->said_role) json_write_string_field(w, "role", "assistant");
    c->said_role = true;
}

void reply_piece(job_choice *c, answer_part part, const char *bytes, int64_t length) {
    if (!c->of->q.stream) {
        (void)!text_append(part == ANSWER_REASONING ? &c->reasoning : &c->content, bytes, length);
        return;
    }
    json_writer w = open_event(c);
    if (is_chat(c->of)) {
        open_delta(c, &w);
        json_write_key(&w, part == ANSWER_REASONING ? "reasoning_content" : "content");
        json_write_text(&w, bytes, length);
        json_write_object_end(&w);
    } else {
        json_write_key(&w, "text");
        json_write_text(&w, bytes, length);
    }
    close_event(c, &w, NULL, NULL);
}

static void put_call(json_writer *w, const job_choice *c, bool streamed, const char *name,
                     int64_t name_length, const char *arguments, int64_t length) {
    char id[64];
    call_id(c, c->n_calls, id);
    json_write_object(w);
    if (streamed) json_write_integer_field(w, "index", c->n_calls);
    json_write_string_field(w, "id", id);
    json_write_string_field(w, "type", "function");
    json_write_key(w, "function");
    json_write_object(w);
    json_write_key(w, "name");
    json_write_text(w, name, name_length);
    json_write_key(w, "arguments");
    json_write_text(w, arguments, length);
    json_write_object_end(w);
    json_write_object_end(w);
}

void reply_call(job_choice *c, const char *name, int64_t name_length, const char *arguments,
                int64_t length) {
    const job *j = c->of;
    if (j->q.stream) {
        json_writer w = open_event(c);
        open_delta(c, &w);
        json_write_key(&w, "tool_calls");
        json_write_array(&w);
        put_call(&w, c, true, name, name_length, arguments, length);
        json_write_array_end(&w);
        json_write_object_end(&w);
        close_event(c, &w, NULL, NULL);
    } else {
        json_writer w = json_writer_to_buffer(j->cx, 0);
        put_call(&w, c, false, name, name_length, arguments, length);
        if (json_writer_finish(&w) == STATUS_OK &&
            (!c->n_calls || text_append(&c->calls, ",", 1) == STATUS_OK))
            (void)!text_append(&c->calls, w.bytes, w.size);
        json_writer_free(&w);
    }
    c->n_calls++;
}

void reply_logprobs(job_choice *c, const engine_event *event) {
    job *j = c->of;
    job_token now = {.id = event->id,
                     .logprob = event->logprob,
                     .n_likely = event->n_likely,
                     .likely = (candidate *)event->likely,
                     .first = event->index == -c->prompt->n_ids};
    if (j->q.stream) {
        json_writer w = open_event(c);
        if (is_chat(j)) {
            open_delta(c, &w);
            json_write_object_end(&w);
        } else {
            json_write_string_field(&w, "text", "");
        }
        close_event(c, &w, &now, NULL);
        return;
    }
    job_token *kept = ARENA_NEW(&j->mem, job_token, 1);
    candidate *likely = ARENA_NEW(&j->mem, candidate, now.n_likely + 1);
    if (!kept || !likely) return;
    if (now.n_likely) memcpy(likely, event->likely, (size_t)now.n_likely * sizeof *likely);
    *kept = now;
    kept->likely = likely;
    *c->last_token = kept;
    c->last_token = &kept->next;
}

void reply_finish(job_choice *c) {
    if (!c->of->q.stream) return;
    json_writer w = open_event(c);
    if (is_chat(c->of)) {
        open_delta(c, &w);
        json_write_object_end(&w);
    } else {
        json_write_string_field(&w, "text", "");
    }
    close_event(c, &w, NULL, finish_name(c));
}

void reply_end_stream(job *j) {
    if (j->q.include_usage) {
        json_writer w = json_writer_to_buffer(j->cx, 0);
        put_head(&w, j, is_chat(j) ? "chat.completion.chunk" : "text_completion");
        json_write_key(&w, "choices");
        json_write_array(&w);
        json_write_array_end(&w);
        put_usage(&w, j);
        json_write_object_end(&w);
        send_event(j, &w);
    }
    http_send(j->x, "data: [DONE]\n\n", 14);
    http_end(j->x);
}

/* ---- the whole answer at once ---- */

static void put_message(json_writer *w, const job_choice *c) {
    json_write_key(w, "message");
    json_write_object(w);
    json_write_string_field(w, "role", "assistant");
    json_write_key(w, "content");
    if (c->n_calls && !c->content.length)
        json_write_null(w);
    else
        json_write_text(w, c->content.bytes ? c->content.bytes : "", c->content.length);
    if (c->reasoning.length) {
        json_write_key(w, "reasoning_content");
        json_write_text(w, c->reasoning.bytes, c->reasoning.length);
    }
    if (c->n_calls) {
        json_write_key(w, "tool_calls");
        json_write_array(w);
        json_write_raw(w, c->calls.bytes, c->calls.length);
        json_write_array_end(w);
    }
    json_write_object_end(w);
}

static void put_choice(json_writer *w, job_choice *c, int32_t index) {
    json_write_object(w);
    json_write_integer_field(w, "index", index);
    if (is_chat(c->of)) {
        put_message(w, c);
    } else {
        json_write_key(w, "text");
        json_write_text(w, c->content.bytes ? c->content.bytes : "", c->content.length);
    }
    put_logprobs(w, c, c->first_token);
    json_write_string_field(w, "finish_reason", finish_name(c));
    json_write_object_end(w);
}

/* Of best_of samples the n with the highest mean logprob, best first. */
static job_choice *best_left(job_choice *of, int32_t samples) {
    job_choice *best = NULL;
    for (int32_t i = 0; i < samples; i++) {
        job_choice *c = &of[i];
        double mean = c->logprob_sum / (double)MAX_OF(c->n_tokens, 1);
        if (c->done && (!best || mean > best->logprob_sum / (double)MAX_OF(best->n_tokens, 1)))
            best = c;
    }
    if (best) best->done = false;
    return best;
}

void reply_whole(job *j) {
    bool ranks = j->q.best_of > j->q.n;
    json_writer w = json_writer_to_buffer(j->cx, 0);
    put_head(&w, j, is_chat(j) ? "chat.completion" : "text_completion");
    json_write_key(&w, "choices");
    json_write_array(&w);
    for (int32_t p = 0, index = 0; p < j->n_prompts; p++)
        for (int32_t i = 0; i < j->q.n; i++, index++) {
            job_choice *all = &j->choices[p * j->samples];
            put_choice(&w, ranks ? best_left(all, j->samples) : &all[i], index);
        }
    json_write_array_end(&w);
    put_usage(&w, j);
    json_write_object_end(&w);
    reply_json(j->x, 200, &w);
}
