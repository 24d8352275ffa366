/* Each pair knows its count, and the words it came into with the latest merge; a queue holds pairs by count with the
 * lists of their words. Counts in the queue may be old: what is taken out with an old count goes back with the new
 * one. A merge walks the words of its list, and the pairs it makes are queued with lists of their own. When two ways
 * lead to one token ("ab" + "c" and "a" + "bc"), a pair can be queued twice, with the words of each time; that, and
 * that the count of a merged pair stays, is as the library has it. */
#include "text/bpe_train.h"
#include "base/progress.h"
#include "text/scan.h"
#include "text/tokenizer_parts.h"

enum { CHUNK_WORDS = 7, NO_CHUNK = -1 };

/* Lists of words, in chunks; chunks of merged pairs are used again. */
typedef struct chunk {
    int32_t next;
    int32_t word[CHUNK_WORDS]; /* -1: free places at the end */
} chunk;

typedef struct pair_entry {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
    int64_t count;
    int32_t pending, last; /* words of the merge in progress; `last`: the latest */
} pair_entry;

typedef struct queued {
    int64_t count;
    uint64_t pair;
    int32_t words;
} queued;

typedef struct bpe_trainer {
    context *cx;
    bpe_training *out;
    int32_t *symbols;
    int64_t *start;  /* of each word in `symbols` */
    int32_t *length; /* symbols of each word */
    int64_t *count;  /* of each word */
    int64_t n_words;
    pair_entry *pairs;
    int64_t slots, used;
    uint64_t *touched; /* pairs with pending words */
    int64_t n_touched, touched_capacity;
    queued *queue;
    int64_t n_queued, queue_capacity;
    chunk *chunks;
    int64_t n_chunks, chunk_capacity;
    int32_t free_chunk;
} bpe_trainer;

/* Doubles a list; *list and *capacity change together. */
static status widen(context *cx, void **list, int64_t used, int64_t *capacity, size_t unit_bytes) {
    if (used < *capacity) return STATUS_OK;
    int64_t wish = MAX_OF(2 * *capacity, 1024);
    void *wider = context_alloc(cx, (size_t)wish * unit_bytes);
    if (!wider) return STATUS_NO_MEMORY;
    if (used) memcpy(wider, *list, (size_t)used * unit_bytes);
    context_release(cx, *list);
    *list = wider;
    *capacity = wish;
    return STATUS_OK;
}

static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static int64_t slot_of(const bpe_trainer *t, uint64_t pair) {
    uint64_t h = pair * 0x9E3779B97F4A7C15u;
    int64_t mask = t->slots - 1, at = (int64_t)(h >> 20) & mask;
    while (t->pairs[at].pair != pair && t->pairs[at].pair != UINT64_MAX) at = (at + 1) & mask;
    return at;
}

static status grow_pairs(bpe_trainer *t) {
    if (2 * (t->used + 1) <= t->slots) return STATUS_OK;
    int64_t old_slots = t->slots, wish = MAX_OF(2 * old_slots, 1 << 16);
    pair_entry *old = t->pairs, *wider = context_alloc(t->cx, (size_t)wish * sizeof *wider);
    if (!wider) return STATUS_NO_MEMORY;
    memset(wider, 0xFF, (size_t)wish * sizeof *wider);
    t->pairs = wider;
    t->slots = wish;
    for (int64_t i = 0; i < old_slots; i++)
        if (old[i].pair != UINT64_MAX) wider[slot_of(t, old[i].pair)] = old[i];
    context_release(t->cx, old);
    return STATUS_OK;
}

static status take_chunk(bpe_trainer *t, int32_t next, int32_t *out) {
    if (t->free_chunk != NO_CHUNK) {
        *out = t->free_chunk;
        t->free_chunk = t->chunks[*out].next;
    } else {
        void *list = t->chunks;
        TRY(widen(t->cx, &list, t->n_chunks, &t->chunk_capacity, sizeof *t->chunks));
        t->chunks = list;
        *out = (int32_t)t->n_chunks++;
    }
    memset(t->chunks + *out, 0xFF, sizeof *t->chunks);
    t->chunks[*out].next = next;
    return STATUS_OK;
}

/* The pair comes `change` times more in the word; where more, the word is put on its list. */
static status change_pair(bpe_trainer *t, uint64_t pair, int64_t change, int32_t word) {
    pair_entry *e = t->pairs + slot_of(t, pair);
    if (e->pair == UINT64_MAX) {
        TRY(grow_pairs(t));
        e = t->pairs + slot_of(t, pair);
        *e = (pair_entry){.pair = pair, .pending = NO_CHUNK};
        t->used++;
    }
    e->count += change * t->count[word];
    if (change < 0 || (e->pending != NO_CHUNK && e->last == word)) return STATUS_OK;
    if (e->pending == NO_CHUNK) {
        void *list = t->touched;
        TRY(widen(t->cx, &list, t->n_touched, &t->touched_capacity, sizeof *t->touched));
        t->touched = list;
        t->touched[t->n_touched++] = pair;
    }
    bool full = e->pending == NO_CHUNK || t->chunks[e->pending].word[CHUNK_WORDS - 1] >= 0;
    if (full) TRY(take_chunk(t, e->pending, &e->pending));
    chunk *c = t->chunks + e->pending;
    int at = 0;
    while (c->word[at] >= 0) at++;
    c->word[at] = e->last = word;
    return STATUS_OK;
}

/* ---- the queue: the highest count first, then the least pair ---- */

static bool before(const queued *a, const queued *b) {
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

static status queue_push(bpe_trainer *t, queued item) {
    void *list = t->queue;
    TRY(widen(t->cx, &list, t->n_queued, &t->queue_capacity, sizeof *t->queue));
    t->queue = list;
    int64_t at = t->n_queued++;
    for (; at && before(&item, t->queue + (at - 1) / 2); at = (at - 1) / 2)
        t->queue[at] = t->queue[(at - 1) / 2];
    t->queue[at] = item;
    return STATUS_OK;
}

/* Puts `item` in the place of the first, and down to where it belongs. */
static void queue_sink(bpe_trainer *t, queued item) {
    int64_t at = 0, child;
    while ((child = 2 * at + 1) < t->n_queued) {
        if (child + 1 < t->n_queued && before(t->queue + child + 1, t->queue + child)) child++;
        if (!before(t->queue + child, &item)) break;
        t->queue[at] = t->queue[child];
        at = child;
    }
    t->queue[at] = item;
}

static void free_chunks(bpe_trainer *t, int32_t list) {
    for (int32_t next; list != NO_CHUNK; list = next) {
        next = t->chunks[list].next;
        t->chunks[list].next = t->free_chunk;
        t->free_chunk = list;
    }
}

/* Pairs that came and went within the merge are not queued. */
static status queue_touched(bpe_trainer *t) {
    for (int64_t i = 0; i < t->n_touched; i++) {
        pair_entry *e = t->pairs + slot_of(t, t->touched[i]);
        if (e->count > 0)
            TRY(queue_push(t, (queued){e->count, e->pair, e->pending}));
        else
            free_chunks(t, e->pending);
        e->pending = NO_CHUNK;
    }
    t->n_touched = 0;
    return STATUS_OK;
}

/* ---- merging ---- */

static status merge_word(bpe_trainer *t, int32_t word, int32_t left, int32_t right,
                         int32_t joined) {
    int32_t *s = t->symbols + t->start[word], n = t->length[word], to = 0;
    for (int32_t i = 0; i < n; i++) {
        if (s[i] != left || i + 1 >= n || s[i + 1] != right) {
            s[to++] = s[i];
            continue;
        }
        if (to > 0) {
            TRY(change_pair(t, pair_of(s[to - 1], left), -1, word));
            TRY(change_pair(t, pair_of(s[to - 1], joined), 1, word));
        }
        s[to++] = joined;
        if (i + 2 < n) {
            TRY(change_pair(t, pair_of(right, s[i + 2]), -1, word));
            TRY(change_pair(t, pair_of(joined, s[i + 2]), 1, word));
        }
        i++;
    }
    t->length[word] = to;
    return STATUS_OK;
}

static status merge_words(bpe_trainer *t, const queued *top, int32_t joined) {
    int32_t left = (int32_t)(top->pair >> 32), right = (int32_t)top->pair;
    for (int32_t at = top->words; at != NO_CHUNK;) {
        const chunk c = t->chunks[at]; /* the list of chunks may move */
        for (int i = 0; i < CHUNK_WORDS && c.word[i] >= 0; i++)
            TRY(merge_word(t, c.word[i], left, right, joined));
        at = c.next;
    }
    free_chunks(t, top->words);
    return queue_touched(t);
}

/* The token that two make, new or known. */
static status join_tokens(bpe_training *out, int32_t left, int32_t right, text_buffer *text,
                          int32_t *joined) {
    int64_t length;
    const char *part = vocab_text(&out->words, left, &length);
    text->length = 0;
    TRY(text_append(text, part, length));
    part = vocab_text(&out->words, right, &length);
    TRY(text_append(text, part, length));
    *joined = vocab_find(&out->words, text->bytes, text->length);
    if (*joined < 0) {
        *joined = out->words.size;
        TRY(vocab_add(&out->words, text->bytes, text->length, *joined));
    }
    void *list = out->merges;
    TRY(widen(out->cx, &list, out->n_merges, &out->capacity, sizeof *out->merges));
    out->merges = list;
    out->merges[out->n_merges++] = (token_pair){left, right};
    return STATUS_OK;
}

static status learn(bpe_trainer *t, int64_t vocabulary, int64_t least, text_buffer *text) {
    progress shown;
    status st = STATUS_OK;
    progress_begin(&shown, "merging", vocabulary);
    while (st == STATUS_OK && t->out->words.size < vocabulary && t->n_queued) {
        queued top = t->queue[0];
        int64_t now = t->pairs[slot_of(t, top.pair)].count;
        if (top.count != now) {
            top.count = now;
            queue_sink(t, top);
            continue;
        }
        if (now < MAX_OF(least, 1)) break;
        queued last = t->queue[--t->n_queued];
        if (t->n_queued) queue_sink(t, last);
        int32_t joined;
        st = join_tokens(t->out, (int32_t)(top.pair >> 32), (int32_t)top.pair, text, &joined);
        if (st == STATUS_OK) st = merge_words(t, &top, joined);
        progress_show(&shown, t->out->words.size, NULL);
    }
    progress_end(&shown);
    return st;
}

/* ---- the begin ---- */

/* Words as the ids of their bytes. */
static status load_words(bpe_trainer *t, const word_counts *counts, const int32_t *byte_id) {
    int64_t total = counts->words.blob.length;
    t->n_words = counts->words.size;
    t->count = counts->count;
    t->symbols = context_alloc(t->cx, (size_t)MAX_OF(total, 1) * sizeof *t->symbols);
    t->start =
        t->symbols ? context_alloc(t->cx, (size_t)(t->n_words + 1) * sizeof *t->start) : NULL;
    t->length =
        t->start ? context_alloc(t->cx, (size_t)(t->n_words + 1) * sizeof *t->length) : NULL;
    if (!t->length) return STATUS_NO_MEMORY;
    int64_t at = 0;
    for (int32_t w = 0; w < t->n_words; w++) {
        int64_t length;
        const char *text = vocab_text(&counts->words, w, &length);
        t->start[w] = at;
        t->length[w] = (int32_t)length;
        for (int64_t i = 0; i < length; i++) t->symbols[at++] = byte_id[(unsigned char)text[i]];
    }
    TRY(grow_pairs(t));
    for (int32_t w = 0; w < t->n_words; w++) {
        const int32_t *s = t->symbols + t->start[w];
        for (int32_t i = 0; i + 1 < t->length[w]; i++)
            TRY(change_pair(t, pair_of(s[i], s[i + 1]), 1, w));
    }
    return queue_touched(t);
}

/* Special tokens, then the bytes by their printable characters. */
static status first_tokens(vocab *words, const char *const *special, int64_t n_special,
                           int32_t *byte_id) {
    for (int64_t i = 0; i < n_special; i++) {
        int64_t length = (int64_t)strlen(special[i]);
        if (!length || vocab_find(words, special[i], length) >= 0)
            FAIL(words->cx, STATUS_BAD_ARGUMENT, "special token '%s' is empty or given twice",
                 special[i]);
        TRY(vocab_add(words, special[i], length, words->size));
    }
    for (uint32_t shown = 0; shown < 0x180; shown++) {
        char text[4], byte;
        if (byte_level_decode(text, utf8_encode(shown, text), &byte) != 1) continue;
        byte_id[(unsigned char)byte] = words->size;
        if (vocab_find(words, &byte, 1) >= 0)
            FAIL(words->cx, STATUS_BAD_ARGUMENT, "special token '%c' is a byte", byte);
        TRY(vocab_add(words, &byte, 1, words->size));
    }
    return STATUS_OK;
}

/* Of a pair that joined twice, the later time counts. */
static status drop_repeated(bpe_trainer *t) {
    bpe_training *out = t->out;
    int64_t kept = out->n_merges;
    for (int64_t i = 0; i < t->slots; i++) t->pairs[i].pair = UINT64_MAX;
    for (int64_t i = out->n_merges - 1; i >= 0; i--) {
        uint64_t pair = pair_of(out->merges[i].left, out->merges[i].right);
        pair_entry *e = t->pairs + slot_of(t, pair);
        if (e->pair == pair) continue;
        e->pair = pair;
        out->merges[--kept] = out->merges[i];
    }
    out->n_merges -= kept;
    if (kept) memmove(out->merges, out->merges + kept, (size_t)out->n_merges * sizeof *out->merges);
    return STATUS_OK;
}

status bpe_train(context *cx, const word_counts *counts, int64_t vocabulary, int64_t least,
                 const char *const *special, int64_t n_special, bpe_training *out) {
    *out = (bpe_training){.cx = cx};
    vocab_init(&out->words, cx);
    if (vocabulary < 256 + n_special || vocabulary > VOCAB_MAX_ID)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "a vocabulary of %lld: the 256 bytes and %lld special tokens need %lld, and the most "
             "is "
             "%d",
             (long long)vocabulary, (long long)n_special, (long long)(256 + n_special),
             VOCAB_MAX_ID);
    int32_t byte_id[256];
    bpe_trainer t = {.cx = cx, .out = out, .free_chunk = NO_CHUNK};
    text_buffer text = {.cx = cx};
    status st = first_tokens(&out->words, special, n_special, byte_id);
    if (st == STATUS_OK) st = load_words(&t, counts, byte_id);
    if (st == STATUS_OK) st = learn(&t, vocabulary, least, &text);
    if (st == STATUS_OK) st = drop_repeated(&t);
    void *const memory[] = {t.symbols, t.start, t.length, t.pairs, t.touched, t.queue, t.chunks};
    for (int64_t i = 0; i < COUNT_OF(memory); i++) context_release(cx, memory[i]);
    text_free(&text);
    if (st != STATUS_OK) bpe_training_free(out);
    return st;
}

void bpe_training_free(bpe_training *t) {
    vocab_free(&t->words);
    context_release(t->cx, t->merges);
    t->merges = NULL;
}

static status write_trained(const bpe_training *t, const char *pattern, int64_t n_special,
                            text_buffer *out) {
    int32_t *special = context_alloc(t->cx, (size_t)(n_special + 1) * sizeof *special);
    if (!special) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < n_special; i++) special[i] = i;
    const written_tokenizer w = {.words = &t->words,
                                 .special = special,
                                 .n_special = n_special,
                                 .merges = t->merges,
                                 .n_merges = t->n_merges,
                                 .bytes = true,
                                 .pattern = pattern};
    status st = tokenizer_write(&w, out);
    context_release(t->cx, special);
    return st;
}

status bpe_train_files(context *cx, const bpe_train_options *options, text_buffer *out,
                       bpe_train_result *result) {
    const char *named = options->pattern ? options->pattern : "gpt2";
    const char *pattern = scan_pattern(named);
    if (!pattern) pattern = named;
    const word_count_options how = {
        .input = options->input, .pattern = pattern, .threads = options->threads};
    word_counts counts;
    bpe_training trained;
    TRY(word_counts_make(cx, &how, &counts));
    status st = counts.words.size
                    ? STATUS_OK
                    : context_fail(cx, STATUS_BAD_DATA, "there is no text to learn from");
    if (st == STATUS_OK)
        st = bpe_train(cx, &counts, options->vocabulary, options->least, options->special,
                       options->n_special, &trained);
    if (st == STATUS_OK) {
        *result = (bpe_train_result){trained.words.size, trained.n_merges, counts.words.size,
                                     counts.dropped, counts.text_bytes};
        st = write_trained(&trained, pattern, options->n_special, out);
        bpe_training_free(&trained);
    }
    word_counts_free(&counts);
    return st;
}
