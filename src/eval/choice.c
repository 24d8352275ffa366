#include "eval/choice.h"
#include "base/json.h"
#include "base/progress.h"
#include <math.h>
#include <string.h>

enum { MOST_CHOICES = 64 };

typedef struct question {
    json_text prompt;
    json_text choice[MOST_CHOICES];
    int64_t choices, answer;
} question;

typedef struct scores {
    int64_t choices, answer;
    likelihood_sum sum[MOST_CHOICES];
    int64_t bytes[MOST_CHOICES];
} scores;

static json_text keep(arena *mem, json_text t) {
    return (json_text){arena_strndup(mem, t.bytes, (size_t)t.length), t.length};
}

static status read_choices(json *j, arena *mem, question *q) {
    bool more;
    TRY(json_enter_array(j));
    for (;;) {
        json_text text;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_string(j, &text));
        if (q->choices == MOST_CHOICES)
            return json_fail(j, STATUS_BAD_DATA, "more than %d choices", MOST_CHOICES);
        if (!text.length) return json_fail(j, STATUS_BAD_DATA, "an empty choice");
        q->choice[q->choices] = keep(mem, text);
        if (!q->choice[q->choices++].bytes) return STATUS_NO_MEMORY;
    }
}

static status read_question(json *j, arena *mem, question *q) {
    json_text key, part[2] = {{"", 0}, {"", 0}};
    bool more;
    *q = (question){.answer = -1};
    TRY(json_enter_object(j));
    for (;;) {
        json_text text;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        int which = json_is(key, "context") ? 0 : json_is(key, "question") ? 1 : 2;
        if (which < 2) {
            TRY(json_string(j, &text));
            part[which] = keep(mem, text);
            if (!part[which].bytes) return STATUS_NO_MEMORY;
        } else if (json_is(key, "choices")) {
            TRY(read_choices(j, mem, q));
        } else if (json_is(key, "answer")) {
            TRY(json_integer(j, 0, MOST_CHOICES - 1, &q->answer));
        } else {
            TRY(json_skip(j));
        }
    }
    TRY(json_finish(j));
    if (q->choices < 2 || q->answer < 0 || q->answer >= q->choices)
        return json_fail(j, STATUS_BAD_DATA,
                         "a question has \"choices\", two or more, and \"answer\", which of them");
    bool both = part[0].length && part[1].length;
    q->prompt.bytes = arena_printf(mem, "%s%s%s", part[0].bytes, both ? "\n" : "", part[1].bytes);
    if (!q->prompt.bytes) return STATUS_NO_MEMORY;
    q->prompt.length = (int64_t)strlen(q->prompt.bytes);
    return STATUS_OK;
}

/* The ids of prompt and choice together, from where they leave the prompt's own; the prompt's begin gives way. */
static status add_choice(likelihood *l, const question *q, int64_t i, likelihood_begin begin,
                         const token_list *prompt, arena *mem, scores *s, bool *cut) {
    token_list whole = {.cx = l->cx};
    bool begun;
    char *text = arena_printf(mem, "%s %s", q->prompt.bytes, q->choice[i].bytes);
    if (!text) return STATUS_NO_MEMORY;
    status st = likelihood_encode(l, text, (int64_t)strlen(text), begin, &whole, &begun);
    if (st == STATUS_OK) {
        int64_t from = 0, skip = MAX_OF(whole.count - l->options.context, 0);
        while (from < prompt->count && from < whole.count - 1 &&
               prompt->ids[from] == whole.ids[from])
            from++;
        *cut |= skip > 0;
        s->bytes[i] = q->choice[i].length;
        if (whole.count - skip < 2)
            st = context_fail(l->cx, STATUS_BAD_DATA, "the prompt is empty");
        else
            st = likelihood_add(l, whole.ids + skip, whole.count - skip, MAX_OF(from - skip, 1),
                                &s->sum[i]);
    }
    token_free(&whole);
    return st;
}

static status add_question(likelihood *l, const question *q, likelihood_begin begin, arena *mem,
                           scores *s, choice_result *out) {
    token_list prompt = {.cx = l->cx};
    bool cut = false, begun;
    *s = (scores){.choices = q->choices, .answer = q->answer};
    status st = likelihood_encode(l, q->prompt.bytes, q->prompt.length, begin, &prompt, &begun);
    for (int64_t i = 0; i < q->choices && st == STATUS_OK; i++)
        st = add_choice(l, q, i, begin, &prompt, mem, s, &cut);
    token_free(&prompt);
    out->truncated += cut;
    return st;
}

static int64_t likeliest(const scores *s, bool normalised) {
    int64_t best = 0;
    double least = INFINITY;
    for (int64_t i = 0; i < s->choices; i++) {
        double nll = s->sum[i].nll / (normalised ? (double)s->bytes[i] : 1);
        if (nll < least) {
            least = nll;
            best = i;
        }
    }
    return best;
}

static void sum_up(const scores *all, choice_result *out) {
    double n = (double)out->questions, right = 0, right_normalised = 0;
    for (int64_t i = 0; i < out->questions; i++) {
        right += likeliest(&all[i], false) == all[i].answer;
        right_normalised += likeliest(&all[i], true) == all[i].answer;
        out->chance += 1 / (double)all[i].choices / n;
    }
    out->accuracy = right / n;
    out->normalised = right_normalised / n;
    double below = MAX_OF(n - 1, 1);
    out->accuracy_error = sqrt(out->accuracy * (1 - out->accuracy) / below);
    out->normalised_error = sqrt(out->normalised * (1 - out->normalised) / below);
}

static status keep_right(arena *mem, const scores *all, choice_result *out) {
    double *right = ARENA_NEW(mem, double, out->questions);
    if (!right) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < out->questions; i++)
        right[i] = likeliest(&all[i], false) == all[i].answer;
    out->right = right;
    return STATUS_OK;
}

static status run_lines(likelihood *l, const char *text, int64_t length, const choice_options *o,
                        arena *mem, choice_result *out, progress *shown) {
    int64_t lines = 1, line = 0;
    for (int64_t i = 0; i < length; i++) lines += text[i] == '\n';
    if (o->most) lines = MIN_OF(lines, o->most + 1);
    scores *all = ARENA_NEW(mem, scores, lines);
    if (!all) return STATUS_NO_MEMORY;
    for (int64_t at = 0, end; at < length && (!o->most || out->questions < o->most); at = end + 1) {
        const char *stop = memchr(text + at, '\n', (size_t)(length - at));
        end = stop ? stop - text : length;
        line++;
        if (end == at || (end == at + 1 && text[at] == '\r')) continue;
        arena own = arena_make(l->cx);
        question q;
        json j = json_make(l->cx, "the line", text + at, end - at, NULL);
        status st = read_question(&j, &own, &q);
        json_free(&j);
        if (st == STATUS_OK) st = add_question(l, &q, o->begin, &own, &all[out->questions++], out);
        arena_free(&own);
        TRY_NOTE(l->cx, st, "line %lld", (long long)line);
        progress_show(shown, at, NULL);
    }
    if (!out->questions) FAIL(l->cx, STATUS_BAD_DATA, "there is no question");
    TRY(likelihood_flush(l));
    sum_up(all, out);
    return o->keep ? keep_right(o->keep, all, out) : STATUS_OK;
}

status choice_run(likelihood *l, const char *name, const char *text, int64_t length,
                  const choice_options *o, choice_result *out) {
    arena mem = arena_make(l->cx);
    progress shown;
    *out = (choice_result){0};
    progress_begin(&shown, "asking", length);
    status st = run_lines(l, text, length, o, &mem, out, &shown);
    progress_end(&shown);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(l->cx, st, "'%s'", name);
}
