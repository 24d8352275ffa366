/* Graphs for people: one line a node, or Graphviz. */
#include "graph/op.h"
#include <stdio.h>
#include <string.h>

static void put(text_sink sink, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(text_sink sink, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n > 0) sink.put(sink.to, line, strlen(line));
}

static const char *const phase_names[] = {"load", "forward", "backward", "update"};
static const char *const mark_names[] = {"output", "loss", "gradient", "next"};

static void put_field(text_sink sink, const field *f, const char *at) {
    switch (f->kind) {
    case FIELD_INT32:
        put(sink, "%d", *(const int32_t *)at);
        break;
    case FIELD_INT64:
        put(sink, "%lld", (long long)*(const int64_t *)at);
        break;
    case FIELD_DOUBLE:
        put(sink, "%g", *(const double *)at);
        break;
    case FIELD_BOOL:
        put(sink, "%s", *(const bool *)at ? "yes" : "no");
        break;
    case FIELD_FORMAT: {
        const num_format *format = *(const num_format *const *)at;
        put(sink, "%s", format ? format->name : "none");
        break;
    }
    case FIELD_INT64S:
        for (int32_t i = 0; i < f->count; i++)
            put(sink, "%s%lld", i ? ":" : "", (long long)((const int64_t *)at)[i]);
        break;
    }
}

static void put_params(text_sink sink, const node *n) {
    if (!n->params || !n->op->fields) return;
    for (const field *f = n->op->fields; f->name; f++) {
        put(sink, " %s=", f->name);
        put_field(sink, f, (const char *)n->params + f->offset);
    }
}

static void put_node(const graph *g, text_sink sink, const node *n) {
    char buffer[192];
    put(sink, "%%%d", n->id);
    for (int32_t o = 0; o < n->n_out; o++)
        put(sink, "%s%s", o ? ", " : " : ", type_print(g, &n->out[o], buffer, sizeof buffer));
    put(sink, " = %s", n->op->name);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (value_absent(n->in[i]))
            put(sink, " -");
        else if (n->in[i].out)
            put(sink, " %%%d.%d", n->in[i].node, n->in[i].out);
        else
            put(sink, " %%%d", n->in[i].node);
    }
    put_params(sink, n);
    if (n->name) put(sink, " '%s'", n->name);
    put(sink, " (%s", phase_names[n->phase]);
    if (n->region) put(sink, ", block %d", n->region);
    put(sink, n->pinned ? ", again)\n" : ")\n");
}

void graph_print(const graph *g, text_sink sink) {
    for (int32_t i = 1; i <= g->n_symbols; i++)
        put(sink, "symbol %s <= %lld\n", g->symbols[i].name, (long long)g->symbols[i].bound);
    for (int32_t i = 0; i < g->n_nodes; i++) put_node(g, sink, g->nodes[i]);
    for (int32_t i = 0; i < g->n_marks; i++) {
        const mark *m = &g->marks[i];
        put(sink, "%s", mark_names[m->kind]);
        if (m->name) put(sink, " '%s'", m->name);
        if (!value_absent(m->of)) put(sink, " of %%%d.%d", m->of.node, m->of.out);
        put(sink, ": %%%d.%d\n", m->at.node, m->at.out);
    }
}

void graph_print_dot(const graph *g, text_sink sink) {
    static const char *const colours[] = {"#dddddd", "#cfe2ff", "#ffe0cc", "#d8f0d0"};
    char buffer[192];
    put(sink, "digraph hone {\n  node [shape=box, style=filled, fontname=\"monospace\"];\n");
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const node *n = g->nodes[i];
        put(sink, "  n%d [fillcolor=\"%s\", label=\"%s%s%s\\n%s\"];\n", i, colours[n->phase],
            n->op->name, n->name ? " " : "", n->name ? n->name : "",
            type_print(g, &n->out[0], buffer, sizeof buffer));
        for (int32_t j = 0; j < n->n_in; j++)
            if (!value_absent(n->in[j])) put(sink, "  n%d -> n%d;\n", n->in[j].node, i);
    }
    put(sink, "}\n");
}
