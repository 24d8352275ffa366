/* GPT-2's own pattern has a short form, ByteLevel with use_regex; any other is a Split before it. */
#include "text/tokenizer_write.h"
#include "base/json_write.h"
#include "text/scan.h"
#include "text/tokenizer_parts.h"

static bool is_special(const written_tokenizer *w, int32_t id) {
    for (int64_t i = 0; i < w->n_special; i++)
        if (w->special[i] == id) return true;
    return false;
}

/* The word as the file shows it, in `name`. */
static status show(const written_tokenizer *w, int32_t id, text_buffer *name) {
    int64_t length;
    const char *text = vocab_text(w->words, id, &length);
    name->length = 0;
    if (!w->bytes || is_special(w, id)) return text_append(name, text, length);
    for (int64_t i = 0; i < length; i++) {
        char shown[4];
        TRY(text_append(name, shown, byte_level_encode((unsigned char)text[i], shown)));
    }
    return STATUS_OK;
}

static void write_null(json_writer *j, const char *key) {
    json_write_key(j, key);
    json_write_null(j);
}

static void write_added(json_writer *j, const written_tokenizer *w) {
    static const char *const no[] = {"single_word", "lstrip", "rstrip", "normalized"};
    json_write_key(j, "added_tokens");
    json_write_array(j);
    for (int64_t i = 0; i < w->n_special; i++) {
        int64_t length;
        const char *text = vocab_text(w->words, w->special[i], &length);
        json_write_object(j);
        json_write_integer_field(j, "id", w->special[i]);
        json_write_key(j, "content");
        json_write_text(j, text, length);
        for (int64_t k = 0; k < COUNT_OF(no); k++) json_write_bool_field(j, no[k], false);
        json_write_bool_field(j, "special", true);
        json_write_object_end(j);
    }
    json_write_array_end(j);
}

static void write_byte_level(json_writer *j, bool add_space, bool regex) {
    json_write_object(j);
    json_write_string_field(j, "type", "ByteLevel");
    json_write_bool_field(j, "add_prefix_space", add_space);
    json_write_bool_field(j, "trim_offsets", true);
    json_write_bool_field(j, "use_regex", regex);
    json_write_object_end(j);
}

static void write_pretokenizer(json_writer *j, const written_tokenizer *w) {
    json_write_key(j, "pre_tokenizer");
    bool gpt2 = w->pattern && !strcmp(w->pattern, scan_pattern("gpt2"));
    if (!w->bytes) {
        json_write_null(j);
    } else if (!w->pattern || gpt2) {
        write_byte_level(j, false, gpt2);
    } else {
        json_write_object(j);
        json_write_string_field(j, "type", "Sequence");
        json_write_key(j, "pretokenizers");
        json_write_array(j);
        json_write_object(j);
        json_write_string_field(j, "type", "Split");
        json_write_key(j, "pattern");
        json_write_object(j);
        json_write_string_field(j, "Regex", w->pattern);
        json_write_object_end(j);
        json_write_string_field(j, "behavior", "Isolated");
        json_write_bool_field(j, "invert", false);
        json_write_object_end(j);
        write_byte_level(j, false, false);
        json_write_array_end(j);
        json_write_object_end(j);
    }
}

static void write_decoder(json_writer *j, const written_tokenizer *w) {
    write_null(j, "post_processor");
    json_write_key(j, "decoder");
    if (w->bytes) {
        write_byte_level(j, true, true);
        return;
    }
    json_write_object(j);
    json_write_string_field(j, "type", "Fuse");
    json_write_object_end(j);
}

static status write_model(json_writer *j, const written_tokenizer *w, text_buffer *name) {
    json_write_key(j, "model");
    json_write_object(j);
    json_write_string_field(j, "type", "BPE");
    write_null(j, "dropout");
    write_null(j, "unk_token");
    write_null(j, "continuing_subword_prefix");
    write_null(j, "end_of_word_suffix");
    json_write_bool_field(j, "fuse_unk", false);
    json_write_bool_field(j, "byte_fallback", false);
    json_write_bool_field(j, "ignore_merges", false);
    json_write_key(j, "vocab");
    json_write_object(j);
    for (int32_t id = 0; id < w->words->size; id++) {
        TRY(show(w, id, name));
        json_write_key_text(j, name->bytes, name->length);
        json_write_integer(j, id);
    }
    json_write_object_end(j);
    json_write_key(j, "merges");
    json_write_array(j);
    for (int64_t i = 0; i < w->n_merges; i++) {
        json_write_array(j);
        TRY(show(w, w->merges[i].left, name));
        json_write_text(j, name->bytes, name->length);
        TRY(show(w, w->merges[i].right, name));
        json_write_text(j, name->bytes, name->length);
        json_write_array_end(j);
    }
    json_write_array_end(j);
    json_write_object_end(j);
    return STATUS_OK;
}

status tokenizer_write(const written_tokenizer *w, text_buffer *out) {
    text_buffer name = {.cx = out->cx};
    json_writer j = json_writer_to_buffer(out->cx, 0);
    json_write_object(&j);
    json_write_string_field(&j, "version", "1.0");
    write_null(&j, "truncation");
    write_null(&j, "padding");
    write_added(&j, w);
    write_null(&j, "normalizer");
    write_pretokenizer(&j, w);
    write_decoder(&j, w);
    status st = write_model(&j, w, &name);
    json_write_object_end(&j);
    if (st == STATUS_OK) st = json_writer_finish(&j);
    if (st == STATUS_OK) st = text_append(out, j.bytes, j.size);
    json_writer_free(&j);
    text_free(&name);
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
