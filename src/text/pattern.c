/* PCRE2 walks text that is known to be valid, so that it need not check the rest of it at every
 * call: bytes that are not UTF-8 are replaced, in a copy, by a control character of one byte. */
#include "text/pattern.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MOST_STEPS = 50000000, MOST_HEAP_KIB = 262144, MOST_PATTERN_BYTES = 1 << 16, STAND_IN = 26 };

status span_append(span_list *l, int64_t from, int64_t to, bool match) {
    if (from == to) return STATUS_OK;
    if (l->count == l->capacity) {
        int64_t wish = MAX_OF(2 * l->capacity, 64);
        text_span *bigger = context_alloc(l->cx, (size_t)wish * sizeof *bigger);
        if (!bigger) return context_status(l->cx);
        if (l->count) memcpy(bigger, l->spans, (size_t)l->count * sizeof *bigger);
        context_release(l->cx, l->spans);
        l->spans = bigger;
        l->capacity = wish;
    }
    l->spans[l->count++] = (text_span){from, to, match};
    return STATUS_OK;
}

void span_free(span_list *l) {
    context_release(l->cx, l->spans);
    *l = (span_list){.cx = l->cx};
}

static void *borrow(PCRE2_SIZE size_bytes, void *cx) {
    return context_alloc(cx, size_bytes);
}

static void give_back(void *memory, void *cx) {
    context_release(cx, memory);
}

static status compile(pattern *p, const char *regex, int64_t length) {
    context *cx = p->cx;
    if (length > MOST_PATTERN_BYTES) FAIL(cx, STATUS_UNSUPPORTED, "a pattern of over 64 KiB");
    pcre2_general_context *general = pcre2_general_context_create(borrow, give_back, cx);
    pcre2_compile_context *options = general ? pcre2_compile_context_create(general) : NULL;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (options)
        p->code =
            pcre2_compile((PCRE2_SPTR)regex, (PCRE2_SIZE)length,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, options);
    pcre2_compile_context_free(options);
    pcre2_general_context_free(general);
    if (!options) return context_status(cx);
    if (p->code) {
        (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it, slower */
        return STATUS_OK;
    }
    if (context_status(cx) == STATUS_NO_MEMORY) return STATUS_NO_MEMORY;
    char words[160];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof words);
    FAIL(cx, STATUS_UNSUPPORTED, "pattern '%.*s' at byte %zu: %s", (int)MIN_OF(length, 200), regex,
         at, words);
}

status pattern_open_literal(pattern *p, context *cx, const char *text, int64_t length) {
    *p = (pattern){.cx = cx, .literal = true, .text_bytes = length};
    p->text = context_alloc(cx, (size_t)length + 1);
    if (!p->text) return context_status(cx);
    memcpy(p->text, text, (size_t)length);
    return STATUS_OK;
}

status pattern_open(pattern *p, context *cx, const char *regex, int64_t length) {
    TRY(pattern_open_literal(p, cx, regex, length));
    p->literal = false;
    p->rule = scan_published(regex, length);
    status st = p->rule ? STATUS_OK : compile(p, regex, length);
    if (st != STATUS_OK) pattern_close(p);
    return st;
}

void pattern_close(pattern *p) {
    pcre2_code_free(p->code);
    context_release(p->cx, p->text);
    *p = (pattern){.cx = p->cx};
}

static status split_by_rule(const pattern *p, const char *text, int64_t length, span_list *out) {
    const char *end = text + length, *gap = text;
    for (const char *at = text; at < end;) {
        const char *stop = scan_match(p->rule, at, end);
        if (stop == at) {
            uint32_t c;
            at += unicode_next(at, end, &c);
            continue;
        }
        TRY(span_append(out, gap - text, at - text, false));
        TRY(span_append(out, at - text, stop - text, true));
        at = gap = stop;
    }
    return span_append(out, gap - text, length, false);
}

static status split_by_literal(const pattern *p, const char *text, int64_t length, span_list *out) {
    int64_t gap = 0;
    const char *found;
    while (p->text_bytes &&
           (found = memmem(text + gap, (size_t)(length - gap), p->text, (size_t)p->text_bytes))) {
        int64_t at = found - text;
        TRY(span_append(out, gap, at, false));
        TRY(span_append(out, at, gap = at + p->text_bytes, true));
    }
    return span_append(out, gap, length, false);
}

/* A copy with STAND_IN for what is not UTF-8, or NULL when all of it is or memory is short. */
static char *valid_copy(context *cx, const char *text, int64_t length, bool *short_of_memory) {
    const char *end = text + length;
    char *copy = NULL;
    *short_of_memory = false;
    for (const char *at = text; at < end;) {
        int n = utf8_length(at, end);
        if (!n && !copy) {
            copy = context_alloc(cx, (size_t)length);
            *short_of_memory = !copy;
            if (!copy) return NULL;
            memcpy(copy, text, (size_t)length);
        }
        if (!n) copy[at - text] = STAND_IN;
        at += MAX_OF(n, 1);
    }
    return copy;
}

static status walk(const pattern *p, pcre2_match_data *data, pcre2_match_context *limits,
                   const char *text, int64_t length, span_list *out) {
    int64_t gap = 0, at = 0;
    while (at < length) {
        int found = pcre2_match(p->code, (PCRE2_SPTR)text, (PCRE2_SIZE)length, (PCRE2_SIZE)at,
                                PCRE2_NO_UTF_CHECK, data, limits);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0)
            FAIL(out->cx, STATUS_UNSUPPORTED,
                 "a pattern took over %d steps or too much memory (%d)", MOST_STEPS, found);
        PCRE2_SIZE *place = pcre2_get_ovector_pointer(data);
        int64_t from = (int64_t)place[0], to = (int64_t)place[1];
        if (to > from) {
            TRY(span_append(out, gap, from, false));
            TRY(span_append(out, from, to, true));
            at = gap = to;
        } else { /* empty: on by one character */
            at = MAX_OF(from, at);
            if (at < length) at += MAX_OF(utf8_length(text + at, text + length), 1);
        }
    }
    return span_append(out, gap, length, false);
}

static status split_by_code(const pattern *p, const char *text, int64_t length, span_list *out) {
    context *cx = out->cx;
    bool short_of_memory;
    char *copy = valid_copy(cx, text, length, &short_of_memory);
    if (short_of_memory) return context_status(cx);
    pcre2_general_context *general = pcre2_general_context_create(borrow, give_back, cx);
    pcre2_match_context *limits = general ? pcre2_match_context_create(general) : NULL;
    pcre2_match_data *data = limits ? pcre2_match_data_create(4, general) : NULL;
    status st = STATUS_OK;
    if (data) {
        pcre2_set_match_limit(limits, MOST_STEPS);
        pcre2_set_heap_limit(limits, MOST_HEAP_KIB);
        st = walk(p, data, limits, copy ? copy : text, length, out);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_general_context_free(general);
    context_release(cx, copy);
    return data ? st : context_status(cx);
}

status pattern_split(const pattern *p, const char *text, int64_t length, span_list *out) {
    if (p->rule) return split_by_rule(p, text, length, out);
    return p->code ? split_by_code(p, text, length, out) : split_by_literal(p, text, length, out);
}
