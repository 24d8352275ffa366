/* The merge table is open addressing keyed by the pair, at a load of at most one half. A heap item
 * is rank << 32 | position of the left symbol; it is stale, and passed over, when that symbol's
 * rank with its right neighbour has changed since. */
#include "text/bpe.h"
#include "base/utf8.h"
#include <assert.h>
#include <stdlib.h>

enum { LONG_WORD = 48, LONGEST_MARKED = 80 };
#define NO_RANK UINT32_MAX
#define NO_PAIR UINT64_MAX

typedef struct bpe_symbol {
    int32_t id;     /* -2: joined to the left */
    uint32_t rank;  /* of the merge with the right neighbour */
    int32_t joined; /* what that merge gives */
    uint32_t previous, next;
} bpe_symbol;

void bpe_init(bpe *b, context *cx, const vocab *words) {
    *b = (bpe){.cx = cx, .words = words, .unknown = -1};
    for (int i = 0; i < 256; i++) b->byte_id[i] = -1;
}

void bpe_free(bpe *b) {
    context_release(b->cx, b->merges);
    context_release(b->cx, b->character_id);
    b->merges = NULL;
    b->character_id = NULL;
    b->merge_slots = b->merge_count = 0;
}

status bpe_index_characters(bpe *b) {
    assert(!b->character_id && !b->bytes);
    if (b->prefix[0] || b->suffix[0]) return STATUS_OK;
    b->character_id = context_alloc(b->cx, BPE_CHARACTERS * sizeof *b->character_id);
    if (!b->character_id) return context_status(b->cx);
    memset(b->character_id, 0xFF, BPE_CHARACTERS * sizeof *b->character_id);
    for (int32_t id = 0; id < b->words->size; id++) {
        int64_t length;
        const char *text = vocab_text(b->words, id, &length);
        int n = text && length ? utf8_length(text, text + length) : 0;
        uint32_t c = n && n == length ? utf8_decode(text, n) : BPE_CHARACTERS;
        if (c < BPE_CHARACTERS) b->character_id[c] = vocab_find(b->words, text, length);
    }
    return STATUS_OK;
}

static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static int64_t pair_slot(const bpe *b, uint64_t pair) {
    int64_t mask = b->merge_slots - 1;
    uint64_t h = pair * 0x9E3779B97F4A7C15u;
    int64_t at = (int64_t)((h ^ h >> 29) >> 16) & mask;
    while (b->merges[at].pair != pair && b->merges[at].pair != NO_PAIR) at = (at + 1) & mask;
    return at;
}

static status grow_merges(bpe *b) {
    if (2 * (b->merge_count + 1) <= b->merge_slots) return STATUS_OK;
    int64_t wish = MAX_OF(2 * b->merge_slots, 4096), old_slots = b->merge_slots;
    bpe_merge *bigger = context_alloc(b->cx, (size_t)wish * sizeof *bigger), *old = b->merges;
    if (!bigger) return context_status(b->cx);
    memset(bigger, 0xFF, (size_t)wish * sizeof *bigger);
    b->merges = bigger;
    b->merge_slots = wish;
    for (int64_t i = 0; i < old_slots; i++)
        if (old[i].pair != NO_PAIR) b->merges[pair_slot(b, old[i].pair)] = old[i];
    context_release(b->cx, old);
    return STATUS_OK;
}

status bpe_add_merge(bpe *b, int32_t left, int32_t right, int32_t joined, uint32_t rank) {
    assert(left >= 0 && right >= 0 && joined >= 0 && rank != NO_RANK);
    TRY(grow_merges(b));
    bpe_merge *m = b->merges + pair_slot(b, pair_of(left, right));
    b->merge_count += m->pair == NO_PAIR;
    *m = (bpe_merge){.pair = pair_of(left, right), .rank = rank, .joined = joined};
    return STATUS_OK;
}

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static status add_cuts(bpe *b, int32_t id, uint32_t rank, const bool *skip) {
    int64_t length;
    const char *text = vocab_text(b->words, id, &length);
    for (int64_t cut = 1; cut < length; cut++) {
        if (((unsigned char)text[cut] & 0xC0) == 0x80) continue;
        int32_t left = vocab_find(b->words, text, cut);
        if (left < 0 || (skip && skip[left])) continue;
        int32_t right = vocab_find(b->words, text + cut, length - cut);
        if (right < 0 || (skip && skip[right])) continue;
        TRY(bpe_add_merge(b, left, right, id, rank));
    }
    return STATUS_OK;
}

status bpe_merges_from_scores(bpe *b, const float *scores, const bool *skip) {
    scored *order = context_alloc(b->cx, (size_t)MAX_OF(b->words->size, 1) * sizeof *order);
    if (!order) return context_status(b->cx);
    int64_t count = 0;
    for (int32_t id = 0; id < b->words->size; id++)
        if (b->words->entries[id].length > 0 && !(skip && skip[id]))
            order[count++] = (scored){scores[id], id};
    qsort(order, (size_t)count, sizeof *order, by_score);
    status st = STATUS_OK;
    uint32_t rank = 0;
    for (int64_t i = 0; i < count && st == STATUS_OK; i++) {
        if (i && order[i].score != order[i - 1].score) rank++;
        st = add_cuts(b, order[i].id, rank, skip);
    }
    context_release(b->cx, order);
    return st;
}

void bpe_work_free(bpe_work *w) {
    context_release(w->cx, w->symbols);
    context_release(w->cx, w->heap);
    *w = (bpe_work){.cx = w->cx};
}

static status reserve_symbols(bpe_work *w, int64_t count) {
    if (count <= w->capacity) return STATUS_OK;
    if (count >= INT32_MAX) FAIL(w->cx, STATUS_UNSUPPORTED, "a word of 2 GiB or more");
    int64_t wish = MAX_OF(MAX_OF(count, w->capacity * 3 / 2), 256);
    context_release(w->cx, w->symbols);
    w->capacity = 0;
    w->symbols = context_alloc(w->cx, (size_t)wish * sizeof *w->symbols);
    if (!w->symbols) return context_status(w->cx);
    w->capacity = wish;
    return STATUS_OK;
}

/* The token of one character, with the marks of its place in the word. */
static int32_t marked_character(const bpe *b, const char *text, int n, bool first, bool last) {
    char marked[LONGEST_MARKED];
    size_t at = 0;
    if (!first && b->prefix[0]) memcpy(marked, b->prefix, at = strlen(b->prefix));
    memcpy(marked + at, text, (size_t)n);
    at += (size_t)n;
    if (last && b->suffix[0]) {
        memcpy(marked + at, b->suffix, strlen(b->suffix));
        at += strlen(b->suffix);
    }
    return vocab_find(b->words, marked, (int64_t)at);
}

static bool has_bytes(const bpe *b, const char *text, int n) {
    for (int i = 0; i < n; i++)
        if (b->byte_id[(unsigned char)text[i]] < 0) return false;
    return true;
}

/* Splits the word into its first symbols; returns how many. */
static int64_t first_symbols(const bpe *b, bpe_symbol *s, const char *word, int64_t length) {
    int64_t count = 0;
    if (b->bytes) {
        for (int64_t i = 0; i < length; i++) {
            int32_t id = b->byte_id[(unsigned char)word[i]];
            if (id >= 0) s[count++].id = id;
        }
        return count;
    }
    const char *end = word + length;
    bool fusing = false;
    for (const char *at = word; at < end;) {
        int valid = utf8_length(at, end), n = MAX_OF(valid, 1);
        uint32_t c = valid && b->character_id ? utf8_decode(at, n) : BPE_CHARACTERS;
        int32_t id = c < BPE_CHARACTERS ? b->character_id[c]
                                        : marked_character(b, at, n, at == word, at + n == end);
        if (id >= 0) {
            s[count++].id = id;
            fusing = false;
        } else if (b->byte_fallback && has_bytes(b, at, n)) {
            for (int i = 0; i < n; i++) s[count++].id = b->byte_id[(unsigned char)at[i]];
            fusing = false;
        } else if (b->unknown >= 0) {
            if (!fusing || !b->fuse_unknown) s[count++].id = b->unknown;
            fusing = true;
        }
        at += n;
    }
    return count;
}

static void rank_pair(const bpe *b, bpe_symbol *left, const bpe_symbol *right) {
    const bpe_merge *m = b->merges + pair_slot(b, pair_of(left->id, right->id));
    left->rank = m->rank; /* an empty slot's bits are NO_RANK */
    left->joined = m->joined;
}

/* Symbols lie side by side; joining moves the rest of the word. */
static int64_t merge_short(const bpe *b, bpe_symbol *s, int64_t count) {
    for (int64_t i = 0; i + 1 < count; i++) rank_pair(b, s + i, s + i + 1);
    for (;;) {
        int64_t best = -1;
        uint32_t least = NO_RANK;
        for (int64_t i = 0; i + 1 < count; i++)
            if (s[i].rank < least) least = s[best = i].rank;
        if (best < 0) return count;
        s[best].id = s[best].joined;
        count--;
        memmove(s + best + 1, s + best + 2, (size_t)(count - best - 1) * sizeof *s);
        if (best + 1 < count) rank_pair(b, s + best, s + best + 1);
        if (best > 0) rank_pair(b, s + best - 1, s + best);
    }
}

static status heap_push(bpe_work *w, uint64_t item) {
    if (w->heap_count == w->heap_capacity) {
        int64_t wish = MAX_OF(2 * w->heap_capacity, 1024);
        uint64_t *bigger = context_alloc(w->cx, (size_t)wish * sizeof *bigger);
        if (!bigger) return context_status(w->cx);
        if (w->heap_count) memcpy(bigger, w->heap, (size_t)w->heap_count * sizeof *bigger);
        context_release(w->cx, w->heap);
        w->heap = bigger;
        w->heap_capacity = wish;
    }
    int64_t at = w->heap_count++;
    for (; at && w->heap[(at - 1) / 2] > item; at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = item;
    return STATUS_OK;
}

static uint64_t heap_pop(bpe_work *w) {
    uint64_t top = w->heap[0], last = w->heap[--w->heap_count];
    int64_t at = 0, child;
    while ((child = 2 * at + 1) < w->heap_count) {
        if (child + 1 < w->heap_count && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= last) break;
        w->heap[at] = w->heap[child];
        at = child;
    }
    w->heap[at] = last;
    return top;
}

static status push_pair(const bpe *b, bpe_work *w, bpe_symbol *s, uint32_t at, uint32_t count) {
    if (s[at].next >= count) {
        s[at].rank = NO_RANK;
        return STATUS_OK;
    }
    rank_pair(b, s + at, s + s[at].next);
    return s[at].rank == NO_RANK ? STATUS_OK : heap_push(w, (uint64_t)s[at].rank << 32 | at);
}

static status merge_long(const bpe *b, bpe_work *w, int64_t *length) {
    bpe_symbol *s = w->symbols;
    uint32_t count = (uint32_t)*length;
    w->heap_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        s[i].previous = i - 1; /* of the first: UINT32_MAX */
        s[i].next = i + 1;
        TRY(push_pair(b, w, s, i, count));
    }
    while (w->heap_count) {
        uint64_t item = heap_pop(w);
        uint32_t at = (uint32_t)item, gone;
        if (s[at].rank != (uint32_t)(item >> 32)) continue;
        gone = s[at].next;
        s[at].id = s[at].joined;
        s[at].next = s[gone].next;
        if (s[gone].next < count) s[s[gone].next].previous = at;
        s[gone].id = -2;
        s[gone].rank = NO_RANK;
        TRY(push_pair(b, w, s, at, count));
        if (s[at].previous < count) TRY(push_pair(b, w, s, s[at].previous, count));
    }
    int64_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        if (s[i].id != -2) s[left++].id = s[i].id;
    *length = left;
    return STATUS_OK;
}

status bpe_encode(const bpe *b, bpe_work *w, const char *word, int64_t length, token_list *out) {
    if (!length) return STATUS_OK;
    if (b->ignore_merges) {
        int32_t whole = vocab_find(b->words, word, length);
        if (whole >= 0) return token_append(out, whole);
    }
    TRY(reserve_symbols(w, length));
    int64_t count = first_symbols(b, w->symbols, word, length);
    if (b->merge_slots && count > 1) {
        if (count < LONG_WORD)
            count = merge_short(b, w->symbols, count);
        else
            TRY(merge_long(b, w, &count));
    }
    TRY(token_reserve(out, count));
    for (int64_t i = 0; i < count; i++) out->ids[out->count++] = w->symbols[i].id;
    return STATUS_OK;
}
