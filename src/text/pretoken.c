/* The chain is walked depth first, so that words leave in order; each depth has its own lists. A
 * pattern that isolates its matches, by far the most common step, hands its pieces on without a
 * list. */
#include "text/pretoken.h"
#include <assert.h>

typedef struct chain {
    const pretoken *steps;
    int64_t count;
    pretoken_work *w;
    pretoken_sink sink;
} chain;

static status run_step(const chain *c, int64_t step, const char *text, int64_t length, bool first);

void pretoken_work_init(pretoken_work *w, context *cx) {
    *w = (pretoken_work){0};
    for (int i = 0; i < PRETOKEN_MAX_STEPS; i++) w->spans[i].cx = w->text[i].cx = cx;
}

void pretoken_work_free(pretoken_work *w) {
    for (int i = 0; i < PRETOKEN_MAX_STEPS; i++) {
        span_free(w->spans + i);
        text_free(w->text + i);
    }
}

bool pretoken_is_punctuation(uint32_t c) {
    bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
                 (c >= 123 && c <= 126);
    return ascii || (unicode_flags(c) & UNICODE_PUNCTUATION);
}

/* Neighbours of equal class number are one run, unless the class stands alone. */
static int class_of(pretoken_kind kind, uint32_t c) {
    uint32_t f = unicode_flags(c);
    switch (kind) {
    case PRETOKEN_SPACES:
        return !!(f & UNICODE_SPACE);
    case PRETOKEN_WORDS:
        return f & UNICODE_WORD ? 2 : f & UNICODE_SPACE ? 1 : 3;
    case PRETOKEN_PUNCTUATION:
        return pretoken_is_punctuation(c);
    default:
        return !!(f & UNICODE_NUMBER);
    }
}

/* Class 1 is a match, character by character; the other classes are runs. */
static status split_by_class(pretoken_kind kind, const char *text, int64_t length, span_list *out) {
    const char *end = text + length, *from = text;
    int running = -1;
    for (const char *at = text; at < end;) {
        uint32_t c;
        int n = unicode_next(at, end, &c), now = class_of(kind, c);
        if (now != running || now == 1) {
            TRY(span_append(out, from - text, at - text, running == 1));
            from = at;
            running = now;
        }
        at += n;
    }
    return span_append(out, from - text, length, running == 1);
}

/* Joins spans as the behaviour says; returns how many are left. Removed ones are left out. */
static int64_t behave(const pretoken *p, text_span *s, int64_t count) {
    int64_t kept = 0;
    if (p->invert)
        for (int64_t i = 0; i < count; i++) s[i].match = !s[i].match;
    switch (p->behavior) {
    case PRETOKEN_ISOLATED:
        return count;
    case PRETOKEN_REMOVED:
        for (int64_t i = 0; i < count; i++)
            if (!s[i].match) s[kept++] = s[i];
        return kept;
    case PRETOKEN_WITH_PREVIOUS:
        for (int64_t i = 0; i < count; i++) {
            bool join = s[i].match && i && !s[i - 1].match && kept;
            if (join)
                s[kept - 1].to = s[i].to;
            else
                s[kept++] = s[i];
        }
        return kept;
    case PRETOKEN_WITH_NEXT:
        for (int64_t i = 0; i < count; i++) {
            text_span one = s[i];
            if (one.match && i + 1 < count && !s[i + 1].match) one.to = s[++i].to;
            s[kept++] = one;
        }
        return kept;
    case PRETOKEN_CONTIGUOUS:
        for (int64_t i = 0; i < count; i++) {
            if (kept && s[kept - 1].match == s[i].match)
                s[kept - 1].to = s[i].to;
            else
                s[kept++] = s[i];
        }
        return kept;
    }
    return count;
}

static status hand_on(const chain *c, int64_t step, const char *text, bool first) {
    span_list *l = c->w->spans + step;
    int64_t count = behave(c->steps + step, l->spans, l->count);
    for (int64_t i = 0; i < count; i++) {
        text_span s = l->spans[i];
        TRY(run_step(c, step + 1, text + s.from, s.to - s.from, first && !s.from));
    }
    return STATUS_OK;
}

static status isolate(const chain *c, int64_t step, const char *text, int64_t length, bool first) {
    const scan_rule *rule = c->steps[step].pattern.rule;
    const char *end = text + length, *gap = text;
    for (const char *at = text; at < end;) {
        const char *stop = scan_match(rule, at, end);
        if (stop == at) {
            uint32_t unused;
            at += unicode_next(at, end, &unused);
            continue;
        }
        if (gap < at) TRY(run_step(c, step + 1, gap, at - gap, first && gap == text));
        TRY(run_step(c, step + 1, at, stop - at, first && at == text));
        at = gap = stop;
    }
    return gap < end ? run_step(c, step + 1, gap, end - gap, first && gap == text) : STATUS_OK;
}

/* Spaces become the mark; pieces begin at marks. The list is not needed: marks are found again. */
static status metaspace(const chain *c, int64_t step, const char *text, int64_t length,
                        bool first) {
    const pretoken *p = c->steps + step;
    text_buffer *b = c->w->text + step;
    b->length = 0;
    bool marked = length && (*text == ' ' || (length >= p->mark_bytes &&
                                              !memcmp(text, p->mark, (size_t)p->mark_bytes)));
    bool wanted = p->scheme == PRETOKEN_ALWAYS || (p->scheme == PRETOKEN_FIRST && first);
    if (wanted && !marked) TRY(text_append(b, p->mark, p->mark_bytes));
    for (int64_t at = 0; at < length;) {
        const char *space = memchr(text + at, ' ', (size_t)(length - at));
        int64_t stop = space ? space - text : length;
        TRY(text_append(b, text + at, stop - at));
        if (space) TRY(text_append(b, p->mark, p->mark_bytes));
        at = stop + !!space;
    }
    if (!p->split) return run_step(c, step + 1, b->bytes, b->length, first);
    for (int64_t from = 0; from < b->length;) {
        int64_t after = from + 1, to = b->length;
        const char *mark = after < b->length ? memmem(b->bytes + after, (size_t)(b->length - after),
                                                      p->mark, (size_t)p->mark_bytes)
                                             : NULL;
        if (mark) to = mark - b->bytes;
        TRY(run_step(c, step + 1, b->bytes + from, to - from, first && !from));
        from = to;
    }
    return STATUS_OK;
}

static status run_step(const chain *c, int64_t step, const char *text, int64_t length, bool first) {
    if (step == c->count) return c->sink.word(c->sink.state, text, length);
    const pretoken *p = c->steps + step;
    if (p->kind == PRETOKEN_PATTERN && p->pattern.rule && p->behavior == PRETOKEN_ISOLATED)
        return isolate(c, step, text, length, first);
    if (p->kind == PRETOKEN_METASPACE) return metaspace(c, step, text, length, first);
    if (p->kind == PRETOKEN_LEAD_SPACE) {
        if (!length || *text == ' ') return run_step(c, step + 1, text, length, first);
        text_buffer *b = c->w->text + step;
        b->length = 0;
        TRY(text_append(b, " ", 1));
        TRY(text_append(b, text, length));
        return run_step(c, step + 1, b->bytes, b->length, first);
    }
    span_list *l = c->w->spans + step;
    l->count = 0;
    if (p->kind == PRETOKEN_PATTERN)
        TRY(pattern_split(&p->pattern, text, length, l));
    else
        TRY(split_by_class(p->kind, text, length, l));
    return hand_on(c, step, text, first);
}

status pretoken_run(const pretoken *steps, int64_t count, pretoken_work *w, const char *text,
                    int64_t length, bool first, pretoken_sink sink) {
    assert(count <= PRETOKEN_MAX_STEPS);
    const chain c = {.steps = steps, .count = count, .w = w, .sink = sink};
    return length ? run_step(&c, 0, text, length, first) : STATUS_OK;
}
