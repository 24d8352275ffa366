#include "graph/params.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 64, VALUE_BYTES = 256 };

/* One "key=value" cut out of the text, blanks around both removed. */
typedef struct pair {
    char key[KEY_BYTES], value[VALUE_BYTES];
} pair;

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n') at++;
    return at;
}

static bool take(const char **at, const char *stop, char *to, size_t room_bytes) {
    const char *from = skip_blanks(*at);
    size_t length = strcspn(from, stop);
    *at = from + length;
    while (length &&
           (from[length - 1] == ' ' || from[length - 1] == '\n' || from[length - 1] == '\t'))
        length--;
    if (!length || length >= room_bytes) return false;
    memcpy(to, from, length);
    to[length] = 0;
    return true;
}

static const field *find_field(const op_def *op, const char *key) {
    for (const field *f = op->fields; f && f->name; f++)
        if (!strcmp(f->name, key)) return f;
    return NULL;
}

static bool parse_int(const char *text, int64_t low, int64_t high, int64_t *out) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    *out = n;
    return !errno && end != text && !*end && n >= low && n <= high;
}

static bool parse_ints(const char *text, int32_t count, int64_t *out) {
    for (int32_t i = 0; i < count; i++) {
        char one[32];
        size_t length = strcspn(text, ":");
        if (!length || length >= sizeof one) return i > 0 && !*text;
        memcpy(one, text, length);
        one[length] = 0;
        if (!parse_int(one, INT64_MIN, INT64_MAX, &out[i])) return false;
        text += length;
        if (*text == ':') text++;
    }
    return !*text;
}

static bool parse_bool(const char *text, bool *out) {
    *out = !strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "1");
    return *out || !strcmp(text, "no") || !strcmp(text, "false") || !strcmp(text, "0");
}

static bool parse_double(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end;
}

static bool parse_value(const field *f, const char *text, char *params) {
    int64_t n;
    char *at = params + f->offset;
    switch (f->kind) {
    case FIELD_INT32:
        if (!parse_int(text, INT32_MIN, INT32_MAX, &n)) return false;
        *(int32_t *)at = (int32_t)n;
        return true;
    case FIELD_INT64:
        return parse_int(text, INT64_MIN, INT64_MAX, (int64_t *)at);
    case FIELD_DOUBLE:
        return parse_double(text, (double *)at);
    case FIELD_BOOL:
        return parse_bool(text, (bool *)at);
    case FIELD_FORMAT:
        return (*(const num_format **)at = num_find(text)) != NULL;
    case FIELD_INT64S:
        return parse_ints(text, f->count, (int64_t *)at);
    }
    return false;
}

static const char *const wanted[] = {[FIELD_INT32] = "a whole number",
                                     [FIELD_INT64] = "a whole number",
                                     [FIELD_DOUBLE] = "a number",
                                     [FIELD_BOOL] = "yes or no",
                                     [FIELD_FORMAT] = "a number format such as f32",
                                     [FIELD_INT64S] = "whole numbers joined by ':'"};

static status unknown_key(context *cx, const op_def *op, const char *key) {
    char known[256] = "none";
    size_t at = 0;
    for (const field *f = op->fields; f && f->name && at + 40 < sizeof known; f++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", f->name);
    return context_fail(cx, STATUS_BAD_ARGUMENT, "%s has no parameter '%s' (it has: %s)", op->name,
                        key, known);
}

status params_parse(context *cx, const op_def *op, const char *text, void *params) {
    const char *at = skip_blanks(text ? text : "");
    while (*at) {
        pair p;
        if (!take(&at, "=,", p.key, sizeof p.key) || *at != '=')
            return context_fail(cx, STATUS_BAD_ARGUMENT,
                                "%s: parameters are written key=value, key=value; got '%s'",
                                op->name, text);
        at++;
        if (!take(&at, ",", p.value, sizeof p.value))
            return context_fail(cx, STATUS_BAD_ARGUMENT, "%s: parameter '%s' has no value",
                                op->name, p.key);
        const field *f = find_field(op, p.key);
        if (!f) return unknown_key(cx, op, p.key);
        if (!parse_value(f, p.value, params))
            return context_fail(cx, STATUS_BAD_ARGUMENT, "%s: parameter '%s' takes %s, not '%s'",
                                op->name, p.key, wanted[f->kind], p.value);
        at = skip_blanks(*at == ',' ? at + 1 : at);
    }
    return STATUS_OK;
}

value graph_apply(graph *g, const char *name, const char *text, int32_t n_in, const value *in) {
    if (graph_status(g) != STATUS_OK) return NO_VALUE;
    const op_def *op = op_find(name);
    if (!op)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "there is no op '%s' (`hone ops` lists them)",
                          name);
    if (n_in < 0 || n_in > MAX_IN)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "%s: %d operands", name, n_in);
    value whole[MAX_IN];
    for (int32_t i = 0; i < MAX_IN; i++) whole[i] = i < n_in ? in[i] : NO_VALUE;
    void *params = arena_alloc(&g->mem, op->params_bytes + 1);
    status st = params ? params_parse(g->cx, op, text, params) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        return graph_add(g, op, params, op->n_in < 0 ? n_in : MAX_OF(n_in, op->n_in), whole);
    g->st = st;
    return NO_VALUE;
}
