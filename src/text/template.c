/* Parsing once, rendering many times. */
#include "text/template.h"
#include "text/template_eval.h"
#include <string.h>
#include <time.h>

enum { MOST_STEPS = 20000000, MOST_DEPTH = 1000 };

status template_parse(context *cx, const char *source, int64_t source_bytes, template **out) {
    *out = NULL;
    template *t = context_zalloc(cx, sizeof *t);
    if (!t) return STATUS_NO_MEMORY;
    t->memory = arena_make(cx);
    status st = template_parse_source(&t->memory, source, source_bytes, &t->body);
    if (st != STATUS_OK) {
        template_free(t);
        return context_note(cx, st, "chat template");
    }
    *out = t;
    return STATUS_OK;
}

void template_free(template *t) {
    if (!t) return;
    context *cx = t->memory.cx;
    arena_free(&t->memory);
    context_release(cx, t);
}

/* The variables that a template starts with. Names of a template are interned in its own arena, so
 * that the outermost ones are looked up by their letters; see template_look_up. */
static status start_scope(evaluator *ev, const template_input *in) {
    for (const template_builtin *b = template_globals; b->name; b++)
        TRY(template_assign(ev, b->name,
                            (template_value){.kind = TEMPLATE_FUNCTION, .function = b}));
    template_value tools = in->tools, documents = in->documents;
    if (tools.kind == TEMPLATE_UNDEFINED) tools = template_none();
    if (documents.kind == TEMPLATE_UNDEFINED) documents = template_none();
    TRY(template_assign(ev, "messages", in->messages));
    TRY(template_assign(ev, "tools", tools));
    TRY(template_assign(ev, "documents", documents));
    TRY(template_assign(ev, "add_generation_prompt", template_bool(in->add_generation_prompt)));
    if (in->bos_token) TRY(template_assign(ev, "bos_token", template_string(in->bos_token)));
    if (in->eos_token) TRY(template_assign(ev, "eos_token", template_string(in->eos_token)));
    if (in->extra.kind != TEMPLATE_DICT) return STATUS_OK;
    for (int64_t i = 0; i < in->extra.dict->count; i++) {
        template_entry *e = &in->extra.dict->entries[i];
        if (e->key.kind != TEMPLATE_STRING)
            FAIL(ev->cx, STATUS_BAD_ARGUMENT, "a template variable's name must be a string");
        char *name = arena_strndup(ev->a, e->key.text, (size_t)e->key.length_bytes);
        if (!name) return STATUS_NO_MEMORY;
        TRY(template_assign(ev, name, e->value));
    }
    return STATUS_OK;
}

static template_limits with_defaults(template_limits l) {
    if (!l.steps) l.steps = MOST_STEPS;
    if (!l.output_bytes) l.output_bytes = (int64_t)16 << 20;
    if (!l.memory_bytes) l.memory_bytes = (int64_t)256 << 20;
    if (!l.depth) l.depth = MOST_DEPTH;
    return l;
}

static status render(evaluator *ev, const template *t, const template_input *in) {
    TRY(start_scope(ev, in));
    template_scope *variables = ARENA_NEW(ev->a, template_scope, 1);
    if (!variables) return STATUS_NO_MEMORY;
    variables->outer = ev->root;
    ev->scope = variables;
    TRY(template_run(ev, t->body));
    return template_put(ev->out, "", 1);
}

status template_render(const template *t, arena *a, const template_input *in, template_text *out) {
    template_scope root = {0};
    template_limits limits = with_defaults(in->limits);
    template_buffer text = {.a = a, .limit_bytes = limits.output_bytes};
    evaluator ev = {.a = a,
                    .cx = a->cx,
                    .scope = &root,
                    .root = &root,
                    .out = &text,
                    .memory_start_bytes = a->used_bytes,
                    .now_seconds = in->now_seconds ? in->now_seconds : (int64_t)time(NULL),
                    .limits = limits};
    text.line = &ev.line;
    TRY_NOTE(a->cx, render(&ev, t, in), "chat template");
    int64_t length = text.length_bytes - 1;
    size_t bos_bytes = in->bos_token ? strlen(in->bos_token) : 0;
    *out = (template_text){.text = text.text,
                           .length_bytes = length,
                           .has_bos = bos_bytes && (size_t)length >= bos_bytes &&
                                      !memcmp(text.text, in->bos_token, bos_bytes)};
    return STATUS_OK;
}
