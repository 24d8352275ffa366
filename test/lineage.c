/* Where a model comes from: written, read back, handed on to children with what a reader does not know, summed. */
#include "store/lineage.h"
#include "base/file.h"
#include "store/safetensors.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PATH = 600 };

static status make_folder(context *cx, const char *path) {
    static const float one = 1;
    safetensors_source s = {.name = "w", .dtype = "F32", .n_dims = 1, .shape = {1}, .data = &one};
    safetensors_contents c = {.tensors = &s, .n_tensors = 1};
    mkdir(path, 0777);
    return safetensors_write_folder(cx, path, &c, 1 << 20);
}

static void generations(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    char first[PATH], second[PATH], file[PATH];
    static const char written[] = "{\"recipe\": \"train x\", \"cost_flops\": 3e12, \"data\": "
                                  "[{\"path\": \"a\"}], \"sha256\": \"00ff\", \"parents\": []}";
    bool found;
    snprintf(first, PATH, "%s/first", test_folder(t));
    snprintf(second, PATH, "%s/second", test_folder(t));
    CHECK_OK(t, cx, make_folder(cx, first));
    CHECK_OK(t, cx, make_folder(cx, second));
    lineage l, parent;
    CHECK_OK(t, cx, lineage_read(&mem, first, &l, &found));
    CHECK(t, !found && isnan(lineage_flops(&l)));
    CHECK_OK(t, cx, lineage_of_parent(&mem, first, &parent));
    CHECK(t, strlen(parent.sha256) == 64 && !strcmp(parent.path, first), "%s", parent.sha256);
    snprintf(file, PATH, "%s/lineage.json", first);
    CHECK_OK(t, cx, file_write_whole(cx, file, written, sizeof written - 1));
    CHECK_OK(t, cx, lineage_of_parent(&mem, first, &parent));
    CHECK(t, !strcmp(parent.sha256, "00ff") && parent.cost_flops == 3e12);
    l = (lineage){.recipe = "round(4)",
                  .sha256 = "abc",
                  .cost_flops = 1e12,
                  .cost_seconds = 2,
                  .peak_bytes = 77,
                  .parents = &parent,
                  .n_parents = 1};
    CHECK_OK(t, cx, lineage_write(cx, second, &l));
    lineage got;
    CHECK_OK(t, cx, lineage_read(&mem, second, &got, &found));
    CHECK(t, found && !strcmp(got.recipe, "round(4)") && got.peak_bytes == 77);
    CHECK(t, got.n_parents == 1 && !strcmp(got.parents[0].path, first));
    CHECK(t, strstr(got.text, "\"data\": [{\"path\": \"a\"}]"), "%s", got.text);
    CHECK(t, lineage_flops(&got) == 4e12 && lineage_seconds(&got) == 2);
    CHECK_OK(t, cx, file_write_whole(cx, file, "{\"parents\": 3}", 14));
    CHECK_FAILS(t, cx, lineage_read(&mem, first, &got, &found), STATUS_BAD_DATA, "lineage.json");
    arena_free(&mem);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_lineage[] = {{"generations", generations}, {0}};
