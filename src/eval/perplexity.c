#include "eval/perplexity.h"
#include "base/progress.h"
#include <math.h>

typedef struct walk {
    likelihood *l;
    const token_list *ids;
    const int64_t *ends; /* of documents, in ids */
    perplexity_result *out;
    progress shown;
    likelihood_sum
        *sums; /* by window where they are kept or weighed apart; else all in the first */
    bool apart;
} walk;

static status add(walk *w, const int32_t *ids, int64_t at, int64_t n, int64_t from) {
    likelihood_sum *to = w->apart ? &w->sums[w->out->windows] : w->sums;
    w->out->windows++;
    progress_show(&w->shown, at, NULL);
    return likelihood_add(w->l, ids, n, from, to);
}

/* Overlapping windows of a document, ids [begin, n), each scoring what the one before did not reach. */
static status slide(walk *w, int64_t begin, int64_t n, int64_t stride) {
    int64_t context = w->l->options.context, scored = begin;
    for (int64_t at = begin; at < n; at += stride) {
        int64_t end = MIN_OF(at + context, n);
        int64_t from = MAX_OF(scored - at, 1);
        if (end - at > from) TRY(add(w, w->ids->ids + at, at, end - at, from));
        scored = end;
        if (end == n) break;
    }
    return STATUS_OK;
}

static status slide_all(walk *w, int64_t documents, int64_t stride) {
    int64_t begin = 0;
    for (int64_t i = 0; i < documents; begin = w->ends[i++]) {
        int64_t before = w->out->windows;
        TRY(slide(w, begin, w->ends[i], stride));
        w->out->documents += w->out->windows > before;
    }
    return STATUS_OK;
}

static status halves(walk *w, bool begins, arena *mem) {
    int64_t context = w->l->options.context;
    int32_t *ids = ARENA_NEW(mem, int32_t, context);
    if (!ids) return STATUS_NO_MEMORY;
    for (int64_t at = 0; at + context <= w->ids->count; at += context) {
        for (int64_t i = 0; i < context; i++) ids[i] = w->ids->ids[at + i];
        if (begins) ids[0] = w->ids->ids[0];
        TRY(add(w, ids, at, context, context / 2 + 1));
    }
    return STATUS_OK;
}

/* The sums of all windows as one; transformers' weights are scored ids less one. */
static void join(const walk *w, bool less_one, double *nll, double *weight, double *squares) {
    for (int64_t i = 0; i < (w->apart ? w->out->windows : 1); i++) {
        const likelihood_sum *s = &w->sums[i];
        double count = (double)s->count, weighs = less_one && i ? count - 1 : count;
        if (!s->count) continue;
        *nll += s->nll / count * weighs;
        *squares += s->squares / count * weighs;
        *weight += weighs;
        w->out->scored += s->count;
    }
}

static status run(walk *w, const perplexity_options *o, int64_t bytes, bool begins, arena *mem) {
    perplexity_result *r = w->out;
    int64_t context = w->l->options.context, stride = o->stride ? o->stride : context / 2;
    int64_t most = o->kind == PERPLEXITY_TRANSFORMERS ? context : context - 1;
    if (o->kind != PERPLEXITY_LLAMA_CPP && stride > most)
        FAIL(w->l->cx, STATUS_BAD_ARGUMENT,
             "a stride of %lld leaves ids unscored with a context of %lld: at most %lld",
             (long long)stride, (long long)context, (long long)most);
    w->apart = o->keep || o->kind == PERPLEXITY_TRANSFORMERS;
    int64_t documents = o->ends ? o->documents : 1;
    w->sums = ARENA_NEW(o->keep ? o->keep : mem, likelihood_sum,
                        w->ids->count / MAX_OF(stride, 1) + 2 * documents);
    if (!w->sums) return STATUS_NO_MEMORY;
    if (o->kind == PERPLEXITY_LLAMA_CPP)
        TRY(halves(w, begins, mem));
    else
        TRY(slide_all(w, documents, stride));
    TRY(likelihood_flush(w->l));
    double nll = 0, weight = 0, squares = 0;
    join(w, o->kind == PERPLEXITY_TRANSFORMERS, &nll, &weight, &squares);
    if (o->keep) r->each = w->sums;
    if (!r->scored || weight <= 0)
        FAIL(w->l->cx, STATUS_BAD_DATA, "the text has %lld ids, too few to score any",
             (long long)w->ids->count);
    r->nats = nll / weight;
    r->perplexity = exp(r->nats);
    double spread = MAX_OF(squares / weight - r->nats * r->nats, 0);
    r->standard_error = r->perplexity * sqrt(spread / weight);
    r->bits_per_byte = r->nats / log(2) * (double)r->tokens / (double)bytes;
    return STATUS_OK;
}

/* The ids of all documents, each begun as `begin` says; *begun: how many begin tokens. */
static status encode(walk *w, const char *text, int64_t length, const perplexity_options *o,
                     arena *mem, token_list *ids, int64_t *begun) {
    likelihood_begin begin = o->begin;
    if (begin == BEGIN_AUTO && o->kind != PERPLEXITY_HONE) begin = BEGIN_TOKENIZER;
    int64_t documents = o->ends ? o->documents : 1, from = 0;
    int64_t *ends = ARENA_NEW(mem, int64_t, documents + 1);
    if (!ends) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < documents; i++) {
        bool first = false;
        int64_t to = o->ends ? o->ends[i] : length;
        TRY(likelihood_encode(w->l, text + from, to - from, begin, ids, &first));
        *begun += first;
        ends[i] = ids->count;
        from = to;
    }
    w->ends = ends;
    return STATUS_OK;
}

status perplexity_run(likelihood *l, const char *text, int64_t length, const perplexity_options *o,
                      perplexity_result *out) {
    token_list ids = {.cx = l->cx};
    arena mem = arena_make(l->cx);
    *out = (perplexity_result){.bytes = length};
    if (o->ends && o->kind == PERPLEXITY_LLAMA_CPP)
        FAIL(l->cx, STATUS_BAD_ARGUMENT,
             "llama.cpp's convention knows one text and no documents: give a plain text file");
    int64_t begun = 0;
    walk w = {.l = l, .ids = &ids, .out = out};
    status st = encode(&w, text, length, o, &mem, &ids, &begun);
    if (st == STATUS_OK) {
        out->tokens = ids.count - begun;
        progress_begin(&w.shown, "scoring", ids.count);
        st = run(&w, o, length, begun > 0, &mem);
        progress_end(&w.shown);
    }
    token_free(&ids);
    arena_free(&mem);
    return st;
}
