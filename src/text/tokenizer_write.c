/* The parts of a tokenizer are put together as a reader would, and written (tokenizer_json_write.h). */
#include "text/tokenizer_write.h"
#include "text/tokenizer_json_write.h"

/* The word as a token's name: the characters that show its bytes, but of special tokens. */
static status add_name(tokenizer *t, const written_tokenizer *w, int32_t id, bool special) {
    int64_t length;
    const char *text = vocab_text(w->words, id, &length);
    if (!w->bytes || special) return vocab_add(&t->names, text, length, id);
    text_buffer name = {.cx = t->cx};
    status st = text_reserve(&name, 4 * length);
    for (int64_t i = 0; i < length && st == STATUS_OK; i++)
        name.length += byte_level_encode((unsigned char)text[i], name.bytes + name.length);
    if (st == STATUS_OK) st = vocab_add(&t->names, name.bytes, name.length, id);
    text_free(&name);
    return st;
}

static status fill(tokenizer *t, const written_tokenizer *w) {
    t->added = ARENA_NEW(&t->mem, added_token, w->n_special + 1);
    if (!t->added) return context_status(t->cx);
    for (int32_t id = 0; id < w->words->size; id++) {
        bool special = t->added_count < w->n_special && w->special[t->added_count] == id;
        TRY(add_name(t, w, id, special));
        if (!special) continue;
        added_token *a = &t->added[t->added_count++];
        *a = (added_token){.id = id, .special = true};
        a->text = vocab_text(&t->names, id, &a->length);
        a->text = arena_strndup(&t->mem, a->text, (size_t)a->length);
        if (!a->text) return context_status(t->cx);
    }
    for (int64_t i = 0; i < w->n_merges; i++)
        TRY(bpe_add_merge(&t->bpe, w->merges[i].left, w->merges[i].right, 0, (uint32_t)i));
    t->byte_level = w->bytes;
    t->decode.raw = true;
    if (!w->bytes || !w->pattern) return STATUS_OK;
    pretoken *step = &t->pretokens[t->pretoken_count++];
    step->kind = PRETOKEN_PATTERN;
    return pattern_open(&step->pattern, t->cx, w->pattern, (int64_t)strlen(w->pattern));
}

status tokenizer_write(const written_tokenizer *w, text_buffer *out) {
    tokenizer *t;
    status st = tokenizer_new(out->cx, &t);
    if (st == STATUS_OK) st = fill(t, w);
    if (st == STATUS_OK) st = tokenizer_to_json(t, out);
    tokenizer_free(t);
    return st;
}

enum { MOST_SPECIAL = 256 };

/* Behind the words that are there. */
static status write_with_special(vocab *words, const char *const *special, int64_t n_special,
                                 bool bytes, text_buffer *out) {
    int32_t ids[MOST_SPECIAL];
    if (n_special > MOST_SPECIAL)
        FAIL(out->cx, STATUS_BAD_ARGUMENT, "more than %d special tokens", MOST_SPECIAL);
    for (int64_t i = 0; i < n_special; i++) {
        ids[i] = words->size;
        TRY(vocab_add(words, special[i], (int64_t)strlen(special[i]), words->size));
    }
    const written_tokenizer w = {
        .words = words, .special = ids, .n_special = n_special, .bytes = bytes};
    return tokenizer_write(&w, out);
}

status tokenizer_write_bytes(const char *const *special, int64_t n_special, text_buffer *out) {
    vocab words;
    vocab_init(&words, out->cx);
    status st = STATUS_OK;
    for (int i = 0; i < 256 && st == STATUS_OK; i++) {
        char byte = (char)i;
        st = vocab_add(&words, &byte, 1, i);
    }
    if (st == STATUS_OK) st = write_with_special(&words, special, n_special, true, out);
    vocab_free(&words);
    return st;
}

status tokenizer_write_characters(const uint32_t *characters, int64_t count,
                                  const char *const *special, int64_t n_special, text_buffer *out) {
    vocab words;
    vocab_init(&words, out->cx);
    status st = STATUS_OK;
    for (int64_t i = 0; i < count && st == STATUS_OK; i++) {
        char text[4];
        st = vocab_add(&words, text, utf8_encode(characters[i], text), i);
    }
    if (st == STATUS_OK) st = write_with_special(&words, special, n_special, false, out);
    vocab_free(&words);
    return st;
}
