#include "compress/kit/recipe.h"
#include <ctype.h>
#include <string.h>

enum { MOST_STEPS = 64, MOST_ARGS = 32, MOST_OPTIONS = 32 };

typedef struct reading {
    arena *mem;
    context *cx;
    const char *text, *at;
} reading;

static int64_t column(const reading *r) {
    return r->at - r->text + 1;
}

static void skip_space(reading *r) {
    while (isspace((unsigned char)*r->at)) r->at++;
}

static status unexpected(const reading *r, const char *wanted) {
    if (!*r->at)
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "--do, column %lld: %s must come, but the text ends",
             (long long)column(r), wanted);
    FAIL(r->cx, STATUS_BAD_ARGUMENT, "--do, column %lld: %s must come, not '%c'",
         (long long)column(r), wanted, *r->at);
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static status read_name(reading *r, const char *what, const char **out) {
    const char *from = r->at;
    if (!isalpha((unsigned char)*from)) return unexpected(r, what);
    while (is_word(*r->at)) r->at++;
    *out = arena_strndup(r->mem, from, (size_t)(r->at - from));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_quoted(reading *r, const char **out) {
    const char *from = ++r->at;
    while (*r->at && *r->at != '"') r->at++;
    if (!*r->at) return unexpected(r, "a closing quote");
    *out = arena_strndup(r->mem, from, (size_t)(r->at++ - from));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_value(reading *r, const char **out) {
    skip_space(r);
    if (*r->at == '"') return read_quoted(r, out);
    const char *from = r->at;
    while (*r->at && !isspace((unsigned char)*r->at) && !strchr(",()=>\"", *r->at)) r->at++;
    if (r->at == from) return unexpected(r, "a value");
    *out = arena_strndup(r->mem, from, (size_t)(r->at - from));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_arg(reading *r, recipe_arg *out) {
    skip_space(r);
    *out = (recipe_arg){.column = column(r)};
    TRY(read_value(r, &out->value));
    skip_space(r);
    if (*r->at != '=') return STATUS_OK;
    r->at++;
    out->key = out->value;
    return read_value(r, &out->value);
}

static status read_args(reading *r, recipe_step *s) {
    s->args = ARENA_NEW(r->mem, recipe_arg, MOST_ARGS);
    if (!s->args) return STATUS_NO_MEMORY;
    skip_space(r);
    if (*r->at == ')') {
        r->at++;
        return STATUS_OK;
    }
    for (;; r->at++) {
        if (s->n_args == MOST_ARGS)
            FAIL(r->cx, STATUS_BAD_ARGUMENT, "--do, column %lld: more than %d arguments",
                 (long long)column(r), MOST_ARGS);
        TRY(read_arg(r, &s->args[s->n_args++]));
        skip_space(r);
        if (*r->at != ',') break;
    }
    if (*r->at != ')') return unexpected(r, "',' or ')'");
    r->at++;
    return STATUS_OK;
}

status recipe_parse(arena *mem, const char *text, recipe *out) {
    reading r = {mem, mem->cx, text, text};
    *out = (recipe){.text = text, .steps = ARENA_NEW(mem, recipe_step, MOST_STEPS)};
    if (!out->steps) return STATUS_NO_MEMORY;
    for (;; r.at++) {
        skip_space(&r);
        if (out->count == MOST_STEPS)
            FAIL(mem->cx, STATUS_BAD_ARGUMENT, "--do, column %lld: more than %d methods",
                 (long long)column(&r), MOST_STEPS);
        recipe_step *s = &out->steps[out->count++];
        s->column = column(&r);
        TRY(read_name(&r, "a method", &s->name));
        skip_space(&r);
        if (*r.at == '(') {
            r.at++;
            TRY(read_args(&r, s));
            skip_space(&r);
        }
        if (!*r.at) return STATUS_OK;
        if (*r.at != '>') return unexpected(&r, "'>' or the end");
    }
}

/* ---- arguments ---- */

static bool same_name(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) return false;
    return *a == *b;
}

static const option_def *find(const option_def *table, const char *name) {
    for (; table && table->kind; table++)
        if (same_name(table->name, name)) return table;
    return NULL;
}

/* Which option an argument gives; *word says it as a flag. */
static status place_arg(arena *mem, const recipe_step *s, const recipe_arg *a,
                        const option_def *table, int64_t *by_place, const char **word) {
    const option_def *def = a->key ? find(table, a->key) : NULL;
    const char *names[MOST_OPTIONS];
    int64_t n = 0;
    for (const option_def *d = table; d && d->kind && n < MOST_OPTIONS; d++) names[n++] = d->name;
    if (a->key && !def) {
        const char *near = options_nearest(a->key, names, n);
        FAIL(mem->cx, STATUS_BAD_ARGUMENT, "--do, column %lld: %s has no argument '%s'%s%s%s",
             (long long)a->column, s->name, a->key, near ? "; did you mean '" : "",
             near ? near : "", near ? "'?" : "");
    }
    const option_def *flag = a->key ? NULL : find(table, a->value);
    if (flag && flag->kind == OPTION_BOOL) {
        *word = arena_printf(mem, "--%s", flag->name);
        return *word ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (!def && *by_place < n) def = &table[(*by_place)++];
    if (!def)
        FAIL(mem->cx, STATUS_BAD_ARGUMENT,
             "--do, column %lld: '%s' is one argument too many for %s", (long long)a->column,
             a->value, s->name);
    *word = arena_printf(mem, "--%s=%s", def->name, a->value);
    return *word ? STATUS_OK : STATUS_NO_MEMORY;
}

status recipe_note(context *cx, status st, const recipe_step *s) {
    if (st == STATUS_OK) return st;
    return context_note(cx, st, "--do, column %lld: %s", (long long)s->column, s->name);
}

status recipe_bind(arena *mem, const recipe_step *s, const option_def *table, size_t bytes,
                   const void **out) {
    const char *words[MOST_ARGS];
    verb_def verb = {.name = s->name, .options_bytes = bytes, .options = table};
    verb_call call;
    int64_t by_place = 0;
    for (int64_t i = 0; i < s->n_args; i++) {
        TRY(place_arg(mem, s, &s->args[i], table, &by_place, &words[i]));
        status st = options_read(mem, &verb, i + 1, words, &call);
        if (st != STATUS_OK)
            return context_note(mem->cx, st, "--do, column %lld: %s", (long long)s->args[i].column,
                                s->name);
    }
    status st = options_read(mem, &verb, s->n_args, words, &call);
    *out = call.options;
    return recipe_note(mem->cx, st, s);
}
