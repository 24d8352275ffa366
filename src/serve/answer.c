/* The dialects and the reader (serve/answer.h).
 *   Hermes, Qwen   <tool_call>{"name": ..., "arguments": {...}}</tool_call>
 *   Llama 3        {"name": ..., "parameters": {...}}, alone or after <|python_tag|>
 *   Mistral        [TOOL_CALLS][{"name": ..., "arguments": {...}}, ...] or [TOOL_CALLS]name[ARGS]{...}
 *   harmony        <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>,
 *                  beside <|channel|>analysis<|message|>...<|end|> and <|channel|>final<|message|>...
 * Reasoning stands in <think>...</think> or [THINK]...[/THINK]. */
#include "serve/answer.h"
#include "base/json.h"
#include <string.h>

typedef enum span_kind { SPAN_CONTENT, SPAN_REASONING, SPAN_CALL } span_kind;

typedef struct answer_span {
    span_kind kind;
    const char *open, *close; /* close NULL: to the end */
    /* Gives away the calls in the text of the span; false: there is none. */
    bool (*calls)(answer_reader *r, const char *text, int64_t length);
} answer_span;

enum { MOST_SPANS = 5 };
struct answer_dialect {
    const char *name, *mark; /* in the template */
    bool shows_special;
    bool drops_between; /* text between spans is headers */
    bool bare_call;     /* an answer that begins with { may be a call */
    answer_span spans[MOST_SPANS];
};

/* ---- calls ---- */

/* {"name": ..., "arguments" or "parameters": object, or that as a string}; a reader at its start. */
static bool read_call(answer_reader *r, json *j) {
    json_text key, name = {0};
    char *copy = NULL;
    const char *from = NULL, *to = NULL;
    json_kind kind;
    bool more, is_text = false;
    text_buffer arguments = {.cx = r->cx};
    if (json_enter_object(j)) return false;
    while (json_next_key(j, &more, &key) == STATUS_OK && more) {
        bool is_name = json_is(key, "name");
        bool is_arguments = json_is(key, "arguments") || json_is(key, "parameters");
        if (json_peek(j, &kind)) break;
        if (is_name) {
            if (json_string(j, &name)) break;
            context_release(r->cx, copy);
            copy = context_zalloc(r->cx, (size_t)name.length + 1);
            if (!copy) break;
            memcpy(copy, name.bytes, (size_t)name.length);
        } else if (is_arguments && kind == JSON_STRING) {
            json_text text;
            if (json_string(j, &text)) break;
            arguments.length = 0;
            if (text_append(&arguments, text.bytes, text.length)) break;
            is_text = true;
        } else {
            const char *begin = j->at;
            if (json_skip(j)) break;
            if (is_arguments) from = begin, to = j->at;
        }
    }
    bool whole = copy && name.length && (from || is_text) && context_status(r->cx) == STATUS_OK;
    while (from && from < to && strchr(": \t\r\n", *from)) from++;
    if (whole && is_text)
        r->sink.call(r->sink.user, copy, name.length, arguments.bytes, arguments.length);
    if (whole && !is_text) r->sink.call(r->sink.user, copy, name.length, from, to - from);
    context_release(r->cx, copy);
    text_free(&arguments);
    return whole;
}

/* One object, or a list of them, and nothing behind. */
static bool json_calls(answer_reader *r, const char *text, int64_t length) {
    json_kind kind;
    bool more, found = false;
    context_clear(r->cx);
    json j = json_make(r->cx, "a call", text, length, NULL),
         trial = json_make(r->cx, "a call", text, length, NULL);
    bool sound = json_skip(&trial) == STATUS_OK && json_finish(&trial) == STATUS_OK &&
                 json_peek(&j, &kind) == STATUS_OK;
    json_free(&trial);
    if (sound && kind == JSON_OBJECT) found = read_call(r, &j);
    if (sound && kind == JSON_ARRAY && json_enter_array(&j) == STATUS_OK)
        while (json_next_item(&j, &more) == STATUS_OK && more && read_call(r, &j)) found = true;
    json_free(&j);
    context_clear(r->cx);
    return found;
}

/* `name` and its arguments, which must be sound. */
static bool named_call(answer_reader *r, const char *name, int64_t name_length, const char *text,
                       int64_t length) {
    json j = json_make(r->cx, "a call", text, length, NULL);
    bool sound = name_length > 0 && json_skip(&j) == STATUS_OK && json_finish(&j) == STATUS_OK;
    json_free(&j);
    context_clear(r->cx);
    if (sound) r->sink.call(r->sink.user, name, name_length, text, length);
    return sound;
}

static bool mistral_calls(answer_reader *r, const char *text, int64_t length) {
    static const char mark[] = "[ARGS]", next[] = "[TOOL_CALLS]";
    bool found = false;
    while (length && strchr(" \n\t", *text)) text++, length--;
    if (length && *text == '[') return json_calls(r, text, length);
    while (length) {
        const char *args = memmem(text, (size_t)length, mark, sizeof mark - 1);
        if (!args) return found;
        const char *from = args + sizeof mark - 1, *end = text + length;
        const char *to = memmem(from, (size_t)(end - from), next, sizeof next - 1);
        if (!named_call(r, text, args - text, from, (to ? to : end) - from)) return found;
        found = true;
        text = to ? to + sizeof next - 1 : end;
        length = end - text;
    }
    return found;
}

/* NAME <|constrain|>json<|message|>{...} */
static bool harmony_calls(answer_reader *r, const char *text, int64_t length) {
    static const char mark[] = "<|message|>";
    const char *body = memmem(text, (size_t)length, mark, sizeof mark - 1);
    int64_t name = 0;
    if (!body) return false;
    while (name < body - text && !strchr(" <", text[name])) name++;
    body += sizeof mark - 1;
    return named_call(r, text, name, body, text + length - body);
}

/* ---- dialects ---- */

#define THINK                                                                                      \
    { SPAN_REASONING, "<think>", "</think>", NULL }
static const answer_dialect dialects[] = {
    {"harmony",
     "<|channel|>",
     true,
     true,
     false,
     {{SPAN_REASONING, "<|channel|>analysis<|message|>", "<|end|>", NULL},
      {SPAN_CALL, "<|channel|>commentary to=functions.", "<|call|>", harmony_calls},
      {SPAN_CONTENT, "<|channel|>commentary<|message|>", "<|end|>", NULL},
      {SPAN_CONTENT, "<|channel|>final<|message|>", "<|return|>", NULL}}},
    {"mistral",
     "[TOOL_CALLS]",
     true,
     false,
     false,
     {{SPAN_CALL, "[TOOL_CALLS]", NULL, mistral_calls},
      {SPAN_REASONING, "[THINK]", "[/THINK]", NULL}}},
    {"hermes",
     "<tool_call>",
     true,
     false,
     false,
     {{SPAN_CALL, "<tool_call>", "</tool_call>", json_calls}, THINK}},
    {"llama3",
     "<|python_tag|>",
     true,
     false,
     true,
     {{SPAN_CALL, "<|python_tag|>", NULL, json_calls}, THINK}},
    {"llama3",
     "\"parameters\"",
     true,
     false,
     true,
     {{SPAN_CALL, "<|python_tag|>", NULL, json_calls}, THINK}},
    {"think", "<think>", true, false, false, {THINK}},
    {"plain", "", false, false, false, {{0}}},
};
static const answer_span bare_call = {SPAN_CALL, "", NULL, json_calls};

const answer_dialect *answer_dialect_of(const char *chat_template) {
    const answer_dialect *d = dialects;
    while (*d->mark && !(chat_template && strstr(chat_template, d->mark))) d++;
    return d;
}
const answer_dialect *answer_dialect_named(const char *name) {
    for (int64_t i = 0; i < COUNT_OF(dialects); i++)
        if (!strcmp(dialects[i].name, name)) return &dialects[i];
    return NULL;
}
const char *answer_dialect_name(const answer_dialect *d) {
    return d->name;
}
bool answer_shows_special(const answer_dialect *d) {
    return d->shows_special;
}
int answer_id_length(const answer_dialect *d) {
    return strcmp(d->name, "mistral") ? 24 : 9;
}

/* ---- the reader ---- */

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void take(answer_reader *r, int64_t count) {
    r->held.length -= count;
    memmove(r->held.bytes, r->held.bytes + count, (size_t)r->held.length);
}

/* Gives away the first `count` bytes held. White space at their end stays, since it is dropped when a span follows;
 * white space behind a span is dropped too. */
static void give(answer_reader *r, answer_part part, int64_t count) {
    int64_t from = 0, to = count;
    while (r->trims && from < count && is_blank(r->held.bytes[from])) from++;
    while (part == ANSWER_CONTENT && to > from && is_blank(r->held.bytes[to - 1])) to--;
    if (to > from) {
        r->sink.text(r->sink.user, part, r->held.bytes + from, to - from);
        r->trims = false;
    }
    r->blanks = r->trims ? 0 : count - to;
    take(r, count - r->blanks);
}

/* How many bytes at the end of `text` may be the start of `mark`. */
static int64_t partial(const char *text, int64_t length, const char *mark) {
    int64_t most = MIN_OF(length, (int64_t)strlen(mark) - 1);
    for (int64_t n = most; n > 0; n--)
        if (!memcmp(text + length - n, mark, (size_t)n)) return n;
    return 0;
}

static bool usable(const answer_reader *r, const answer_span *s) {
    return s->open && (s->kind != SPAN_CALL || r->tools);
}

/* Looks for the first opening mark; gives away what lies before it. True: inside a span now. */
static bool outside(answer_reader *r) {
    const answer_span *first = NULL;
    const char *at = NULL;
    int64_t keep = 0;
    for (int i = 0; i < MOST_SPANS; i++) {
        const answer_span *s = &r->dialect->spans[i];
        if (!usable(r, s)) continue;
        const char *found =
            r->held.length ? memmem(r->held.bytes, (size_t)r->held.length, s->open, strlen(s->open))
                           : NULL;
        if (found && (!at || found < at)) at = found, first = s;
        keep = MAX_OF(keep, r->held.length ? partial(r->held.bytes, r->held.length, s->open) : 0);
    }
    int64_t count = at ? at - r->held.bytes : r->held.length - keep;
    if (r->dialect->drops_between)
        take(r, count);
    else
        give(r, ANSWER_CONTENT, count);
    if (!first) return false;
    take(r, r->blanks + (int64_t)strlen(first->open)); /* blanks before a span are dropped */
    r->blanks = 0;
    r->inside = first;
    return true;
}

/* Gives away what is sure to belong to the span. True: it was closed. */
static bool inside(answer_reader *r) {
    const answer_span *s = r->inside;
    const char *at = s->close && r->held.length
                         ? memmem(r->held.bytes, (size_t)r->held.length, s->close, strlen(s->close))
                         : NULL;
    if (s->kind != SPAN_CALL) {
        int64_t keep = !at && s->close ? partial(r->held.bytes, r->held.length, s->close) : 0;
        give(r, s->kind == SPAN_REASONING ? ANSWER_REASONING : ANSWER_CONTENT,
             at ? at - r->held.bytes : r->held.length - keep);
    } else if (at) {
        int64_t length = at - r->held.bytes;
        if (!s->calls(r, r->held.bytes, length)) {
            r->sink.text(r->sink.user, ANSWER_CONTENT, s->open, (int64_t)strlen(s->open));
            r->sink.text(r->sink.user, ANSWER_CONTENT, r->held.bytes,
                         length + (int64_t)strlen(s->close));
        }
        take(r, length);
    }
    if (!at) return false;
    take(r, r->blanks + (int64_t)strlen(s->close));
    r->blanks = 0;
    r->trims = true;
    r->inside = NULL;
    return true;
}

answer_reader answer_begin(context *cx, const answer_dialect *d, bool tools, const char *prompt,
                           int64_t prompt_length, answer_sink sink) {
    answer_reader r = {.cx = cx, .dialect = d, .tools = tools, .sink = sink, .held.cx = cx};
    while (prompt_length && is_blank(prompt[prompt_length - 1])) prompt_length--;
    for (int i = 0; i < MOST_SPANS; i++) {
        const answer_span *s = &d->spans[i];
        int64_t n = s->open ? (int64_t)strlen(s->open) : 0;
        if (n && s->kind == SPAN_REASONING && prompt_length >= n &&
            !memcmp(prompt + prompt_length - n, s->open, (size_t)n))
            r.inside = s;
    }
    return r;
}

status answer_feed(answer_reader *r, const char *bytes, int64_t length) {
    TRY(text_append(&r->held, bytes, length));
    if (!r->has_text && r->dialect->bare_call && r->tools && !r->inside) {
        int64_t i = 0;
        while (i < r->held.length && is_blank(r->held.bytes[i])) i++;
        if (i == r->held.length) return STATUS_OK;
        if (r->held.bytes[i] == '{') r->inside = &bare_call;
    }
    r->has_text = r->has_text || length;
    for (bool more = true; more;) more = r->inside ? inside(r) : outside(r);
    return STATUS_OK;
}

status answer_end(answer_reader *r) {
    const answer_span *s = r->inside;
    bool called = s && s->kind == SPAN_CALL && s->calls(r, r->held.bytes, r->held.length);
    if (s && s->kind == SPAN_CALL && !called && *s->open)
        r->sink.text(r->sink.user, ANSWER_CONTENT, s->open, (int64_t)strlen(s->open));
    bool drops = called || (!s && r->dialect->drops_between);
    answer_part part = s && s->kind == SPAN_REASONING ? ANSWER_REASONING : ANSWER_CONTENT;
    if (!drops && r->held.length) r->sink.text(r->sink.user, part, r->held.bytes, r->held.length);
    r->held.length = 0;
    r->inside = NULL;
    return STATUS_OK;
}

void answer_free(answer_reader *r) {
    text_free(&r->held);
}
