/* Graphs: what the verifier catches, what prints, what patterns and text parameters take. */
#include "graph/match.h"
#include "graph/params.h"
#include "ops/binary.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include "test.h"

/* An op of the test's own that writes its operand, to make versions with. */
static status same_shape(const graph *g, const node *n, type *out) {
    out[0] = *value_type(g, n->in[0]);
    return STATUS_OK;
}
static const op_def op_touch = {
    .name = "touch", .n_in = 1, .n_out = 1, .writes = {1}, .no_grad = true, .shape = same_shape};

static void stale_reads(test *t) {
    for (int late = 0; late < 2; late++) {
        context *cx = context_new();
        graph *g = graph_new(cx);
        value w =
            graph_state(g, "w", type_fixed(num_find("f32"), 1, (int64_t[]){4}), TAG_PARAMETER);
        value early = build_neg(g, w);
        value next = graph_add(g, &op_touch, NULL, 1, &w);
        value read = build_neg(g, late ? w : next);
        (void)build_add(g, early, read);
        CHECK_OK(t, cx, graph_status(g));
        if (late)
            CHECK_FAILS(t, cx, graph_verify(g), STATUS_BAD_ARGUMENT,
                        "operand 0 is an old version of 'w'");
        else
            CHECK_OK(t, cx, graph_verify(g));
        graph_free(g);
        context_free(cx);
    }
}

static void append_text(void *to, const char *text, size_t length) {
    strncat(to, text, length);
}

static void printing(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    char text[4096] = "";
    int32_t tokens = graph_symbol(g, "tokens", 64);
    value x = graph_input(
        g, "x",
        type_of(num_find("bf16"), 2, (extent[]){extent_affine(tokens, 2, 1), extent_of(8)}));
    graph_mark(g, MARK_OUTPUT, "y", graph_name(g, build_scale(g, x, 0.5, 1), "half %d", 7),
               NO_VALUE);
    CHECK_OK(t, cx, graph_verify(g));
    graph_print(g, (text_sink){append_text, text});
    const char *expected =
        "symbol tokens <= 64\n"
        "%0 : bf16[2*tokens+1<=129, 8] = input 'x' (forward)\n"
        "%1 : bf16[2*tokens+1<=129, 8] = scale %0 mul=0.5 add=1 'half 7' (forward)\n"
        "output 'y': %1.0\n";
    CHECK(t, !strcmp(text, expected), "%s", text);
    text[0] = 0;
    graph_print_dot(g, (text_sink){append_text, text});
    CHECK(t, strstr(text, "n0 -> n1;") && strstr(text, "scale half 7"), "%s", text);
    graph_free(g);
    context_free(cx);
}

static void text_parameters(test *t) {
    context *cx = context_new();
    scale_params p = {0};
    CHECK_OK(t, cx, params_parse(cx, &op_scale, " mul = 0.25 ,add=-3 ", &p));
    CHECK(t, p.mul == 0.25 && p.add == -3, "%g %g", p.mul, p.add);
    CHECK_FAILS(t, cx, params_parse(cx, &op_scale, "mull=1", &p), STATUS_BAD_ARGUMENT,
                "scale has no parameter 'mull' (it has: mul, add)");
    CHECK_FAILS(t, cx, params_parse(cx, &op_scale, "mul=x", &p), STATUS_BAD_ARGUMENT,
                "parameter 'mul' takes a number, not 'x'");
    CHECK_FAILS(t, cx, params_parse(cx, &op_scale, "mul", &p), STATUS_BAD_ARGUMENT, "key=value");
    CHECK_FAILS(t, cx, params_parse(cx, &op_scale, "mul=", &p), STATUS_BAD_ARGUMENT,
                "has no value");
    context_free(cx);
}

static void extents(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    int32_t n = graph_symbol(g, "n", 10);
    CHECK(t, extent_bound(g, extent_affine(n, 3, -1)) == 29, "bound");
    CHECK(t, extent_at(extent_affine(n, 3, -1), (int64_t[]){0, 4}) == 11, "at");
    bool ok;
    CHECK(t,
          extent_same(extent_divide(extent_affine(n, 4, 2), 2, &ok), extent_affine(n, 2, 1)) && ok,
          "divide");
    (void)extent_divide(extent_affine(n, 4, 1), 2, &ok);
    CHECK(t, !ok, "4n + 1 is not even");
    CHECK(t, !extent_same(extent_symbol(n), extent_of(10)), "a symbol is not its bound");
    CHECK(t, graph_symbol(g, "n", 11) == 0 && graph_status(g) == STATUS_BAD_ARGUMENT, "two bounds");
    graph_free(g);
    g = graph_new(cx);
    value a = graph_input(g, "a", type_fixed(num_find("f32"), 2, (int64_t[]){3, 4}));
    value b = graph_input(g, "b", type_fixed(num_find("f32"), 2, (int64_t[]){3, 5}));
    CHECK(t, value_absent(build_add(g, a, b)), "shapes differ");
    CHECK(t, strstr(context_error(cx), "add(f32[3, 4], f32[3, 5])"), "%s", context_error(cx));
    graph_free(g);
    context_free(cx);
}

const test_case suite_graph[] = {{"stale_reads", stale_reads},
                                 {"printing", printing},
                                 {"text_parameters", text_parameters},
                                 {"extents", extents},
                                 {0}};
