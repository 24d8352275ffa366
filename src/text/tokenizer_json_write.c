/* The frame of the file, added tokens, the model, and what is put around a sequence. */
#include "text/tokenizer_json_write.h"
#include <stdlib.h>

static int by_rank(const void *a, const void *b) {
    const bpe_merge *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->joined != y->joined) return x->joined < y->joined ? -1 : 1;
    return x->pair < y->pair ? -1 : x->pair > y->pair;
}

status tokenizer_merges(const tokenizer *t, arena *memory, const bpe_merge **out, int64_t *count) {
    const bpe *b = &t->bpe;
    bpe_merge *merges = ARENA_NEW(memory, bpe_merge, b->merge_count + 1);
    if (!merges) return STATUS_NO_MEMORY;
    *count = 0;
    for (int64_t i = 0; i < b->merge_slots; i++)
        if (b->merges[i].pair != UINT64_MAX) merges[(*count)++] = b->merges[i];
    qsort(merges, (size_t)*count, sizeof *merges, by_rank);
    *out = merges;
    return STATUS_OK;
}

static void write_name(json_writer *j, const tokenizer *t, int32_t id) {
    int64_t length;
    const char *text = id < 0 ? NULL : vocab_text(&t->names, id, &length);
    if (text)
        json_write_text(j, text, length);
    else
        json_write_null(j);
}

static void write_string_or_null(json_writer *j, const char *key, const char *text) {
    json_write_key(j, key);
    if (*text)
        json_write_string(j, text);
    else
        json_write_null(j);
}

static void write_added(json_writer *j, const tokenizer *t) {
    json_write_array(j);
    for (int64_t i = 0; i < t->added_count; i++) {
        const added_token *a = &t->added[i];
        json_write_object(j);
        json_write_integer_field(j, "id", a->id);
        json_write_key(j, "content");
        json_write_text(j, a->text, a->length);
        json_write_bool_field(j, "single_word", a->single_word);
        json_write_bool_field(j, "lstrip", a->lstrip);
        json_write_bool_field(j, "rstrip", a->rstrip);
        json_write_bool_field(j, "normalized", a->normalized);
        json_write_bool_field(j, "special", a->special);
        json_write_object_end(j);
    }
    json_write_array_end(j);
}

/* ---- what is put around ---- */

static void write_around_token(json_writer *j, const tokenizer *t, int32_t id, int type) {
    json_write_object(j);
    json_write_key(j, "SpecialToken");
    json_write_object(j);
    json_write_key(j, "id");
    write_name(j, t, id);
    json_write_integer_field(j, "type_id", type);
    json_write_object_end(j);
    json_write_object_end(j);
}

static void write_sequence(json_writer *j, const tokenizer *t, int type) {
    for (int64_t i = 0; i < t->before_count; i++) write_around_token(j, t, t->before[i], type);
    json_write_object(j);
    json_write_key(j, "Sequence");
    json_write_object(j);
    json_write_string_field(j, "id", type ? "B" : "A");
    json_write_integer_field(j, "type_id", type);
    json_write_object_end(j);
    json_write_object_end(j);
    for (int64_t i = 0; i < t->after_count; i++) write_around_token(j, t, t->after[i], type);
}

static void write_around_ids(json_writer *j, const tokenizer *t) {
    json_write_object(j);
    for (int64_t i = 0; i < t->before_count + t->after_count; i++) {
        int32_t id = i < t->before_count ? t->before[i] : t->after[i - t->before_count];
        bool seen = false;
        for (int64_t k = 0; k < i; k++)
            seen |= id == (k < t->before_count ? t->before[k] : t->after[k - t->before_count]);
        if (seen) continue;
        int64_t length;
        const char *name = vocab_text(&t->names, id, &length);
        json_write_key_text(j, name, length);
        json_write_object(j);
        json_write_key(j, "id");
        write_name(j, t, id);
        json_write_key(j, "ids");
        json_write_array(j);
        json_write_integer(j, id);
        json_write_array_end(j);
        json_write_key(j, "tokens");
        json_write_array(j);
        write_name(j, t, id);
        json_write_array_end(j);
        json_write_object_end(j);
    }
    json_write_object_end(j);
}

static void write_processor(json_writer *j, const tokenizer *t) {
    if (!t->before_count && !t->after_count) {
        json_write_null(j);
        return;
    }
    json_write_object(j);
    json_write_string_field(j, "type", "TemplateProcessing");
    json_write_key(j, "single");
    json_write_array(j);
    write_sequence(j, t, 0);
    json_write_array_end(j);
    json_write_key(j, "pair");
    json_write_array(j);
    write_sequence(j, t, 0);
    write_sequence(j, t, 1);
    json_write_array_end(j);
    json_write_key(j, "special_tokens");
    write_around_ids(j, t);
    json_write_object_end(j);
}

/* ---- the model ---- */

/* Ids that were added behind the model's own stand among the added tokens alone. */
static int32_t model_size(const tokenizer *t) {
    return t->model_size ? t->model_size : t->names.size;
}

static void write_vocab(json_writer *j, const tokenizer *t) {
    json_write_key(j, "vocab");
    json_write_object(j);
    for (int32_t id = 0; id < model_size(t); id++) {
        int64_t length;
        const char *name = vocab_text(&t->names, id, &length);
        if (!name) continue;
        json_write_key_text(j, name, length);
        json_write_integer(j, id);
    }
    json_write_object_end(j);
}

static status write_bpe(json_writer *j, const tokenizer *t) {
    const bpe *b = &t->bpe;
    const bpe_merge *merges;
    int64_t count;
    arena memory = arena_make(t->cx);
    json_write_string_field(j, "type", "BPE");
    write_string_or_null(j, "dropout", "");
    json_write_key(j, "unk_token");
    write_name(j, t, b->unknown);
    write_string_or_null(j, "continuing_subword_prefix", b->prefix);
    write_string_or_null(j, "end_of_word_suffix", b->suffix);
    json_write_bool_field(j, "fuse_unk", b->fuse_unknown);
    json_write_bool_field(j, "byte_fallback", b->byte_fallback);
    json_write_bool_field(j, "ignore_merges", b->ignore_merges);
    write_vocab(j, t);
    json_write_key(j, "merges");
    json_write_array(j);
    status st = tokenizer_merges(t, &memory, &merges, &count);
    for (int64_t i = 0; i < count && st == STATUS_OK; i++) {
        json_write_array(j);
        write_name(j, t, (int32_t)(merges[i].pair >> 32));
        write_name(j, t, (int32_t)merges[i].pair);
        json_write_array_end(j);
    }
    json_write_array_end(j);
    arena_free(&memory);
    return st;
}

static status write_unigram(json_writer *j, const tokenizer *t) {
    json_write_string_field(j, "type", "Unigram");
    json_write_key(j, "unk_id");
    if (t->unigram.unknown < 0)
        json_write_null(j);
    else
        json_write_integer(j, t->unigram.unknown);
    json_write_key(j, "vocab");
    json_write_array(j);
    for (int32_t id = 0; id < model_size(t); id++) {
        int64_t length;
        if (!vocab_text(&t->names, id, &length))
            FAIL(t->cx, STATUS_UNSUPPORTED, "token %d of the unigram model is missing", id);
        json_write_array(j);
        write_name(j, t, id);
        json_write_number(j, t->scores[id]);
        json_write_array_end(j);
    }
    json_write_array_end(j);
    json_write_bool_field(j, "byte_fallback", t->unigram.byte_fallback);
    return STATUS_OK;
}

static status write_words(json_writer *j, const tokenizer *t) {
    const wordpiece *w = &t->wordpiece;
    bool pieces = t->model == MODEL_WORDPIECE;
    json_write_string_field(j, "type", pieces ? "WordPiece" : "WordLevel");
    json_write_key(j, "unk_token");
    if (w->unknown < 0)
        json_write_string(j, "[UNK]");
    else
        write_name(j, t, w->unknown);
    if (pieces) {
        json_write_string_field(j, "continuing_subword_prefix", w->prefix);
        json_write_integer_field(j, "max_input_chars_per_word", w->longest_word);
    }
    write_vocab(j, t);
    return STATUS_OK;
}

static status write_model(json_writer *j, const tokenizer *t) {
    json_write_object(j);
    TRY(t->model == MODEL_BPE       ? write_bpe(j, t)
        : t->model == MODEL_UNIGRAM ? write_unigram(j, t)
                                    : write_words(j, t));
    json_write_object_end(j);
    return STATUS_OK;
}

status tokenizer_to_json(const tokenizer *t, text_buffer *out) {
    json_writer j = json_writer_to_buffer(out->cx, 0);
    json_write_object(&j);
    json_write_string_field(&j, "version", "1.0");
    write_string_or_null(&j, "truncation", "");
    write_string_or_null(&j, "padding", "");
    json_write_key(&j, "added_tokens");
    write_added(&j, t);
    json_write_key(&j, "normalizer");
    tokenizer_write_normalizer(&j, t);
    json_write_key(&j, "pre_tokenizer");
    tokenizer_write_pretokenizer(&j, t);
    json_write_key(&j, "post_processor");
    write_processor(&j, t);
    json_write_key(&j, "decoder");
    tokenizer_write_decoder(&j, t);
    json_write_key(&j, "model");
    status st = write_model(&j, t);
    if (st == STATUS_OK) json_write_object_end(&j);
    if (st == STATUS_OK) st = json_writer_finish(&j);
    if (st == STATUS_OK) st = text_append(out, j.bytes, j.size);
    json_writer_free(&j);
    return st;
}
