/* Statements, scopes, calls. A scope is opened by a loop's pass, a macro's call, a `with`, and a block
 * whose text is caught; `if` opens none. A macro sees the scope where it was defined, as it is when the
 * macro is called. */
#include "text/template_eval.h"
#include <stdio.h>
#include <string.h>

status template_fail(evaluator *ev, status code, const char *fmt, ...) {
    char words[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    return context_fail(ev->cx, code, "line %d: %s", ev->line, words);
}

status template_step(evaluator *ev, int64_t steps) {
    ev->steps += steps;
    if (ev->steps > ev->limits.steps)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "the template takes more than %lld steps",
                      (long long)ev->limits.steps);
    if (ev->a->used_bytes - ev->memory_start_bytes > (size_t)ev->limits.memory_bytes)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "the template takes more than %lld bytes of memory",
                      (long long)ev->limits.memory_bytes);
    return STATUS_OK;
}

status template_descend(evaluator *ev) {
    if (++ev->depth > ev->limits.depth)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "the template recurses deeper than %d",
                      ev->limits.depth);
    return STATUS_OK;
}

const template_value *template_look_up(evaluator *ev, const char *name) {
    for (template_scope *s = ev->scope; s; s = s->outer) {
        for (template_binding *b = s->bindings; b; b = b->next) {
            ev->steps++;
            if (b->name == name || !strcmp(b->name, name)) return &b->value;
        }
    }
    return NULL;
}

status template_assign(evaluator *ev, const char *name, template_value value) {
    for (template_binding *b = ev->scope->bindings; b; b = b->next) {
        ev->steps++;
        if (b->name == name || !strcmp(b->name, name)) {
            b->value = value;
            return STATUS_OK;
        }
    }
    template_binding *b = ARENA_NEW(ev->a, template_binding, 1);
    if (!b) return STATUS_NO_MEMORY;
    *b = (template_binding){name, value, ev->scope->bindings};
    ev->scope->bindings = b;
    return STATUS_OK;
}

static status assign_field(evaluator *ev, const template_node *target, template_value value) {
    const template_value *object = template_look_up(ev, target->name);
    if (!object || object->kind != TEMPLATE_NAMESPACE)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "cannot set '%s' of '%s', which is no namespace",
                      target->value.text, target->name);
    return template_dict_put(ev->a, *object, target->value, value);
}

status template_assign_target(evaluator *ev, const template_node *target, template_value value) {
    if (target->kind == TEMPLATE_NAME) return template_assign(ev, target->name, value);
    if (target->kind == TEMPLATE_FIELD) return assign_field(ev, target, value);
    template_list items;
    TRY(template_iterate(ev, value, &items));
    int64_t i = 0;
    for (const template_node *t = target->items; t; t = t->next, i++) {
        if (i < items.count) TRY(template_assign_target(ev, t, items.items[i]));
    }
    if (i != items.count)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "%lld values cannot be given to %lld names",
                      (long long)items.count, (long long)i);
    return STATUS_OK;
}

static status open_scope(evaluator *ev, template_scope *outer) {
    template_scope *s = ARENA_NEW(ev->a, template_scope, 1);
    if (!s) return STATUS_NO_MEMORY;
    s->outer = outer;
    ev->scope = s;
    return STATUS_OK;
}

template_buffer template_buffer_make(evaluator *ev) {
    return (template_buffer){.a = ev->a, .limit_bytes = ev->limits.output_bytes, .line = &ev->line};
}

/* Runs a body in a scope of its own and catches its text. */
static status catch_text(evaluator *ev, const template_node *body, template_value *out) {
    template_scope *scope = ev->scope;
    template_buffer *outside = ev->out, inside = template_buffer_make(ev);
    TRY(open_scope(ev, scope));
    ev->out = &inside;
    TRY(template_run(ev, body));
    ev->out = outside;
    ev->scope = scope;
    *out = template_buffer_string(&inside);
    return STATUS_OK;
}

status template_eval_arguments(evaluator *ev, const template_node *items, template_arguments *out) {
    template_value positional, names;
    *out = (template_arguments){0};
    if (!items) return STATUS_OK;
    TRY(template_list_new(ev->a, TEMPLATE_PLAIN_LIST, &positional));
    TRY(template_dict_new(ev->a, &names));
    for (const template_node *n = items; n; n = n->next) {
        template_value v;
        TRY(template_eval(ev, n->a, &v));
        if (n->kind == TEMPLATE_SPREAD) {
            template_list more;
            TRY(template_iterate(ev, v, &more));
            TRY(template_step(ev, more.count));
            for (int64_t i = 0; i < more.count; i++)
                TRY(template_list_append(ev->a, positional, more.items[i]));
        } else if (n->kind == TEMPLATE_SPREAD_NAMES) {
            if (v.kind != TEMPLATE_DICT) TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "** needs a dict");
            TRY(template_step(ev, v.dict->count));
            for (int64_t i = 0; i < v.dict->count; i++)
                TRY(template_dict_put(ev->a, names, v.dict->entries[i].key,
                                      v.dict->entries[i].value));
        } else if (n->name) {
            TRY(template_dict_set(ev->a, names, n->name, v));
        } else {
            TRY(template_list_append(ev->a, positional, v));
        }
    }
    out->positional = positional.list->items;
    out->positional_count = positional.list->count;
    out->named_count = names.dict->count;
    out->names = ARENA_NEW(ev->a, const char *, names.dict->count);
    out->named = ARENA_NEW(ev->a, template_value, names.dict->count);
    if (!out->names || !out->named) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < out->named_count; i++) {
        template_entry e = names.dict->entries[i];
        if (e.key.kind != TEMPLATE_STRING)
            TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "an argument's name must be a string");
        out->names[i] = arena_strndup(ev->a, e.key.text, (size_t)e.key.length_bytes);
        if (!out->names[i]) return STATUS_NO_MEMORY;
        out->named[i] = e.value;
    }
    return STATUS_OK;
}

/* Puts one argument where its name stands among the parameters; false when there is no such. */
static bool place(const char *parameters, const char *name, int *index) {
    size_t n = strlen(name);
    *index = 0;
    for (const char *p = parameters; *p; (*index)++) {
        size_t length = strcspn(p, "?,");
        if (length == n && !memcmp(p, name, n)) return true;
        p += strcspn(p, ",");
        p += *p == ',';
    }
    return false;
}

static int required_count(const char *parameters, int *all) {
    int required = 0;
    *all = 0;
    for (const char *p = parameters; *p; (*all)++) {
        size_t length = strcspn(p, ",");
        required += p[length - 1] != '?';
        p += length;
        p += *p == ',';
    }
    return required;
}

status template_call_builtin(evaluator *ev, const template_builtin *b, template_value self,
                             const template_arguments *args, template_value *out) {
    template_call c = {.ev = ev, .self = self, .all = args, .out = out};
    int all, index;
    int required = required_count(b->parameters, &all);
    if (*b->parameters == '*') return b->run(&c);
    for (int i = 0; i < TEMPLATE_MOST_PARAMETERS; i++) c.arg[i].kind = TEMPLATE_ABSENT;
    if (args->positional_count > all)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' takes %d arguments, %lld are given", b->name, all,
                      (long long)args->positional_count);
    for (int64_t i = 0; i < args->positional_count; i++) c.arg[i] = args->positional[i];
    for (int64_t i = 0; i < args->named_count; i++) {
        if (!place(b->parameters, args->names[i], &index) || c.arg[index].kind != TEMPLATE_ABSENT)
            TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' takes no argument '%s' here", b->name,
                          args->names[i]);
        c.arg[index] = args->named[i];
    }
    for (int i = 0; i < required; i++) {
        if (c.arg[i].kind == TEMPLATE_ABSENT)
            TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "'%s' lacks its argument %d", b->name, i + 1);
    }
    return b->run(&c);
}

static status bind_parameters(evaluator *ev, const template_macro *m,
                              const template_arguments *args) {
    int64_t index = 0, used = 0;
    const char *macro = m->node->name;
    for (const template_node *p = m->node->items; p; p = p->next, index++) {
        template_value v = template_undefined(p->name);
        bool given = index < args->positional_count;
        if (given) v = args->positional[index];
        for (int64_t i = 0; i < args->named_count; i++) {
            if (strcmp(args->names[i], p->name)) continue;
            if (given)
                TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "macro '%s' gets '%s' twice", macro, p->name);
            v = args->named[i];
            given = true;
            used++;
        }
        if (!given && p->a) TRY(template_eval(ev, p->a, &v));
        TRY(template_assign(ev, p->name, v));
    }
    if (args->positional_count > index)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "macro '%s' takes %lld arguments, %lld are given", macro,
                      (long long)index, (long long)args->positional_count);
    for (int64_t i = 0; i < args->named_count && used < args->named_count; i++) {
        const template_node *p = m->node->items;
        while (p && strcmp(p->name, args->names[i])) p = p->next;
        if (!p)
            TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "macro '%s' takes no argument '%s'", macro,
                          args->names[i]);
    }
    return STATUS_OK;
}

status template_call_macro(evaluator *ev, const template_macro *m, const template_arguments *args,
                           template_value *out) {
    template_scope *scope = ev->scope;
    template_buffer *outside = ev->out, inside = template_buffer_make(ev);
    TRY(template_descend(ev));
    TRY(open_scope(ev, m->scope));
    if (m->caller.kind == TEMPLATE_MACRO) TRY(template_assign(ev, "caller", m->caller));
    TRY(bind_parameters(ev, m, args));
    ev->out = &inside;
    TRY(template_run(ev, m->node->d));
    ev->out = outside;
    ev->scope = scope;
    ev->depth--;
    *out = template_buffer_string(&inside);
    return STATUS_OK;
}

status template_call_value(evaluator *ev, template_value callee, const template_arguments *args,
                           template_value *out) {
    switch (callee.kind) {
    case TEMPLATE_MACRO:
        return template_call_macro(ev, callee.macro, args, out);
    case TEMPLATE_FUNCTION:
        return template_call_builtin(ev, callee.function, callee, args, out);
    case TEMPLATE_METHOD:
        return template_call_builtin(ev, callee.method->builtin, callee.method->self, args, out);
    case TEMPLATE_UNDEFINED:
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "there is no function or method '%s'",
                      callee.text ? callee.text : "");
    default:
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a %s cannot be called", template_type_name(callee));
    }
}

static status make_macro(evaluator *ev, const template_node *n, template_value *out) {
    template_macro *m = ARENA_NEW(ev->a, template_macro, 1);
    if (!m) return STATUS_NO_MEMORY;
    *m = (template_macro){.node = n, .scope = ev->scope};
    *out = (template_value){.kind = TEMPLATE_MACRO, .macro = m};
    return STATUS_OK;
}

static status print(evaluator *ev, template_value v) {
    template_value s;
    TRY(template_to_text(ev, v, &s));
    TRY(template_step(ev, s.length_bytes / 64));
    return template_put(ev->out, s.text, s.length_bytes);
}

/* The items that pass the loop's condition. */
static status filter_items(evaluator *ev, const template_node *n, template_list *items) {
    template_scope *scope = ev->scope;
    template_value kept;
    TRY(template_list_new(ev->a, TEMPLATE_PLAIN_LIST, &kept));
    for (int64_t i = 0; i < items->count; i++) {
        template_value pass;
        TRY(open_scope(ev, scope));
        TRY(template_assign_target(ev, n->a, items->items[i]));
        TRY(template_eval(ev, n->c, &pass));
        if (template_truth(pass)) TRY(template_list_append(ev->a, kept, items->items[i]));
    }
    ev->scope = scope;
    *items = *kept.list;
    return STATUS_OK;
}

static status run_for(evaluator *ev, const template_node *n) {
    template_scope *scope = ev->scope;
    template_value iterable;
    template_list *items = ARENA_NEW(ev->a, template_list, 1);
    template_loop *loop = ARENA_NEW(ev->a, template_loop, 1);
    if (!items || !loop) return STATUS_NO_MEMORY;
    TRY(template_eval(ev, n->b, &iterable));
    TRY(template_iterate(ev, iterable, items));
    if (n->c) TRY(filter_items(ev, n, items));
    *loop = (template_loop){.list = items, .depth = 1};
    for (; loop->index < items->count && ev->flow != FLOW_BREAK; loop->index++) {
        TRY(open_scope(ev, scope));
        TRY(template_assign(ev, "loop", (template_value){.kind = TEMPLATE_LOOP, .loop = loop}));
        TRY(template_assign_target(ev, n->a, items->items[loop->index]));
        TRY(template_step(ev, 1));
        TRY(template_run(ev, n->items));
        if (ev->flow == FLOW_CONTINUE) ev->flow = FLOW_ON;
    }
    ev->flow = FLOW_ON;
    if (!items->count && n->d) {
        TRY(open_scope(ev, scope));
        TRY(template_run(ev, n->d));
    }
    ev->scope = scope;
    return STATUS_OK;
}

/* The caught text, as the first argument of a block's filters. */
static status apply_filters(evaluator *ev, const template_node *filter, template_value text,
                            template_value *out) {
    if (!filter) {
        *out = text;
        return STATUS_OK;
    }
    template_value inner;
    template_arguments args;
    TRY(template_descend(ev));
    TRY(apply_filters(ev, filter->a, text, &inner));
    TRY(template_eval_arguments(ev, filter->items, &args));
    TRY(template_call_builtin(ev, filter->builtin, inner, &args, out));
    ev->depth--;
    return STATUS_OK;
}

static status run_call_block(evaluator *ev, const template_node *n) {
    template_value callee, caller, out;
    template_arguments args;
    TRY(template_eval(ev, n->a->a, &callee));
    if (callee.kind != TEMPLATE_MACRO)
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "a call block needs a macro");
    TRY(template_eval_arguments(ev, n->a->items, &args));
    TRY(make_macro(ev, n, &caller));
    template_macro with_caller = *callee.macro;
    with_caller.caller = caller;
    TRY(template_call_macro(ev, &with_caller, &args, &out));
    return print(ev, out);
}

static status run_with(evaluator *ev, const template_node *n) {
    template_scope *scope = ev->scope, *inside;
    TRY(open_scope(ev, scope));
    inside = ev->scope;
    for (const template_node *set = n->items; set; set = set->next) {
        template_value v;
        ev->scope = scope;
        TRY(template_eval(ev, set->b, &v));
        ev->scope = inside;
        TRY(template_assign(ev, set->a->name, v));
    }
    TRY(template_run(ev, n->d));
    ev->scope = scope;
    return STATUS_OK;
}

static status run_block(evaluator *ev, const template_node *n) {
    template_value v;
    TRY(catch_text(ev, n->items, &v));
    if (n->kind == TEMPLATE_SET_BLOCK) {
        TRY(apply_filters(ev, n->b, v, &v));
        return template_assign_target(ev, n->a, v);
    }
    if (n->kind == TEMPLATE_FILTER_BLOCK) TRY(apply_filters(ev, n->a, v, &v));
    return print(ev, v);
}

static status run_one(evaluator *ev, const template_node *n) {
    template_value v;
    switch (n->kind) {
    case TEMPLATE_TEXT:
        return print(ev, n->value);
    case TEMPLATE_PRINT:
        TRY(template_eval(ev, n->a, &v));
        ev->line = n->line;
        return print(ev, v);
    case TEMPLATE_IF:
        TRY(template_eval(ev, n->a, &v));
        return template_run(ev, template_truth(v) ? n->b : n->c);
    case TEMPLATE_FOR:
        return run_for(ev, n);
    case TEMPLATE_SET:
        TRY(template_eval(ev, n->b, &v));
        return template_assign_target(ev, n->a, v);
    case TEMPLATE_MACRO_DEF:
        TRY(make_macro(ev, n, &v));
        return template_assign(ev, n->name, v);
    case TEMPLATE_CALL_BLOCK:
        return run_call_block(ev, n);
    case TEMPLATE_WITH:
        return run_with(ev, n);
    case TEMPLATE_BREAK:
        ev->flow = FLOW_BREAK;
        return STATUS_OK;
    case TEMPLATE_CONTINUE:
        ev->flow = FLOW_CONTINUE;
        return STATUS_OK;
    default:
        return run_block(ev, n);
    }
}

status template_run(evaluator *ev, const template_node *body) {
    TRY(template_descend(ev));
    for (const template_node *n = body; n && ev->flow == FLOW_ON; n = n->next) {
        ev->line = n->line;
        TRY(template_step(ev, 1));
        TRY(run_one(ev, n));
    }
    ev->depth--;
    return STATUS_OK;
}
