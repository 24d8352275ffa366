/* The load (serve/load.h), on libcurl's multi interface: one thread, one easy handle for each request that is on its
 * way. Streams of server-sent events are read as they come; an event with text is a token or more, and the usage
 * at the end says how many there were in all. */
#include "serve/load.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/options.h"
#include "base/rng.h"
#include "base/time.h"
#include "text/grow.h"
#include <curl/curl.h>
#include <math.h>
#include <string.h>

/* ---- lengths ---- */

status load_lengths_read(context *cx, const char *option, const char *text, load_lengths *out) {
    static const char *const names[] = {"uniform:", "lognormal:", "exponential:"};
    *out = (load_lengths){.shape = LOAD_FIXED};
    for (int i = 0; i < COUNT_OF(names); i++)
        if (!strncmp(text, names[i], strlen(names[i]))) {
            out->shape = (load_shape)(i + 1);
            text += strlen(names[i]);
        }
    char first[32] = "";
    const char *dash = out->shape == LOAD_UNIFORM ? strchr(text, '-') : NULL;
    size_t n = dash ? (size_t)(dash - text) : strlen(text);
    if (n < sizeof first) memcpy(first, text, n), first[n] = 0;
    bool sound = options_double_from(first, &out->low);
    out->high = out->mean = out->low;
    if (out->shape == LOAD_UNIFORM)
        sound = sound && dash && options_double_from(dash + 1, &out->high);
    if (!sound || !(out->low >= 1) || !(out->high >= out->low) || out->high > 1e7)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "--%s: a length is written 128, uniform:64-256, lognormal:161 or exponential:338",
             option);
    return STATUS_OK;
}

int64_t load_length(const load_lengths *l, double u, double normal) {
    double x = l->low;
    if (l->shape == LOAD_UNIFORM) x = floor(l->low + u * (l->high - l->low + 1));
    if (l->shape == LOAD_EXPONENTIAL) x = -l->mean * log1p(-u);
    if (l->shape == LOAD_LOGNORMAL)
        x = l->mean * exp(0.8 * normal - 0.32); /* deviation 0.8 of the logarithm */
    return (int64_t)fmin(fmax(round(x), 1), 1e7);
}

/* ---- one request on its way ---- */

typedef struct flight {
    struct load *load;
    CURL *easy;
    load_record *record;
    text_buffer body, held;      /* held: the events not yet read, or what an error said */
    double last;                 /* when the last token came */
    struct flight *next, *older; /* idle ones; all of them */
} flight;

typedef struct load {
    context *cx;
    arena *mem;
    const load_options *o;
    load_result *out;
    CURLM *multi;
    struct curl_slist *headers;
    flight *idle, *newest;
    rng random;
    char *url;
    const char *model;
    double began;
    int64_t gap_capacity, sent, done, flying;
    status st;
} load;

static double now(const load *l) {
    return time_seconds() - l->began;
}

static status add_gap(load *l, double gap) {
    if (l->out->n_gaps == l->gap_capacity) {
        int64_t capacity = MAX_OF(4096, 2 * l->gap_capacity);
        double *gaps = ARENA_NEW(l->mem, double, capacity);
        if (!gaps) return STATUS_NO_MEMORY;
        if (l->out->n_gaps) memcpy(gaps, l->out->gaps, (size_t)l->out->n_gaps * sizeof *gaps);
        l->out->gaps = gaps;
        l->gap_capacity = capacity;
    }
    l->out->gaps[l->out->n_gaps++] = gap;
    return STATUS_OK;
}

/* One event: {"choices": [{"text": ...}], "usage": {...}}. */
static status read_event(flight *f, const char *text, int64_t length) {
    load *l = f->load;
    json_text key;
    bool more, has_text = false;
    json j = json_make(l->cx, "an event", text, length, NULL);
    status st = json_enter_object(&j);
    while (st == STATUS_OK && (st = json_next_key(&j, &more, &key)) == STATUS_OK && more) {
        json_kind kind;
        bool is_choices = json_is(key, "choices"), is_usage = json_is(key, "usage");
        if ((st = json_peek(&j, &kind)) != STATUS_OK) break;
        if (is_choices && kind == JSON_ARRAY) {
            const char *from = j.at;
            st = json_skip(&j);
            has_text = j.at - from > 4; /* more than [] */
        } else if (is_usage && kind == JSON_OBJECT) {
            st = json_enter_object(&j);
            while (st == STATUS_OK && (st = json_next_key(&j, &more, &key)) == STATUS_OK && more) {
                int64_t *to = json_is(key, "completion_tokens") ? &f->record->tokens
                              : json_is(key, "prompt_tokens")   ? &f->record->prompt_tokens
                                                                : NULL;
                st = to ? json_integer(&j, 0, INT32_MAX, to) : json_skip(&j);
            }
        } else {
            st = json_skip(&j);
        }
    }
    json_free(&j);
    if (st != STATUS_OK) {
        f->record->error = arena_strdup(l->mem, context_error(l->cx));
        context_clear(l->cx);
        return STATUS_OK;
    }
    if (!has_text) return STATUS_OK;
    double t = now(l);
    if (f->record->first > 0) TRY(add_gap(l, t - f->last));
    if (!(f->record->first > 0)) f->record->first = t;
    f->last = t;
    return STATUS_OK;
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *user) {
    flight *f = user;
    size_t size = one * count;
    if (f->held.length + (int64_t)size > 16 << 20) return 0;
    f->load->st = text_append(&f->held, bytes, (int64_t)size);
    long code = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &code);
    while (f->load->st == STATUS_OK && code == 200) {
        char *end =
            f->held.length ? memmem(f->held.bytes, (size_t)f->held.length, "\n\n", 2) : NULL;
        if (!end) break;
        int64_t length = end - f->held.bytes;
        const char *data = f->held.bytes;
        if (length > 6 && !memcmp(data, "data: {", 7))
            f->load->st = read_event(f, data + 6, length - 6);
        f->held.length -= length + 2;
        memmove(f->held.bytes, end + 2, (size_t)f->held.length);
    }
    return f->load->st == STATUS_OK ? size : 0;
}

static status write_body(load *l, flight *f) {
    load_record *r = f->record;
    double u = rng_uniform(&l->random), normal = rng_normal(&l->random);
    r->prompt_tokens = load_length(&l->o->prompt, u, normal);
    u = rng_uniform(&l->random), normal = rng_normal(&l->random);
    r->wanted_tokens = load_length(&l->o->output, u, normal);
    json_writer w = json_writer_to_buffer(l->cx, 0);
    json_write_object(&w);
    json_write_string_field(&w, "model", l->model);
    json_write_key(&w, "prompt");
    json_write_array(&w);
    for (int64_t i = 0; i < r->prompt_tokens; i++)
        json_write_integer(&w, (int64_t)rng_below(&l->random, (uint64_t)l->o->vocabulary));
    json_write_array_end(&w);
    json_write_integer_field(&w, "max_tokens", r->wanted_tokens);
    json_write_number_field(&w, "temperature", 0);
    json_write_bool_field(&w, "ignore_eos", true);
    json_write_bool_field(&w, "stream", true);
    json_write_key(&w, "stream_options");
    json_write_object(&w);
    json_write_bool_field(&w, "include_usage", true);
    json_write_object_end(&w);
    json_write_object_end(&w);
    status st = json_writer_finish(&w);
    f->body.length = 0;
    if (st == STATUS_OK) st = text_append(&f->body, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

static flight *take_idle(load *l) {
    flight *f = l->idle;
    if (f) {
        l->idle = f->next;
        return f;
    }
    f = ARENA_NEW(l->mem, flight, 1);
    if (f) *f = (flight){.load = l, .easy = curl_easy_init(), .body.cx = l->cx, .held.cx = l->cx};
    if (!f || !f->easy) return NULL;
    f->older = l->newest;
    l->newest = f;
    return f;
}

static status send_one(load *l) {
    flight *f = take_idle(l);
    if (!f) FAIL(l->cx, STATUS_NO_MEMORY, "no memory for another request");
    f->record = &l->out->records[l->sent++];
    f->held.length = 0;
    TRY(write_body(l, f));
    f->record->began = now(l);
    curl_easy_setopt(f->easy, CURLOPT_URL, l->url);
    curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, l->headers);
    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->body.bytes);
    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.length);
    curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
    curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, (long)(1e3 * l->o->timeout_seconds));
    curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(f->easy, CURLOPT_TCP_NODELAY, 1L);
    if (curl_multi_add_handle(l->multi, f->easy))
        FAIL(l->cx, STATUS_BUG, "libcurl took no more requests");
    l->flying++;
    return STATUS_OK;
}

static void land(load *l, const CURLMsg *m) {
    flight *f;
    long code = 0;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&f);
    curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &code);
    load_record *r = f->record;
    r->ended = now(l);
    r->code = (int)code;
    if (m->data.result != CURLE_OK)
        r->error = arena_strdup(l->mem, curl_easy_strerror(m->data.result));
    else if (code != 200)
        r->error = arena_strndup(l->mem, f->held.length ? f->held.bytes : "",
                                 (size_t)MIN_OF(f->held.length, 300));
    else if (!r->error && !(r->first > 0))
        r->error = "no token came";
    curl_multi_remove_handle(l->multi, f->easy);
    f->next = l->idle;
    l->idle = f;
    l->flying--;
    l->done++;
    if (l->o->progress) l->o->progress(l->o->user, l->done);
}

/* ---- the run ---- */

static status fly(load *l) {
    double due = 0;
    while (l->done < l->o->requests && l->st == STATUS_OK) {
        bool closed = l->o->streams > 0;
        while (l->sent < l->o->requests && (closed ? l->flying < l->o->streams : now(l) >= due)) {
            TRY(send_one(l));
            if (!closed) due += -log1p(-rng_uniform(&l->random)) / l->o->rate;
        }
        int running, left;
        curl_multi_perform(l->multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &left));)
            if (m->msg == CURLMSG_DONE) land(l, m);
        double wait = closed || l->sent == l->o->requests ? 1 : fmin(fmax(due - now(l), 0), 1);
        if (l->done < l->o->requests) curl_multi_poll(l->multi, NULL, 0, (int)(1e3 * wait), NULL);
    }
    return l->st;
}

static size_t on_list(char *bytes, size_t one, size_t count, void *user) {
    text_buffer *b = user;
    if (b->length + (int64_t)(one * count) > 1 << 20) return 0;
    return text_append(b, bytes, (int64_t)(one * count)) == STATUS_OK ? one * count : 0;
}

/* The id of the first model in {"data": [{"id": ...}]}. */
static status first_model(load *l, const text_buffer *text) {
    json_text key, id = {0};
    bool more, item;
    json j = json_make(l->cx, "the list of models", text->bytes, text->length, NULL);
    status st = json_enter_object(&j);
    while (st == STATUS_OK && (st = json_next_key(&j, &more, &key)) == STATUS_OK && more) {
        if (!json_is(key, "data")) {
            st = json_skip(&j);
            continue;
        }
        st = json_enter_array(&j);
        while (st == STATUS_OK && (st = json_next_item(&j, &item)) == STATUS_OK && item) {
            st = json_enter_object(&j);
            while (st == STATUS_OK && (st = json_next_key(&j, &more, &key)) == STATUS_OK && more) {
                st = json_is(key, "id") ? json_string(&j, &id) : json_skip(&j);
                if (st == STATUS_OK && id.length && !l->model)
                    l->model = arena_strndup(l->mem, id.bytes, (size_t)id.length);
            }
        }
    }
    json_free(&j);
    TRY(st);
    if (!l->model) FAIL(l->cx, STATUS_BAD_DATA, "the server lists no model; name one with --model");
    return STATUS_OK;
}

/* Asks for the models, which also tells whether anybody is there. */
static status ask_model(load *l) {
    CURL *easy = curl_easy_init();
    text_buffer text = {.cx = l->cx};
    char *url = arena_printf(l->mem, "%s/v1/models", l->o->url);
    if (!easy || !url) FAIL(l->cx, STATUS_NO_MEMORY, "no memory for a request");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, l->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_list);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &text);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 120L); /* a server under load answers late */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(easy);
    long answer = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer);
    curl_easy_cleanup(easy);
    status st = STATUS_OK;
    if (code != CURLE_OK)
        st = context_fail(l->cx, STATUS_IO, "cannot reach %s: %s", url, curl_easy_strerror(code));
    else if (answer == 401)
        st = context_fail(l->cx, STATUS_BAD_ARGUMENT, "%s wants an API key: give one with --key",
                          l->o->url);
    else if (!l->model)
        st = first_model(l, &text);
    text_free(&text);
    return st;
}

status load_run(context *cx, arena *mem, const load_options *options, load_result *out) {
    load l = {.cx = cx,
              .mem = mem,
              .o = options,
              .out = out,
              .random = rng_make(options->seed, rng_stream("load")),
              .model = options->model};
    *out = (load_result){.records = ARENA_NEW(mem, load_record, MAX_OF(options->requests, 1)),
                         .n_records = options->requests};
    l.url = arena_printf(mem, "%s/v1/completions", options->url);
    char *key = arena_printf(mem, "Authorization: Bearer %s", options->key ? options->key : "");
    if (!out->records || !l.url || !key) return STATUS_NO_MEMORY;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    l.multi = curl_multi_init();
    l.headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (options->key) l.headers = curl_slist_append(l.headers, key);
    status st = ask_model(&l);
    l.began = time_seconds();
    if (st == STATUS_OK) st = fly(&l);
    out->seconds = now(&l);
    for (flight *f = l.newest; f; f = f->older) {
        curl_multi_remove_handle(l.multi, f->easy);
        curl_easy_cleanup(f->easy);
        text_free(&f->body);
        text_free(&f->held);
    }
    curl_slist_free_all(l.headers);
    curl_multi_cleanup(l.multi);
    return st;
}
