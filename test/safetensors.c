/* safetensors: round trips, shards, and every way in which a file can be wrong. */
#include "test.h"
#include "store/safetensors.h"
#include <stdio.h>
#include <stdlib.h>

/* A file's bytes from a header and a number of data bytes. */
static status open_text(context *cx, const char *header, int64_t header_bytes, int64_t data_bytes) {
    char bytes[4096] = "";
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)header_bytes >> (8 * i));
    int64_t n = (int64_t)strlen(header);
    memcpy(bytes + 8, header, (size_t)n);
    safetensors s;
    status st = safetensors_open_bytes(cx, "m.safetensors", bytes, 8 + n + data_bytes, &s);
    safetensors_close(&s);
    return st;
}

typedef struct bad {
    const char *header;
    int64_t data_bytes;
    status code;
    const char *words;
} bad;

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

static void refuses(test *t) {
    static const bad cases[] = {
        {"", 0, STATUS_BAD_DATA, "'m.safetensors': 'header' at byte 0, line 1: the text is empty"},
        {"[]", 0, STATUS_BAD_DATA, "expected an object, found an array"},
        {"{" A ",}", 8, STATUS_BAD_DATA, "expected a key in quotes"},
        {"{" A "}", 7, STATUS_BAD_DATA,
         "'m.safetensors': tensor 'a': offsets 0..8 end past the data (7 bytes)"},
        {"{" A "}", 9, STATUS_BAD_DATA, "the last 1 bytes belong to no tensor"},
        {"{" A "," A "}", 8, STATUS_BAD_DATA, "tensor 'a': its data overlaps that of 'a'"},
        {"{" A ",\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12,
         STATUS_BAD_DATA, "'m.safetensors': tensor 'a' comes twice"},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
         STATUS_BAD_DATA, "tensor 'b': its data overlaps that of 'a'"},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", 20,
         STATUS_BAD_DATA, "tensor 'b': 4 bytes before its data belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, STATUS_BAD_DATA,
         "tensor 'a': offsets 8..0 run backwards in the data (8 bytes)"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, STATUS_BAD_DATA,
         "tensor 'a': its shape takes 12 bytes, its offsets 0..8 hold 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         STATUS_BAD_DATA, "tensor 'a': its shape is too large"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]}}", 0, STATUS_BAD_DATA,
         "tensor 'a': 'header' at byte 29, line 1: expected an integer in 0..9223372036854775807, "
         "found -1"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}}", 4,
         STATUS_BAD_DATA, "expected an integer"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, STATUS_BAD_DATA,
         "not whole bytes"},
        {"{\"a\":{\"dtype\":\"Q9\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, STATUS_UNSUPPORTED,
         "tensor 'a': 'header' at byte 14, line 1: unknown dtype 'Q9'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, STATUS_BAD_DATA,
         "more than two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, STATUS_BAD_DATA,
         "tensor 'a': data_offsets is missing"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, STATUS_BAD_DATA, "dtype is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, STATUS_BAD_DATA, "a key comes twice"},
        {"{\"a\":{\"x\":1}}", 0, STATUS_BAD_DATA,
         "tensor 'a': 'header' at byte 6, line 1: unknown key 'x'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         STATUS_UNSUPPORTED, "more than 8 dimensions"},
        {"{\"a\\u0000b\":{}}", 0, STATUS_UNSUPPORTED, "a zero byte in a name"},
        {"{\"a\":{\"shape\":[[[[]]]]}}", 0, STATUS_BAD_DATA, "expected a number"},
        {"{\"__metadata__\":{\"x\":{\"y\":{\"z\":{}}}}}", 0, STATUS_BAD_DATA, "expected a string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, STATUS_BAD_DATA,
         "__metadata__ comes twice"},
    };
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        const bad *b = &cases[i];
        CHECK_FAILS(t, cx, open_text(cx, b->header, (int64_t)strlen(b->header), b->data_bytes),
                    b->code, b->words);
    }
    CHECK_FAILS(t, cx, open_text(cx, "{}", 3, 0), STATUS_BAD_DATA,
                "'m.safetensors': the header of 3 bytes ends past the file (10 bytes)");
    CHECK_FAILS(t, cx, open_text(cx, "{}", -1, 0), STATUS_BAD_DATA, "over the limit of 100000000");
    CHECK_FAILS(t, cx, open_text(cx, "", 0, -1), STATUS_BAD_DATA,
                "7 bytes are too few for a header");
    CHECK_OK(t, cx, open_text(cx, "{}  ", 4, 0));
    CHECK_OK(t, cx, open_text(cx, "{" A "}", (int64_t)strlen(A) + 2, 8));
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static const float floats[6] = {1, 2, 3, 4, 5, 6};
static const int64_t longs[2] = {-7, 9};

static status produce(void *user, int64_t index, file_writer *out) {
    (void)index;
    for (int i = 0; i < 3; i++) TRY(file_write(out, user, 1));
    return STATUS_OK;
}

static const safetensors_source sources[] = {
    {.name = "b.bytes", .dtype = "U8", .n_dims = 1, .shape = {3}},
    {.name = "a.floats", .dtype = "F32", .n_dims = 2, .shape = {2, 3}, .data = floats},
    {.name = "scalar", .dtype = "F32", .data = floats},
    {.name = "empty", .dtype = "F32", .n_dims = 2, .shape = {0, 5}},
    {.name = "longs", .dtype = "I64", .n_dims = 1, .shape = {2}, .data = longs},
};

static safetensors_contents contents(void) {
    static const safetensors_pair pairs[] = {{"step", "12"}};
    return (safetensors_contents){.tensors = sources,
                                  .n_tensors = COUNT_OF(sources),
                                  .metadata = pairs,
                                  .n_metadata = 1,
                                  .produce = produce,
                                  .user = "z"};
}

static void check_contents(test *t, const safetensors *s) {
    CHECK(t, s->n_tensors == COUNT_OF(sources), "%lld", (long long)s->n_tensors);
    const safetensors_tensor *a = safetensors_find(s, "a.floats"),
                             *b = safetensors_find(s, "b.bytes"), *l = safetensors_find(s, "longs"),
                             *e = safetensors_find(s, "empty");
    CHECK(t, a && b && l && e && !safetensors_find(s, "nothing"), "found");
    CHECK(t, a->n_dims == 2 && a->shape[0] == 2 && a->shape[1] == 3, "shape");
    CHECK(t, !memcmp(a->data, floats, sizeof floats) && (uintptr_t)a->data % 4 == 0, "floats");
    CHECK(t, !memcmp(l->data, longs, sizeof longs) && (uintptr_t)l->data % 8 == 0, "longs");
    CHECK(t, !memcmp(b->data, "zzz", 3) && e->size_bytes == 0, "bytes");
    CHECK(t,
          s->n_metadata == 2 && !strcmp(s->metadata[0].key, "format") &&
              !strcmp(s->metadata[0].value, "pt") && !strcmp(s->metadata[1].value, "12"),
          "metadata");
}

static void round_trip(test *t) {
    context *cx = context_new();
    const char *folder = test_folder(t);
    safetensors_contents c = contents();
    safetensors s;
    CHECK_OK(t, cx, safetensors_write_folder(cx, folder, &c, 0));
    CHECK_OK(t, cx, safetensors_open(cx, folder, &s));
    check_contents(t, &s);
    CHECK(t, s.n_files == 1, "one file");
    safetensors_close(&s);
    char sharded[300], path[400];
    snprintf(sharded, sizeof sharded, "mkdir %s/sharded", folder);
    CHECK(t, system(sharded) == 0, "mkdir");
    snprintf(sharded, sizeof sharded, "%s/sharded", folder);
    CHECK_OK(t, cx, safetensors_write_folder(cx, sharded, &c, 16));
    CHECK_OK(t, cx, safetensors_open(cx, sharded, &s));
    check_contents(t, &s);
    CHECK(t, s.n_files == 4, "%d files", s.n_files);
    safetensors_close(&s);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", sharded);
    CHECK_OK(t, cx, safetensors_open(cx, path, &s));
    safetensors_close(&s);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static status open_with_index(context *cx, const char *folder, const char *index) {
    char path[400];
    safetensors s;
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    TRY(file_write_whole(cx, path, index, (int64_t)strlen(index)));
    status st = safetensors_open(cx, path, &s);
    safetensors_close(&s);
    return st;
}

static void bad_indexes(test *t) {
    context *cx = context_new();
    const char *folder = test_folder(t);
    char path[400];
    safetensors_source x = {.name = "x", .dtype = "U8", .n_dims = 1, .shape = {1}, .data = "x"},
                       y = x;
    safetensors_contents c = {.tensors = &x, .n_tensors = 1};
    snprintf(path, sizeof path, "%s/1.safetensors", folder);
    CHECK_OK(t, cx, safetensors_write(cx, path, &c));
    snprintf(path, sizeof path, "%s/3.safetensors", folder);
    CHECK_OK(t, cx, safetensors_write(cx, path, &c));
    y.name = "y";
    c.tensors = &y;
    snprintf(path, sizeof path, "%s/2.safetensors", folder);
    CHECK_OK(t, cx, safetensors_write(cx, path, &c));
    CHECK_OK(t, cx,
             open_with_index(cx, folder,
                             "{\"weight_map\":{\"x\":\"1.safetensors\",\"y\":\"2.safetensors\"}}"));
    static const struct {
        const char *index, *words;
    } cases[] = {
        {"{}", "weight_map is missing"},
        {"{\"weight_map\":{\"x\":\"../1.safetensors\"}}", "tensor 'x': '"},
        {"{\"weight_map\":{\"x\":\"../1.safetensors\"}}",
         "'../1.safetensors' does not name a file beside the index"},
        {"{\"weight_map\":{\"x\":\"1.safetensors\",\"z\":\"1.safetensors\"}}",
         "tensor 'z' is not in '"},
        {"{\"weight_map\":{\"x\":\"2.safetensors\",\"y\":\"2.safetensors\"}}",
         "tensor 'x' is not in '"},
        {"{\"weight_map\":{\"x\":\"1.safetensors\",\"x\":\"1.safetensors\"}}",
         "tensor 'x' comes twice in weight_map"},
        {"{\"weight_map\":{\"x\":\"2.safetensors\",\"y\":\"1.safetensors\"}}",
         "tensor 'x' is in '"},
        {"{\"weight_map\":{\"x\":\"1.safetensors\",\"y\":\"3.safetensors\"}}",
         "tensor 'x' is in both '"},
        {"{\"weight_map\":{},\"weight_map\":{}}", "weight_map comes twice"},
        {"{\"weight_map\":{\"x\":\"none.safetensors\"}}", "No such file"},
    };
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        context_clear(cx);
        status st = open_with_index(cx, folder, cases[i].index);
        CHECK(t, st != STATUS_OK && strstr(context_error(cx), cases[i].words), "%lld: %s",
              (long long)i, context_error(cx));
        CHECK(t, strstr(context_error(cx), "index.json"), "%s", context_error(cx));
    }

    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void bad_requests(test *t) {
    context *cx = context_new();
    char path[400];
    snprintf(path, sizeof path, "%s/x", test_folder(t));
    safetensors_source two[2] = {{.name = "x", .dtype = "U8", .data = "x"},
                                 {.name = "x", .dtype = "U8", .data = "x"}};
    safetensors_contents c = {.tensors = two, .n_tensors = 2};
    CHECK_FAILS(t, cx, safetensors_write(cx, path, &c), STATUS_BAD_ARGUMENT,
                "tensor 'x' is given twice");
    two[1].name = "y";
    two[1].dtype = "F33";
    CHECK_FAILS(t, cx, safetensors_write(cx, path, &c), STATUS_BAD_ARGUMENT,
                "tensor 'y': unknown dtype 'F33'");
    two[1].dtype = "U8";
    two[1].data = NULL;
    CHECK_FAILS(t, cx, safetensors_write(cx, path, &c), STATUS_BAD_ARGUMENT,
                "tensor 'y': no data is given");
    c.produce = produce;
    c.user = "z";
    CHECK_FAILS(t, cx, safetensors_write(cx, path, &c), STATUS_BUG, "3 bytes were produced for 1");
    CHECK(t, !file_exists(path), "nothing appears");
    safetensors s;
    CHECK_FAILS(t, cx, safetensors_open(cx, test_folder(t), &s), STATUS_IO,
                "holds neither model.safetensors");
    snprintf(path, sizeof path, "%s/pytorch_model.bin", test_folder(t));
    CHECK_OK(t, cx, file_write_whole(cx, path, "PK", 2));
    CHECK_FAILS(t, cx, safetensors_open(cx, test_folder(t), &s), STATUS_UNSUPPORTED,
                "is a PyTorch pickle");
    context_free(cx);
}

static void allocation_failures(test *t) {
    context *cx = context_new();
    const char *folder = test_folder(t);
    safetensors_contents c = contents();
    safetensors s;
    for (int64_t n = 0;; n++) {
        context_fail_allocation_after(cx, n);
        status st = safetensors_write_folder(cx, folder, &c, 16);
        if (st == STATUS_OK) st = safetensors_open(cx, folder, &s);
        bool finished = st == STATUS_OK;
        if (finished) safetensors_close(&s);
        CHECK(t, finished || st == STATUS_NO_MEMORY, "%s", context_error(cx));
        CHECK(t, context_live_allocations(cx) == 0, "leak after allocation %lld", (long long)n);
        if (finished) {
            CHECK(t, n > 10, "%lld", (long long)n);
            break;
        }
    }
    context_free(cx);
}

const test_case suite_safetensors[] = {{"refuses", refuses},
                                       {"round_trip", round_trip},
                                       {"bad_indexes", bad_indexes},
                                       {"bad_requests", bad_requests},
                                       {"allocation_failures", allocation_failures},
                                       {0}};
