/* `hone compress`: recipes and what is wrong with them, codes that survive every container, lineages that repeat to the
 * bit, methods from outside, and refusals before anything is written. */
#include "base/file.h"
#include "compress/kit/recipe.h"
#include "kit/compress_case.h"
#include "num/num.h"
#include <math.h>
#include <stdio.h>

static void recipes(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    recipe r;
    CHECK_OK(t, cx, recipe_parse(&mem, " a-b ( 1, x = 2:4,\"p, q\" )>c > d()", &r));
    CHECK(t, r.count == 3 && r.steps[0].n_args == 3 && !r.steps[1].n_args && !r.steps[2].n_args);
    CHECK(t, !strcmp(r.steps[0].name, "a-b") && r.steps[0].column == 2 && r.steps[1].column == 28);
    const recipe_arg *a = r.steps[0].args;
    CHECK(t, !a[0].key && !strcmp(a[0].value, "1") && !strcmp(a[1].key, "x"));
    CHECK(t, !strcmp(a[1].value, "2:4") && !strcmp(a[2].value, "p, q") && a[2].column == 19);
    static const struct {
        const char *text, *words;
    } bad[] = {{"", "column 1: a method must come, but the text ends"},
               {"a >", "column 4: a method must come"},
               {"a(1", "column 4: ',' or ')' must come"},
               {"a(1,)", "column 5: a value must come, not ')'"},
               {"a(x=)", "column 5: a value must come"},
               {"a(\"x)", "column 6: a closing quote must come"},
               {"a b", "column 3: '>' or the end must come, not 'b'"},
               {"a(1)) > b", "column 5: '>' or the end"}};
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_FAILS(t, cx, recipe_parse(&mem, bad[i].text, &r), STATUS_BAD_ARGUMENT, bad[i].words);
    arena_free(&mem);
    context_free(cx);
}

/* The largest difference of a tensor's values in two models; -1: it is not in both. */
static double apart(context *cx, const char *a, const char *b, const char *name_a,
                    const char *name_b) {
    float x[1024], y[1024];
    modelfile m, n;
    double most = -1;
    model *left, *right;
    if (model_open(cx, a, &left) != STATUS_OK) return -1;
    if (model_open(cx, b, &right) != STATUS_OK) return -1;
    m = left->file;
    n = right->file;
    const modelfile_tensor *s = modelfile_find(&m, name_a), *u = modelfile_find(&n, name_b);
    int64_t columns = s ? s->shape[1] : 0, rows = s ? s->shape[0] : 0;
    if (s && u && columns <= 1024 && rows * columns == modelfile_elems(u)) {
        char raw[4096];
        most = 0;
        for (int64_t r = 0; r < rows; r++) {
            if (modelfile_rows(&m, s, r, r + 1, raw) != STATUS_OK) break;
            s->format->unpack(raw, 0, columns, x);
            if (modelfile_rows(&n, u, r, r + 1, raw) != STATUS_OK) break;
            u->format->unpack(raw, 0, columns, y);
            for (int64_t j = 0; j < columns; j++)
                most = fmax(most, fabs((double)x[j] - (double)y[j]));
        }
    }
    model_close(left);
    model_close(right);
    return most;
}

static const char up[] = "model.layers.1.mlp.up_proj.weight";

/* Each container holds the very values of the codes. */
static void containers(test *t) {
    static const struct {
        const char *recipe;
        compress_container container;
        bool gguf;
    } cases[] = {{"round(4, group=32)", CONTAINER_GPTQ, true},
                 {"round(3, group=32)", CONTAINER_GPTQ, false},
                 {"round(2, group=0, affine)", CONTAINER_GPTQ, false},
                 {"round(8, group=0)", CONTAINER_GPTQ, false},
                 {"round(8, group=32)", CONTAINER_COMPRESSED, true},
                 {"round(4, group=32, affine, search)", CONTAINER_AWQ, false},
                 {"round(4, group=32, affine)", CONTAINER_COMPRESSED, false},
                 {"round(5, group=32)", CONTAINER_VALUES, true},
                 {"round(8, tensor)", CONTAINER_VALUES, false}};
    compress_case k = {0};
    char values[320];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(values, sizeof values, "%s.values", k.out);
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        compress_result r;
        compress_options o = compress_case_options(&k, cases[i].recipe, k.out);
        compress_case_remove(k.out);
        compress_case_remove(values);
        o.container = cases[i].container;
        CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
        o.container = CONTAINER_VALUES;
        o.out = values;
        CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
        double same = apart(k.cx, k.out, values, up, up);
        double moved = apart(k.cx, k.model, values, up, up);
        CHECK(t, same == 0 && moved > 1e-4, "%s: %g apart, %g moved", cases[i].recipe, same, moved);
        if (!cases[i].gguf) continue;
        CHECK_OK(t, k.cx, compress_case_run(&k, cases[i].recipe, k.gguf, NULL));
        same = apart(k.cx, k.gguf, values, "blk.1.ffn_up.weight", up);
        CHECK(t, same == 0, "%s in GGUF: %g apart", cases[i].recipe, same);
    }
    compress_case_close(t, &k);
}

static bool same_file(context *cx, const char *a, const char *b) {
    file_map x, y;
    if (file_map_open(cx, a, &x) != STATUS_OK) return false;
    if (file_map_open(cx, b, &y) != STATUS_OK) return false;
    bool same = x.size_bytes == y.size_bytes && !memcmp(x.bytes, y.bytes, (size_t)x.size_bytes);
    file_map_close(&x);
    file_map_close(&y);
    return same;
}

/* A text and a teacher that a recipe names are in the lineage, and must stay what they were. */
static void again_sources(test *t) {
    compress_case k = {0};
    compress_result r;
    char own[320], recipe[1024], second[320];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(own, sizeof own, "%s.own", k.text);
    snprintf(second, sizeof second, "%s2", k.out);
    CHECK_OK(t, k.cx, file_copy(k.cx, k.text, own));
    snprintf(recipe, sizeof recipe, "distill(steps=1, batch=1, length=16, text=\"%s\", teacher=\"%s\")",
             own, k.model);
    CHECK_OK(t, k.cx, compress_case_run(&k, recipe, NULL, NULL));
    compress_options o = {.out = second, .threads = 1};
    CHECK_OK(t, k.cx, compress_rerun_read(&k.memory, k.out, &o));
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    compress_case_remove(second);
    FILE *f = fopen(own, "a");
    fputs("more", f);
    fclose(f);
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_DATA,
                "is not what was read any more");
    CHECK(t, !file_exists(second));
    compress_case_close(t, &k);
}

static void again(test *t) {
    compress_case k = {0};
    compress_result r;
    char second[320], a[400], b[400];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(second, sizeof second, "%s2.gguf", k.out);
    CHECK_OK(t, k.cx, compress_case_run(&k, "round(4, group=32)", k.gguf, NULL));
    compress_options o = {.out = second, .threads = 1};
    CHECK_OK(t, k.cx, compress_rerun_read(&k.memory, k.gguf, &o));
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    CHECK(t, same_file(k.cx, k.gguf, second), "another file came out");

    CHECK_OK(t, k.cx, compress_case_run(&k, "round(8, group=0)", NULL, NULL));
    snprintf(second, sizeof second, "%s2", k.out);
    o = (compress_options){.out = second};
    CHECK_OK(t, k.cx, compress_rerun_read(&k.memory, k.out, &o));
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    static const char *const names[] = {"model.safetensors", "config.json", "lineage.json"};
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(a, sizeof a, "%s/%s", k.out, names[i]);
        snprintf(b, sizeof b, "%s/%s", second, names[i]);
        CHECK(t, same_file(k.cx, a, b), "%s", names[i]);
    }
    compress_case_remove(second);
    snprintf(a, sizeof a, "%s/model.safetensors", k.model); /* the parent is another now */
    FILE *f = fopen(a, "r+b");
    fseek(f, -1, SEEK_END);
    fputc(1, f);
    fclose(f);
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_DATA, "is not the parent any more");
    CHECK(t, !file_exists(second));
    compress_case_close(t, &k);
}

/* ---- a method from outside ---- */
typedef struct halve_options {
    double by;
} halve_options;
static const option_def halve_table[] = {
    OPTION(halve_options, by, OPTION_DOUBLE, .initial = "2", RANGE(1, 10), .help = "divisor"), {0}};

static status halve(compress *c, const void *options) {
    weight *w = weights_find(c, up);
    const halve_options *o = options;
    static float values[256 * 128];
    weights_values(w, values);
    for (int64_t i = 0; i < COUNT_OF(values); i++) values[i] /= (float)o->by;
    return weights_set_values(c, w, values);
}

static const compress_method toy = {.name = "halve",
                                    .help = "a toy",
                                    .options = halve_table,
                                    .options_bytes = sizeof(halve_options),
                                    .forbids = COMPRESS_CODED,
                                    .apply = halve};

static void from_outside(test *t) {
    compress_case k = {0};
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    compress_options o = compress_case_options(&k, "halve(by=1) > halve(4)", k.out);
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_ARGUMENT,
                "column 1: there is no method 'halve'");
    const compress_method *const table[] = {&toy, NULL};
    o.methods = table;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    double moved = apart(k.cx, k.model, k.out, up, up);
    CHECK(t, moved > 0.1, "%g", moved);
    o.recipe = "round(4, group=32) > halve";
    o.out = k.gguf;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_ARGUMENT,
                "column 22: halve: the weights are codes already");
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
        status code;
    } cases[] = {{"round(9)", "column 7: round: --bits: '9' must be a whole number, 2 .. 8",
                  STATUS_BAD_ARGUMENT},
                 {"round(4, grop=32)",
                  "column 10: round has no argument 'grop'; did you mean 'group'?",
                  STATUS_BAD_ARGUMENT},
                 {"rond(4)", "column 1: there is no method 'rond'; did you mean 'round'?",
                  STATUS_BAD_ARGUMENT},
                 {"round(4, group=192)", "which are no groups of 192", STATUS_UNSUPPORTED},
                 {"round(4, group=16)", "groups are multiples of 32", STATUS_UNSUPPORTED},
                 {"round(5, group=32)", "GPTQ has no codes of 5 bits", STATUS_UNSUPPORTED},
                 {"round(8, tensor, search)", "search fits scales of groups", STATUS_BAD_ARGUMENT},
                 {"prune(2:4, wanda, per=row)", "per= is for shares", STATUS_BAD_ARGUMENT},
                 {"prune(0.5, sparsegpt, per=row)", "per= is for magnitude and wanda",
                  STATUS_BAD_ARGUMENT}};
    compress_case k = {0};
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_FAILS(t, k.cx, compress_case_run(&k, cases[i].recipe, NULL, NULL), cases[i].code,
                    cases[i].words);
        CHECK(t, !file_exists(k.out), "%s left something", cases[i].recipe);
    }
    compress_options o = compress_case_options(&k, "round(3, group=32)", k.gguf);
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_UNSUPPORTED,
                "GGUF has no format for int3_g32");
    o.model = "nowhere";
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_IO, "'nowhere'");
    o = compress_case_options(&k, "round(4, group=32)", k.text);
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_ARGUMENT, "is there already");
    compress_case_close(t, &k);
}

extern const test_case suite_compress[];
const test_case suite_compress[] = {{"recipes", recipes},
                                    {"containers", containers},
                                    {"again", again},
                                    {"again_sources", again_sources},
                                    {"from outside", from_outside},
                                    {"refusals", refusals},
                                    {0}};
