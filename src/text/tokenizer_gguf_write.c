#include "text/tokenizer_gguf_write.h"
#include "base/log.h"
#include "text/tokenizer_json_write.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

static const char mark[] = "\u2581";
enum { MARK_BYTES = sizeof mark - 1 };

typedef struct writer {
    const tokenizer *t;
    arena *memory;
    gguf_pair *pairs;
    int64_t count;
    int32_t *types; /* by id */
    int32_t size;   /* ids from tokenizer_size on are unused */
} writer;

static gguf_value array_of(gguf_type type, int64_t count, const void *items) {
    return (gguf_value){.type = GGUF_ARRAY, .item_type = type, .count = count, .items = items};
}

static gguf_string text_of(const char *text, int64_t length) {
    return (gguf_string){text, length};
}

static void put(writer *w, const char *key, gguf_value value) {
    w->pairs[w->count++] = (gguf_pair){key, value};
}

static void put_text(writer *w, const char *key, const char *text, int64_t length) {
    put(w, key, (gguf_value){.type = GGUF_STRING, .text = text_of(text, length)});
}

static void put_flag(writer *w, const char *key, bool value) {
    put(w, key, (gguf_value){.type = GGUF_BOOL, .integer = value});
}

static void put_id(writer *w, const char *key, int32_t id) {
    if (id >= 0) put(w, key, (gguf_value){.type = GGUF_U32, .integer = id});
}

/* ---- tokens ---- */

static status set_types(writer *w, int32_t unknown, const int32_t *byte_id) {
    const tokenizer *t = w->t;
    int32_t n = w->size;
    bool sided = false;
    w->types = ARENA_NEW(w->memory, int32_t, n + 1);
    if (!w->types) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < n; id++) {
        int64_t length;
        w->types[id] = vocab_text(&t->names, id, &length) ? TYPE_NORMAL : TYPE_UNUSED;
    }
    for (int i = 0; byte_id && i < 256; i++)
        if (byte_id[i] >= 0) w->types[byte_id[i]] = TYPE_BYTE;
    for (int64_t i = 0; i < t->added_count; i++) {
        const added_token *a = &t->added[i];
        w->types[a->id] = a->special ? TYPE_CONTROL : TYPE_USER;
        sided |= a->lstrip || a->rstrip || a->single_word;
    }
    if (unknown >= 0) w->types[unknown] = TYPE_UNKNOWN;
    if (sided)
        log_warning("GGUF cannot tell which added tokens take the space beside them, or are whole "
                    "words only: readers take the text as it is");
    return STATUS_OK;
}

/* WordPiece marks what begins a word there, and what continues one here. */
static status wordpiece_name(writer *w, const char *text, int64_t length, gguf_string *out) {
    const char *prefix = w->t->wordpiece.prefix;
    int64_t prefix_bytes = (int64_t)strlen(prefix);
    *out = text_of(text, length);
    if (length > 2 && *text == '[' && text[length - 1] == ']') return STATUS_OK;
    if (length > prefix_bytes && !memcmp(text, prefix, (size_t)prefix_bytes)) {
        *out = text_of(text + prefix_bytes, length - prefix_bytes);
        return STATUS_OK;
    }
    char *marked = arena_alloc(w->memory, (size_t)(MARK_BYTES + length));
    if (!marked) return STATUS_NO_MEMORY;
    memcpy(marked, mark, MARK_BYTES);
    memcpy(marked + MARK_BYTES, text, (size_t)length);
    *out = text_of(marked, MARK_BYTES + length);
    return STATUS_OK;
}

static status put_tokens(writer *w, int32_t unknown, const int32_t *byte_id) {
    const tokenizer *t = w->t;
    int32_t n = w->size;
    gguf_string *texts = ARENA_NEW(w->memory, gguf_string, n + 1);
    if (!texts) return STATUS_NO_MEMORY;
    TRY(set_types(w, unknown, byte_id));
    for (int32_t id = 0; id < n; id++) {
        int64_t length;
        const char *text = vocab_text(&t->names, id, &length);
        if (!text) {
            text = arena_printf(w->memory, "[PAD%d]", id);
            if (!text) return STATUS_NO_MEMORY;
            length = (int64_t)strlen(text);
        }
        texts[id] = text_of(text, length);
        if (t->model == MODEL_WORDPIECE && w->types[id] == TYPE_NORMAL)
            TRY(wordpiece_name(w, text, length, &texts[id]));
    }
    put(w, "tokenizer.ggml.tokens",
        (gguf_value){.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = n, .texts = texts});
    put(w, "tokenizer.ggml.token_type", array_of(GGUF_I32, n, w->types));
    return STATUS_OK;
}

/* "left right" in the order in which they join. */
static status put_merges(writer *w) {
    const tokenizer *t = w->t;
    const bpe_merge *merges;
    int64_t n;
    TRY(tokenizer_merges(t, w->memory, &merges, &n));
    gguf_string *texts = ARENA_NEW(w->memory, gguf_string, n + 1);
    if (!texts) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t left_bytes, right_bytes;
        const char *left = vocab_text(&t->names, (int32_t)(merges[i].pair >> 32), &left_bytes);
        const char *right = vocab_text(&t->names, (int32_t)merges[i].pair, &right_bytes);
        char *both = arena_alloc(w->memory, (size_t)(left_bytes + right_bytes + 1));
        if (!both) return STATUS_NO_MEMORY;
        memcpy(both, left, (size_t)left_bytes);
        both[left_bytes] = ' ';
        memcpy(both + left_bytes + 1, right, (size_t)right_bytes);
        texts[i] = text_of(both, left_bytes + right_bytes + 1);
    }
    put(w, "tokenizer.ggml.merges",
        (gguf_value){.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = n, .texts = texts});
    return STATUS_OK;
}

static status put_scores(writer *w, const float *scores) {
    put(w, "tokenizer.ggml.scores", array_of(GGUF_F32, w->size, scores));
    return STATUS_OK;
}

/* ---- byte-level BPE ---- */

/* GGUF has no place for normalisers. Text that comes in another normal form than NFC is rare, so that is told and
 * left out, as llama.cpp does; any other is refused. */
static status put_byte_level(writer *w) {
    const tokenizer *t = w->t;
    const char *pre = tokenizer_gguf_pre(t);
    if (!pre)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF has no name for the pattern by which this tokenizer cuts text");
    for (int64_t i = 0; i < t->normal_count; i++) {
        if (t->normals[i].kind != NORMAL_FORM || t->normals[i].form != UNICODE_NFC)
            FAIL(t->cx, STATUS_UNSUPPORTED, "GGUF cannot tell how this tokenizer normalises text");
        log_warning("GGUF cannot tell that text is brought to NFC: readers take it as it comes");
    }
    put_text(w, "tokenizer.ggml.model", "gpt2", 4);
    put_text(w, "tokenizer.ggml.pre", pre, (int64_t)strcspn(pre, " "));
    TRY(put_tokens(w, -1, NULL));
    return put_merges(w);
}

/* ---- SentencePiece: BPE by scores, and unigram ---- */

/* What its steps say of spaces, in whichever way the file has them. */
typedef struct spaces {
    const normal *map; /* the compiled map, or NULL */
    bool squeeze, prefix, first_only, marked, split;
} spaces;

static bool replaces(const tokenizer *t, int64_t i, bool literal, const char *from,
                     const char *to) {
    const normal *n = &t->normals[i];
    return i < t->normal_count && n->kind == NORMAL_REPLACE && n->pattern.literal == literal &&
           n->pattern.text_bytes == (int64_t)strlen(from) &&
           !memcmp(n->pattern.text, from, strlen(from)) && n->length == (int64_t)strlen(to) &&
           !memcmp(n->text, to, strlen(to));
}

static bool is_normal(const tokenizer *t, int64_t i, normal_kind kind) {
    return i < t->normal_count && t->normals[i].kind == kind;
}

/* False where there is any other step. */
static bool find_spaces(const tokenizer *t, spaces *s) {
    int64_t i = 0, k = 0;
    const pretoken *p = t->pretokens;
    *s = (spaces){0};
    if (is_normal(t, i, NORMAL_CHARSMAP)) s->map = &t->normals[i++];
    if (is_normal(t, i, NORMAL_STRIP) && t->normals[i].right) i++;
    if (replaces(t, i, false, "\\A +| +\\z", "")) i++;
    if (is_normal(t, i, NORMAL_SQUEEZE) || replaces(t, i, false, " {2,}", " ") ||
        replaces(t, i, false, " {2,}", mark))
        s->squeeze = i++ >= 0;
    if (is_normal(t, i, NORMAL_PREPEND) && t->normals[i].length == MARK_BYTES &&
        !memcmp(t->normals[i].text, mark, MARK_BYTES))
        s->prefix = i++ >= 0;
    if (replaces(t, i, true, " ", mark)) s->marked = i++ >= 0;
    if (k < t->pretoken_count && p[k].kind == PRETOKEN_SPACES && s->map) s->squeeze = k++ >= 0;
    if (k < t->pretoken_count && p[k].kind == PRETOKEN_METASPACE && !strcmp(p[k].mark, mark)) {
        s->marked = true;
        s->prefix |= p[k].scheme != PRETOKEN_NEVER;
        s->first_only = p[k].scheme == PRETOKEN_FIRST;
        s->split = p[k++].split;
    } else if (k < t->pretoken_count && p[k].kind == PRETOKEN_PATTERN && p[k].pattern.literal &&
               p[k].pattern.text_bytes == 1 && *p[k].pattern.text == ' ') {
        k++; /* there are none any more */
    }
    return s->marked && i == t->normal_count && k == t->pretoken_count;
}

/* The next merge from `i` on that does not make a token of the user's. Where these read in the text they are found
 * before there are merges, so that their order does not count; what is left are runs of marks, which join from the
 * left by any order. */
static int64_t next_ordered(const writer *w, const bpe_merge *merges, int64_t count, int64_t i) {
    while (i < count && w->types[merges[i].joined] == TYPE_USER) i++;
    return i;
}

static bool same_order(const writer *w, const bpe_merge *a, const bpe_merge *b, int64_t count) {
    int64_t i = next_ordered(w, a, count, 0), k = next_ordered(w, b, count, 0);
    while (i < count && k < count && a[i].joined == b[k].joined) {
        i = next_ordered(w, a, count, i + 1);
        k = next_ordered(w, b, count, k + 1);
    }
    return i == count && k == count;
}

/* A score for each token, by which SentencePiece finds the merges that the file lists: less the later the token's first
 * merge comes. Refused where no scores say the same. */
static status scores_of_merges(writer *w, const float **out) {
    const tokenizer *t = w->t;
    int32_t size = tokenizer_size(t);
    const bpe_merge *merges, *back;
    int64_t count, back_count;
    float *scores = ARENA_NEW(w->memory, float, w->size + 1);
    bool *skip = ARENA_NEW(w->memory, bool, size + 1);
    tokenizer *again = NULL;
    if (!scores || !skip) return STATUS_NO_MEMORY;
    TRY(tokenizer_merges(t, w->memory, &merges, &count));
    for (int32_t id = 0; id < size; id++) {
        scores[id] = (float)-count;
        skip[id] = w->types[id] != TYPE_NORMAL && w->types[id] != TYPE_USER;
    }
    int64_t rank = 0;
    for (int64_t i = 0; i < count; i++)
        if (scores[merges[i].joined] == (float)-count) scores[merges[i].joined] = (float)-rank++;
    status st = tokenizer_new(t->cx, &again);
    if (st == STATUS_OK) again->bpe.words = &t->names;
    if (st == STATUS_OK) st = bpe_merges_from_scores(&again->bpe, scores, skip);
    if (st == STATUS_OK) st = tokenizer_merges(again, w->memory, &back, &back_count);
    bool same = st == STATUS_OK && count == back_count && same_order(w, merges, back, count);
    tokenizer_free(again);
    TRY(st);
    if (!same)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF holds scores where this tokenizer lists merges, and no scores say the same");
    *out = scores;
    return STATUS_OK;
}

static status float_scores(writer *w, const float **out) {
    int32_t size = tokenizer_size(w->t);
    float *scores = ARENA_NEW(w->memory, float, w->size + 1);
    if (!scores) return STATUS_NO_MEMORY;
    int32_t model_size = w->t->model_size ? w->t->model_size : size;
    for (int32_t id = 0; id < MIN_OF(size, model_size); id++) scores[id] = (float)w->t->scores[id];
    *out = scores;
    return STATUS_OK;
}

static status put_sentencepiece(writer *w) {
    const tokenizer *t = w->t;
    bool unigram = t->model == MODEL_UNIGRAM;
    const float *scores;
    spaces s;
    if (!find_spaces(t, &s) || (!unigram && (s.map || s.squeeze || s.split)))
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF cannot tell how this tokenizer normalises or cuts text");
    if (*t->bpe.prefix || *t->bpe.suffix || t->bpe.ignore_merges)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF cannot tell that tokens are marked by their place in a word, or ignore merges");
    if (s.first_only)
        log_warning("GGUF cannot tell that only the start of a text gets a space in front: readers "
                    "put one behind special tokens too");
    put_text(w, "tokenizer.ggml.model", unigram ? "t5" : "llama", unigram ? 2 : 5);
    put_text(w, "tokenizer.ggml.pre", "default", 7);
    if (unigram)
        TRY(put_tokens(w, t->unigram.unknown,
                       t->unigram.byte_fallback ? t->unigram.byte_id : NULL));
    else
        TRY(put_tokens(w, t->bpe.unknown, t->bpe.byte_fallback ? t->bpe.byte_id : NULL));
    TRY(t->scores ? float_scores(w, &scores) : scores_of_merges(w, &scores));
    TRY(put_scores(w, scores));
    put_flag(w, "tokenizer.ggml.add_space_prefix", s.prefix);
    if (unigram) put_flag(w, "tokenizer.ggml.remove_extra_whitespaces", s.squeeze);
    if (s.map)
        put(w, "tokenizer.ggml.precompiled_charsmap",
            array_of(GGUF_U8, s.map->length, s.map->text));
    put_id(w, "tokenizer.ggml.unknown_token_id", unigram ? t->unigram.unknown : t->bpe.unknown);
    return STATUS_OK;
}

/* ---- WordPiece ---- */

static status put_wordpiece(writer *w) {
    const tokenizer *t = w->t;
    const normal *n = t->normals;
    const pretoken *p = t->pretokens;
    bool plain = t->normal_count == 1 && n->kind == NORMAL_BERT && n->clean && n->chinese &&
                 n->accents && n->lower && t->pretoken_count == 2 && p[0].kind == PRETOKEN_SPACES &&
                 p[1].kind == PRETOKEN_PUNCTUATION && p[1].behavior == PRETOKEN_ISOLATED &&
                 !strcmp(t->wordpiece.prefix, "##") && t->wordpiece.longest_word == 100;
    if (!plain)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF has WordPiece as BERT's uncased models have it, and this is another kind");
    put_text(w, "tokenizer.ggml.model", "bert", 4);
    put_text(w, "tokenizer.ggml.pre", "default", 7);
    TRY(put_tokens(w, -1, NULL));
    put_id(w, "tokenizer.ggml.unknown_token_id", t->wordpiece.unknown);
    put_id(w, "tokenizer.ggml.cls_token_id", tokenizer_before(t));
    put_id(w, "tokenizer.ggml.seperator_token_id", tokenizer_after(t));
    return STATUS_OK;
}

status tokenizer_gguf_pairs(const tokenizer *t, int64_t vocabulary, arena *memory,
                            gguf_pair pairs[TOKENIZER_GGUF_PAIRS], int64_t *count) {
    writer w = {.t = t, .memory = memory, .pairs = pairs};
    w.size = (int32_t)MAX_OF(tokenizer_size(t), MIN_OF(vocabulary, VOCAB_MAX_ID));
    if (t->before_count > 1 || t->after_count > 1)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF cannot tell that several tokens stand before or behind a text");
    if (t->model == MODEL_BPE && t->byte_level)
        TRY(put_byte_level(&w));
    else if (t->model == MODEL_BPE || t->model == MODEL_UNIGRAM)
        TRY(put_sentencepiece(&w));
    else if (t->model == MODEL_WORDPIECE)
        TRY(put_wordpiece(&w));
    else
        FAIL(t->cx, STATUS_UNSUPPORTED, "GGUF has no tokenizers of whole words");
    put_flag(&w, "tokenizer.ggml.add_bos_token", t->before_count == 1);
    put_flag(&w, "tokenizer.ggml.add_eos_token", t->after_count == 1);
    *count = w.count;
    return STATUS_OK;
}
