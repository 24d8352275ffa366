/* Normal forms (UAX 15) work on the stretches between inert characters: a stretch is decomposed,
 * its marks are put in canonical order by a stable counting sort (255 classes, so a million marks
 * cost no more than their number), and recomposed by utf8proc. Everything else is copied. */
#include "text/unicode.h"
#include <utf8proc.h>

typedef struct points {
    context *cx;
    utf8proc_int32_t *list, *sorted;
    int64_t count, capacity;
} points;

static status points_reserve(points *p, int64_t more) {
    if (p->capacity - p->count >= more) return STATUS_OK;
    int64_t wish = MAX_OF(p->count + more, 2 * p->capacity);
    utf8proc_int32_t *list = context_alloc(p->cx, (size_t)wish * 2 * sizeof *list);
    if (!list) return context_status(p->cx);
    if (p->count) memcpy(list, p->list, (size_t)p->count * sizeof *list);
    context_release(p->cx, p->list);
    p->list = list;
    p->sorted = list + wish;
    p->capacity = wish;
    return STATUS_OK;
}

static int mark_class(utf8proc_int32_t c) {
    return (int)utf8proc_get_property(c)->combining_class;
}

/* Canonical order of each run of marks. */
static void order_marks(points *p) {
    for (int64_t i = 0; i < p->count;) {
        int64_t from = i;
        bool sorted = true;
        for (int last = 0, now; i < p->count && (now = mark_class(p->list[i])) != 0; i++) {
            if (now < last) sorted = false;
            last = now;
        }
        if (!sorted) {
            int64_t start[257] = {0};
            for (int64_t k = from; k < i; k++) start[mark_class(p->list[k]) + 1]++;
            for (int k = 0; k < 256; k++) start[k + 1] += start[k];
            for (int64_t k = from; k < i; k++)
                p->sorted[start[mark_class(p->list[k])]++] = p->list[k];
            memcpy(p->list + from, p->sorted, (size_t)(i - from) * sizeof *p->list);
        }
        if (i == from) i++;
    }
}

/* One stretch of valid characters. */
static status normalize_stretch(points *p, unicode_form form, const char *at, const char *end,
                                text_buffer *out) {
    enum { LONGEST_DECOMPOSITION = 32 };
    int options = UTF8PROC_DECOMPOSE;
    if (form == UNICODE_NFKC || form == UNICODE_NFKD) options |= UTF8PROC_COMPAT;
    p->count = 0;
    while (at < end) {
        uint32_t c;
        at += unicode_next(at, end, &c);
        TRY(points_reserve(p, LONGEST_DECOMPOSITION));
        int state = 0;
        p->count += utf8proc_decompose_char((utf8proc_int32_t)c, p->list + p->count,
                                            LONGEST_DECOMPOSITION, options, &state);
    }
    order_marks(p);
    if (form == UNICODE_NFC || form == UNICODE_NFKC)
        p->count = utf8proc_normalize_utf32(p->list, p->count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    TRY(text_reserve(out, 4 * p->count));
    for (int64_t i = 0; i < p->count; i++)
        out->length += utf8_encode((uint32_t)p->list[i], out->bytes + out->length);
    return STATUS_OK;
}

/* From `at`, the end of the characters that need work: up to the next inert or invalid one. */
static const char *stretch_end(const char *at, const char *end) {
    while (at < end) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (unicode_flags(c) & UNICODE_INERT) break;
        at += n;
    }
    return at;
}

status unicode_normalize(unicode_form form, const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length, *at = text, *copied = text, *before = text;
    points p = {.cx = out->cx};
    status st = STATUS_OK;
    while (at < end && st == STATUS_OK) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (unicode_flags(c) & UNICODE_INERT) {
            before = c == UNICODE_INVALID ? at + n : at;
            at += n;
            continue;
        }
        const char *stop = stretch_end(at, end);
        st = text_append(out, copied, before - copied);
        if (st == STATUS_OK) st = normalize_stretch(&p, form, before, stop, out);
        at = copied = before = stop;
    }
    if (st == STATUS_OK) st = text_append(out, copied, end - copied);
    context_release(out->cx, p.list);
    return st;
}

status unicode_lower(const char *text, int64_t length, text_buffer *out) {
    const char *end = text + length;
    TRY(text_reserve(out, length));
    for (const char *at = text; at < end;) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        char low[8];
        int low_bytes = 1;
        if (c < 0x80) {
            low[0] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        } else if (c == UNICODE_INVALID) {
            memcpy(low, at, (size_t)(low_bytes = n));
        } else if (c == 0x130) { /* the one character whose lower case is two */
            memcpy(low, "i\xCC\x87", 3);
            low_bytes = 3;
        } else {
            low_bytes = utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), low);
        }
        TRY(text_append(out, low, low_bytes));
        at += n;
    }
    return STATUS_OK;
}
