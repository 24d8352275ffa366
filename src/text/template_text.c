/* Text helpers of the template interpreter. Input that is not UTF-8 is carried through byte by byte. */
#include "text/template_text.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t template_decode(const char *text, int64_t length_bytes, int *bytes) {
    int n = utf8_length(text, text + length_bytes);
    *bytes = n ? n : 1;
    return n ? utf8_decode(text, n) : (unsigned char)*text;
}

bool template_is_space(uint32_t code) {
    return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
           code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

int64_t template_count_codes(const char *text, int64_t length_bytes) {
    int64_t count = 0;
    for (int64_t at = 0; at < length_bytes; count++) {
        int bytes;
        template_decode(text + at, length_bytes - at, &bytes);
        at += bytes;
    }
    return count;
}

int64_t template_code_offset(const char *text, int64_t length_bytes, int64_t index) {
    int64_t at = 0;
    for (int64_t i = 0; i < index && at < length_bytes; i++) {
        int bytes;
        template_decode(text + at, length_bytes - at, &bytes);
        at += bytes;
    }
    return at;
}

static bool is_cut(uint32_t code, const template_value *chars) {
    if (!chars) return template_is_space(code);
    for (int64_t at = 0; at < chars->length_bytes;) {
        int bytes;
        if (template_decode(chars->text + at, chars->length_bytes - at, &bytes) == code)
            return true;
        at += bytes;
    }
    return false;
}

template_value template_strip(template_value s, const template_value *chars, bool left,
                              bool right) {
    while (left && s.length_bytes) {
        int bytes;
        if (!is_cut(template_decode(s.text, s.length_bytes, &bytes), chars)) break;
        s.text += bytes;
        s.length_bytes -= bytes;
    }
    while (right && s.length_bytes) {
        int64_t at = s.length_bytes - 1;
        while (at > 0 && s.length_bytes - at < 4 && ((unsigned char)s.text[at] & 0xc0) == 0x80)
            at--;
        int bytes;
        uint32_t code = template_decode(s.text + at, s.length_bytes - at, &bytes);
        if (at + bytes != s.length_bytes) {
            at = s.length_bytes - 1;
            code = (unsigned char)s.text[at];
        }
        if (!is_cut(code, chars)) break;
        s.length_bytes = at;
    }
    return s;
}

int64_t template_find(template_value s, template_value needle, int64_t from) {
    if (from > s.length_bytes) return -1;
    if (!needle.length_bytes) return from;
    const char *hit = memmem(s.text + from, (size_t)(s.length_bytes - from), needle.text,
                             (size_t)needle.length_bytes);
    return hit ? hit - s.text : -1;
}

int template_format_float(double number, char out[32]) {
    if (isnan(number)) return snprintf(out, 32, "nan");
    if (isinf(number)) return snprintf(out, 32, number < 0 ? "-inf" : "inf");
    char digits[40];
    int precision = 0;
    do {
        snprintf(digits, sizeof digits, "%.*e", precision, number);
    } while (strtod(digits, NULL) != number && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent >= 16 || exponent < -4) {
        char *e = strchr(digits, 'e');
        return snprintf(out, 32, "%.*se%c%02d", (int)(e - digits), digits, exponent < 0 ? '-' : '+',
                        abs(exponent));
    }
    int decimals = precision - exponent;
    return snprintf(out, 32, "%.*f", decimals < 1 ? 1 : decimals, number);
}

status template_put(template_buffer *b, const char *text, int64_t length_bytes) {
    if (b->limit_bytes && length_bytes > b->limit_bytes - b->length_bytes)
        FAIL(b->a->cx, STATUS_BAD_DATA, "line %d: the text grows past %lld bytes", *b->line,
             (long long)b->limit_bytes);
    if (length_bytes > b->capacity_bytes - b->length_bytes) {
        int64_t capacity = MAX_OF(b->capacity_bytes * 2, b->length_bytes + length_bytes);
        if (capacity < 64) capacity = 64;
        char *text_bytes = arena_alloc(b->a, (size_t)capacity);
        if (!text_bytes) return STATUS_NO_MEMORY;
        if (b->length_bytes) memcpy(text_bytes, b->text, (size_t)b->length_bytes);
        b->text = text_bytes;
        b->capacity_bytes = capacity;
    }
    if (length_bytes) memcpy(b->text + b->length_bytes, text, (size_t)length_bytes);
    b->length_bytes += length_bytes;
    return STATUS_OK;
}

status template_puts(template_buffer *b, const char *text) {
    return template_put(b, text, (int64_t)strlen(text));
}

template_value template_buffer_string(const template_buffer *b) {
    return template_string_of(b->text ? b->text : "", b->length_bytes);
}
