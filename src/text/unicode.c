/* Classes from utf8proc's categories, and a table of newer characters. Blocks of 256 characters that are
 * alike share one copy; planes 4 to 13 are unassigned and are not visited.
 *
 * Normal forms (UAX 15) work on the stretches between inert characters: a stretch is decomposed,
 * its marks are put in canonical order by a stable counting sort (255 classes, so a million marks
 * cost no more than their number), and recomposed by utf8proc. Everything else is copied. */
#include "text/unicode.h"
#include "text/unicode_new.h"

enum { LAST_DENSE = 0x40000, TAGS_FROM = 0xE0000, TAGS_TO = 0xE1000, MOST_BLOCKS = 0x450 };

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Alphabetic characters that are neither letters, marks nor letter numbers: circled and squared
 * letters. */
static bool is_enclosed_letter(uint32_t c) {
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

static uint32_t category_flags(utf8proc_category_t category) {
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return UNICODE_LETTER | UNICODE_UPPER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_LL:
        return UNICODE_LETTER | UNICODE_LOWER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return UNICODE_LETTER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_MN:
        return UNICODE_MARK | UNICODE_WORD | UNICODE_NONSPACING;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return UNICODE_MARK | UNICODE_WORD;
    case UTF8PROC_CATEGORY_ND:
        return UNICODE_NUMBER | UNICODE_DIGIT | UNICODE_WORD;
    case UTF8PROC_CATEGORY_NL:
        return UNICODE_NUMBER | UNICODE_WORD;
    case UTF8PROC_CATEGORY_NO:
        return UNICODE_NUMBER;
    case UTF8PROC_CATEGORY_PC:
        return UNICODE_PUNCTUATION | UNICODE_WORD;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return UNICODE_PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return UNICODE_SYMBOL;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
        return UNICODE_CONTROL;
    default:
        return 0;
    }
}

static utf8proc_category_t category_of(uint32_t c, const utf8proc_property_t *p) {
    int64_t low = 0, high = COUNT_OF(new_categories);
    if (p->category != UTF8PROC_CATEGORY_CN) return (utf8proc_category_t)p->category;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (new_categories[middle].to < c)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_new = low < COUNT_OF(new_categories) && new_categories[low].from <= c;
    return is_new ? new_categories[low].category : UTF8PROC_CATEGORY_CN;
}

static bool is_inert(uint32_t c, const utf8proc_property_t *p) {
    bool jamo = (c >= 0x1100 && c <= 0x11FF) || (c >= 0xAC00 && c <= 0xD7A3);
    bool joins = p->comb_index != UINT16_MAX && p->comb_index >= 0x8000;
    return !jamo && !joins && !p->combining_class && p->decomp_seqindex == UINT16_MAX;
}

static uint16_t flags_of(uint32_t c) {
    if (c < LAST_DENSE || (c >= TAGS_FROM && c < TAGS_TO)) {
        const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
        uint32_t flags = category_flags(category_of(c, p));
        if (is_space(c)) flags |= UNICODE_SPACE;
        if (is_enclosed_letter(c) || c == 0x200C || c == 0x200D) flags |= UNICODE_WORD;
        if (is_inert(c, p)) flags |= UNICODE_INERT;
        return (uint16_t)flags;
    }
    bool private_use = c >= 0xF0000 && (c & 0xFFFF) < 0xFFFE;
    return private_use ? UNICODE_CONTROL | UNICODE_INERT : UNICODE_INERT;
}

status unicode_init(unicode *u, context *cx) {
    *u = (unicode){.cx = cx};
    uint16_t *flags = context_alloc(cx, (size_t)MOST_BLOCKS * 256 * sizeof *flags);
    if (!flags) return context_status(cx);
    uint16_t one[256];
    uint32_t count = 0, unassigned = UINT32_MAX;
    for (uint32_t b = 0; b < 0x1100; b++) {
        uint32_t first = b << 8;
        bool empty = first >= LAST_DENSE && first < TAGS_FROM;
        if (empty && unassigned != UINT32_MAX) {
            u->block[b] = (uint16_t)unassigned;
            continue;
        }
        for (uint32_t i = 0; i < 256; i++) one[i] = flags_of(first + i);
        uint32_t at = count > 24 ? count - 24 : 0;
        while (at < count && memcmp(flags + (at << 8), one, sizeof one)) at++;
        if (at == count) memcpy(flags + (count++ << 8), one, sizeof one);
        u->block[b] = (uint16_t)at;
        if (empty) unassigned = at;
    }
    u->flags = flags;
    return STATUS_OK;
}

void unicode_free(unicode *u) {
    context_release(u->cx, u->flags);
    u->flags = NULL;
}

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
static const char *stretch_end(const unicode *u, const char *at, const char *end) {
    while (at < end) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (unicode_flags(u, c) & UNICODE_INERT) break;
        at += n;
    }
    return at;
}

status unicode_normalize(const unicode *u, unicode_form form, const char *text, int64_t length,
                         text_buffer *out) {
    const char *end = text + length, *at = text, *copied = text, *before = text;
    points p = {.cx = out->cx};
    status st = STATUS_OK;
    while (at < end && st == STATUS_OK) {
        uint32_t c;
        int n = unicode_next(at, end, &c);
        if (unicode_flags(u, c) & UNICODE_INERT) {
            before = c == UNICODE_INVALID ? at + n : at;
            at += n;
            continue;
        }
        const char *stop = stretch_end(u, at, end);
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
