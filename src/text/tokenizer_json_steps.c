/* Normalisers and pre-tokenisers of tokenizer.json. */
#include "text/tokenizer_json.h"
#include <stdio.h>

static status add_normal(tokenizer *t, normal n) {
    if (t->normal_count == NORMAL_MAX_STEPS)
        FAIL(t->cx, STATUS_UNSUPPORTED, "more than %d normalizers", NORMAL_MAX_STEPS);
    t->normals[t->normal_count++] = n;
    return STATUS_OK;
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static status add_charsmap(tokenizer *t, const tree *part) {
    const tree *map = tree_find(part, "precompiled_charsmap");
    if (!map || map->kind != JSON_STRING || !map->length) return STATUS_OK;
    char *bytes = arena_alloc(&t->mem, (size_t)map->length);
    if (!bytes) return context_status(t->cx);
    int64_t count = 0;
    uint32_t bits = 0;
    for (int64_t i = 0, held = 0; i < map->length && map->text[i] != '='; i++) {
        int digit = base64_digit(map->text[i]);
        if (digit < 0) FAIL(t->cx, STATUS_BAD_DATA, "precompiled_charsmap is not base64");
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes[count++] = (char)(bits >> held);
    }
    TRY(normal_check_charsmap(t->cx, bytes, count));
    return add_normal(t, (normal){.kind = NORMAL_CHARSMAP, .text = bytes, .length = count});
}

/* {"String": text} or {"Regex": text} */
static status open_pattern(tokenizer *t, const tree *part, pattern *out) {
    const tree *node = tree_find(part, "pattern");
    const tree *regex = tree_find(node, "Regex"), *text = tree_find(node, "String");
    if (regex && regex->kind == JSON_STRING)
        return pattern_open(out, t->cx, regex->text, regex->length);
    if (text && text->kind == JSON_STRING)
        return pattern_open_literal(out, t->cx, text->text, text->length);
    FAIL(t->cx, STATUS_BAD_DATA, "a pattern is neither String nor Regex");
}

static status add_replace(tokenizer *t, const tree *part) {
    const tree *content = tree_find(part, "content");
    normal n = {.kind = NORMAL_REPLACE};
    if (!content || content->kind != JSON_STRING)
        FAIL(t->cx, STATUS_BAD_DATA, "normalizer Replace has no content");
    n.text = content->text;
    n.length = content->length;
    TRY(open_pattern(t, part, &n.pattern));
    status st = add_normal(t, n);
    if (st != STATUS_OK) pattern_close(&n.pattern);
    return st;
}

static status add_bert(tokenizer *t, const tree *part) {
    bool lower = tree_bool(part, "lowercase", true);
    return add_normal(t, (normal){.kind = NORMAL_BERT,
                                  .clean = tree_bool(part, "clean_text", true),
                                  .chinese = tree_bool(part, "handle_chinese_chars", true),
                                  .accents = tree_bool(part, "strip_accents", lower),
                                  .lower = lower});
}

status tokenizer_json_normalizer(tokenizer *t, const tree *part) {
    static const struct {
        const char *type;
        normal normal;
    } plain[] = {{"NFC", {.kind = NORMAL_FORM, .form = UNICODE_NFC}},
                 {"NFD", {.kind = NORMAL_FORM, .form = UNICODE_NFD}},
                 {"NFKC", {.kind = NORMAL_FORM, .form = UNICODE_NFKC}},
                 {"NFKD", {.kind = NORMAL_FORM, .form = UNICODE_NFKD}},
                 {"Lowercase", {.kind = NORMAL_LOWER}},
                 {"StripAccents", {.kind = NORMAL_STRIP_ACCENTS}},
                 {"Nmt", {.kind = NORMAL_NMT}}};
    if (!part || part->kind == JSON_NULL) return STATUS_OK;
    const char *type = tree_text(part, "type", "");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_find(part, "normalizers");
        for (const tree *item = list ? list->first : NULL; item; item = item->next)
            TRY(tokenizer_json_normalizer(t, item));
        return STATUS_OK;
    }
    for (int64_t i = 0; i < COUNT_OF(plain); i++)
        if (!strcmp(type, plain[i].type)) return add_normal(t, plain[i].normal);
    if (!strcmp(type, "Precompiled")) return add_charsmap(t, part);
    if (!strcmp(type, "Replace")) return add_replace(t, part);
    if (!strcmp(type, "BertNormalizer")) return add_bert(t, part);
    if (!strcmp(type, "Strip"))
        return add_normal(t, (normal){.kind = NORMAL_STRIP,
                                      .left = tree_bool(part, "strip_left", true),
                                      .right = tree_bool(part, "strip_right", true)});
    if (!strcmp(type, "Prepend")) {
        const tree *text = tree_find(part, "prepend");
        if (!text || text->kind != JSON_STRING)
            FAIL(t->cx, STATUS_BAD_DATA, "normalizer Prepend has no text");
        return add_normal(
            t, (normal){.kind = NORMAL_PREPEND, .text = text->text, .length = text->length});
    }
    FAIL(t->cx, STATUS_UNSUPPORTED, "normalizer '%s'", type);
}

static status add_pretoken(tokenizer *t, pretoken p) {
    if (t->pretoken_count == PRETOKEN_MAX_STEPS) {
        if (p.kind == PRETOKEN_PATTERN) pattern_close(&p.pattern);
        FAIL(t->cx, STATUS_UNSUPPORTED, "more than %d pre-tokenizers", PRETOKEN_MAX_STEPS);
    }
    t->pretokens[t->pretoken_count++] = p;
    return STATUS_OK;
}

static status read_behavior(tokenizer *t, const tree *part, pretoken_behavior *out) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name = tree_text(part, "behavior", "Isolated");
    for (int i = 0; i < COUNT_OF(names); i++) {
        *out = (pretoken_behavior)i;
        if (!strcmp(name, names[i])) return STATUS_OK;
    }
    FAIL(t->cx, STATUS_UNSUPPORTED, "pre_tokenizer: behavior '%s'", name);
}

static status add_split(tokenizer *t, const tree *part) {
    pretoken p = {.kind = PRETOKEN_PATTERN, .invert = tree_bool(part, "invert", false)};
    TRY(read_behavior(t, part, &p.behavior));
    TRY(open_pattern(t, part, &p.pattern));
    return add_pretoken(t, p);
}

static status add_byte_level(tokenizer *t, const tree *part) {
    static const char gpt2[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    if (t->byte_level)
        FAIL(t->cx, STATUS_UNSUPPORTED, "pre_tokenizer ByteLevel twice: bytes of bytes");
    t->byte_level = true;
    if (tree_bool(part, "add_prefix_space", true))
        TRY(add_pretoken(t, (pretoken){.kind = PRETOKEN_LEAD_SPACE}));
    if (!tree_bool(part, "use_regex", true)) return STATUS_OK;
    pretoken p = {.kind = PRETOKEN_PATTERN};
    TRY(pattern_open(&p.pattern, t->cx, gpt2, sizeof gpt2 - 1));
    return add_pretoken(t, p);
}

static status add_metaspace(tokenizer *t, const tree *part) {
    bool add = tree_bool(part, "add_prefix_space", true);
    const char *mark = tree_text(part, "replacement", "\u2581");
    const char *scheme = tree_text(part, "prepend_scheme", add ? "always" : "never");
    pretoken p = {.kind = PRETOKEN_METASPACE, .split = tree_bool(part, "split", true)};
    p.mark_bytes = (int32_t)snprintf(p.mark, sizeof p.mark, "%s", mark);
    if (!*mark || p.mark_bytes >= (int32_t)sizeof p.mark)
        FAIL(t->cx, STATUS_BAD_DATA, "pre_tokenizer Metaspace: replacement '%s'", mark);
    if (!strcmp(scheme, "always"))
        p.scheme = PRETOKEN_ALWAYS;
    else if (!strcmp(scheme, "first"))
        p.scheme = PRETOKEN_FIRST;
    else if (strcmp(scheme, "never"))
        FAIL(t->cx, STATUS_UNSUPPORTED, "pre_tokenizer Metaspace: prepend_scheme '%s'", scheme);
    return add_pretoken(t, p);
}

static status add_delimiter(tokenizer *t, const tree *part) {
    const tree *text = tree_find(part, "delimiter");
    pretoken p = {.kind = PRETOKEN_PATTERN, .behavior = PRETOKEN_REMOVED};
    if (!text || text->kind != JSON_STRING)
        FAIL(t->cx, STATUS_BAD_DATA, "pre_tokenizer CharDelimiterSplit has no delimiter");
    TRY(pattern_open_literal(&p.pattern, t->cx, text->text, text->length));
    return add_pretoken(t, p);
}

static status add_simple(tokenizer *t, const char *type, const tree *part) {
    pretoken p = {0};
    if (!strcmp(type, "Whitespace"))
        return add_pretoken(t, (pretoken){.kind = PRETOKEN_WORDS, .behavior = PRETOKEN_REMOVED});
    if (!strcmp(type, "WhitespaceSplit"))
        return add_pretoken(t, (pretoken){.kind = PRETOKEN_SPACES, .behavior = PRETOKEN_REMOVED});
    if (!strcmp(type, "BertPreTokenizer")) {
        TRY(add_pretoken(t, (pretoken){.kind = PRETOKEN_SPACES, .behavior = PRETOKEN_REMOVED}));
        return add_pretoken(t, (pretoken){.kind = PRETOKEN_PUNCTUATION});
    }
    if (!strcmp(type, "Punctuation")) {
        p.kind = PRETOKEN_PUNCTUATION;
        TRY(read_behavior(t, part, &p.behavior));
        return add_pretoken(t, p);
    }
    if (!strcmp(type, "Digits")) {
        bool single = tree_bool(part, "individual_digits", false);
        p.kind = PRETOKEN_DIGITS;
        p.behavior = single ? PRETOKEN_ISOLATED : PRETOKEN_CONTIGUOUS;
        return add_pretoken(t, p);
    }
    FAIL(t->cx, STATUS_UNSUPPORTED, "pre_tokenizer '%s'", type);
}

status tokenizer_json_pretokenizer(tokenizer *t, const tree *part) {
    if (!part || part->kind == JSON_NULL) return STATUS_OK;
    const char *type = tree_text(part, "type", "");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_find(part, "pretokenizers");
        for (const tree *item = list ? list->first : NULL; item; item = item->next)
            TRY(tokenizer_json_pretokenizer(t, item));
        return STATUS_OK;
    }
    if (!strcmp(type, "ByteLevel")) return add_byte_level(t, part);
    if (!strcmp(type, "Split")) return add_split(t, part);
    if (!strcmp(type, "Metaspace")) return add_metaspace(t, part);
    if (!strcmp(type, "CharDelimiterSplit")) return add_delimiter(t, part);
    return add_simple(t, type, part);
}
