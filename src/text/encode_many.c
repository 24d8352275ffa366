/* Each thread has an encoder, a list and a context of its own, whose error the caller hands on. */
#include "text/encode_many.h"

typedef struct encode_worker {
    context *cx;
    encoder *e;
    token_list ids;
    status st;
} encode_worker;

status encode_many_open(context *cx, const tokenizer *t, int threads, encode_many *out) {
    *out = (encode_many){.cx = cx, .text.cx = cx};
    status st = pool_new(cx, threads, &out->threads);
    int n = st == STATUS_OK ? pool_threads(out->threads) : 0;
    if (st == STATUS_OK) out->workers = context_zalloc(cx, (size_t)n * sizeof *out->workers);
    if (st == STATUS_OK && !out->workers) st = STATUS_NO_MEMORY;
    for (int i = 0; i < n && st == STATUS_OK; i++) {
        encode_worker *w = out->workers + i;
        w->cx = w->ids.cx = context_new();
        st = w->cx ? encoder_new(w->cx, t, &w->e)
                   : context_fail(cx, STATUS_NO_MEMORY, "no memory for encoding");
        if (st != STATUS_OK && w->cx) st = context_fail(cx, st, "%s", context_error(w->cx));
    }
    if (st != STATUS_OK) encode_many_close(out);
    return st;
}

void encode_many_close(encode_many *m) {
    for (int i = 0; m->workers && i < pool_threads(m->threads); i++) {
        encode_worker *w = m->workers + i;
        if (!w->cx) continue;
        encoder_free(w->e);
        token_free(&w->ids);
        context_free(w->cx);
    }
    context_release(m->cx, m->workers);
    context_release(m->cx, m->pieces);
    text_free(&m->text);
    pool_free(m->threads);
    *m = (encode_many){.cx = m->cx, .text.cx = m->cx};
}

void encode_many_clear(encode_many *m) {
    m->text.length = m->n_pieces = 0;
}

status encode_many_add(encode_many *m, const char *text, int64_t length, int64_t tag) {
    if (m->n_pieces == m->capacity) {
        int64_t wish = MAX_OF(2 * m->capacity, 256);
        encode_piece *wider = context_alloc(m->cx, (size_t)wish * sizeof *wider);
        if (!wider) return STATUS_NO_MEMORY;
        if (m->n_pieces) memcpy(wider, m->pieces, (size_t)m->n_pieces * sizeof *wider);
        context_release(m->cx, m->pieces);
        m->pieces = wider;
        m->capacity = wish;
    }
    m->pieces[m->n_pieces++] = (encode_piece){.from = m->text.length, .length = length, .tag = tag};
    return text_append(&m->text, text, length);
}

static void encode_range(void *arg, int64_t from, int64_t to, int thread) {
    encode_many *m = arg;
    encode_worker *w = m->workers + thread;
    for (int64_t i = from; i < to && w->st == STATUS_OK; i++) {
        encode_piece *p = m->pieces + i;
        p->thread = thread;
        p->first = w->ids.count;
        w->st = encoder_run(w->e, m->text.bytes + p->from, p->length, (encode_options){0}, &w->ids);
        p->count = w->ids.count - p->first;
    }
}

status encode_many_run(encode_many *m) {
    int threads = pool_threads(m->threads);
    for (int i = 0; i < threads; i++) {
        m->workers[i].ids.count = 0;
        m->workers[i].st = STATUS_OK;
    }
    pool_run(m->threads, encode_range, m, m->n_pieces);
    for (int i = 0; i < threads; i++) {
        const encode_worker *w = m->workers + i;
        if (w->st != STATUS_OK) return context_fail(m->cx, w->st, "%s", context_error(w->cx));
    }
    for (int64_t i = 0; i < m->n_pieces; i++)
        m->pieces[i].ids = m->workers[m->pieces[i].thread].ids.ids + m->pieces[i].first;
    return STATUS_OK;
}
