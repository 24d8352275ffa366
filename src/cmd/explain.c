/* `hone explain EXAMPLE`: a graph after every rewrite, the kernels that would run it and why others would not,
 * and where its memory lies. */
#include "base/options.h"
#include "cmd/kit/graphs.h"
#include "exec/explain.h"
#include "rewrite/autodiff.h"
#include "rewrite/precision.h"
#include "rewrite/recompute.h"
#include <string.h>

typedef struct explain_options {
    bool dot, forward;
    int precision, recompute;
    int64_t threads;
} explain_options;

static const char *const precisions[] = {"f32", "bf16", "f16", NULL};
static const char *const recomputes[] = {RECOMPUTE_NAMES, NULL};

static const option_def options[] = {
    OPTION(explain_options, dot, OPTION_BOOL,
           .help = "print the last graph for Graphviz, and nothing else"),
    OPTION(explain_options, forward, OPTION_BOOL, .help = "leave out the gradient"),
    OPTION(explain_options, precision, OPTION_CHOICE, .initial = "f32", .choices = precisions,
           .help = "what products are computed in"),
    OPTION(explain_options, recompute, OPTION_CHOICE, .initial = "none", .choices = recomputes,
           .help = "what the backward phase computes again"),
    OPTION(explain_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads that memory is planned for, 0 for all"),
    {0}};

static void put_text(void *to, const char *text, size_t length) {
    fwrite(text, 1, length, to);
}

static status explain_plan(const verb_call *call, const graph *g, int threads, text_sink sink) {
    pool *workers = NULL;
    states *store = states_new(call->cx);
    plan *p = NULL;
    status st = store ? pool_new(call->cx, threads, &workers) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = plan_new(call->cx, g, store, workers, &(plan_options){.isa_limit = ISA_COUNT - 1}, &p);
    if (st == STATUS_OK) {
        fprintf(call->out, "\n== kernels\n");
        explain_kernels(p, sink);
        fprintf(call->out, "\n== memory\n");
        explain_memory(p, sink);
    }
    plan_free(p);
    pool_free(workers);
    states_free(store);
    return st;
}

/* Runs a rewrite; `*g` is replaced. */
static status explain_rewrite(const verb_call *call, const rewrite_def *def, const void *options,
                              uint32_t *facts, graph **g, text_sink sink) {
    graph *next;
    TRY(rewrite_run(def, *g, options, facts, &next));
    graph_free(*g);
    *g = next;
    if (((const explain_options *)call->options)->dot) return STATUS_OK;
    fprintf(call->out, "\n== after %s\n", def->name);
    graph_print(*g, sink);
    return STATUS_OK;
}

static status explain_rewrites(const verb_call *call, graph **g, text_sink sink) {
    const explain_options *o = call->options;
    uint32_t facts = 0;
    precision_options products = {.format = num_find(precisions[o->precision])};
    if (o->precision) TRY(explain_rewrite(call, &rewrite_precision, &products, &facts, g, sink));
    if (!o->forward) TRY(explain_rewrite(call, &rewrite_autodiff, NULL, &facts, g, sink));
    TRY(explain_rewrite(call, rewrite_find("fuse"), NULL, &facts, g, sink));
    recompute_options again = {.kind = (recompute_kind)o->recompute};
    if (!o->recompute || o->forward) return STATUS_OK;
    return explain_rewrite(call, &rewrite_recompute, &again, &facts, g, sink);
}

static status explain_graph(const verb_call *call, const example_graph *example) {
    const explain_options *o = call->options;
    text_sink sink = {put_text, call->out};
    graph *g = graph_new(call->cx);
    if (!g) return STATUS_NO_MEMORY;
    example->build(g);
    status st = graph_verify(g);
    if (st == STATUS_OK && !o->dot) {
        fprintf(call->out, "== as built\n");
        graph_print(g, sink);
    }
    if (st == STATUS_OK) st = explain_rewrites(call, &g, sink);
    if (st == STATUS_OK && o->dot) graph_print_dot(g, sink);
    if (st == STATUS_OK && !o->dot) st = explain_plan(call, g, (int)o->threads, sink);
    graph_free(g);
    return st;
}

static status explain_run(const verb_call *call) {
    const char *names[8];
    int64_t n = 0;
    for (; example_graphs[n].name; n++) {
        if (!strcmp(example_graphs[n].name, call->args[0]))
            return explain_graph(call, &example_graphs[n]);
        names[n] = example_graphs[n].name;
    }
    const char *near = options_nearest(call->args[0], names, n);
    FAIL(call->cx, STATUS_BAD_ARGUMENT,
         "there is no example '%s'; there are mlp and transformer%s%s%s", call->args[0],
         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

extern const verb_def verb_explain;
const verb_def verb_explain = {
    .name = "explain",
    .summary = "show an example graph after every rewrite, its kernels and its memory",
    .example = "hone explain mlp",
    .help = "Examples: mlp, transformer.\n"
            "For each node the kernel that runs it, and for each faster one why it was refused.",
    .positional = "EXAMPLE",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(explain_options),
    .options = options,
    .run = explain_run,
};
