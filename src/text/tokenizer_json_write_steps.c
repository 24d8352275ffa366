/* Steps before and behind the model, as the `tokenizers` library names them. What it has no step for is made of its
 * replacements. */
#include "text/tokenizer_json_write.h"

static void begin(json_writer *j, const char *type) {
    json_write_object(j);
    json_write_string_field(j, "type", type);
}

static void write_text_field(json_writer *j, const char *key, const char *text, int64_t length) {
    json_write_key(j, key);
    json_write_text(j, text, length);
}

/* Opens the list of a step that is several, where it is not one or none. */
static void open_list(json_writer *j, bool is_list, const char *key) {
    if (!is_list) return;
    begin(j, "Sequence");
    json_write_key(j, key);
    json_write_array(j);
}

static void close_list(json_writer *j, bool is_list) {
    if (!is_list) return;
    json_write_array_end(j);
    json_write_object_end(j);
}

static void write_pattern(json_writer *j, bool literal, const char *text, int64_t length) {
    json_write_key(j, "pattern");
    json_write_object(j);
    write_text_field(j, literal ? "String" : "Regex", text, length);
    json_write_object_end(j);
}

static void write_replace(json_writer *j, bool literal, const char *from, const char *to) {
    begin(j, "Replace");
    write_pattern(j, literal, from, (int64_t)strlen(from));
    json_write_string_field(j, "content", to);
    json_write_object_end(j);
}

/* ---- normalizers ---- */

static void write_base64(json_writer *j, const char *bytes, int64_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text_buffer text = {.cx = j->cx};
    status st = text_reserve(&text, (length + 2) / 3 * 4);
    for (int64_t i = 0; i < length && st == STATUS_OK; i += 3) {
        uint32_t bits = 0;
        char four[4];
        for (int64_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < length ? (unsigned char)bytes[i + k] : 0);
        for (int k = 0; k < 4; k++) four[k] = digits[bits >> (18 - 6 * k) & 63];
        for (int64_t k = length - i + 1; k < 4; k++) four[k] = '=';
        st = text_append(&text, four, 4);
    }
    if (st == STATUS_OK)
        json_write_text(j, text.bytes, text.length);
    else if (j->st == STATUS_OK)
        j->st = st;
    text_free(&text);
}

static void write_normal(json_writer *j, const normal *n) {
    static const char *const plain[] = {
        [NORMAL_LOWER] = "Lowercase",      [NORMAL_STRIP_ACCENTS] = "StripAccents",
        [NORMAL_STRIP] = "Strip",          [NORMAL_REPLACE] = "Replace",
        [NORMAL_PREPEND] = "Prepend",      [NORMAL_BERT] = "BertNormalizer",
        [NORMAL_CHARSMAP] = "Precompiled", [NORMAL_NMT] = "Nmt"};
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
    if (n->kind == NORMAL_SQUEEZE) {
        write_replace(j, false, "\\A +| +\\z", "");
        write_replace(j, false, " {2,}", " ");
        return;
    }
    begin(j, n->kind == NORMAL_FORM ? forms[n->form] : plain[n->kind]);
    if (n->kind == NORMAL_STRIP) {
        json_write_bool_field(j, "strip_left", n->left);
        json_write_bool_field(j, "strip_right", n->right);
    } else if (n->kind == NORMAL_REPLACE) {
        write_pattern(j, n->pattern.literal, n->pattern.text, n->pattern.text_bytes);
        write_text_field(j, "content", n->text, n->length);
    } else if (n->kind == NORMAL_PREPEND) {
        write_text_field(j, "prepend", n->text, n->length);
    } else if (n->kind == NORMAL_BERT) {
        json_write_bool_field(j, "clean_text", n->clean);
        json_write_bool_field(j, "handle_chinese_chars", n->chinese);
        json_write_bool_field(j, "strip_accents", n->accents);
        json_write_bool_field(j, "lowercase", n->lower);
    } else if (n->kind == NORMAL_CHARSMAP) {
        json_write_key(j, "precompiled_charsmap");
        write_base64(j, n->text, n->length);
    }
    json_write_object_end(j);
}

void tokenizer_write_normalizer(json_writer *j, const tokenizer *t) {
    bool is_list = t->normal_count > 1 || (t->normal_count && t->normals->kind == NORMAL_SQUEEZE);
    if (!t->normal_count) json_write_null(j);
    open_list(j, is_list, "normalizers");
    for (int64_t i = 0; i < t->normal_count; i++) write_normal(j, &t->normals[i]);
    close_list(j, is_list);
}

/* ---- pre-tokenizers ---- */

static void write_byte_level(json_writer *j, bool add_space, bool regex) {
    begin(j, "ByteLevel");
    json_write_bool_field(j, "add_prefix_space", add_space);
    json_write_bool_field(j, "trim_offsets", true);
    json_write_bool_field(j, "use_regex", regex);
    json_write_object_end(j);
}

static void write_behavior(json_writer *j, pretoken_behavior behavior) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    json_write_string_field(j, "behavior", names[behavior]);
}

static void write_pretoken(json_writer *j, const pretoken *p) {
    static const char *const types[] = {
        [PRETOKEN_PATTERN] = "Split",       [PRETOKEN_SPACES] = "WhitespaceSplit",
        [PRETOKEN_WORDS] = "Whitespace",    [PRETOKEN_PUNCTUATION] = "Punctuation",
        [PRETOKEN_DIGITS] = "Digits",       [PRETOKEN_METASPACE] = "Metaspace",
        [PRETOKEN_LEAD_SPACE] = "ByteLevel"};
    static const char *const schemes[] = {"never", "first", "always"};
    begin(j, types[p->kind]);
    if (p->kind == PRETOKEN_PATTERN) {
        write_pattern(j, p->pattern.literal, p->pattern.text, p->pattern.text_bytes);
        write_behavior(j, p->behavior);
        json_write_bool_field(j, "invert", p->invert);
    } else if (p->kind == PRETOKEN_PUNCTUATION) {
        write_behavior(j, p->behavior);
    } else if (p->kind == PRETOKEN_DIGITS) {
        json_write_bool_field(j, "individual_digits", p->behavior == PRETOKEN_ISOLATED);
    } else if (p->kind == PRETOKEN_METASPACE) {
        write_text_field(j, "replacement", p->mark, p->mark_bytes);
        json_write_string_field(j, "prepend_scheme", schemes[p->scheme]);
        json_write_bool_field(j, "split", p->split);
    }
    json_write_object_end(j);
}

/* GPT-2's own pattern, which ByteLevel has in itself. */
static bool is_gpt2(const pretoken *p) {
    const char *gpt2 = scan_pattern("gpt2");
    return p->kind == PRETOKEN_PATTERN && p->pattern.rule && !p->invert &&
           p->behavior == PRETOKEN_ISOLATED && p->pattern.text_bytes == (int64_t)strlen(gpt2) &&
           !memcmp(p->pattern.text, gpt2, strlen(gpt2));
}

/* ByteLevel is one step of the file where here a space in front, GPT-2's pattern and the bytes are three. */
void tokenizer_write_pretokenizer(json_writer *j, const tokenizer *t) {
    const pretoken *p = t->pretokens;
    int64_t n = t->pretoken_count, tail = n, lead = -1;
    bool regex = t->byte_level && n && is_gpt2(&p[n - 1]);
    tail -= regex;
    for (int64_t i = 0; i < n; i++)
        if (p[i].kind == PRETOKEN_LEAD_SPACE) lead = i;
    bool ends = t->byte_level && (lead < 0 || lead == tail - 1); /* the bytes are the last step */
    if (ends && lead >= 0)
        tail--;
    else if (!ends)
        tail = n;
    int64_t steps = tail + ends;
    if (!steps) json_write_null(j);
    open_list(j, steps > 1, "pretokenizers");
    for (int64_t i = 0; i < tail; i++) {
        bool inside = i == lead && i + 1 < tail && is_gpt2(&p[i + 1]);
        if (i == lead)
            write_byte_level(j, true, inside);
        else
            write_pretoken(j, &p[i]);
        i += inside;
    }
    if (ends) write_byte_level(j, lead >= 0, regex);
    close_list(j, steps > 1);
}

/* ---- decoders ---- */

void tokenizer_write_decoder(json_writer *j, const tokenizer *t) {
    const decode_rule *d = &t->decode;
    if (t->byte_level) {
        write_byte_level(j, true, true);
    } else if (d->spaced && *d->prefix) {
        begin(j, "WordPiece");
        json_write_string_field(j, "prefix", d->prefix);
        json_write_bool_field(j, "cleanup", d->cleanup);
        json_write_object_end(j);
    } else if (d->spaced) {
        json_write_null(j);
    } else {
        bool is_list = d->marks || d->byte_tokens || d->strip_first_space;
        open_list(j, is_list, "decoders");
        if (d->marks) write_replace(j, true, d->mark, " ");
        if (d->byte_tokens) {
            begin(j, "ByteFallback");
            json_write_object_end(j);
        }
        begin(j, "Fuse");
        json_write_object_end(j);
        if (d->strip_first_space) {
            begin(j, "Strip");
            json_write_string_field(j, "content", " ");
            json_write_integer_field(j, "start", 1);
            json_write_integer_field(j, "stop", 0);
            json_write_object_end(j);
        }
        close_list(j, is_list);
    }
}
