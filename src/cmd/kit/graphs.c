#include "cmd/kit/graphs.h"
#include "graph/params.h"
#include "ops/dropout.h"
#include <stdio.h>

enum { WIDTH = 256, HIDDEN = 704, VOCABULARY = 512, BLOCKS = 2 };

static value op2(graph *g, const char *op, const char *params, value a, value b) {
    return graph_apply(g, op, params, 2, (value[]){a, b});
}

static value parameter(graph *g, const char *what, int block, int32_t rank, int64_t rows,
                       int64_t columns) {
    char name[48];
    snprintf(name, sizeof name, "%s.%d", what, block);
    return graph_state(g, name, type_fixed(num_find("f32"), rank, (int64_t[]){rows, columns}),
                       TAG_PARAMETER);
}

static value linear(graph *g, value x, const char *what, int block, int64_t rows, int64_t columns) {
    return op2(g, "matmul", "", x, parameter(g, what, block, 2, rows, columns));
}

static void mark_loss(graph *g, value logits, value targets) {
    value each = op2(g, "cross_entropy", "", logits, targets);
    graph_mark(g, MARK_LOSS, "loss", graph_apply(g, "mean", "axes=1, keep=yes", 1, &each),
               NO_VALUE);
}

static value ids(graph *g, const char *name, extent count) {
    return graph_input(g, name, type_of(num_find("i32"), 1, &count));
}

static void build_mlp(graph *g) {
    extent rows = extent_symbol(graph_symbol(g, "rows", 256));
    value x = graph_input(g, "x", type_of(num_find("f32"), 2, (extent[]){rows, extent_of(64)}));
    value y = linear(g, x, "w", 1, 64, WIDTH);
    y = op2(g, "add", "", y, parameter(g, "b", 1, 1, WIDTH, 0));
    y = graph_apply(g, "gelu", "", 1, &y);
    y = linear(g, y, "w", 2, WIDTH, 10);
    y = op2(g, "add", "", y, parameter(g, "b", 2, 1, 10, 0));
    mark_loss(g, y, ids(g, "targets", rows));
}

static value norm(graph *g, value x, const char *what, int block) {
    return op2(g, "rms_norm", "eps=1e-5", x, parameter(g, what, block, 1, WIDTH, 0));
}

static value dropped(graph *g, value x, double dropout, int64_t stream) {
    return dropout > 0 ? build_dropout(g, x, dropout, stream) : x;
}

static value transformer_block(graph *g, value x, int i, value offsets, double dropout) {
    g->region = i + 1;
    value n = norm(g, x, "norm1", i);
    value in[] = {linear(g, n, "q", i, WIDTH, WIDTH), linear(g, n, "k", i, WIDTH, WIDTH / 2),
                  linear(g, n, "v", i, WIDTH, WIDTH / 2), offsets};
    value a = graph_apply(g, "attention", "head=64, group=2, scale=0.125, causal=yes", 4, in);
    a = dropped(g, linear(g, a, "o", i, WIDTH, WIDTH), dropout, 2 * i);
    x = op2(g, "add", "", x, a);
    n = norm(g, x, "norm2", i);
    value gate = linear(g, n, "gate", i, WIDTH, HIDDEN);
    gate = graph_apply(g, "silu", "", 1, &gate);
    value up = op2(g, "mul", "", gate, linear(g, n, "up", i, WIDTH, HIDDEN));
    up = dropped(g, linear(g, up, "down", i, HIDDEN, WIDTH), dropout, 2 * i + 1);
    x = op2(g, "add", "", x, up);
    g->region = 0;
    return x;
}

void example_transformer(graph *g, int blocks, double dropout) {
    extent tokens = extent_symbol(graph_symbol(g, "tokens", 512));
    int32_t sequences = graph_symbol(g, "sequences", 16);
    value offsets = ids(g, "offsets", extent_affine(sequences, 1, 1));
    value x = op2(g, "embedding", "", parameter(g, "table", 0, 2, VOCABULARY, WIDTH),
                  ids(g, "ids", tokens));
    for (int i = 0; i < blocks; i++) x = transformer_block(g, x, i, offsets, dropout);
    mark_loss(g, linear(g, norm(g, x, "norm", blocks), "head", 0, WIDTH, VOCABULARY),
              ids(g, "targets", tokens));
}

static void build_transformer(graph *g) {
    example_transformer(g, BLOCKS, 0);
}

const example_graph example_graphs[] = {
    {"mlp", "two layers with biases and a gelu, cross-entropy", build_mlp},
    {"transformer", "two blocks with grouped attention over ragged sequences", build_transformer},
    {0}};
