/* Packed layouts in a file: written once, found again, with the same results; replaced where they belong to something
 * else; done without where the file cannot be written; and the plain source is let go of. */
#include "base/file.h"
#include "exec/plan.h"
#include "ops/matmul.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { K = 2048, N = 4096 + 64 };

typedef struct outcome {
    bool mapped, ready;
    int64_t released;
    float y[N];
} outcome;

static void count_release(void *user, const void *data, int64_t size_bytes) {
    (void)data;
    *(int64_t *)user += size_bytes;
}

/* y = x w of one row, with a packed w of 34 MB. */
static status run_once(context *cx, const char *file, uint64_t key, float scale, outcome *out) {
    graph *g = graph_new(cx);
    states *store = states_new(cx);
    plan *p = NULL;
    if (!g || !store) return STATUS_NO_MEMORY;
    const num_format *f32 = num_find("f32");
    value x = graph_input(g, "x", type_fixed(f32, 2, (int64_t[]){1, K}));
    value w = graph_state(g, "w", type_fixed(f32, 2, (int64_t[]){K, N}), TAG_PARAMETER);
    graph_mark(g, MARK_OUTPUT, "y", build_matmul(g, x, w, false, false, NULL), NO_VALUE);
    *out = (outcome){0};
    plan_options o = {.isa_limit = ISA_AMX,
                      .pack_file = file,
                      .pack_key = key,
                      .release = count_release,
                      .release_user = &out->released};
    TRY(plan_new(cx, g, store, NULL, &o, &p));
    float *weights = states_find(store, "w")->t.data;
    for (int64_t i = 0; i < (int64_t)K * N; i++) weights[i] = (float)(i % 97 - 48) * scale;
    float *given = plan_tensor(p, plan_find_input(p, "x"))->data;
    for (int64_t i = 0; i < K; i++) given[i] = (float)(i % 13 - 6);
    out->ready = p->packs_ready;
    TRY(plan_load(p));
    TRY(plan_bind(p, (int64_t[]){0}));
    plan_run(p, 0);
    out->mapped = p->pack_map != NULL;
    memcpy(out->y, plan_tensor(p, plan_find_output(p, "y"))->data, sizeof out->y);
    bool packs = p->n_packs > 0;
    plan_free(p);
    states_free(store);
    graph_free(g);
    return packs ? STATUS_OK : context_fail(cx, STATUS_UNSUPPORTED, "no kernel packs here");
}

static bool same(const outcome *a, const outcome *b) {
    return !memcmp(a->y, b->y, sizeof a->y);
}

static void in_a_file(test *t) {
    context *cx = context_new();
    char file[300], nowhere[400];
    outcome *plain = malloc(sizeof *plain), *now = malloc(sizeof *now);
    snprintf(file, sizeof file, "%s/packs/w.pack", test_folder(t));
    file_make_folders(file);
    if (run_once(cx, NULL, 0, 1, plain) == STATUS_UNSUPPORTED) {
        test_skip(t, "no kernel packs its operands here");
    } else {
        CHECK(t, !plain->mapped && plain->released == (int64_t)K * N * 4, "%lld bytes released",
              (long long)plain->released);
        CHECK_OK(t, cx, run_once(cx, file, 1, 1, now));
        CHECK(t, now->mapped && !now->ready && same(now, plain) && file_exists(file), "first");
        CHECK_OK(t, cx, run_once(cx, file, 1, 1, now));
        CHECK(t, now->mapped && now->ready && same(now, plain) && !now->released, "found again");
        /* under the same key the contents are believed: other weights do not show */
        CHECK_OK(t, cx, run_once(cx, file, 1, 2, now));
        CHECK(t, now->ready && same(now, plain), "believed");
        CHECK_OK(t, cx, run_once(cx, file, 2, 2, now));
        CHECK(t, now->mapped && !now->ready && !same(now, plain),
              "another key, the file is replaced");
        CHECK_OK(t, cx, run_once(cx, file, 1, 1, now));
        CHECK(t, !now->ready && same(now, plain), "and replaced again");
        CHECK_OK(t, cx, file_write_whole(cx, file, "HONEPACK", 8));
        CHECK_OK(t, cx, run_once(cx, file, 1, 1, now));
        CHECK(t, !now->ready && same(now, plain), "a file that was cut short");
        snprintf(nowhere, sizeof nowhere, "%s/no/such/folder/w.pack", test_folder(t));
        CHECK_OK(t, cx, run_once(cx, nowhere, 1, 1, now));
        CHECK(t, !now->mapped && same(now, plain), "a place that cannot be written");
    }
    free(plain);
    free(now);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

const test_case suite_packs[] = {{"in_a_file", in_a_file, .slow = true}, {0}};
