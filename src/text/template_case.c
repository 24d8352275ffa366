/* Upper and lower case as Python has them: single letters by runs of equal distance, the few with several
 * letters by a list, and the Greek sigma by where it stands in its word. */
#include "text/template_eval.h"
#include "base/utf8.h"
#include <string.h>

typedef struct case_run {
    uint32_t from, to, step;
    int32_t distance;
} case_run;

typedef struct case_word {
    uint32_t code;
    const char *text;
} case_word;

#include "text/template_case_table.h"

static uint32_t fold(const case_run *runs, int64_t count, uint32_t code) {
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (runs[middle].to < code)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && runs[low].from <= code; low++) {
        if (code <= runs[low].to && (code - runs[low].from) % runs[low].step == 0)
            return (uint32_t)((int64_t)code + runs[low].distance);
    }
    return code;
}

static uint32_t upper_code(uint32_t c) {
    if (c < 128) return c >= 'a' && c <= 'z' ? c - 32 : c;
    return fold(upper_runs, COUNT_OF(upper_runs), c);
}

static uint32_t lower_code(uint32_t c) {
    if (c < 128) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return fold(lower_runs, COUNT_OF(lower_runs), c);
}

static const char *word_of(const case_word *words, int64_t count, uint32_t code) {
    for (int64_t i = 0; code >= 128 && i < count; i++) {
        if (words[i].code == code) return words[i].text;
    }
    return NULL;
}

static bool is_cased(uint32_t c) {
    return upper_code(c) != c || lower_code(c) != c;
}

/* A capital sigma at `at` ends its word: a letter before it, none behind. */
static bool ends_word(template_value s, int64_t at) {
    int bytes;
    int64_t last = at - 1, next = at + 2;
    while (last > 0 && at - last < 4 && ((unsigned char)s.text[last] & 0xc0) == 0x80) last--;
    uint32_t before = last < 0 ? 0 : template_decode(s.text + last, at - last, &bytes);
    uint32_t behind =
        next < s.length_bytes ? template_decode(s.text + next, s.length_bytes - next, &bytes) : 0;
    return is_cased(before) && !is_cased(behind);
}

static status put_upper(template_buffer *b, uint32_t code) {
    char text[4];
    const char *word = word_of(upper_words, COUNT_OF(upper_words), code);
    return word ? template_puts(b, word)
                : template_put(b, text, utf8_encode(upper_code(code), text));
}

static status put_lower(template_buffer *b, template_value s, int64_t at, uint32_t code) {
    char text[4];
    const char *word = word_of(lower_words, COUNT_OF(lower_words), code);
    if (word) return template_puts(b, word);
    code = code == 0x3a3 && ends_word(s, at) ? 0x3c2 : lower_code(code);
    return template_put(b, text, utf8_encode(code, text));
}

/* `first` letters go up, the others down. */
static status convert(evaluator *ev, template_value s, int64_t first, template_value *out) {
    template_buffer b = template_buffer_make(ev);
    TRY(template_step(ev, s.length_bytes / 8));
    int bytes;
    for (int64_t at = 0; at < s.length_bytes; at += bytes, first--) {
        uint32_t code = template_decode(s.text + at, s.length_bytes - at, &bytes);
        if (code >= 128 && bytes == 1)
            TRY(template_put(&b, s.text + at, 1));
        else
            TRY(first > 0 ? put_upper(&b, code) : put_lower(&b, s, at, code));
    }
    *out = template_buffer_string(&b);
    return STATUS_OK;
}

status template_upper(evaluator *ev, template_value s, template_value *out) {
    return convert(ev, s, INT64_MAX, out);
}

status template_lower(evaluator *ev, template_value s, template_value *out) {
    return convert(ev, s, 0, out);
}

status template_capitalize(evaluator *ev, template_value s, template_value *out) {
    return convert(ev, s, 1, out);
}
