/* The two leaves, and looking ops up. */
#include "graph/op.h"
#include <stdio.h>
#include <string.h>

static status no_shape(const graph *g, const node *n, type *out) {
    (void)out;
    return op_fail(g, n, "is made by graph_input and graph_state only");
}

const op_def op_input = {.name = "input",
                         .help = "given anew each step",
                         .n_out = 1,
                         .no_grad = true,
                         .shape = no_shape};
const op_def op_state = {.name = "state",
                         .help = "a state at its first version",
                         .n_out = 1,
                         .no_grad = true,
                         .shape = no_shape};

bool op_is_leaf(const op_def *op) {
    return op == &op_input || op == &op_state;
}

const op_def *op_find(const char *name) {
    for (int32_t i = 0; registry_op[i]; i++)
        if (!strcmp(registry_op[i]->name, name)) return registry_op[i];
    return NULL;
}

status op_fail(const graph *g, const node *n, const char *fmt, ...) {
    char words[512], types[512] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    size_t at = 0;
    for (int32_t i = 0; i < n->n_in && at + 200 < sizeof types; i++) {
        char one[160] = "absent";
        if (!value_absent(n->in[i])) type_print(g, value_type(g, n->in[i]), one, sizeof one);
        at += (size_t)snprintf(types + at, sizeof types - at, "%s%s", i ? ", " : "", one);
    }
    return context_fail(g->cx, STATUS_BAD_ARGUMENT, "%s(%s): %s", n->op->name, types, words);
}
