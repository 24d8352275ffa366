/* The HTTP thread's side of the server: who may ask, what for, and the answers that need no engine. */
#include "base/json_write.h"
#include "base/log.h"
#include "base/time.h"
#include "serve/page.h"
#include "serve/reply.h"
#include "serve/server_parts.h"
#include <string.h>

/* ---- encoding ---- */

static status encode_text(void *user, const char *text, int64_t length, bool special,
                          token_list *out) {
    server *s = user;
    return encoder_run(s->encoder, text, length, (encode_options){.add_special = special}, out);
}

static status encode_messages(void *user, const api_request *q, token_list *out) {
    server *s = user;
    template_input in = {.messages = q->messages,
                         .tools = q->tools,
                         .extra = q->template_values,
                         .add_generation_prompt = q->add_generation_prompt};
    return chat_encode(s->model.chat, &in, out);
}

/* ---- answers without the engine ---- */

static void refuse(http_exchange *x, int code, const char *message) {
    reply_error(x, &(api_problem){.code = code, .message = message});
}

static void put_model(json_writer *w, const server *s) {
    json_write_object(w);
    json_write_string_field(w, "id", s->options.name);
    json_write_string_field(w, "object", "model");
    json_write_integer_field(w, "created", s->opened);
    json_write_string_field(w, "owned_by", "hone");
    json_write_integer_field(w, "max_model_len", s->world.most_context);
    json_write_object_end(w);
}

static void on_models(server *s, http_exchange *x) {
    const char *rest = http_request_of(x)->path + strlen("/v1/models");
    json_writer w = json_writer_to_buffer(s->model.web_cx, 0);
    if (*rest == '/' && strcmp(rest + 1, s->options.name)) {
        json_writer_free(&w);
        reply_error(x, &(api_problem){404, "there is no such model; see /v1/models", "model"});
        return;
    }
    if (*rest == '/') {
        put_model(&w, s);
    } else {
        json_write_object(&w);
        json_write_string_field(&w, "object", "list");
        json_write_key(&w, "data");
        json_write_array(&w);
        put_model(&w, s);
        json_write_array_end(&w);
        json_write_object_end(&w);
    }
    reply_json(x, 200, &w);
}

static void on_health(server *s, http_exchange *x) {
    (void)s;
    http_reply(x, 200, "application/json", NULL, "{\"status\": \"ok\"}", 16);
}

static void on_ready(server *s, http_exchange *x) {
    pthread_mutex_lock(&s->lock);
    bool draining = s->draining;
    pthread_mutex_unlock(&s->lock);
    if (draining || !atomic_load(&s->is_ready))
        refuse(x, 503, draining ? "the server is going down" : "the model is being loaded");
    else
        on_health(s, x);
}

static void on_metrics(server *s, http_exchange *x) {
    arena a = arena_make(s->model.web_cx);
    int64_t size = 0;
    char *page = metrics_page(&s->metrics, &a, s->options.name, &size);
    if (page)
        http_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, page, size);
    else
        refuse(x, 503, "not enough memory for this page");
    arena_free(&a);
}

static void on_page(server *s, http_exchange *x) {
    (void)s;
    static const char headers[] =
        "content-security-policy: default-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'none'\r\nx-content-type-options: nosniff\r\n";
    const char *path = http_request_of(x)->path, *name = strcmp(path, "/") ? path + 1 : "chat.html";
    for (const page_file *f = page_files; f->name; f++)
        if (!strcmp(f->name, name)) {
            const char *type =
                strstr(name, ".js") ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8";
            http_reply(x, 200, type, headers, f->bytes, f->size_bytes);
        }
}

static void put_string_or_null(json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    if (text)
        json_write_string(w, text);
    else
        json_write_null(w);
}

static void on_tokenizer_info(server *s, http_exchange *x) {
    text_buffer pad = {.cx = s->model.web_cx};
    int32_t id = (int32_t)s->model.config->pad_token;
    bool has_pad =
        id >= 0 && id < tokenizer_size(s->model.tokens) &&
        tokenizer_decode(s->model.tokens, &(decoder){.started = true}, &id, 1, &pad) == STATUS_OK &&
        text_append(&pad, "", 1) == STATUS_OK;
    json_writer w = json_writer_to_buffer(s->model.web_cx, 0);
    json_write_object(&w);
    put_string_or_null(&w, "bos_token", s->model.chat->bos);
    put_string_or_null(&w, "eos_token", s->model.chat->eos);
    put_string_or_null(&w, "pad_token", has_pad ? pad.bytes : NULL);
    put_string_or_null(&w, "chat_template", s->model.chat->source);
    json_write_object_end(&w);
    reply_json(x, 200, &w);
    text_free(&pad);
}

static void on_tokenize(server *s, http_exchange *x) {
    const http_request *r = http_request_of(x);
    arena a = arena_make(s->model.web_cx);
    api_request q;
    api_problem problem;
    job_prompt p;
    if (!api_request_read(&a, API_TOKENIZE, &s->defaults, r->body, r->body_bytes, &q, &problem) ||
        !job_encode(&a, &s->encoders, &q, 0, &p, &problem)) {
        reply_error(x, &problem);
    } else {
        json_writer w = json_writer_to_buffer(s->model.web_cx, 0);
        json_write_object(&w);
        json_write_integer_field(&w, "count", p.n_ids);
        json_write_integer_field(&w, "max_model_len", s->world.most_context);
        json_write_key(&w, "tokens");
        json_write_array(&w);
        for (int64_t i = 0; i < p.n_ids; i++) json_write_integer(&w, p.ids[i]);
        json_write_array_end(&w);
        json_write_object_end(&w);
        reply_json(x, 200, &w);
    }
    arena_free(&a);
}

static void on_detokenize(server *s, http_exchange *x) {
    const http_request *r = http_request_of(x);
    arena a = arena_make(s->model.web_cx);
    text_buffer text = {.cx = s->model.web_cx};
    api_request q;
    api_problem problem = {400, "a token is not of this vocabulary", "tokens"};
    decoder d = {0};
    bool sound =
        api_request_read(&a, API_DETOKENIZE, &s->defaults, r->body, r->body_bytes, &q, &problem);
    for (int64_t i = 0; sound && i < q.prompts[0].n_ids; i++)
        sound = tokenizer_stream(s->model.tokens, &d, q.prompts[0].ids[i], &text) == STATUS_OK;
    if (sound && tokenizer_stream_end(&d, &text) == STATUS_OK) {
        json_writer w = json_writer_to_buffer(s->model.web_cx, 0);
        json_write_object(&w);
        json_write_key(&w, "prompt");
        json_write_text(&w, text.bytes ? text.bytes : "", text.length);
        json_write_object_end(&w);
        reply_json(x, 200, &w);
    } else {
        reply_error(x, &problem);
    }
    text_free(&text);
    arena_free(&a);
}

/* ---- answers that generate ---- */

static void generate(server *s, http_exchange *x, api_endpoint endpoint) {
    api_problem problem;
    pthread_mutex_lock(&s->lock);
    bool draining = s->draining;
    pthread_mutex_unlock(&s->lock);
    if (draining || !atomic_load(&s->is_ready)) {
        refuse(x, 503, draining ? "the server is going down" : "the model is being loaded");
        return;
    }
    if (!s->model.engine != (endpoint == API_EMBEDDINGS)) {
        refuse(x, 400,
               s->model.engine ? "this model generates text; embeddings need an encoder"
                               : "this model makes vectors, at /v1/embeddings; it writes no text");
        return;
    }
    job *j = job_new(&s->world, &s->encoders, endpoint, &s->defaults, x, &problem);
    if (!j) {
        reply_error(x, &problem);
    } else if (!server_put(s, j)) {
        job_free(j);
        refuse(x, 429, "too many requests are waiting already");
    }
}
static void on_completions(server *s, http_exchange *x) {
    generate(s, x, API_COMPLETIONS);
}
static void on_chat(server *s, http_exchange *x) {
    generate(s, x, API_CHAT);
}
static void on_embeddings(server *s, http_exchange *x) {
    generate(s, x, API_EMBEDDINGS);
}

/* ---- routes ---- */

typedef struct route {
    http_method method;
    const char *path;
    bool below, needs_key; /* below: paths that go on with a slash too */
    void (*answer)(server *s, http_exchange *x);
} route;
static const route routes[] = {
    {HTTP_GET, "/", false, false, on_page},
    {HTTP_GET, "/chat.js", false, false, on_page},
    {HTTP_GET, "/health", false, false, on_health},
    {HTTP_GET, "/ready", false, false, on_ready},
    {HTTP_GET, "/metrics", false, false, on_metrics},
    {HTTP_GET, "/v1/models", true, true, on_models},
    {HTTP_POST, "/v1/completions", false, true, on_completions},
    {HTTP_POST, "/v1/chat/completions", false, true, on_chat},
    {HTTP_POST, "/v1/embeddings", false, true, on_embeddings},
    {HTTP_POST, "/tokenize", false, true, on_tokenize},
    {HTTP_POST, "/detokenize", false, true, on_detokenize},
    {HTTP_GET, "/tokenizer_info", false, true, on_tokenizer_info},
};

static bool fits(const route *r, const char *path) {
    size_t n = strlen(r->path);
    return !strncmp(path, r->path, n) && (!path[n] || (r->below && path[n] == '/'));
}

static void tell_reload(context *cx, const char *what, status st) {
    if (st == STATUS_OK)
        log_info("%s: read again", what);
    else
        log_error("%s: as before, since %s", what, context_error(cx));
}

static void reload(server *s) {
    pthread_mutex_lock(&s->lock);
    bool asked = s->reload;
    s->reload = false;
    pthread_mutex_unlock(&s->lock);
    if (!asked) return;
    context *cx = s->model.web_cx;
    if (s->keys) tell_reload(cx, "keys", keys_read(cx, s->options.keys_file, s->keys));
    if (s->options.http.certificate)
        tell_reload(cx, "certificate", http_reload_certificate(s->http, cx));
}

static void on_request(void *user, http_exchange *x) {
    server *s = user;
    const http_request *r = http_request_of(x);
    const route *other = NULL;
    reload(s);
    if (r->method == HTTP_OPTIONS) {
        http_reply(x, 204, "text/plain", NULL, "", 0);
        return;
    }
    for (int64_t i = 0; i < COUNT_OF(routes); i++) {
        const route *at = &routes[i];
        if (!fits(at, r->path)) continue;
        bool method = at->method == r->method || (at->method == HTTP_GET && r->method == HTTP_HEAD);
        if (!method) {
            other = at;
            continue;
        }
        if (at->needs_key && s->keys && !keys_allow(s->keys, r->authorization))
            refuse(x, 401,
                   *r->authorization ? "the API key is not known here"
                                     : "an API key is needed: Authorization: Bearer KEY");
        else
            at->answer(s, x);
        return;
    }
    if (other)
        reply_error(x, &(api_problem){.code = 405,
                                      .message = "this path takes another method",
                                      .headers = other->method == HTTP_GET ? "allow: GET, HEAD\r\n"
                                                                           : "allow: POST\r\n"});
    else
        refuse(x, 404, "there is nothing at this path");
}

static void on_gone(void *user, http_exchange *x) {
    server_put_gone(user, x);
}
static void on_poke(void *user) {
    reload(user);
}

/* ---- set-up ---- */

static status set_up(server *s) {
    const model_config *c = s->model.config;
    TRY(encoder_new(s->model.web_cx, s->model.tokens, &s->encoder));
    if (s->options.keys_file) {
        s->keys = context_zalloc(s->model.web_cx, sizeof *s->keys);
        if (!s->keys) return STATUS_NO_MEMORY;
        TRY(keys_read(s->model.web_cx, s->options.keys_file, s->keys));
    }
    s->encoders = (job_encoders){encode_text, encode_messages, s, s->model.web_cx};
    s->defaults =
        (api_defaults){.temperature = c->sample && c->temperature > 0 ? c->temperature : 1,
                       .top_p = c->sample && c->top_p > 0 ? c->top_p : 1,
                       .top_k = c->sample ? c->top_k : 0,
                       .repetition_penalty = c->repetition_penalty > 0 ? c->repetition_penalty : 1};
    s->world = (job_world){.model = s->options.name,
                           .tokens = s->model.tokens,
                           .dialect = s->options.dialect ? answer_dialect_named(s->options.dialect)
                                                         : answer_dialect_of(s->model.chat->source),
                           .metrics = &s->metrics,
                           .asks_for_keys = s->keys != NULL,
                           .most_context = s->model.engine ? engine_context(s->model.engine)
                                                           : embedder_longest(s->model.embedder),
                           .vocabulary = c->vocabulary,
                           .width = s->model.engine ? 0 : embedder_width(s->model.embedder),
                           .engine_cx = s->model.engine_cx};
    s->options.http.handlers = (http_handlers){on_request, on_gone, on_poke, s};
    return STATUS_OK;
}

status server_set_up_web(server *s) {
    status st = set_up(s);
    return st == STATUS_OK ? st : context_fail(s->cx, st, "%s", context_error(s->model.web_cx));
}

void server_free_web(server *s) {
    encoder_free(s->encoder);
    context_release(s->model.web_cx, s->keys);
}
