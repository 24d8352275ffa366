/* Chat templates against Jinja2 (tool/goldens/templates.py): a dozen in the style of well-known families over
 * the same conversations, and single expressions; bad templates with their words; limits; shortage of
 * memory. What Jinja2 refuses must be refused here. */
#include "test.h"
#include "base/file.h"
#include "text/template.h"
#include "text/template_json.h"
#include <stdio.h>
#include <stdlib.h>

enum { NOW = 1700000000 };
#define FOLDER "test/golden/templates"

static template_value field(template_value dict, const char *name) {
    const template_value *found =
        dict.kind == TEMPLATE_DICT ? template_dict_find_text(dict.dict, name) : NULL;
    return found ? *found : template_undefined(name);
}

static const char *text_of(arena *a, template_value v) {
    return v.kind == TEMPLATE_STRING ? arena_strndup(a, v.text, (size_t)v.length_bytes) : NULL;
}

static status read_json(context *cx, arena *a, const char *path, template_value *out) {
    file_map map;
    TRY(file_map_open(cx, path, &map));
    json j = json_make(cx, path, map.bytes, map.size_bytes, NULL);
    status st = template_value_from_json(a, &j, out);
    if (st == STATUS_OK) st = json_finish(&j);
    json_free(&j);
    file_map_close(&map);
    return st;
}

/* Renders a conversation through the fields meant for its parts. */
static status render_conversation(context *cx, arena *a, template_value source,
                                  template_value conversation, bool tokens, template_text *out) {
    template *t;
    TRY(template_parse(cx, source.text, source.length_bytes, &t));
    template_input in = {.messages = field(conversation, "messages"),
                         .tools = field(conversation, "tools"),
                         .add_generation_prompt =
                             template_truth(field(conversation, "add_generation_prompt")),
                         .bos_token = tokens ? "<s>" : NULL,
                         .eos_token = tokens ? "</s>" : NULL,
                         .extra = conversation,
                         .now_seconds = NOW};
    status st = template_render(t, a, &in, out);
    template_free(t);
    return st;
}

static status source_of(context *cx, arena *a, template_value c, template_value *out) {
    *out = field(c, "source");
    if (out->kind == TEMPLATE_STRING) return STATUS_OK;
    char *path = arena_printf(a, FOLDER "/%s", text_of(a, field(c, "template")));
    file_map map;
    if (!path) return STATUS_NO_MEMORY;
    TRY(file_map_open(cx, path, &map));
    char *copy = arena_strndup(a, map.bytes, (size_t)map.size_bytes);
    *out = template_string_of(copy, map.size_bytes);
    file_map_close(&map);
    return copy ? STATUS_OK : STATUS_NO_MEMORY;
}

typedef struct suite {
    context *cx;
    arena keep, work; /* work is emptied after each case */
    template_value conversations, cases;
    bool tokens, quiet;
} suite;

/* True when text (or refusal) is the one expected; otherwise prints both unless quiet. */
static bool case_holds(suite *s, template_value c) {
    template_value source, expected = field(c, "expected");
    template_text text = {.text = ""};
    const char *name = text_of(&s->work, field(c, "conversation"));
    if (!name || source_of(s->cx, &s->work, c, &source) != STATUS_OK) return false;
    context_clear(s->cx);
    status st = render_conversation(s->cx, &s->work, source, field(s->conversations, name),
                                    s->tokens, &text);
    bool same = st != STATUS_OK
                    ? expected.kind == TEMPLATE_NONE && st != STATUS_BUG
                    : template_equal(expected, template_string_of(text.text, text.length_bytes));
    if (same || s->quiet) return same;
    const char *called = text_of(&s->work, field(c, field(c, "name").kind ? "name" : "template"));
    printf("  %s, %s\n  source   %.*s\n  expected %s\n  got      %s\n", called ? called : "snippet",
           name, (int)MIN_OF(source.length_bytes, 300), source.text,
           expected.kind == TEMPLATE_NONE ? "(refusal)" : text_of(&s->work, expected),
           st == STATUS_OK ? text.text : context_error(s->cx));
    return false;
}

static void run_goldens(test *t, const char *path, bool tokens, int64_t at_least) {
    template_value file;
    suite s = {.cx = context_new(), .tokens = tokens};
    s.keep = arena_make(s.cx);
    s.work = arena_make(s.cx);
    setenv("TZ", "UTC", 1);
    CHECK_OK(t, s.cx, read_json(s.cx, &s.keep, path, &file));
    s.cases = field(file, "cases");
    s.conversations = field(file, "conversations");
    CHECK(t, s.cases.kind == TEMPLATE_LIST && s.cases.list->count >= at_least,
          "%s has too few cases", path);
    int64_t count = s.cases.list->count, wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        wrong += !case_holds(&s, s.cases.list->items[i]);
        arena_reset(&s.work);
    }
    printf("  %lld of %lld equal\n", (long long)(count - wrong), (long long)count);
    CHECK(t, wrong == 0, "%lld differ", (long long)wrong);
    /* The control: another text must be noticed. */
    s.quiet = true;
    template_value other = s.cases.list->items[0];
    CHECK_OK(t, s.cx,
             template_dict_set(&s.keep, other, "expected", template_string("another text")));
    CHECK(t, !case_holds(&s, other), "a wrong text passes");
    arena_free(&s.work);
    arena_free(&s.keep);
    CHECK(t, context_live_allocations(s.cx) == 0, "leak");
    context_free(s.cx);
}

static void families(test *t) {
    run_goldens(t, FOLDER "/families.json", true, 12 * 11);
}

static void snippets(test *t) {
    run_goldens(t, FOLDER "/snippets.json", false, 100);
}

static void published(test *t) {
    const char *path = getenv("HONE_TEMPLATES");
    if (path)
        run_goldens(t, path, true, 400);
    else
        test_skip(t, "HONE_TEMPLATES names no file made by tool/goldens/templates.py SDIST");
}

/* Parses and renders with nothing but a few variables. */
static status try_source(context *cx, const char *source, template_limits limits) {
    arena a = arena_make(cx);
    template *t;
    template_text text;
    status st = template_parse(cx, source, (int64_t)strlen(source), &t);
    if (st == STATUS_OK) {
        template_input in = {.now_seconds = NOW, .limits = limits};
        st = template_list_new(&a, TEMPLATE_PLAIN_LIST, &in.messages);
        if (st == STATUS_OK) st = template_render(t, &a, &in, &text);
        template_free(t);
    }
    arena_free(&a);
    return st;
}

static void bad_templates(test *t) {
    static const struct {
        const char *source;
        status code;
        const char *error;
    } bad[] = {
        {"{% if messages %}\nx", STATUS_BAD_DATA,
         "chat template: line 1: the block opened here has no 'endif'"},
        {"a\n{% for m in messages %}{% endif %}", STATUS_BAD_DATA,
         "chat template: line 2: unexpected tag 'endif'"},
        {"a\n{{ x", STATUS_BAD_DATA, "chat template: line 2: expected }}"},
        {"{{ 'x }}", STATUS_BAD_DATA, "chat template: line 1: the string is never closed"},
        {"\n{# x", STATUS_BAD_DATA, "chat template: line 2: the comment is never closed"},
        {"{% raw %}x", STATUS_BAD_DATA, "chat template: line 1: the tag 'raw' is never closed"},
        {"{{ (1] }}", STATUS_BAD_DATA, "chat template: line 1: unexpected ]"},
        {"{{ 1 $ 2 }}", STATUS_BAD_DATA, "chat template: line 1: unexpected character $"},
        {"{{ 99999999999999999999 }}", STATUS_BAD_DATA,
         "chat template: line 1: bad number 99999999999999999999"},
        {"{{ 1 +\n }}", STATUS_BAD_DATA,
         "chat template: line 2: expected an expression, found '}}'"},
        {"{% break %}", STATUS_BAD_DATA, "chat template: line 1: 'break' outside of a loop"},
        {"\n\n{{ x | nope }}", STATUS_UNSUPPORTED, "chat template: line 3: unknown filter 'nope'"},
        {"{{ x is nope }}", STATUS_UNSUPPORTED, "chat template: line 1: unknown test 'nope'"},
        {"{% include 'x' %}", STATUS_UNSUPPORTED,
         "chat template: line 1: the tag 'include' is not supported"},
        {"{% for x in y recursive %}{% endfor %}", STATUS_UNSUPPORTED,
         "chat template: line 1: recursive loops are not supported"},
        {"{{ cycler(1) }}", STATUS_UNSUPPORTED,
         "chat template: line 1: the function 'cycler' is not supported"},
        {"{{ 'x'.encode() }}", STATUS_UNSUPPORTED,
         "chat template: line 1: there is no function or method 'encode'"},
        {"{{ ''.__class__ }}", STATUS_UNSUPPORTED,
         "chat template: line 1: the attribute '__class__' is out of reach for templates"},
        {"{{ messages.append(1) }}", STATUS_UNSUPPORTED,
         "chat template: line 1: a template may not change a list"},
        {"{{ 2 ** 64 }}", STATUS_UNSUPPORTED, "chat template: line 1: integers have 64 bits"},
        {"x\n{{ nope.x }}", STATUS_BAD_DATA,
         "chat template: line 2: 'nope' is undefined, it has no 'x'"},
        {"{{ 'a' + 1 }}", STATUS_BAD_DATA,
         "chat template: line 1: '+' does not work on a str and a int"},
        {"{{ raise_exception('roles') }}", STATUS_BAD_ARGUMENT,
         "chat template: line 1: the template refuses: roles"},
        {"{% macro f(n) %}{{ f(n) }}{% endmacro %}\n{{ f(1) }}", STATUS_BAD_DATA,
         "chat template: line 1: the template recurses deeper than 1000"},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
         STATUS_BAD_DATA,
         "chat template: line 1: the template takes more than 268435456 bytes of memory"},
        {"{% set n = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% "
         "endfor %}",
         STATUS_BAD_DATA, "chat template: line 1: the text grows past 16777216 bytes"},
        {"{{ 'x' * 99999999999 }}", STATUS_BAD_DATA,
         "chat template: line 1: the text grows past 16777216 bytes"},
        {"{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}"
         "{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
         STATUS_BAD_DATA, "chat template: line 1: the template takes more than 20000000 steps"},
        {"{% set s = 'a' * 9000000 %}{% for i in range(9) %}{{ s.rfind('b' ~ s[1:]) }}{% endfor %}",
         STATUS_BAD_DATA, "chat template: line 1: the template takes more than 20000000 steps"},
        {"{% for i in range(100000) %}{{ 'xxxxxxxxxx' * 100 }}{% endfor %}", STATUS_BAD_DATA,
         "chat template: "},
    };
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(bad); i++) {
        context_clear(cx);
        status st = try_source(cx, bad[i].source, (template_limits){0});
        bool exact = !strcmp(context_error(cx), bad[i].error) || i == COUNT_OF(bad) - 1;
        CHECK(t, st == bad[i].code && exact, "%s\n  gives    %s: %s\n  expected %s", bad[i].source,
              status_name(st), context_error(cx), bad[i].error);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void nesting(test *t) {
    enum { DEEP = 20000 };
    context *cx = context_new();
    static const char *const units[] = {"(", "[", "-", "not ", "{1:", "a.b("};
    char *source = malloc(DEEP * 8 + 16);
    for (int64_t u = 0; u < COUNT_OF(units); u++) {
        strcpy(source, "{{ ");
        char *p = source + 3;
        for (int i = 0; i < DEEP; i++) p = stpcpy(p, units[u]);
        strcpy(p, " }}");
        CHECK(t, try_source(cx, source, (template_limits){0}) == STATUS_BAD_DATA, "%s", units[u]);
        CHECK(t, strstr(context_error(cx), "nest"), "%s: %s", units[u], context_error(cx));
    }
    char *p = stpcpy(source, "{{ 1");
    for (int i = 0; i < DEEP; i++) p = stpcpy(p, "+1");
    strcpy(p, " }}");
    CHECK_FAILS(t, cx, try_source(cx, source, (template_limits){0}), STATUS_BAD_DATA,
                "recurses deeper than 1000");
    p = source;
    for (int i = 0; i < DEEP / 2; i++) p = stpcpy(p, "{% if x %}");
    CHECK_FAILS(t, cx, try_source(cx, source, (template_limits){0}), STATUS_BAD_DATA,
                "nests deeper than 100");
    free(source);
    context_free(cx);
}

static void small_limits(test *t) {
    context *cx = context_new();
    const char *loop = "{% for i in range(50) %}0123456789{% endfor %}";
    CHECK_OK(t, cx, try_source(cx, loop, (template_limits){.steps = 1000, .output_bytes = 501}));
    CHECK_FAILS(t, cx, try_source(cx, loop, (template_limits){.steps = 100}), STATUS_BAD_DATA,
                "more than 100 steps");
    CHECK_FAILS(t, cx, try_source(cx, loop, (template_limits){.output_bytes = 499}),
                STATUS_BAD_DATA, "past 499 bytes");
    CHECK_FAILS(t, cx, try_source(cx, loop, (template_limits){.memory_bytes = 4096}),
                STATUS_BAD_DATA, "of memory");
    CHECK_FAILS(t, cx, try_source(cx, loop, (template_limits){.depth = 1}), STATUS_BAD_DATA,
                "deeper than 1");
    context_free(cx);
}

static void short_of_memory(test *t) {
    context *cx = context_new();
    const char *source =
        "{% set n = namespace(a=[]) %}{% macro m(a, b=1) %}{{ a }}{{ b }}{% endmacro %}"
        "{% for i in range(300) %}{% set n.a = n.a + [i|string|upper] %}{{ m(i, b=n.a|length) }}"
        "{% endfor %}{{ n.a|sort|join(',') }}{{ {'a': n.a}|tojson }}{{ 'é'|upper|indent }}";
    int64_t failures = 0;
    for (int64_t n = 0;; n++) {
        context_clear(cx);
        context_fail_allocation_after(cx, n);
        status st = try_source(cx, source, (template_limits){0});
        context_fail_allocation_after(cx, -1);
        CHECK(t, context_live_allocations(cx) == 0, "leak after allocation %lld", (long long)n);
        if (st == STATUS_OK) break;
        CHECK(t, st == STATUS_NO_MEMORY, "allocation %lld: %s", (long long)n, context_error(cx));
        failures++;
    }
    CHECK(t, failures > 5, "only %lld allocations", (long long)failures);
    context_free(cx);
}

static void bos(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    template *parsed;
    template_text text;
    const char *source = "{{ bos_token if tools is none }}x";
    CHECK_OK(t, cx, template_parse(cx, source, (int64_t)strlen(source), &parsed));
    CHECK_OK(t, cx, template_render(parsed, &a, &(template_input){.bos_token = "<s>"}, &text));
    CHECK(t, text.has_bos && text.length_bytes == 4 && !strcmp(text.text, "<s>x"), "'%s'",
          text.text);
    template_input in = {.bos_token = "<s>", .tools = template_bool(true)};
    CHECK_OK(t, cx, template_render(parsed, &a, &in, &text));
    CHECK(t, !text.has_bos && !strcmp(text.text, "x"), "'%s'", text.text);
    template_free(parsed);
    arena_free(&a);
    context_free(cx);
}

const test_case suite_template[] = {
    {"families", families},      {"snippets", snippets}, {"published", published, .slow = true},
    {"bad", bad_templates},      {"nesting", nesting},   {"limits", small_limits},
    {"memory", short_of_memory}, {"bos", bos},           {0}};
