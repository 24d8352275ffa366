/* The lexer alternates between plain text, which runs to the next `{{`, `{%` or `{#`, and the inside of
 * a tag, which runs to its closing delimiter outside of all brackets. */
#include "text/template_lex.h"
#include "text/template_text.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BRACKETS = 256, LARGEST_SOURCE_BYTES = 1 << 24 };

typedef struct template_name {
    int64_t length_bytes;
    char text[];
} name;

typedef struct lexer {
    arena *a;
    template_tokens *out;
    const char *text; /* line ends made \n */
    int64_t length_bytes, at;
    int32_t line;
    char brackets[MOST_BRACKETS];
    int depth;
} lexer;

static status fail(const lexer *lx, const char *words, const char *detail, int detail_bytes) {
    return context_fail(lx->a->cx, STATUS_BAD_DATA, "line %d: %s%.*s", lx->line, words,
                        detail_bytes, detail);
}

static status names_grow(arena *a, template_tokens *t) {
    int64_t slots = t->name_slots ? t->name_slots * 2 : 64;
    name **names = ARENA_NEW(a, name *, slots);
    if (!names) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < t->name_slots; i++) {
        if (!t->names[i]) continue;
        uint64_t h = 5381;
        for (int64_t k = 0; k < t->names[i]->length_bytes; k++)
            h = h * 33 + (unsigned char)t->names[i]->text[k];
        int64_t at = (int64_t)(h & (uint64_t)(slots - 1));
        while (names[at]) at = (at + 1) & (slots - 1);
        names[at] = t->names[i];
    }
    t->names = names;
    t->name_slots = slots;
    return STATUS_OK;
}

const char *template_intern(arena *a, template_tokens *t, const char *text, int64_t length_bytes) {
    if (t->name_count * 2 >= t->name_slots && names_grow(a, t) != STATUS_OK) return NULL;
    uint64_t h = 5381;
    for (int64_t i = 0; i < length_bytes; i++) h = h * 33 + (unsigned char)text[i];
    int64_t at = (int64_t)(h & (uint64_t)(t->name_slots - 1));
    for (; t->names[at]; at = (at + 1) & (t->name_slots - 1)) {
        if (t->names[at]->length_bytes == length_bytes &&
            !memcmp(t->names[at]->text, text, (size_t)length_bytes))
            return t->names[at]->text;
    }
    name *made = arena_alloc(a, sizeof *made + (size_t)length_bytes + 1);
    if (!made) return NULL;
    made->length_bytes = length_bytes;
    memcpy(made->text, text, (size_t)length_bytes);
    t->names[at] = made;
    t->name_count++;
    return made->text;
}

static status add(lexer *lx, template_token_kind kind, const char *text, int64_t length_bytes,
                  template_value value) {
    template_tokens *t = lx->out;
    if (t->count == t->capacity) {
        int64_t capacity = t->capacity ? t->capacity * 2 : 256;
        template_token *items = ARENA_NEW(lx->a, template_token, capacity);
        if (!items) return STATUS_NO_MEMORY;
        if (t->count) memcpy(items, t->items, (size_t)t->count * sizeof *items);
        t->items = items;
        t->capacity = capacity;
    }
    const char *spelled = NULL;
    if (text) {
        spelled = template_intern(lx->a, t, text, length_bytes);
        if (!spelled) return STATUS_NO_MEMORY;
    }
    t->items[t->count++] = (template_token){kind, lx->line, spelled, value};
    return STATUS_OK;
}

static bool starts(const lexer *lx, int64_t at, const char *text) {
    size_t n = strlen(text);
    return lx->length_bytes - at >= (int64_t)n && !memcmp(lx->text + at, text, n);
}

static void advance(lexer *lx, int64_t to) {
    for (; lx->at < to; lx->at++) lx->line += lx->text[lx->at] == '\n';
}

static int64_t space_end(const lexer *lx, int64_t at) {
    while (at < lx->length_bytes) {
        int bytes;
        if (!template_is_space(template_decode(lx->text + at, lx->length_bytes - at, &bytes)))
            break;
        at += bytes;
    }
    return at;
}

/* Where the text goes on when a closing delimiter of a tag, comment or (unless `tag`) print starts at
 * `at`, or -1 when none does. */
static int64_t close_end(const lexer *lx, int64_t at, const char *close, bool tag) {
    if (tag && starts(lx, at, "+") && starts(lx, at + 1, close)) return at + 3;
    if (starts(lx, at, "-") && starts(lx, at + 1, close)) return space_end(lx, at + 3);
    if (!starts(lx, at, close)) return -1;
    return at + 2 + (tag && starts(lx, at + 2, "\n"));
}

/* Emits the text from lx->at to `end`, where a delimiter with this sign starts. */
static status text_before(lexer *lx, int64_t end, char sign, bool print) {
    int64_t from = lx->at;
    template_value s = template_string_of(lx->text + from, end - from);
    if (sign == '-') {
        s = template_strip(s, NULL, false, true);
    } else if (sign != '+' && !print) {
        int64_t line_start = end;
        while (line_start > from && lx->text[line_start - 1] != '\n') line_start--;
        bool at_line_start = line_start > from || from == 0 || lx->text[from - 1] == '\n';
        if (at_line_start && space_end(lx, line_start) >= end) s.length_bytes = line_start - from;
    }
    if (s.length_bytes) TRY(add(lx, TOKEN_TEXT, NULL, 0, s));
    advance(lx, end);
    return STATUS_OK;
}

static char sign_at(const lexer *lx, int64_t at) {
    char c = at < lx->length_bytes ? lx->text[at] : 0;
    return c == '-' || c == '+' ? c : 0;
}

/* `{% word %}` at `at`: its end, or -1. The sign of its opening goes to `*sign`. */
static int64_t word_tag(const lexer *lx, int64_t at, const char *word, bool trim, char *sign) {
    if (!starts(lx, at, "{%")) return -1;
    *sign = sign_at(lx, at + 2);
    int64_t p = space_end(lx, at + 2 + (*sign != 0));
    if (!starts(lx, p, word)) return -1;
    p = space_end(lx, p + (int64_t)strlen(word));
    if (!trim)
        return starts(lx, p, "-%}") ? space_end(lx, p + 3) : starts(lx, p, "%}") ? p + 2 : -1;
    return close_end(lx, p, "%}", true);
}

static status lex_raw(lexer *lx, int64_t body) {
    int32_t opened = lx->line;
    advance(lx, body);
    for (int64_t at = body; at < lx->length_bytes; at++) {
        char sign;
        int64_t end = word_tag(lx, at, "endraw", true, &sign);
        if (end < 0) continue;
        TRY(text_before(lx, at, sign, false));
        advance(lx, end);
        return STATUS_OK;
    }
    lx->line = opened;
    return fail(lx, "the tag 'raw' is never closed", "", 0);
}

static status lex_comment(lexer *lx) {
    int32_t opened = lx->line;
    for (int64_t at = lx->at + 2; at < lx->length_bytes; at++) {
        int64_t end = close_end(lx, at, "#}", true);
        if (end < 0) continue;
        advance(lx, end);
        return STATUS_OK;
    }
    lx->line = opened;
    return fail(lx, "the comment is never closed", "", 0);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* One escape, `at` behind the backslash; writes what it stands for. */
static status unescape(lexer *lx, const char *s, int64_t *at, int64_t end, char *out,
                       int64_t *used) {
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s[(*at)++];
    const char *simple = memchr(from, c, sizeof from - 1);
    if (simple) {
        out[(*used)++] = to[simple - from];
        return STATUS_OK;
    }
    if (c == '\n') return STATUS_OK;
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (digits) {
        for (int i = 0; i < digits; i++, (*at)++) {
            int digit = *at < end ? hex_digit(s[*at]) : -1;
            if (digit < 0) return fail(lx, "bad escape \\", &c, 1);
            code = code << 4 | (uint32_t)digit;
        }
        if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return fail(lx, "bad escape \\", &c, 1);
    } else if (c >= '0' && c <= '7') {
        code = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < end && s[*at] >= '0' && s[*at] <= '7'; i++)
            code = code * 8 + (uint32_t)(s[(*at)++] - '0');
    } else if (c == 'N') {
        return fail(lx, "the escape \\N is not supported", "", 0);
    } else {
        out[(*used)++] = '\\';
        out[(*used)++] = c;
        return STATUS_OK;
    }
    *used += utf8_encode(code, out + *used);
    return STATUS_OK;
}

static status lex_string(lexer *lx) {
    char quote = lx->text[lx->at];
    int64_t from = lx->at + 1, end = from;
    while (end < lx->length_bytes && lx->text[end] != quote) end += lx->text[end] == '\\' ? 2 : 1;
    if (end >= lx->length_bytes) return fail(lx, "the string is never closed", "", 0);
    template_value value = template_string_of(lx->text + from, end - from);
    if (memchr(value.text, '\\', (size_t)value.length_bytes)) {
        char *plain = arena_alloc(lx->a, (size_t)(end - from) + 4);
        if (!plain) return STATUS_NO_MEMORY;
        int64_t used = 0;
        for (int64_t at = from; at < end;) {
            if (lx->text[at] != '\\') {
                plain[used++] = lx->text[at++];
                continue;
            }
            at++;
            TRY(unescape(lx, lx->text, &at, end, plain, &used));
        }
        value = template_string_of(plain, used);
    }
    TRY(add(lx, TOKEN_VALUE, NULL, 0, value));
    advance(lx, end + 1);
    return STATUS_OK;
}

static int64_t digits_end(const lexer *lx, int64_t at) {
    while (at < lx->length_bytes &&
           (isdigit((unsigned char)lx->text[at]) ||
            (lx->text[at] == '_' && isdigit((unsigned char)lx->text[at + 1]))))
        at++;
    return at;
}

static status lex_number(lexer *lx) {
    int64_t from = lx->at, end = digits_end(lx, from);
    bool real = false;
    int base = 10;
    if (lx->text[from] == '0' && from + 1 < lx->length_bytes &&
        strchr("xXoObB", lx->text[from + 1])) {
        char mark = (char)(lx->text[from + 1] | 32);
        base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
        from += 2;
        for (end = from;
             end < lx->length_bytes && (hex_digit(lx->text[end]) >= 0 || lx->text[end] == '_');)
            end++;
    } else if (from == 0 || lx->text[from - 1] != '.') {
        if (lx->text[end] == '.' && isdigit((unsigned char)lx->text[end + 1])) {
            real = true;
            end = digits_end(lx, end + 1);
        }
        int64_t e = end + 1 + (lx->text[end] && strchr("+-", lx->text[end + 1]) != NULL);
        if ((lx->text[end] | 32) == 'e' && lx->text[end + 1] &&
            isdigit((unsigned char)lx->text[e])) {
            real = true;
            end = digits_end(lx, e);
        }
    }
    char digits[64];
    int used = 0;
    for (int64_t at = from; at < end; at++) {
        if (lx->text[at] == '_') continue;
        if (used == (int)sizeof digits - 1) return fail(lx, "the number is too long", "", 0);
        digits[used++] = lx->text[at];
    }
    digits[used] = 0;
    char *rest;
    errno = 0;
    template_value value =
        real ? template_float(strtod(digits, &rest)) : template_int(strtoll(digits, &rest, base));
    if (!used || *rest || (!real && errno)) return fail(lx, "bad number ", digits, used);
    TRY(add(lx, TOKEN_VALUE, NULL, 0, value));
    advance(lx, end);
    return STATUS_OK;
}

static status lex_operator(lexer *lx) {
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ","};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators && !found; i++) {
        if (starts(lx, lx->at, operators[i])) found = operators[i];
    }
    if (!found) {
        int bytes;
        template_decode(lx->text + lx->at, lx->length_bytes - lx->at, &bytes);
        return fail(lx, "unexpected character ", lx->text + lx->at, bytes);
    }
    if (strchr("([{", *found)) {
        if (lx->depth == MOST_BRACKETS) return fail(lx, "brackets nest too deep", "", 0);
        lx->brackets[lx->depth++] = *found == '(' ? ')' : *found == '[' ? ']' : '}';
    } else if (strchr(")]}", *found)) {
        if (!lx->depth || lx->brackets[--lx->depth] != *found)
            return fail(lx, "unexpected ", found, 1);
    }
    TRY(add(lx, TOKEN_OPERATOR, found, (int64_t)strlen(found), template_none()));
    advance(lx, lx->at + (int64_t)strlen(found));
    return STATUS_OK;
}

static bool is_name_byte(char c) {
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The inside of a tag or print, up to and with its closing delimiter. */
static status lex_inside(lexer *lx, bool print) {
    const char *close = print ? "}}" : "%}";
    int32_t opened = lx->line;
    lx->depth = 0;
    for (;;) {
        advance(lx, space_end(lx, lx->at));
        if (lx->at >= lx->length_bytes) {
            lx->line = opened;
            return fail(lx, "expected ", close, 2);
        }
        int64_t end = lx->depth ? -1 : close_end(lx, lx->at, close, !print);
        if (end >= 0) {
            TRY(add(lx, print ? TOKEN_PRINT_END : TOKEN_TAG_END, NULL, 0, template_none()));
            advance(lx, end);
            return STATUS_OK;
        }
        char c = lx->text[lx->at];
        if (c == '\'' || c == '"') {
            TRY(lex_string(lx));
        } else if (isdigit((unsigned char)c)) {
            TRY(lex_number(lx));
        } else if (is_name_byte(c)) {
            int64_t last = lx->at;
            while (last < lx->length_bytes && is_name_byte(lx->text[last])) last++;
            TRY(add(lx, TOKEN_NAME, lx->text + lx->at, last - lx->at, template_none()));
            lx->at = last;
        } else {
            TRY(lex_operator(lx));
        }
    }
}

static status lex_all(lexer *lx) {
    while (lx->at < lx->length_bytes) {
        int64_t at = lx->at;
        while (at < lx->length_bytes && !starts(lx, at, "{{") && !starts(lx, at, "{%") &&
               !starts(lx, at, "{#"))
            at++;
        if (at >= lx->length_bytes) {
            TRY(add(lx, TOKEN_TEXT, NULL, 0, template_string_of(lx->text + lx->at, at - lx->at)));
            lx->at = at;
            break;
        }
        char sign, kind = lx->text[at + 1];
        int64_t raw = word_tag(lx, at, "raw", false, &sign);
        if (raw < 0) sign = sign_at(lx, at + 2);
        TRY(text_before(lx, at, sign, kind == '{'));
        if (raw >= 0) {
            TRY(lex_raw(lx, raw));
        } else if (kind == '#') {
            TRY(lex_comment(lx));
        } else {
            TRY(add(lx, kind == '{' ? TOKEN_PRINT_BEGIN : TOKEN_TAG_BEGIN, NULL, 0,
                    template_none()));
            advance(lx, at + 2 + (sign != 0));
            TRY(lex_inside(lx, kind == '{'));
        }
    }
    return add(lx, TOKEN_END, NULL, 0, template_none());
}

status template_lex(arena *a, const char *source, int64_t source_bytes, template_tokens *out) {
    if (source_bytes > LARGEST_SOURCE_BYTES)
        FAIL(a->cx, STATUS_BAD_DATA, "the template has %lld bytes, more than %d",
             (long long)source_bytes, (int)LARGEST_SOURCE_BYTES);
    char *text = arena_alloc(a, (size_t)source_bytes + 4);
    if (!text) return STATUS_NO_MEMORY;
    int64_t used = 0;
    for (int64_t i = 0; i < source_bytes; i++) {
        if (source[i] == '\r' && i + 1 < source_bytes && source[i + 1] == '\n') continue;
        text[used++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (used && text[used - 1] == '\n') text[--used] = 0;
    lexer lx = {.a = a, .out = out, .text = text, .length_bytes = used, .line = 1};
    *out = (template_tokens){0};
    return lex_all(&lx);
}
