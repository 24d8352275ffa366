/* best[i] is the best way to reach byte i: the token that ends there and where it starts. Equal
 * scores keep the way found first, that of the earlier start. */
#include "text/unigram.h"
#include "base/utf8.h"
#include <math.h>

typedef struct unigram_best {
    double score;
    int64_t from; /* -1: not reached */
    int32_t id;   /* -1: unknown */
} unigram_best;

void unigram_free(unigram *m) {
    trie_free(&m->tokens);
}

void unigram_work_free(unigram_work *w) {
    context_release(w->cx, w->best);
    *w = (unigram_work){.cx = w->cx};
}

static status reserve(unigram_work *w, int64_t count) {
    if (count <= w->capacity) return STATUS_OK;
    context_release(w->cx, w->best);
    w->capacity = 0;
    int64_t wish = count + count / 2 + 256;
    w->best = context_alloc(w->cx, (size_t)wish * sizeof *w->best);
    if (!w->best) return context_status(w->cx);
    w->capacity = wish;
    return STATUS_OK;
}

static void offer(unigram_best *b, double score, int64_t from, int32_t id) {
    if (b->from >= 0 && score <= b->score) return;
    *b = (unigram_best){.score = score, .from = from, .id = id};
}

/* f32 values: their sum in f64 is rounded to f32 as if it had been added there. */
static double sum(const unigram *m, double a, double b) {
    return m->single ? (double)(float)(a + b) : a + b;
}

/* Places from `at` to `frontier` that are reached count from the score at `at`. */
static void start_again(unigram_best *best, int64_t at, int64_t frontier) {
    double offset = best[at].score;
    for (int64_t i = at; i <= frontier; i++)
        if (best[i].from >= 0) best[i].score = (double)(float)(best[i].score - offset);
}

static void forward(const unigram *m, unigram_best *best, const char *text, int64_t length) {
    const double most = 100000;
    int64_t frontier = 0;
    for (int64_t i = 1; i <= length; i++) best[i].from = -1;
    best[0] = (unigram_best){0};
    for (int64_t at = 0; at < length;) {
        int64_t character = MAX_OF(utf8_length(text + at, text + length), 1);
        if (m->single && fabs(best[at].score) > most) start_again(best, at, frontier);
        double base = best[at].score;
        bool has_character = false;
        for (int64_t stop = at, node = 0; m->tokens.nodes && stop < length;) {
            node = trie_step(&m->tokens, (int32_t)node, (uint8_t)text[stop++]);
            if (node < 0) break;
            int32_t id = m->tokens.nodes[node].id;
            if (id < 0) continue;
            offer(best + stop, sum(m, base, m->scores[id]), at, id);
            frontier = MAX_OF(frontier, stop);
            has_character |= stop == at + character;
        }
        if (!has_character) offer(best + at + character, sum(m, base, m->unknown_score), at, -1);
        at += character;
        frontier = MAX_OF(frontier, at);
    }
}

static status emit_unknown(const unigram *m, const char *text, int64_t length, token_list *out) {
    bool bytes = m->byte_fallback;
    for (int64_t i = 0; bytes && i < length; i++) bytes = m->byte_id[(uint8_t)text[i]] >= 0;
    if (!bytes) return m->unknown >= 0 ? token_append(out, m->unknown) : STATUS_OK;
    for (int64_t i = 0; i < length; i++) TRY(token_append(out, m->byte_id[(uint8_t)text[i]]));
    return STATUS_OK;
}

status unigram_encode(const unigram *m, unigram_work *w, const char *text, int64_t length,
                      token_list *out) {
    TRY(reserve(w, length + 1));
    unigram_best *best = w->best;
    forward(m, best, text, length);
    /* Turn the links around, so that they can be walked from the start. */
    for (int64_t at = length, next = -1; at >= 0;) {
        int64_t from = at ? best[at].from : -1;
        best[at].from = next; /* now: the end of the token after this place */
        next = at;
        at = from;
    }
    for (int64_t at = 0; at < length;) {
        int64_t stop = best[at].from;
        int32_t id = best[stop].id;
        while (id < 0 && stop < length && best[best[stop].from].id < 0) stop = best[stop].from;
        TRY(id >= 0 ? token_append(out, id) : emit_unknown(m, text + at, stop - at, out));
        at = stop;
    }
    return STATUS_OK;
}
