/* Steps write in turn into two buffers.
 *
 * SentencePiece's compiled map: four bytes (little-endian) for the size of a double-array trie, the
 * trie's 32-bit units, then replacement strings closed by zeros. A unit holds (as in Darts-clone)
 * the offset to its children, the label, whether it has a leaf, or a leaf's value: the place of the
 * replacement. At each place the longest match is taken; the published library first looks a whole
 * grapheme cluster up, which gives the same wherever a cluster's map begins with its base. */
#include "text/normal.h"
#include <assert.h>

void normal_work_init(normal_work *w, context *cx) {
    *w = (normal_work){.text = {{.cx = cx}, {.cx = cx}}, .spans = {.cx = cx}};
}

void normal_work_free(normal_work *w) {
    text_free(w->text);
    text_free(w->text + 1);
    span_free(&w->spans);
}

static uint32_t unit_at(const char *map, uint32_t index) {
    const unsigned char *p = (const unsigned char *)map + 4 + 4 * (int64_t)index;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t trie_units(const char *map) {
    const unsigned char *p = (const unsigned char *)map;
    return (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24) / 4;
}

status normal_check_charsmap(context *cx, const char *map, int64_t length) {
    if (length < 8 || (int64_t)trie_units(map) * 4 + 4 > length || !trie_units(map) ||
        (length > (int64_t)trie_units(map) * 4 + 4 && map[length - 1]))
        FAIL(cx, STATUS_BAD_DATA, "the character map (%lld bytes) is not whole", (long long)length);
    return STATUS_OK;
}

static uint32_t unit_offset(uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* The replacement of the longest prefix that has one; *taken is its bytes, 0 without one. */
static const char *longest_match(const normal *n, const char *text, int64_t length,
                                 int64_t *taken) {
    uint32_t units = trie_units(n->text), node = 0;
    int64_t strings = 4 + 4 * (int64_t)units, found = -1;
    *taken = 0;
    uint32_t unit = unit_at(n->text, 0);
    node ^= unit_offset(unit);
    for (int64_t i = 0; i < length; i++) {
        uint32_t label = (unsigned char)text[i];
        node ^= label;
        if (node >= units) break;
        unit = unit_at(n->text, node);
        if ((unit & ((1u << 31) | 0xFF)) != label) break;
        node ^= unit_offset(unit);
        if ((unit >> 8) & 1) {
            if (node >= units) break;
            found = unit_at(n->text, node) & 0x7FFFFFFF;
            *taken = i + 1;
        }
    }
    if (found < 0 || strings + found >= n->length) {
        *taken = 0;
        return NULL;
    }
    return n->text + strings + found;
}

static status charsmap(const normal *n, const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        int64_t taken;
        const char *replacement = longest_match(n, at, end - at, &taken);
        if (replacement) {
            TRY(text_append(out, replacement, (int64_t)strlen(replacement)));
        } else {
            uint32_t c;
            taken = unicode_next(at, end, &c);
            TRY(text_append(out, at, taken));
        }
        at += taken;
    }
    return STATUS_OK;
}

static bool is_chinese(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* Drops controls, makes all white space a space, sets Chinese characters apart. */
static status bert_clean(const normal *n, const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        uint32_t c;
        int bytes = unicode_next(at, end, &c);
        uint32_t f = unicode_flags(c);
        bool blank = c == '\t' || c == '\n' || c == '\r';
        bool invalid = c == UNICODE_INVALID && bytes == 1;
        bool dropped = !c || c == 0xFFFD || invalid || ((f & UNICODE_CONTROL) && !blank);
        if (n->clean && dropped) {
            at += bytes;
            continue;
        }
        if (n->chinese && is_chinese(c)) {
            TRY(text_append(out, " ", 1));
            TRY(text_append(out, at, bytes));
            TRY(text_append(out, " ", 1));
        } else if (n->clean && (f & UNICODE_SPACE)) {
            TRY(text_append(out, " ", 1));
        } else {
            TRY(text_append(out, at, bytes));
        }
        at += bytes;
    }
    return STATUS_OK;
}

static status drop_class(uint32_t classes, const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length;
    TRY(text_reserve(out, length));
    for (const char *at = text; at < end;) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (!(unicode_flags(c) & classes)) TRY(text_append(out, at, n));
        at += n;
    }
    return STATUS_OK;
}

/* BERT does up to three things one after the other; each needs a buffer of its own. */
static status bert(const normal *n, const char *text, int64_t length, text_buffer *out) {
    text_buffer a = {.cx = out->cx}, b = {.cx = out->cx};
    status st;
    TRY_GOTO(done, bert_clean(n, text, length, n->accents || n->lower ? &a : out));
    if (n->accents) {
        TRY_GOTO(done, unicode_normalize(UNICODE_NFD, a.bytes, a.length, &b));
        a.length = 0;
        TRY_GOTO(done, drop_class(UNICODE_NONSPACING, b.bytes, b.length, n->lower ? &a : out));
    }
    if (n->lower) TRY_GOTO(done, unicode_lower(a.bytes, a.length, out));
done:
    text_free(&a);
    text_free(&b);
    return st;
}

static status nmt(const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        bool dropped = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                       c == 0x8F || c == 0x9F;
        bool space = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
        if (space)
            TRY(text_append(out, " ", 1));
        else if (!dropped)
            TRY(text_append(out, at, n));
        at += n;
    }
    return STATUS_OK;
}

static status replace_string(const normal *n, const char *text, int64_t length, text_buffer *out) {
    const char *at = text, *end = text + length, *found;
    const pattern *p = &n->pattern;
    TRY(text_reserve(out, length + length / 2));
    while (p->text_bytes &&
           (found = memmem(at, (size_t)(end - at), p->text, (size_t)p->text_bytes))) {
        TRY(text_append(out, at, found - at));
        TRY(text_append(out, n->text, n->length));
        at = found + p->text_bytes;
    }
    return text_append(out, at, end - at);
}

static status replace(const normal *n, normal_work *w, const char *text, int64_t length,
                      text_buffer *out) {
    if (n->pattern.literal) return replace_string(n, text, length, out);
    w->spans.count = 0;
    TRY(pattern_split(&n->pattern, text, length, &w->spans));
    for (int64_t i = 0; i < w->spans.count; i++) {
        text_span s = w->spans.spans[i];
        TRY(s.match ? text_append(out, n->text, n->length)
                    : text_append(out, text + s.from, s.to - s.from));
    }
    return STATUS_OK;
}

static status squeeze(const char *text, int64_t length, text_buffer *out) {
    TRY(text_reserve(out, length));
    while (length && text[length - 1] == ' ') length--;
    for (int64_t i = 0; i < length; i++)
        if (text[i] != ' ' || (i && text[i - 1] != ' ')) out->bytes[out->length++] = text[i];
    return STATUS_OK;
}

static void strip(const normal *n, const char **text, int64_t *length) {
    const char *at = *text, *end = at + *length;
    uint32_t c;
    while (n->left && at < end) {
        int bytes = unicode_next(at, end, &c);
        if (!(unicode_flags(c) & UNICODE_SPACE)) break;
        at += bytes;
    }
    while (n->right && at < end) {
        const char *last = end - 1;
        while (last > at && end - last < 4 && ((unsigned char)*last & 0xC0) == 0x80) last--;
        int bytes = unicode_next(last, end, &c);
        if (last + bytes != end || !(unicode_flags(c) & UNICODE_SPACE)) break;
        end = last;
    }
    *text = at;
    *length = end - at;
}

static status run_one(const normal *n, normal_work *w, const char *text, int64_t length,
                      text_buffer *out) {
    switch (n->kind) {
    case NORMAL_FORM:
        return unicode_normalize(n->form, text, length, out);
    case NORMAL_LOWER:
        return unicode_lower(text, length, out);
    case NORMAL_STRIP_ACCENTS:
        return drop_class(UNICODE_MARK, text, length, out);
    case NORMAL_REPLACE:
        return replace(n, w, text, length, out);
    case NORMAL_PREPEND:
        if (length) TRY(text_append(out, n->text, n->length));
        return text_append(out, text, length);
    case NORMAL_BERT:
        return bert(n, text, length, out);
    case NORMAL_CHARSMAP:
        return charsmap(n, text, length, out);
    case NORMAL_NMT:
        return nmt(text, length, out);
    default:
        assert(n->kind == NORMAL_SQUEEZE);
        return squeeze(text, length, out);
    }
}

status normal_run(const normal *steps, int64_t count, normal_work *w, const char **text,
                  int64_t *length) {
    int turn = 0;
    for (int64_t i = 0; i < count; i++) {
        if (steps[i].kind == NORMAL_STRIP) {
            strip(steps + i, text, length);
            continue;
        }
        text_buffer *out = w->text + turn;
        out->length = 0;
        TRY(text_reserve(out, 1));
        TRY(run_one(steps + i, w, *text, *length, out));
        *text = out->bytes;
        *length = out->length;
        turn ^= 1;
    }
    return STATUS_OK;
}
