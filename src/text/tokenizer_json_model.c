/* The "model" of tokenizer.json is read as it streams by: its vocabulary and merges are most of the
 * file. Merges that come before the vocabulary are passed over and read afterwards. */
#include "text/tokenizer_json.h"

typedef struct reader {
    tokenizer *t;
    json *j;
    const char *merges_from, *merges_to; /* where they were passed over */
    const char *vocab_from, *vocab_to;   /* unigram scores need the size first */
    char type[16];
    int64_t merge_count;
    text_buffer joined, left;
    json_text unknown;
} reader;

/* Reads a short string into `out`; null is "". */
static status short_text(json *j, char *out, size_t size) {
    json_token token;
    TRY(json_next(j, &token));
    *out = 0;
    if (token.kind == JSON_NULL) return STATUS_OK;
    if (token.kind != JSON_STRING || token.text.length >= (int64_t)size)
        return json_fail(j, STATUS_UNSUPPORTED, "expected a string of under %zu bytes", size);
    memcpy(out, token.text.bytes, (size_t)token.text.length);
    out[token.text.length] = 0;
    return STATUS_OK;
}

static status read_vocab_object(reader *r, json *j) {
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        int64_t id;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(json_integer(j, 0, VOCAB_MAX_ID, &id));
        TRY_NOTE(r->t->cx, vocab_add(&r->t->names, key.bytes, key.length, id), "'%s': model.vocab",
                 j->name);
    }
}

/* A list of [token, score]; `scores` NULL only counts the tokens into the vocabulary. */
static status read_vocab_list(reader *r, json *j, double *scores) {
    bool more;
    TRY(json_enter_array(j));
    for (int64_t id = 0;; id++) {
        json_text text;
        double score;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_enter_array(j));
        TRY(json_next_item(j, &more));
        if (!more) return json_fail(j, STATUS_BAD_DATA, "expected [token, score]");
        TRY(json_string(j, &text));
        if (!scores) TRY(vocab_add(&r->t->names, text.bytes, text.length, id));
        TRY(json_next_item(j, &more));
        if (!more) return json_fail(j, STATUS_BAD_DATA, "expected [token, score]");
        TRY(json_number(j, -1e30, 1e30, &score));
        if (scores) scores[id] = score;
        TRY(json_next_item(j, &more));
        if (more) return json_fail(j, STATUS_BAD_DATA, "expected [token, score] and no more");
    }
}

static status add_merge(reader *r, json *j, const char *a, int64_t a_bytes, const char *b,
                        int64_t b_bytes) {
    tokenizer *t = r->t;
    int64_t mark = (int64_t)strlen(t->bpe.prefix);
    bool marked = mark && b_bytes >= mark && !memcmp(b, t->bpe.prefix, (size_t)mark);
    r->joined.length = 0;
    TRY(text_append(&r->joined, a, a_bytes));
    TRY(text_append(&r->joined, b + (marked ? mark : 0), b_bytes - (marked ? mark : 0)));
    int32_t left = vocab_find(&t->names, a, a_bytes), right = vocab_find(&t->names, b, b_bytes);
    int32_t both = vocab_find(&t->names, r->joined.bytes, r->joined.length);
    if (left < 0 || right < 0 || both < 0)
        return json_fail(j, STATUS_BAD_DATA, "merge %lld ('%.*s') is not of three tokens",
                         (long long)r->merge_count, (int)MIN_OF(r->joined.length, 100),
                         r->joined.bytes);
    return bpe_add_merge(&t->bpe, left, right, both, (uint32_t)r->merge_count++);
}

/* "left right" */
static status read_merge_text(reader *r, json *j) {
    json_text text;
    TRY(json_string(j, &text));
    const char *space =
        text.length > 1 ? memchr(text.bytes + 1, ' ', (size_t)text.length - 1) : NULL;
    if (!space) return json_fail(j, STATUS_BAD_DATA, "expected a merge of two tokens");
    int64_t left = space - text.bytes;
    return add_merge(r, j, text.bytes, left, space + 1, text.length - left - 1);
}

/* ["left", "right"] */
static status read_merge_pair(reader *r, json *j) {
    json_text text;
    bool more;
    TRY(json_enter_array(j));
    TRY(json_next_item(j, &more));
    if (!more) return json_fail(j, STATUS_BAD_DATA, "expected a merge of two tokens");
    TRY(json_string(j, &text));
    r->left.length = 0;
    TRY(text_append(&r->left, text.bytes, text.length));
    TRY(json_next_item(j, &more));
    if (!more) return json_fail(j, STATUS_BAD_DATA, "expected a merge of two tokens");
    TRY(json_string(j, &text));
    TRY(add_merge(r, j, r->left.bytes, r->left.length, text.bytes, text.length));
    TRY(json_next_item(j, &more));
    return more ? json_fail(j, STATUS_BAD_DATA, "expected a merge of two tokens") : STATUS_OK;
}

static status read_merges(reader *r, json *j) {
    TRY(json_enter_array(j));
    for (;;) {
        bool more;
        json_kind kind;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_peek(j, &kind));
        TRY(kind == JSON_ARRAY ? read_merge_pair(r, j) : read_merge_text(r, j));
    }
}

/* Passes over the next value and says where it lies. */
static status pass_over(json *j, const char **from, const char **to) {
    json_kind kind;
    TRY(json_peek(j, &kind));
    *from = j->at;
    TRY(json_skip(j));
    *to = j->at;
    return STATUS_OK;
}

static status read_bool(json *j, bool *out) {
    json_kind kind;
    TRY(json_peek(j, &kind));
    if (kind == JSON_NULL) return json_skip(j);
    return json_bool(j, out);
}

static status read_unknown_id(reader *r) {
    json_kind kind;
    int64_t id;
    TRY(json_peek(r->j, &kind));
    if (kind == JSON_NULL) return json_skip(r->j);
    TRY(json_integer(r->j, 0, VOCAB_MAX_ID, &id));
    r->t->unigram.unknown = (int32_t)id;
    return STATUS_OK;
}

static status read_unknown(reader *r) {
    json_token token;
    TRY(json_next(r->j, &token));
    if (token.kind == JSON_NULL) return STATUS_OK;
    if (token.kind != JSON_STRING)
        return json_fail(r->j, STATUS_BAD_DATA, "unk_token is not a string");
    const char *copy = arena_strndup(&r->t->mem, token.text.bytes, (size_t)token.text.length);
    r->unknown = (json_text){copy, token.text.length};
    return copy ? STATUS_OK : context_status(r->t->cx);
}

static status read_vocab(reader *r) {
    json_kind kind;
    TRY(json_peek(r->j, &kind));
    if (kind == JSON_OBJECT) return read_vocab_object(r, r->j);
    r->vocab_from = r->j->at;
    TRY(read_vocab_list(r, r->j, NULL));
    r->vocab_to = r->j->at;
    return STATUS_OK;
}

static status read_dropout(json *j) {
    json_token token;
    TRY(json_next(j, &token));
    bool none = token.kind == JSON_NULL || (token.kind == JSON_NUMBER && token.number == 0);
    return none ? STATUS_OK
                : json_fail(j, STATUS_UNSUPPORTED, "model.dropout: merges left out by chance");
}

static status read_key(reader *r, json_text key) {
    tokenizer *t = r->t;
    json *j = r->j;
    if (json_is(key, "type")) return short_text(j, r->type, sizeof r->type);
    if (json_is(key, "vocab")) return read_vocab(r);
    if (json_is(key, "merges"))
        return t->names.size ? read_merges(r, j) : pass_over(j, &r->merges_from, &r->merges_to);
    if (json_is(key, "unk_token")) return read_unknown(r);
    if (json_is(key, "unk_id")) return read_unknown_id(r);
    if (json_is(key, "dropout")) return read_dropout(j);
    if (json_is(key, "continuing_subword_prefix"))
        return short_text(j, t->bpe.prefix, sizeof t->bpe.prefix);
    if (json_is(key, "end_of_word_suffix"))
        return short_text(j, t->bpe.suffix, sizeof t->bpe.suffix);
    if (json_is(key, "fuse_unk")) return read_bool(j, &t->bpe.fuse_unknown);
    if (json_is(key, "byte_fallback")) return read_bool(j, &t->bpe.byte_fallback);
    if (json_is(key, "ignore_merges")) return read_bool(j, &t->bpe.ignore_merges);
    if (json_is(key, "max_input_chars_per_word"))
        return json_integer(j, 0, INT32_MAX, &t->wordpiece.longest_word);
    return json_fail(j, STATUS_UNSUPPORTED, "model.%.*s is not understood",
                     (int)MIN_OF(key.length, 100), key.bytes);
}

static status settle_type(reader *r) {
    tokenizer *t = r->t;
    if (!*r->type) /* files of before 2020 do not say */
        strcpy(r->type, r->vocab_from                          ? "Unigram"
                        : t->bpe.merge_slots || r->merges_from ? "BPE"
                                                               : "");
    if (!strcmp(r->type, "BPE"))
        t->model = MODEL_BPE;
    else if (!strcmp(r->type, "Unigram"))
        t->model = MODEL_UNIGRAM;
    else if (!strcmp(r->type, "WordPiece"))
        t->model = MODEL_WORDPIECE;
    else if (!strcmp(r->type, "WordLevel"))
        t->model = MODEL_WORDS;
    else
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "'%s': model.type '%s' is none of BPE, Unigram, WordPiece, WordLevel", r->j->name,
             r->type);
    if ((t->model == MODEL_UNIGRAM) != (r->vocab_from != NULL))
        FAIL(t->cx, STATUS_BAD_DATA, "'%s': model.vocab is not of the kind of a %s model",
             r->j->name, r->type);
    return STATUS_OK;
}

/* What was passed over, and what depends on the whole vocabulary. */
static status settle(reader *r) {
    tokenizer *t = r->t;
    TRY(settle_type(r));
    if (r->merges_from) {
        json late =
            json_make(t->cx, r->j->name, r->merges_from, r->merges_to - r->merges_from, NULL);
        status st = read_merges(r, &late);
        json_free(&late);
        TRY(st);
    }
    if (r->vocab_from) {
        t->scores = ARENA_NEW(&t->mem, double, t->names.size + 1);
        if (!t->scores) return context_status(t->cx);
        json again = json_make(t->cx, r->j->name, r->vocab_from, r->vocab_to - r->vocab_from, NULL);
        status st = read_vocab_list(r, &again, t->scores);
        json_free(&again);
        TRY(st);
        t->unigram.byte_fallback = t->bpe.byte_fallback;
        if (t->unigram.unknown >= t->names.size)
            FAIL(t->cx, STATUS_BAD_DATA, "'%s': model.unk_id %d is no token", r->j->name,
                 t->unigram.unknown);
    }
    t->model_size = t->names.size;
    strcpy(t->wordpiece.prefix, t->bpe.prefix);
    if (!r->unknown.bytes) return STATUS_OK;
    int32_t id = vocab_find(&t->names, r->unknown.bytes, r->unknown.length);
    t->bpe.unknown = t->wordpiece.unknown = id;
    return STATUS_OK;
}

status tokenizer_json_model(tokenizer *t, json *j) {
    reader r = {.t = t, .j = j, .joined.cx = t->cx, .left.cx = t->cx};
    status st;
    TRY_GOTO(done, json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY_GOTO(done, json_next_key(j, &more, &key));
        if (!more) break;
        TRY_GOTO(done, read_key(&r, key));
    }
    st = settle(&r);
done:
    text_free(&r.joined);
    text_free(&r.left);
    return st;
}
