/* Building with ops: formats of gradients and expansions, symbolic extents, errors that stick, and
 * what is refused. */
#include "test.h"
#include "graph/op.h"
#include "kit/sweep.h"
#include "ops/binary.h"
#include "ops/cross_entropy.h"
#include "ops/gated_mlp.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/rope.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/topk.h"
#include <stdio.h>
#include <stdlib.h>

enum { CASES = 20 };

/* The sampled node again, over fresh inputs whose floats have another format. */
static value in_format(const sample *s, const num_format *format, graph *g) {
    const node *n = value_node(s->g, s->y);
    value in[MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = NO_VALUE;
        if (value_absent(n->in[i])) continue;
        type t = *value_type(s->g, n->in[i]);
        if (t.format->kind == NUM_FLOAT) t.format = format;
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = graph_input(g, name, t);
    }
    return graph_add(g, n->op, n->params, n->n_in, in);
}

/* A gradient has the type of what it is the gradient of, or is f32 where that is narrower: the weight of a product
 * gathers a sum over rows. */
static bool gradient_fits(const type *dx, const type *x) {
    return type_same(dx, x) || (type_same_dims(dx, x) && dx->format == num_find("f32") &&
                                x->format->error > dx->format->error);
}

/* Of a graph in bf16; expansions have the type of the node. */
static void check_formats(test *t, const op_def *op, uint64_t seed, sweep *s) {
    context *cx = context_new();
    sample from = {.g = graph_new(cx), .state = seed};
    graph *g = graph_new(cx);
    CHECK_OK(t, cx, op->sample(&from));
    value y = in_format(&from, num_find("bf16"), g);
    CHECK_OK(t, cx, graph_status(g));
    const node *n = value_node(g, y);
    sweep_clear(s, g);
    for (int32_t o = 0; o < n->n_out; o++) {
        char name[16];
        snprintf(name, sizeof name, "dy%d", o);
        type like = n->out[o];
        if (like.format->kind == NUM_INDEX) continue;
        if (like.format->kind == NUM_BLOCK) like.format = num_find("bf16");
        sweep_give(s, (value){n->id, o}, graph_input(g, name, like));
    }
    if (!op->no_grad) sweep_back(s, n->id, n->id + 1);
    CHECK_OK(t, cx, graph_verify(g));
    for (int32_t i = 0; i < n->n_in; i++) {
        if (value_absent(n->in[i]) || value_absent(s->of[n->in[i].node][0])) continue;
        const type *dx = value_type(g, s->of[n->in[i].node][0]), *x = value_type(g, n->in[i]);
        if (x->format->kind == NUM_FLOAT)
            CHECK(t, gradient_fits(dx, x), "%s, operand %d: gradient in %s", op->name, i,
                  dx->format->name);
    }
    value out[MAX_OUT] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    if (op->expand) op->expand(g, y, n->in, out);
    CHECK_OK(t, cx, graph_verify(g));
    for (int32_t o = 0; o < n->n_out && op->expand; o++)
        CHECK(t, type_same(value_type(g, out[o]), &n->out[o]), "%s, output %d expands to %s",
              op->name, o, value_type(g, out[o])->format->name);
    graph_free(g);
    graph_free(from.g);
    context_free(cx);
}

static void formats(test *t) {
    sweep *s = malloc(sizeof *s);
    for (int32_t i = 0; registry_op[i]; i++)
        for (uint64_t seed = 1; seed <= CASES; seed++) check_formats(t, registry_op[i], seed, s);
    free(s);
}

/* After an error nothing is built, and nothing falls over absent values. */
static void errors_stick(test *t) {
    for (int32_t i = 0; registry_op[i]; i++)
        for (uint64_t seed = 1; seed <= CASES; seed++) {
            context *cx = context_new();
            sample s = {.g = graph_new(cx), .state = seed};
            const op_def *op = registry_op[i];
            CHECK_OK(t, cx, op->sample(&s));
            node *n = value_node(s.g, s.y);
            int32_t nodes = s.g->n_nodes;
            value dy[MAX_OUT], dx[MAX_IN], out[MAX_OUT];
            for (int k = 0; k < MAX_IN; k++) dx[k] = NO_VALUE;
            for (int k = 0; k < MAX_OUT; k++) dy[k] = (value){n->id, k < n->n_out ? k : 0};
            (void)graph_fail(s.g, STATUS_BUG, "made up");
            uint32_t want = op->n_in < 0 ? (1u << n->n_in) - 1 : (1u << op->n_in) - 1;
            for (int k = 0; k < n->n_in; k++)
                if (value_absent(n->in[k])) want &= ~(1u << k);
            if (op->gradient) op->gradient(s.g, s.y, dy, want & ~op->index_in, dx);
            if (op->expand) op->expand(s.g, s.y, n->in, out);
            CHECK(t, s.g->n_nodes == nodes, "%s built on", op->name);
            graph_free(s.g);
            context_free(cx);
        }
}

static value given(graph *g, const char *name, const char *format, int32_t rank, extent a,
                   extent b) {
    return graph_input(g, name, type_of(num_find(format), rank, (extent[]){a, b}));
}

/* A block of a transformer over `tokens <= 32`, and back. */
static void symbolic_extents(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    extent tokens = extent_symbol(graph_symbol(g, "tokens", 32)), wide = extent_of(16);
    value table = given(g, "table", "bf16", 2, extent_of(50), wide);
    value ids = given(g, "ids", "i32", 1, tokens, wide);
    value norm = given(g, "norm", "f32", 1, wide, wide);
    value up = given(g, "up", "bf16", 2, extent_of(24), wide);
    value down = given(g, "down", "bf16", 2, wide, extent_of(24));
    value x = build_embedding(g, table, ids, NULL);
    rope_params turn = {.head = 8, .rotary = 8, .scale = 1};
    x = build_rope(g, &turn, x, ids, given(g, "frequencies", "f32", 1, extent_of(4), wide));
    value h = build_rms_norm(g, x, norm, 1e-5);
    value wide_h = build_matmul(g, h, up, false, true, NULL);
    h = build_gated_mlp(g, wide_h, wide_h, ACT_SILU);
    x = build_add(g, x, build_matmul(g, h, down, false, true, NULL));
    value split = build_reshape(g, x, 1, 1, 2, (int64_t[]){2, 8});
    x = build_merge(g, build_softmax(g, split), 1, 2);
    value logits = build_matmul(g, x, table, false, true, num_find("f32"));
    value loss = build_mean(g, build_cross_entropy(g, logits, ids, NO_VALUE, 1e-4), 1, false);
    sweep *s = malloc(sizeof *s);
    sweep_clear(s, g);
    CHECK_OK(t, cx, graph_status(g));
    sweep_give(s, loss, graph_input(g, "dloss", *value_type(g, loss)));
    sweep_back(s, 0, loss.node + 1);
    CHECK_OK(t, cx, graph_verify(g));
    const value asked[] = {table, norm, up, down};
    for (int i = 0; i < 4; i++)
        CHECK(t, gradient_fits(value_type(g, s->of[asked[i].node][0]), value_type(g, asked[i])),
              "%d", i);
    free(s);
    graph_free(g);
    context_free(cx);
}

/* Each mistake in a graph of its own: the message names the op and what is wrong. */
static void refusals(test *t) {
    for (int mistake = 0; mistake < 9; mistake++) {
        context *cx = context_new();
        graph *g = graph_new(cx);
        extent tokens = extent_symbol(graph_symbol(g, "tokens", 9));
        value a = given(g, "a", "f32", 2, extent_of(4), extent_of(6));
        value b = given(g, "b", "f32", 2, extent_of(5), extent_of(6));
        value c = given(g, "c", "f32", 2, tokens, extent_of(6));
        value ids = given(g, "ids", "i32", 1, tokens, tokens);
        const char *words = "";
        switch (mistake) {
        case 0:
            build_matmul(g, a, b, false, false, NULL), words = "matmul(f32[4, 6], f32[5, 6]";
            break;
        case 1:
            build_add(g, a, b), words = "add(f32[4, 6], f32[5, 6]): operand 1";
            break;
        case 2:
            build_add(g, a, c), words = "operand 1 does not fit";
            break;
        case 3:
            build_rms_norm(g, a, a, 1e-5), words = "one axis, the innermost";
            break;
        case 4:
            build_slice(g, a, 1, 4, 3), words = "not within axis 1";
            break;
        case 5:
            build_slice(g, c, 0, 0, 1), words = "not constant";
            break;
        case 6:
            build_add(g, a, ids), words = "operand 1 is i32";
            break;
        case 7:
            build_topk(g, a, 7), words = "the 7 largest";
            break;
        default:
            build_merge(g, build_broadcast_to(g, ids, a, 1), 0, 2), words = "operand 0";
            break;
        }
        CHECK(t, graph_status(g) == STATUS_BAD_ARGUMENT && strstr(context_error(cx), words),
              "mistake %d: %s", mistake, context_error(cx));
        graph_free(g);
        context_free(cx);
    }
}

const test_case suite_ops_build[] = {{"formats", formats},
                                     {"errors_stick", errors_stick},
                                     {"symbolic_extents", symbolic_extents},
                                     {"refusals", refusals},
                                     {0}};
