/* Words repeat, so each encoder remembers short ones: a direct-mapped table of one cache line a
 * word, which a newer word of the same place replaces. */
#include "text/tokenizer_parts.h"

enum { MEMORY_WORDS = 1 << 14, MEMORY_KEY_BYTES = 28, MEMORY_IDS = 8 };

typedef struct remembered {
    char key[MEMORY_KEY_BYTES];
    uint8_t length, count; /* length 0: free */
    int32_t ids[MEMORY_IDS];
} remembered;

struct encoder {
    context *cx;
    const tokenizer *t;
    normal_work normal;
    pretoken_work pretoken;
    bpe_work bpe;
    unigram_work unigram;
    remembered *memory;
    token_list *out; /* of the run in progress */
    encode_options options;
};

status encoder_new(context *cx, const tokenizer *t, encoder **out) {
    encoder *e = context_zalloc(cx, sizeof *e);
    *out = e;
    if (!e) return context_status(cx);
    e->cx = cx;
    e->t = t;
    normal_work_init(&e->normal, cx);
    pretoken_work_init(&e->pretoken, cx);
    e->bpe.cx = e->unigram.cx = cx;
    if (t->model == MODEL_BPE)
        e->memory = context_zalloc(cx, (size_t)MEMORY_WORDS * sizeof *e->memory);
    if (t->model == MODEL_BPE && !e->memory) {
        encoder_free(e);
        *out = NULL;
        return context_status(cx);
    }
    return STATUS_OK;
}

void encoder_free(encoder *e) {
    if (!e) return;
    normal_work_free(&e->normal);
    pretoken_work_free(&e->pretoken);
    bpe_work_free(&e->bpe);
    unigram_work_free(&e->unigram);
    context_release(e->cx, e->memory);
    context_release(e->cx, e);
}

static status encode_bpe(encoder *e, const char *word, int64_t length) {
    if (length > MEMORY_KEY_BYTES) return bpe_encode(&e->t->bpe, &e->bpe, word, length, e->out);
    remembered *r = e->memory + (text_hash(word, length) & (MEMORY_WORDS - 1));
    if (r->length == length && !memcmp(r->key, word, (size_t)length))
        return token_append_all(e->out, r->ids, r->count);
    int64_t before = e->out->count;
    TRY(bpe_encode(&e->t->bpe, &e->bpe, word, length, e->out));
    int64_t count = e->out->count - before;
    if (count > MEMORY_IDS) return STATUS_OK;
    memcpy(r->key, word, (size_t)length);
    if (count) memcpy(r->ids, e->out->ids + before, (size_t)count * sizeof *r->ids);
    r->length = (uint8_t)length;
    r->count = (uint8_t)count;
    return STATUS_OK;
}

/* Whether no merge can reach over the place before this mark. */
static bool may_cut(const tokenizer *t, const char *text, const char *mark) {
    const char *before = mark - 1;
    while (before > text && mark - before < 4 && ((unsigned char)*before & 0xC0) == 0x80) before--;
    return vocab_find(&t->cut_joins, before, mark - before) < 0;
}

static status encode_unbroken(encoder *e, const char *text, int64_t length) {
    const tokenizer *t = e->t;
    const char *end = text + length, *from = text, *mark = text;
    while (end - mark > 1 && (mark = memmem(mark + 1, (size_t)(end - mark - 1), t->cut_mark,
                                            (size_t)t->cut_mark_bytes))) {
        if (!may_cut(t, from, mark)) continue;
        TRY(encode_bpe(e, from, mark - from));
        from = mark;
    }
    return encode_bpe(e, from, end - from);
}

static status encode_word(void *state, const char *word, int64_t length) {
    encoder *e = state;
    const tokenizer *t = e->t;
    if (t->model == MODEL_BPE)
        return t->cut_mark_bytes && length > MEMORY_KEY_BYTES ? encode_unbroken(e, word, length)
                                                              : encode_bpe(e, word, length);
    if (t->model == MODEL_UNIGRAM)
        return unigram_encode(&t->unigram, &e->unigram, word, length, e->out);
    if (t->model == MODEL_WORDPIECE) return wordpiece_encode(&t->wordpiece, word, length, e->out);
    int32_t id = vocab_find(&t->words, word, length);
    if (id < 0) id = t->wordpiece.unknown;
    return id >= 0 ? token_append(e->out, id) : STATUS_OK;
}

static bool is_class(uint32_t classes, const char *at, const char *end) {
    uint32_t c;
    (void)unicode_next(at, end, &c);
    return unicode_flags(c) & classes;
}

/* The start of the character that ends at `at`. */
static const char *character_before(const char *begin, const char *at) {
    const char *p = at - 1;
    while (p > begin && at - p < 4 && ((unsigned char)*p & 0xC0) == 0x80) p--;
    return p;
}

typedef struct found {
    const added_token *token;
    const char *from, *to;
} found;

/* The added token at `at`, the longest, as it reads; NULL where there is none. */
static const added_token *added_at(const tokenizer *t, const trie *tokens, const char *at,
                                   const char *end, const char **stop) {
    const added_token *best = NULL;
    for (int32_t node = 0; at < end;) {
        node = trie_step(tokens, node, (uint8_t)*at++);
        if (node < 0) break;
        if (tokens->nodes[node].id < 0) continue;
        best = t->added + tokens->nodes[node].id;
        *stop = at;
    }
    return best;
}

static bool wanted(const encoder *e, const added_token *a, const char *begin, const char *from,
                   const char *to, const char *end) {
    if (a->special && !e->options.trust_special) return false;
    if (!a->single_word) return true;
    if (from > begin && is_class(UNICODE_WORD, character_before(begin, from), end)) return false;
    return to == end || !is_class(UNICODE_WORD, to, end);
}

/* The next added token from `at` on; `after` is the end of the one before. */
static bool next_added(const encoder *e, bool normalized, const char *begin, const char *after,
                       const char *end, found *out) {
    const tokenizer *t = e->t;
    const trie *tokens = normalized ? &t->normalized_added : &t->plain_added;
    const bool *first = t->added_first[normalized];
    for (const char *at = after, *stop = after; tokens->nodes && at < end; at++) {
        if (!first[(uint8_t)*at]) continue;
        const added_token *a = added_at(t, tokens, at, end, &stop);
        if (!a) continue;
        if (!wanted(e, a, begin, at, stop, end)) {
            at = stop - 1;
            continue;
        }
        while (a->lstrip && at > after) {
            const char *p = character_before(after, at);
            if (!is_class(UNICODE_SPACE, p, end)) break;
            at = p;
        }
        while (a->rstrip && stop < end && is_class(UNICODE_SPACE, stop, end)) {
            uint32_t c;
            stop += unicode_next(stop, end, &c);
        }
        *out = (found){a, at, stop};
        return true;
    }
    return false;
}

/* Text between added tokens: normalise, look for the others, cut, encode. */
static status encode_between(encoder *e, const char *text, int64_t length, bool first) {
    const tokenizer *t = e->t;
    if (!length) return STATUS_OK;
    TRY(normal_run(t->normals, t->normal_count, &e->normal, &text, &length));
    const char *end = text + length, *after = text;
    const pretoken_sink sink = {encode_word, e};
    found f;
    while (next_added(e, true, text, after, end, &f)) {
        TRY(pretoken_run(t->pretokens, t->pretoken_count, &e->pretoken, after, f.from - after,
                         first && after == text, sink));
        TRY(token_append(e->out, f.token->id));
        after = f.to;
    }
    return pretoken_run(t->pretokens, t->pretoken_count, &e->pretoken, after, end - after,
                        first && after == text, sink);
}

status encoder_run(encoder *e, const char *text, int64_t length, encode_options options,
                   token_list *out) {
    const tokenizer *t = e->t;
    const char *end = text + length, *after = text;
    e->out = out;
    e->options = options;
    TRY(token_reserve(out, length / 2)); /* long texts: what is not used costs nothing */
    if (options.add_special) TRY(token_append_all(out, t->before, t->before_count));
    found f;
    while (next_added(e, false, text, after, end, &f)) {
        TRY(encode_between(e, after, f.from - after, after == text));
        TRY(token_append(out, f.token->id));
        after = f.to;
    }
    TRY(encode_between(e, after, end - after, after == text));
    if (options.add_special) TRY(token_append_all(out, t->after, t->after_count));
    return STATUS_OK;
}
