/* GGUF: round trips of every metadata type, parts, and every way in which a file can be wrong. */
#include "test.h"
#include "store/gguf.h"
#include <stdio.h>

static const int16_t shorts[3] = {-1, 2, -3};
static const double doubles[2] = {0.5, -2};
static const float floats[64] = {1, 2, 3, 4};
static const gguf_string words[2] = {{"a\0b", 3}, {"", 0}};
static const gguf_value inner[2] = {
    {.type = GGUF_ARRAY, .item_type = GGUF_I16, .count = 3, .items = shorts},
    {.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = 2, .texts = words},
};

static const gguf_pair pairs[] = {
    {"general.architecture", {.type = GGUF_STRING, .text = {"llama", 5}}},
    {"general.alignment", {.type = GGUF_U32, .integer = 64}},
    {"u8", {.type = GGUF_U8, .integer = 200}},
    {"i8", {.type = GGUF_I8, .integer = -100}},
    {"u16", {.type = GGUF_U16, .integer = 60000}},
    {"i16", {.type = GGUF_I16, .integer = -30000}},
    {"u32", {.type = GGUF_U32, .integer = 4000000000}},
    {"i32", {.type = GGUF_I32, .integer = -2000000000}},
    {"f32", {.type = GGUF_F32, .number = 0.25}},
    {"bool", {.type = GGUF_BOOL, .integer = 1}},
    {"u64", {.type = GGUF_U64, .whole = UINT64_MAX}},
    {"i64", {.type = GGUF_I64, .integer = INT64_MIN}},
    {"f64", {.type = GGUF_F64, .number = 1e-300}},
    {"shorts", {.type = GGUF_ARRAY, .item_type = GGUF_I16, .count = 3, .items = shorts}},
    {"doubles", {.type = GGUF_ARRAY, .item_type = GGUF_F64, .count = 2, .items = doubles}},
    {"words", {.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = 2, .texts = words}},
    {"nested", {.type = GGUF_ARRAY, .item_type = GGUF_ARRAY, .count = 2, .arrays = inner}},
    {"none", {.type = GGUF_ARRAY, .item_type = GGUF_F32, .count = 0, .items = ""}},
};

static status produce(void *user, int64_t index, file_writer *out) {
    (void)index;
    return file_write(out, user, 36);
}

static gguf_contents contents(gguf_source source[3]) {
    source[0] = (gguf_source){.name = "w",
                              .dtype = gguf_dtype_of_name("f32"),
                              .n_dims = 2,
                              .shape = {8, 8},
                              .data = floats};
    source[1] = (gguf_source){
        .name = "q", .dtype = gguf_dtype_of_name("q4_0"), .n_dims = 2, .shape = {32, 2}};
    source[2] = (gguf_source){.name = "s", .dtype = gguf_dtype_of_name("f32"), .data = floats};
    return (gguf_contents){.pairs = pairs,
                           .n_pairs = COUNT_OF(pairs),
                           .tensors = source,
                           .n_tensors = 3,
                           .produce = produce,
                           .user = "0123456789abcdefghijklmnopqrstuvwxyz"};
}

static void check_contents(test *t, const gguf *g) {
    context *cx = g->cx;
    for (int64_t i = 0; i < COUNT_OF(pairs); i++) {
        const gguf_value *v = gguf_find(g, pairs[i].key), *e = &pairs[i].value;
        CHECK(t, v && v->type == e->type, "%s", pairs[i].key);
        if (v->type < GGUF_STRING || v->type > GGUF_ARRAY)
            CHECK(t, v->whole == e->whole, "%s", pairs[i].key);
    }
    int64_t n;
    double x;
    gguf_string text;
    const gguf_value *array;
    CHECK_OK(t, cx, gguf_integer(g, "u32", 0, INT64_MAX, &n));
    CHECK_OK(t, cx, gguf_number(g, "i8", &x));
    CHECK_OK(t, cx, gguf_text(g, "general.architecture", &text));
    CHECK(t, n == 4000000000 && x == -100 && text.length == 5 && !memcmp(text.bytes, "llama", 5),
          "values");
    CHECK_OK(t, cx, gguf_array(g, "shorts", GGUF_I16, &array));
    CHECK(t, array->count == 3 && gguf_item(array, 2).integer == -3, "shorts");
    CHECK_OK(t, cx, gguf_array(g, "doubles", GGUF_F64, &array));
    CHECK(t, gguf_item(array, 0).number == 0.5, "doubles");
    CHECK_OK(t, cx, gguf_array(g, "words", GGUF_STRING, &array));
    CHECK(t, array->texts[0].length == 3 && !memcmp(array->texts[0].bytes, "a\0b", 3), "words");
    CHECK_OK(t, cx, gguf_array(g, "nested", GGUF_ARRAY, &array));
    CHECK(t,
          array->arrays[1].item_type == GGUF_STRING &&
              gguf_item(&array->arrays[0], 0).integer == -1,
          "nested");
    CHECK_FAILS(t, cx, gguf_integer(g, "no", 0, 1, &n), STATUS_BAD_DATA, "key 'no' is missing");
    CHECK_FAILS(t, cx, gguf_integer(g, "i8", 0, 1, &n), STATUS_BAD_DATA,
                "expected an integer in 0..1, found -100");
    CHECK_FAILS(t, cx, gguf_integer(g, "u64", 0, INT64_MAX, &n), STATUS_BAD_DATA,
                "found above 9223372036854775807");
    CHECK_FAILS(t, cx, gguf_integer(g, "f32", 0, 1, &n), STATUS_BAD_DATA,
                "expected an integer, found float32");
    CHECK_FAILS(t, cx, gguf_text(g, "u8", &text), STATUS_BAD_DATA,
                "expected a string, found uint8");
    CHECK_FAILS(t, cx, gguf_array(g, "words", GGUF_I32, &array), STATUS_BAD_DATA,
                "an array of int32, found one of string");
    const gguf_tensor *w = gguf_find_tensor(g, "w"), *q = gguf_find_tensor(g, "q"),
                      *s = gguf_find_tensor(g, "s");
    CHECK(t, g->n_tensors == 3 && w && q && s && !gguf_find_tensor(g, "x"), "tensors");
    CHECK(t, w->size_bytes == 256 && !memcmp(w->data, floats, 256) && (uintptr_t)w->data % 64 == 0,
          "w");
    CHECK(t, q->size_bytes == 36 && !memcmp(q->data, "01234", 5) && q->shape[1] == 2, "q");
    CHECK(t, s->n_dims == 0 && s->size_bytes == 4, "s");
}

static void round_trip(test *t) {
    context *cx = context_new();
    char path[300], prefix[300];
    gguf_source source[3];
    gguf_contents c = contents(source);
    gguf g;
    snprintf(path, sizeof path, "%s/m.gguf", test_folder(t));
    CHECK_OK(t, cx, gguf_write(cx, path, &c));
    CHECK_OK(t, cx, gguf_open(cx, path, &g));
    check_contents(t, &g);
    CHECK(t, g.version == 3 && g.n_pairs == COUNT_OF(pairs) && g.alignment == 64, "head");
    gguf_close(&g);

    snprintf(prefix, sizeof prefix, "%s/p", test_folder(t));
    CHECK_OK(t, cx, gguf_write_parts(cx, prefix, &c, 40));
    snprintf(path, sizeof path, "%s/p-00001-of-00002.gguf", test_folder(t));
    CHECK_OK(t, cx, gguf_open(cx, path, &g));
    check_contents(t, &g);
    CHECK(t, g.n_files == 2, "%d files", g.n_files);
    gguf_close(&g);

    char second[300], moved[300];
    snprintf(second, sizeof second, "%s/p-00002-of-00002.gguf", test_folder(t));
    CHECK_FAILS(t, cx, gguf_open(cx, second, &g), STATUS_BAD_ARGUMENT,
                "part 2 of 2; open the first part");
    snprintf(moved, sizeof moved, "%s/x-00001-of-00003.gguf", test_folder(t));
    CHECK(t, rename(path, moved) == 0, "rename");
    CHECK_FAILS(t, cx, gguf_open(cx, moved, &g), STATUS_BAD_DATA,
                "split.count is 2, but the name does not end in -00001-of-00002.gguf");
    CHECK(t, rename(moved, path) == 0, "rename");
    CHECK_OK(t, cx, gguf_write_parts(cx, prefix, &c, 1)); /* leaves p-00001-of-00003.gguf ... too */
    snprintf(moved, sizeof moved, "%s/p-00002-of-00003.gguf", test_folder(t));
    CHECK(t, rename(moved, second) == 0, "rename");
    CHECK_FAILS(t, cx, gguf_open(cx, path, &g), STATUS_BAD_DATA,
                "p-00002-of-00002.gguf' says that it is part 2 of 3");
    CHECK(t, remove(second) == 0, "remove");
    CHECK_FAILS(t, cx, gguf_open(cx, path, &g), STATUS_IO, "No such file");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* ---- bad files, put together by hand ---- */

typedef struct bytes {
    char data[2048];
    int64_t size;
} bytes;

static void put(bytes *b, const void *p, int64_t n) {
    memcpy(b->data + b->size, p, (size_t)n);
    b->size += n;
}
static void put_u32(bytes *b, uint32_t v) {
    put(b, &v, 4);
}
static void put_u64(bytes *b, uint64_t v) {
    put(b, &v, 8);
}
static void put_text(bytes *b, const char *text) {
    put_u64(b, strlen(text));
    put(b, text, (int64_t)strlen(text));
}
static bytes head(uint64_t n_tensors, uint64_t n_pairs) {
    bytes b = {0};
    put(&b, "GGUF", 4);
    put_u32(&b, 3);
    put_u64(&b, n_tensors);
    put_u64(&b, n_pairs);
    return b;
}
static void put_tensor(bytes *b, const char *name, uint64_t extent, uint32_t type,
                       uint64_t offset) {
    put_text(b, name);
    put_u32(b, 1);
    put_u64(b, extent);
    put_u32(b, type);
    put_u64(b, offset);
}
static void put_zeros(bytes *b, int64_t n) {
    b->size = round_up(b->size, 32) + n;
}

static status open_these(context *cx, const bytes *b) {
    gguf g;
    status st = gguf_open_bytes(cx, "m.gguf", b->data, b->size, &g);
    gguf_close(&g);
    return st;
}

static void bad_heads(test *t) {
    context *cx = context_new();
    bytes b = {0};
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "'m.gguf': the file ends at byte 0 inside the head");
    put(&b, "GGML\3\0\0\0", 8);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA, "this is not a GGUF file");
    memcpy(b.data, "GGUF\1", 5);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED,
                "GGUF version 1 (2 and 3 are known)");
    memcpy(b.data, "GGUF\0\0\0\3", 8);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED, "a big-endian GGUF file");
    b = head(1, 0);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "the number of tensors 1 at byte 8 is more than the file can hold");
    b = head(0, UINT64_MAX);
    CHECK_FAILS(
        t, cx, open_these(cx, &b), STATUS_BAD_DATA,
        "the number of keys 18446744073709551615 at byte 16 is more than the file can hold");
    b = head(0, 0);
    CHECK_OK(t, cx, open_these(cx, &b));
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void bad_pairs(test *t) {
    context *cx = context_new();
    bytes b = head(0, 1);
    put_text(&b, "key");
    put_u32(&b, 13);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED,
                "'m.gguf': key 'key': unknown value type 13");
    b.size -= 4;
    put_u32(&b, GGUF_U64);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "key 'key': the file ends at byte 39 inside a value");
    b.size -= 4;
    put_u32(&b, GGUF_STRING);
    put_u64(&b, 5);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "key 'key': a string's length 5 at byte 39 is more than the file can hold");
    b.size -= 12;
    put_u32(&b, GGUF_ARRAY);
    for (int i = 0; i < 8; i++) {
        put_u32(&b, GGUF_ARRAY);
        put_u64(&b, 1);
    }
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED,
                "key 'key': arrays nested deeper than 4");
    b.size = 39;
    put_u32(&b, GGUF_F64);
    put_u64(&b, (uint64_t)1 << 61);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "an array's length 2305843009213693952");

    b = head(0, 2);
    for (int i = 0; i < 2; i++) {
        put_text(&b, "key");
        put_u32(&b, GGUF_U8);
        put(&b, "\1", 1);
    }
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA, "key 'key' comes twice");
    b.data[b.size - 6] = 'z';
    CHECK_OK(t, cx, open_these(cx, &b));
    b.data[b.size - 6] = 0;
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA, "a key at byte 48 holds a zero");

    b = head(0, 1);
    put_text(&b, "general.alignment");
    put_u32(&b, GGUF_U32);
    put_u32(&b, 24);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA,
                "general.alignment must be a uint32, a power of two");
    b = head(0, 1);
    put_text(&b, "split.count");
    put_u32(&b, GGUF_U16);
    put(&b, "\2\0", 2);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED, "a part of a model");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void bad_tensors(test *t) {
    context *cx = context_new();
    static const struct {
        uint64_t extent;
        uint32_t type;
        uint64_t offset;
        status code;
        const char *words;
    } cases[] = {
        {8, 0, 32, STATUS_OK, ""},
        {8, 5, 32, STATUS_UNSUPPORTED, "tensor 'b': unknown tensor type 5"},
        {8, 2, 32, STATUS_BAD_DATA, "tensor 'b': a row of 8 is not whole blocks of 32 (q4_0)"},
        {8, 0, 40, STATUS_BAD_DATA, "tensor 'b': offset 40 is not a multiple of the alignment 32"},
        {9, 0, 32, STATUS_BAD_DATA,
         "tensor 'b': its 36 bytes at offset 32 end past the data (64 bytes)"},
        {8, 0, 1 << 20, STATUS_BAD_DATA,
         "tensor 'b': its 32 bytes at offset 1048576 end past the data"},
        {8, 0, UINT64_MAX - 31, STATUS_BAD_DATA,
         "tensor 'b': offset 18446744073709551584 is too large"},
        {UINT64_MAX, 0, 32, STATUS_BAD_DATA,
         "tensor 'b': extent 18446744073709551615 is too large"},
        {(uint64_t)1 << 62, 0, 32, STATUS_BAD_DATA, "tensor 'b': its shape is too large"},
        {8, 0, 0, STATUS_BAD_DATA, "its data overlaps that of"},
    };
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        bytes b = head(2, 0);
        put_tensor(&b, "a", 8, 0, 0);
        put_tensor(&b, "b", cases[i].extent, cases[i].type, cases[i].offset);
        put_zeros(&b, 64);
        if (cases[i].code == STATUS_OK)
            CHECK_OK(t, cx, open_these(cx, &b));
        else
            CHECK_FAILS(t, cx, open_these(cx, &b), cases[i].code, cases[i].words);
    }
    bytes b = head(2, 0);
    put_tensor(&b, "a", 8, 0, 0);
    put_tensor(&b, "a", 8, 0, 32);
    put_zeros(&b, 64);
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_BAD_DATA, "'m.gguf': tensor 'a' comes twice");
    b = head(1, 0);
    put_text(&b, "a");
    put_u32(&b, 5);
    b.size += 64;
    CHECK_FAILS(t, cx, open_these(cx, &b), STATUS_UNSUPPORTED,
                "tensor 'a': 5 dimensions are more than 4");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Every file that ends early is refused, and nothing is read past its end. */
static void truncated(test *t) {
    context *cx = context_new();
    char path[300];
    gguf_source source[3];
    gguf_contents c = contents(source);
    gguf g;
    file_map map;
    snprintf(path, sizeof path, "%s/m.gguf", test_folder(t));
    CHECK_OK(t, cx, gguf_write(cx, path, &c));
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    /* The last tensor takes 4 of its 64 bytes. */
    for (int64_t n = 0; n <= map.size_bytes; n++) {
        char *copy = context_alloc(cx, (size_t)n);
        CHECK(t, copy, "memory");
        memcpy(copy, map.bytes, (size_t)n);
        context_clear(cx);
        status st = gguf_open_bytes(cx, "m.gguf", copy, n, &g);
        CHECK(t, (st == STATUS_OK) == (n >= map.size_bytes - 60), "%lld of %lld: %s", (long long)n,
              (long long)map.size_bytes, context_error(cx));
        gguf_close(&g);
        context_release(cx, copy);
    }
    file_map_close(&map);
    context_free(cx);
}

static void allocation_failures(test *t) {
    context *cx = context_new();
    char prefix[300], path[300];
    gguf_source source[3];
    gguf_contents c = contents(source);
    gguf g;
    snprintf(prefix, sizeof prefix, "%s/p", test_folder(t));
    snprintf(path, sizeof path, "%s/p-00001-of-00003.gguf", test_folder(t));
    for (int64_t n = 0;; n++) {
        context_fail_allocation_after(cx, n);
        status st = gguf_write_parts(cx, prefix, &c, 1);
        if (st == STATUS_OK) st = gguf_open(cx, path, &g);
        bool finished = st == STATUS_OK;
        if (finished) gguf_close(&g);
        CHECK(t, finished || st == STATUS_NO_MEMORY, "%s", context_error(cx));
        CHECK(t, context_live_allocations(cx) == 0, "leak after allocation %lld", (long long)n);
        if (finished) {
            CHECK(t, n > 5, "%lld", (long long)n);
            break;
        }
    }
    context_free(cx);
}

/* The vocabularies that llama.cpp ships. */
static void vocabularies(test *t) {
    const char *data = test_data(t);
    if (!data) return;
    static const char *const names[] = {"bert-bge", "deepseek-coder", "falcon", "gpt-2"};
    context *cx = context_new();
    for (int i = 0; i < COUNT_OF(names); i++) {
        char path[400];
        gguf g;
        const gguf_value *tokens;
        snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf", data, names[i]);
        CHECK_OK(t, cx, gguf_open(cx, path, &g));
        CHECK_OK(t, cx, gguf_array(&g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens));
        CHECK(t, tokens->count > 30000, "%s", path);
        gguf_close(&g);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_gguf[] = {
    {"round_trip", round_trip},     {"bad_heads", bad_heads},
    {"bad_pairs", bad_pairs},       {"bad_tensors", bad_tensors},
    {"truncated", truncated},       {"allocation_failures", allocation_failures},
    {"vocabularies", vocabularies}, {0}};
