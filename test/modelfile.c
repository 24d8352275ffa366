/* One list over both containers. */
#include "test.h"
#include "store/modelfile.h"
#include <stdio.h>

static void gguf_list(test *t) {
    context *cx = context_new();
    modelfile m;
    CHECK_OK(t, cx, modelfile_open(cx, "test/golden/small.gguf", &m));
    const modelfile_tensor *a = modelfile_find(&m, "f32"), *q = modelfile_find(&m, "q8_0");
    CHECK(t, m.kind == MODELFILE_GGUF && m.n_tensors == 3 && m.n_files == 1, "list");
    CHECK(t, a && a->n_dims == 2 && a->shape[0] == 2 && a->shape[1] == 3, "outermost first");
    CHECK(t, q && q->format == num_find("q8_0") && q->format && modelfile_elems(q) == 128,
          "format");
    CHECK(t, q->size_bytes == q->shape[0] * num_row_bytes(q->format, q->shape[1]), "rows");
    CHECK(t, !modelfile_find(&m, "nothing"), "control");
    modelfile_close(&m);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void safetensors_list(test *t) {
    context *cx = context_new();
    modelfile m;
    char path[300];
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    const safetensors_source sources[] = {
        {.name = "w", .dtype = "F32", .n_dims = 2, .shape = {2, 3}, .data = values},
        {.name = "scale", .dtype = "F8_E8M0", .n_dims = 1, .shape = {2}, .data = "ab"},
    };
    safetensors_contents c = {.tensors = sources, .n_tensors = 2};
    CHECK_OK(t, cx, safetensors_write_folder(cx, test_folder(t), &c, 4));
    CHECK_OK(t, cx, modelfile_open(cx, test_folder(t), &m));
    const modelfile_tensor *w = modelfile_find(&m, "w"), *s = modelfile_find(&m, "scale");
    CHECK(t, m.kind == MODELFILE_SAFETENSORS && m.n_tensors == 2 && m.n_files == 2, "list");
    CHECK(t, w && w->format == num_find("f32") && w->shape[1] == 3 && !memcmp(w->data, values, 24),
          "w");
    CHECK(t, s && !s->format && !strcmp(s->format_name, "f8_e8m0"), "a format that Hone lacks");
    modelfile_close(&m);

    snprintf(path, sizeof path, "%s/pytorch_model.pt", test_folder(t));
    CHECK_OK(t, cx, file_write_whole(cx, path, "PK\3\4....", 8));
    CHECK_FAILS(t, cx, modelfile_open(cx, path, &m), STATUS_UNSUPPORTED, "is a PyTorch pickle");
    CHECK_OK(t, cx, file_write_whole(cx, path, "\x80\2}q", 4));
    CHECK_FAILS(t, cx, modelfile_open(cx, path, &m), STATUS_UNSUPPORTED, "is a PyTorch pickle");
    CHECK_OK(t, cx, file_write_whole(cx, path, "", 0));
    CHECK_FAILS(t, cx, modelfile_open(cx, path, &m), STATUS_BAD_DATA, "0 bytes are too few");
    CHECK_FAILS(t, cx, modelfile_open(cx, "/nowhere/x", &m), STATUS_IO, "No such file");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void allocation_failures(test *t) {
    static const char *const paths[] = {"test/golden/small.gguf", "test/golden/quants.safetensors"};
    context *cx = context_new();
    for (int i = 0; i < 2; i++)
        for (int64_t n = 0;; n++) {
            modelfile m;
            context_fail_allocation_after(cx, n);
            status st = modelfile_open(cx, paths[i], &m);
            modelfile_close(&m);
            CHECK(t, st == STATUS_OK || st == STATUS_NO_MEMORY, "%s", context_error(cx));
            CHECK(t, context_live_allocations(cx) == 0, "leak after allocation %lld", (long long)n);
            if (st != STATUS_OK) continue;
            CHECK(t, n > 1, "%lld", (long long)n);
            break;
        }
    context_free(cx);
}

const test_case suite_modelfile[] = {{"gguf", gguf_list},
                                     {"safetensors", safetensors_list},
                                     {"allocation_failures", allocation_failures},
                                     {0}};
