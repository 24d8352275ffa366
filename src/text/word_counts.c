/* Pieces of the documents are gathered, then dealt out to the threads. */
#include "text/word_counts.h"
#include "base/pool.h"
#include "base/progress.h"
#include "text/pretoken.h"

enum { BATCH_BYTES = 8 << 20, BATCH_PIECE_BYTES = 1 << 18, MOST_WORDS = 1 << 24 };

typedef struct count_worker {
    word_counts counts; /* with a context of its own */
    pretoken_work work;
    status st;
} count_worker;

typedef struct count_piece {
    int64_t from, length;
} count_piece;

typedef struct counting {
    context *cx;
    const word_count_options *options;
    pretoken step;
    int64_t steps;
    pool *threads;
    count_worker *workers;
    text_buffer text;
    count_piece pieces[BATCH_BYTES / 64];
    int64_t n_pieces;
} counting;

static void counts_init(word_counts *w, context *cx) {
    *w = (word_counts){.cx = cx};
    vocab_init(&w->words, cx);
}

void word_counts_free(word_counts *w) {
    if (!w->cx) return;
    vocab_free(&w->words);
    context_release(w->cx, w->count);
    *w = (word_counts){.cx = w->cx};
}

static status add(word_counts *w, const char *word, int64_t length, int64_t count) {
    int32_t id = vocab_find(&w->words, word, length);
    if (id >= 0) {
        w->count[id] += count;
        return STATUS_OK;
    }
    id = w->words.size;
    if (id == w->capacity) {
        int64_t wish = MAX_OF(2 * w->capacity, 4096);
        int64_t *wider = context_alloc(w->cx, (size_t)wish * sizeof *wider);
        if (!wider) return STATUS_NO_MEMORY;
        if (id) memcpy(wider, w->count, (size_t)id * sizeof *wider);
        context_release(w->cx, w->count);
        w->count = wider;
        w->capacity = wish;
    }
    w->count[id] = count;
    return vocab_add(&w->words, word, length, id);
}

/* Adds the words that came more than `least` times. */
static status add_all(word_counts *to, const word_counts *from, int64_t least) {
    for (int32_t id = 0; id < from->words.size; id++) {
        int64_t length;
        const char *word = vocab_text(&from->words, id, &length);
        if (from->count[id] > least)
            TRY(add(to, word, length, from->count[id]));
        else
            to->dropped++;
    }
    to->dropped += from->dropped;
    to->text_bytes += from->text_bytes;
    return STATUS_OK;
}

static status drop_rare(word_counts *w) {
    word_counts kept;
    counts_init(&kept, w->cx);
    status st = add_all(&kept, w, 1);
    if (st != STATUS_OK) {
        word_counts_free(&kept);
        return st;
    }
    word_counts_free(w);
    *w = kept;
    return STATUS_OK;
}

static status count_word(void *state, const char *word, int64_t length) {
    return add(state, word, length, 1);
}

static void count_range(void *arg, int64_t from, int64_t to, int thread) {
    counting *c = arg;
    count_worker *w = c->workers + thread;
    const pretoken_sink sink = {count_word, &w->counts};
    int64_t most = c->options->most_words ? c->options->most_words : MOST_WORDS;
    for (int64_t i = from; i < to && w->st == STATUS_OK; i++) {
        const char *text = c->text.bytes + c->pieces[i].from;
        w->st = pretoken_run(&c->step, c->steps, &w->work, text, c->pieces[i].length, true, sink);
        w->counts.text_bytes += c->pieces[i].length;
        if (w->st == STATUS_OK && w->counts.words.size > most) w->st = drop_rare(&w->counts);
    }
}

static status run_batch(counting *c) {
    pool_run(c->threads, count_range, c, c->n_pieces);
    c->text.length = c->n_pieces = 0;
    for (int i = 0; i < pool_threads(c->threads); i++) {
        const count_worker *w = c->workers + i;
        if (w->st != STATUS_OK)
            return context_fail(c->cx, w->st, "%s", context_error(w->counts.cx));
    }
    return STATUS_OK;
}

static status count_documents(counting *c) {
    document_options input = c->options->input;
    documents *d;
    progress shown;
    bool parts = c->steps && c->step.pattern.rule && scan_parts_lines(c->step.pattern.rule);
    input.piece_bytes = parts ? BATCH_PIECE_BYTES : 64 << 20;
    TRY(documents_open(c->cx, &input, &d));
    progress_begin(&shown, "counting words, MB", 0);
    status st = STATUS_OK;
    int64_t total = 0;
    for (bool end = false; !end && st == STATUS_OK;) {
        document_piece p;
        st = documents_next(d, &p);
        if (st != STATUS_OK) break;
        end = p.end;
        c->pieces[c->n_pieces] = (count_piece){c->text.length, p.length};
        c->n_pieces += p.length > 0;
        if (!end) st = text_append(&c->text, p.text, p.length);
        bool full = c->text.length >= BATCH_BYTES || c->n_pieces == COUNT_OF(c->pieces);
        if (st == STATUS_OK && (full || end)) st = run_batch(c);
        total += p.length;
        progress_show(&shown, total / 1000000, NULL);
    }
    progress_end(&shown);
    documents_close(d);
    return st;
}

static status start(counting *c) {
    const char *pattern = c->options->pattern;
    if (pattern) {
        c->step = (pretoken){.kind = PRETOKEN_PATTERN, .behavior = PRETOKEN_ISOLATED};
        TRY(pattern_open(&c->step.pattern, c->cx, pattern, (int64_t)strlen(pattern)));
        c->steps = 1;
    }
    TRY(pool_new(c->cx, c->options->threads, &c->threads));
    int n = pool_threads(c->threads);
    c->workers = context_zalloc(c->cx, (size_t)n * sizeof *c->workers);
    if (!c->workers) return STATUS_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        context *own = context_new();
        if (!own) FAIL(c->cx, STATUS_NO_MEMORY, "no memory for counting words");
        counts_init(&c->workers[i].counts, own);
        pretoken_work_init(&c->workers[i].work, own);
    }
    return STATUS_OK;
}

static void stop(counting *c) {
    for (int i = 0; c->workers && i < pool_threads(c->threads); i++) {
        count_worker *w = c->workers + i;
        context *own = w->counts.cx;
        if (!own) continue;
        word_counts_free(&w->counts);
        pretoken_work_free(&w->work);
        context_free(own);
    }
    context_release(c->cx, c->workers);
    pool_free(c->threads);
    if (c->steps) pattern_close(&c->step.pattern);
    text_free(&c->text);
}

status word_counts_make(context *cx, const word_count_options *options, word_counts *out) {
    counts_init(out, cx);
    counting *c = context_zalloc(cx, sizeof *c);
    if (!c) return STATUS_NO_MEMORY;
    c->cx = c->text.cx = cx;
    c->options = options;
    status st = start(c);
    if (st == STATUS_OK) st = count_documents(c);
    for (int i = 0; st == STATUS_OK && i < pool_threads(c->threads); i++)
        st = add_all(out, &c->workers[i].counts, 0);
    stop(c);
    context_release(cx, c);
    if (st != STATUS_OK) word_counts_free(out);
    return st;
}
