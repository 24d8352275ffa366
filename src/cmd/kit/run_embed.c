/* Vectors of texts: one for -p, else one for each line of a file or of standard input. */
#include "base/json_write.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/run.h"
#include "infer/embed.h"

typedef struct texts {
    context *cx;
    token_list ids;
    int64_t *ends; /* in ids */
    int64_t n;
} texts;

static status add_text(run_session *s, texts *t, const char *text, int64_t length) {
    TRY(encoder_run(s->encoder, text, length,
                    (encode_options){.add_special = true, .trust_special = true}, &t->ids));
    t->ends[t->n++] = t->ids.count;
    return STATUS_OK;
}

/* Every line that is not empty. */
static status add_lines(run_session *s, texts *t, const char *path) {
    text_buffer in = {.cx = s->cx};
    status st = run_read(s->call, path, &in);
    if (st == STATUS_OK) t->ends = ARENA_NEW(s->mem, int64_t, in.length + 1);
    if (st == STATUS_OK && !t->ends) st = STATUS_NO_MEMORY;
    const char *at = in.bytes, *end = in.bytes + in.length - 1;
    while (st == STATUS_OK && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        int64_t length = (stop ? stop : end) - at;
        if (length && at[length - 1] == '\r') length--;
        if (length) st = add_text(s, t, at, length);
        at = stop ? stop + 1 : end;
    }
    text_free(&in);
    return st;
}

static status print_vector(const run_session *s, int64_t index, int64_t tokens, const float *x,
                           int64_t width) {
    FILE *out = s->call->out;
    if (!s->o->json) {
        for (int64_t i = 0; i < width; i++) fprintf(out, i ? " %.7g" : "%.7g", (double)x[i]);
        fputc('\n', out);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(s->cx, out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "index", index);
    json_write_integer_field(&w, "prompt_tokens", tokens);
    json_write_key(&w, "embedding");
    json_write_array(&w);
    for (int64_t i = 0; i < width; i++) json_write_number(&w, (double)x[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status embed_all(run_session *s, embedder *e, const texts *t) {
    int64_t width = embedder_width(e);
    embedder_text *each = ARENA_NEW(s->mem, embedder_text, t->n + 1);
    float *vectors = ARENA_NEW(s->mem, float, t->n *width + 1);
    if (!each || !vectors) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < t->n; i++) {
        int64_t from = i ? t->ends[i - 1] : 0;
        each[i] = (embedder_text){t->ids.ids + from, t->ends[i] - from};
    }
    double begin = time_seconds();
    TRY(embedder_run(e, each, t->n, vectors));
    log_info("%lld texts, %lld tokens in %.2f s", (long long)t->n, (long long)t->ids.count,
             time_seconds() - begin);
    for (int64_t i = 0; i < t->n; i++)
        TRY(print_vector(s, i, each[i].n, vectors + i * width, width));
    return STATUS_OK;
}

status run_embed(run_session *s) {
    const run_options *o = s->o;
    texts t = {.cx = s->cx, .ids = {.cx = s->cx}};
    embedder *e = NULL;
    engine_model m = engine_model_of(s->m, s->tokens);
    int64_t one;
    status st = embedder_open(s->cx, &m, &(embedder_options){.threads = o->threads}, &e);
    if (st == STATUS_OK && o->prompt) {
        t.ends = &one;
        st = add_text(s, &t, o->prompt, (int64_t)strlen(o->prompt));
    } else if (st == STATUS_OK) {
        st = add_lines(s, &t, o->file ? o->file : o->batch ? o->batch : "-");
    }
    if (st == STATUS_OK) st = embed_all(s, e, &t);
    embedder_close(e);
    token_free(&t.ids);
    return st;
}
