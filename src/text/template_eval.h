/* Inside the interpreter: the evaluator's state and what filters, tests, functions and methods see.
 *
 * All four are one kind of thing, a builtin: a name, the names of its parameters, and a function. The
 * evaluator binds arguments to parameters by position or name and refuses what does not fit, so that the
 * function finds each in `arg`, of kind ABSENT when it was not given. Parameters are written as
 * "a,b?,c?": those with a question mark may be absent. The word "*" takes whatever is given, unbound. */
#ifndef TEXT_TEMPLATE_EVAL_H
#define TEXT_TEMPLATE_EVAL_H

#include "text/template.h"
#include "text/template_ast.h"
#include "text/template_text.h"

enum { TEMPLATE_MOST_PARAMETERS = 6 };

typedef struct template_arguments {
    template_value *positional;
    int64_t positional_count;
    const char **names;
    template_value *named;
    int64_t named_count;
} template_arguments;

typedef struct evaluator evaluator;

typedef struct template_call {
    evaluator *ev;
    template_value self;
    template_value arg[TEMPLATE_MOST_PARAMETERS];
    const template_arguments *all;
    template_value *out;
} template_call;

typedef struct template_builtin {
    const char *name, *parameters;
    status (*run)(template_call *c);
} template_builtin;

typedef struct template_method {
    const template_builtin *builtin;
    template_value self;
} template_method;

typedef struct template_binding {
    const char *name; /* interned */
    template_value value;
    struct template_binding *next;
} template_binding;

typedef struct template_scope {
    template_binding *bindings;
    struct template_scope *outer;
} template_scope;

typedef struct template_macro {
    const template_node *node;
    template_scope *scope; /* where it was defined */
    template_value caller; /* handed to a macro by a call block */
} template_macro;

typedef struct template_loop {
    const template_list *list;
    int64_t index, depth;
    bool changed_before;
    template_value last_changed;
} template_loop;

struct evaluator {
    arena *a;
    context *cx;
    template_scope *scope, *root;
    template_buffer *out;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
    int32_t line, depth, loop_depth;
    int64_t steps;
    size_t memory_start_bytes;
    int64_t now_seconds;
    template_limits limits;
};

/* Counts work and checks all limits. */
status template_step(evaluator *ev, int64_t steps);
/* One level deeper; the caller takes it back by ev->depth--. */
status template_descend(evaluator *ev);

status template_eval(evaluator *ev, const template_node *n, template_value *out);
status template_run(evaluator *ev, const template_node *body);
status template_eval_arguments(evaluator *ev, const template_node *items, template_arguments *out);
status template_call_value(evaluator *ev, template_value callee, const template_arguments *args,
                           template_value *out);
status template_call_macro(evaluator *ev, const template_macro *macro,
                           const template_arguments *args, template_value *out);
status template_call_builtin(evaluator *ev, const template_builtin *b, template_value self,
                             const template_arguments *args, template_value *out);
/* Sets a variable in the present scope. */
status template_assign(evaluator *ev, const char *name, template_value value);
status template_assign_target(evaluator *ev, const template_node *target, template_value value);
const template_value *template_look_up(evaluator *ev, const char *name);

/* Operators. */
status template_binary(evaluator *ev, template_op op, template_value x, template_value y,
                       template_value *out);
status template_same(evaluator *ev, template_value x, template_value y, bool *out);
/* For sorting: -1, 0 or 1. */
status template_order(evaluator *ev, template_value x, template_value y, int *out);
/* The stable order of `count` keys, descending where `reverse`; `order` has room for them twice. */
status template_sort(evaluator *ev, const template_value *keys, int64_t count, bool reverse,
                     int64_t *order);
status template_compare(evaluator *ev, template_op op, template_value x, template_value y,
                        bool *out);
/* x.name and x[index]; what is not there is undefined. */
status template_attribute(evaluator *ev, template_value x, const char *name, template_value *out);
status template_item(evaluator *ev, template_value x, template_value index, template_value *out);
status template_slice(evaluator *ev, template_value x, const template_value part[3],
                      template_value *out);
/* The items that Python's iteration would give; a generator is used up by it. */
status template_iterate(evaluator *ev, template_value x, template_list *out);
/* Python's len(). */
status template_length(evaluator *ev, template_value x, int64_t *out);

/* Python's str() and repr(), and json.dumps. */
status template_to_text(evaluator *ev, template_value v, template_value *out);
status template_write_repr(evaluator *ev, template_buffer *b, template_value v);
typedef struct template_json_style {
    bool ascii, sort_keys;
    const char *indent; /* NULL: all on one line */
    const char *comma, *colon;
} template_json_style;
status template_write_json(evaluator *ev, template_buffer *b, template_value v,
                           const template_json_style *style);

/* The tables. NULL when there is none of that name. */
const template_builtin *template_find_filter(const char *name);
const template_builtin *template_find_test(const char *name);
const template_builtin *template_find_method(template_value self, const char *name);
extern const template_builtin template_globals[]; /* closed by {0} */

/* Helpers of builtins. */
template_buffer template_buffer_make(evaluator *ev);
status template_new_list(evaluator *ev, template_flavour flavour, template_value *out);
status template_add(evaluator *ev, template_value list, template_value item);
status template_upper(evaluator *ev, template_value s, template_value *out);
status template_lower(evaluator *ev, template_value s, template_value *out);
/* The first letter up, the others down. */
status template_capitalize(evaluator *ev, template_value s, template_value *out);
status template_replace(evaluator *ev, template_value s, template_value from, template_value to,
                        int64_t most, template_value *out);
status template_need_text(template_call *c, int index); /* index < 0: self */
status template_need_int(template_call *c, int index);

/* Fails with the line of the node at work. */
#define TEMPLATE_FAIL(ev, code, ...) return template_fail((ev), (code), __VA_ARGS__)
status template_fail(evaluator *ev, status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
