/* What is derived from a tokenizer's parts: the bytes of byte-level tokens, the tries of added
 * tokens, the places where unbroken text may be cut, and what each id decodes to. */
#include "text/tokenizer_parts.h"

status tokenizer_new(context *cx, tokenizer **out) {
    tokenizer *t = context_zalloc(cx, sizeof *t);
    *out = t;
    if (!t) return context_status(cx);
    t->cx = cx;
    t->mem = arena_make(cx);
    vocab_init(&t->names, cx);
    vocab_init(&t->words, cx);
    vocab_init(&t->pieces, cx);
    vocab_init(&t->cut_joins, cx);
    bpe_init(&t->bpe, cx, &t->names);
    t->unigram = (unigram){.tokens.cx = cx, .unknown = -1};
    t->wordpiece = (wordpiece){.words = &t->names, .unknown = -1, .longest_word = 100};
    t->plain_added.cx = t->normalized_added.cx = cx;
    return STATUS_OK;
}

void tokenizer_free(tokenizer *t) {
    if (!t) return;
    for (int64_t i = 0; i < t->normal_count; i++)
        if (t->normals[i].kind == NORMAL_REPLACE) pattern_close(&t->normals[i].pattern);
    for (int64_t i = 0; i < t->pretoken_count; i++)
        if (t->pretokens[i].kind == PRETOKEN_PATTERN) pattern_close(&t->pretokens[i].pattern);
    vocab_free(&t->names);
    vocab_free(&t->words);
    vocab_free(&t->pieces);
    vocab_free(&t->cut_joins);
    bpe_free(&t->bpe);
    unigram_free(&t->unigram);
    trie_free(&t->plain_added);
    trie_free(&t->normalized_added);
    arena_free(&t->mem);
    context_release(t->cx, t);
}

int32_t tokenizer_size(const tokenizer *t) {
    return t->names.size;
}

int32_t tokenizer_find(const tokenizer *t, const char *text) {
    return vocab_find(&t->names, text, (int64_t)strlen(text));
}

bool tokenizer_is_special(const tokenizer *t, int32_t id) {
    return id >= 0 && id < t->names.size && t->special[id];
}

int32_t tokenizer_before(const tokenizer *t) {
    return t->before_count == 1 ? t->before[0] : -1;
}

int32_t tokenizer_after(const tokenizer *t) {
    return t->after_count == 1 ? t->after[0] : -1;
}

bool tokenizer_parts_lines(const tokenizer *t) {
    for (int64_t i = 0; i < t->normal_count; i++)
        if (t->normals[i].kind != NORMAL_FORM && t->normals[i].kind != NORMAL_LOWER) return false;
    bool characters = t->model == MODEL_BPE && !t->pretoken_count && !t->bpe.merge_slots;
    if (!t->pretoken_count) return characters;
    const pretoken *p = t->pretokens;
    return p->kind == PRETOKEN_PATTERN && p->pattern.rule && scan_parts_lines(p->pattern.rule) &&
           p->behavior == PRETOKEN_ISOLATED;
}

/* Special tokens are left out, so that text can never be taken for one. */
static bool may_find(const tokenizer *t, int32_t id) {
    return !t->special[id] && (!t->model_size || id < t->model_size);
}

static status finish_words(tokenizer *t) {
    text_buffer raw = {.cx = t->cx};
    status st = text_reserve(&raw, t->names.longest_bytes + 1);
    for (int32_t id = 0; id < t->names.size && st == STATUS_OK; id++) {
        int64_t length;
        const char *name = vocab_text(&t->names, id, &length);
        if (!name || !may_find(t, id)) continue;
        if (t->byte_level) {
            length = byte_level_decode(name, length, raw.bytes);
            name = raw.bytes;
        }
        if (length >= 0) st = vocab_add(&t->words, name, length, id);
    }
    text_free(&raw);
    TRY(st);
    t->bpe.words = t->wordpiece.words = &t->words;
    t->bpe.bytes = t->byte_level;
    for (int i = 0; i < 256 && t->byte_level; i++) {
        char byte = (char)i;
        t->bpe.byte_id[i] = vocab_find(&t->words, &byte, 1);
    }
    return STATUS_OK;
}

static status finish_added(tokenizer *t, bool normalized, trie *out) {
    trie_string *strings = ARENA_NEW(&t->mem, trie_string, t->added_count + 1);
    if (!strings) return context_status(t->cx);
    normal_work w;
    normal_work_init(&w, t->cx);
    int64_t count = 0;
    status st = STATUS_OK;
    for (int64_t i = 0; i < t->added_count && st == STATUS_OK; i++) {
        const added_token *a = t->added + i;
        if (a->normalized != normalized || !a->length) continue;
        const char *text = a->text;
        int64_t length = a->length;
        if (normalized && !a->verbatim)
            st = normal_run(t->normals, t->normal_count, &w, &text, &length);
        char *kept = st == STATUS_OK ? arena_strndup(&t->mem, text, (size_t)length) : NULL;
        if (!kept) {
            st = context_status(t->cx);
            break;
        }
        if (!length) continue;
        strings[count++] = (trie_string){kept, length, (int32_t)i};
        t->added_first[normalized][(uint8_t)*kept] = true;
    }
    normal_work_free(&w);
    TRY(st);
    return trie_build(out, t->cx, strings, count);
}

/* Characters that some token has right before the mark. */
static status finish_cuts(tokenizer *t) {
    static const char mark[] = "\u2581";
    const int64_t mark_bytes = sizeof mark - 1;
    bool may_cut = t->model == MODEL_BPE && !t->byte_level && !t->bpe.ignore_merges &&
                   !t->bpe.prefix[0] && !t->bpe.suffix[0] &&
                   vocab_find(&t->names, mark, mark_bytes) >= 0;
    if (!may_cut) return STATUS_OK;
    for (int32_t id = 0; id < t->names.size; id++) {
        int64_t length;
        const char *name = vocab_text(&t->names, id, &length);
        if (!name) continue;
        const char *at = name, *end = name + length;
        while (end - at > 1 &&
               (at = memmem(at + 1, (size_t)(end - at - 1), mark, (size_t)mark_bytes))) {
            const char *before = at - 1;
            while (before > name && ((unsigned char)*before & 0xC0) == 0x80) before--;
            if (vocab_find(&t->cut_joins, before, at - before) < 0)
                TRY(vocab_add(&t->cut_joins, before, at - before, t->cut_joins.size));
        }
    }
    memcpy(t->cut_mark, mark, sizeof mark);
    t->cut_mark_bytes = (int32_t)mark_bytes;
    return STATUS_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of <0xNN>, or -1. */
static int byte_token(const char *name, int64_t length) {
    if (length != 6 || memcmp(name, "<0x", 3) || name[5] != '>') return -1;
    int high = hex_digit(name[3]), low = hex_digit(name[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static status append_piece(const tokenizer *t, int32_t id, text_buffer *out) {
    int64_t length, mark = (int64_t)strlen(t->decode.mark);
    const char *name = vocab_text(&t->names, id, &length);
    if (t->byte_level) {
        const char *raw = vocab_text(&t->words, id, &length);
        if (raw) return text_append(out, raw, length);
        name = vocab_text(&t->names, id, &length);
    }
    int byte = t->decode.byte_tokens ? byte_token(name, length) : -1;
    if (byte >= 0) return text_append(out, &(char){(char)byte}, 1);
    for (int64_t at = 0; at < length;) {
        const char *found =
            mark ? memmem(name + at, (size_t)(length - at), t->decode.mark, (size_t)mark) : NULL;
        int64_t stop = found ? found - name : length;
        TRY(text_append(out, name + at, stop - at));
        if (found) TRY(text_append(out, " ", 1));
        at = found ? stop + mark : stop;
    }
    return STATUS_OK;
}

static status finish_pieces(tokenizer *t) {
    text_buffer piece = {.cx = t->cx};
    status st = STATUS_OK;
    for (int64_t i = 0; i < t->added_count && st == STATUS_OK; i++)
        st = vocab_add(&t->pieces, t->added[i].text, t->added[i].length, t->added[i].id);
    for (int32_t id = 0; id < t->names.size && st == STATUS_OK; id++) {
        int64_t length;
        if (!vocab_text(&t->names, id, &length) || vocab_text(&t->pieces, id, &length)) continue;
        piece.length = 0;
        st = append_piece(t, id, &piece);
        if (st == STATUS_OK) st = vocab_add(&t->pieces, piece.bytes, piece.length, id);
    }
    text_free(&piece);
    return st;
}

static status finish_unigram(tokenizer *t) {
    unigram *m = &t->unigram;
    trie_string *strings = ARENA_NEW(&t->mem, trie_string, t->names.size + 1);
    if (!strings) return context_status(t->cx);
    double least = 0;
    int64_t count = 0;
    for (int32_t id = 0; id < t->names.size; id++) {
        int64_t length;
        const char *name = vocab_text(&t->names, id, &length);
        if (!name || !length || !may_find(t, id)) continue;
        least = MIN_OF(least, t->scores[id]);
        strings[count++] = (trie_string){name, length, id};
    }
    m->scores = t->scores;
    m->unknown_score = m->single ? (double)(float)(least - 10) : least - 10;
    find_byte_tokens(&t->names, m->byte_id);
    return trie_build(&m->tokens, t->cx, strings, count);
}

status tokenizer_finish(tokenizer *t) {
    t->special = ARENA_NEW(&t->mem, bool, t->names.size + 1);
    if (!t->special) return context_status(t->cx);
    for (int64_t i = 0; i < t->added_count; i++) t->special[t->added[i].id] = t->added[i].special;
    if (t->model != MODEL_UNIGRAM) TRY(finish_words(t));
    if (t->model == MODEL_BPE && !t->byte_level) TRY(bpe_index_characters(&t->bpe));
    if (t->bpe.byte_fallback) find_byte_tokens(&t->names, t->bpe.byte_id);
    if (t->model == MODEL_UNIGRAM) TRY(finish_unigram(t));
    TRY(finish_added(t, false, &t->plain_added));
    TRY(finish_added(t, true, &t->normalized_added));
    TRY(finish_cuts(t));
    return finish_pieces(t);
}
