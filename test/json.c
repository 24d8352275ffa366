/* JSON in and out: what must be read, what must be refused and with which words, round trips of
 * numbers and strings, the limits, and the time for a large file. */
#include "test.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static status read_all(context *cx, const char *text, int64_t size, const json_limits *limits) {
    json j = json_make(cx, "text", text, size, limits);
    json_token t = {.kind = JSON_NULL};
    status st = STATUS_OK;
    while (st == STATUS_OK && t.kind != JSON_END) st = json_next(&j, &t);
    json_free(&j);
    return st;
}

static void accepts(test *t) {
    static const char *const good[] = {"null",
                                       " true ",
                                       "-0",
                                       "0.5e-3",
                                       "[]",
                                       "{}",
                                       "[[],{}]",
                                       "{\"a\":1,\"b\":[1,2,{\"c\":null}]}",
                                       "\"\\u0041\\ud83d\\ude00\\n\"",
                                       "\"\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac\"",
                                       "\"\x7f\"",
                                       "123456789012345678901234567890",
                                       "[1 ,\n2\t,\r3]",
                                       "1e308",
                                       "4.9e-324",
                                       "\"\\u0000\""};
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(good); i++)
        CHECK_OK(t, cx, read_all(cx, good[i], (int64_t)strlen(good[i]), NULL));
    context_free(cx);
}

typedef struct refusal {
    const char *text, *words;
} refusal;

static void refuses(test *t) {
    static const refusal bad[] = {
        {"", "'text' at byte 0, line 1: the text is empty"},
        {"[1,\n2", "at byte 5, line 2: the text ends too early"},
        {"[1,\n\n2 3]", "at byte 7, line 3: expected ',' or ']'"},
        {"{\"a\":1 \"b\"}", "at byte 7, line 1: expected ',' or '}'"},
        {"{\"a\" 1}", "at byte 5, line 1: expected ':' after a key"},
        {"{1:2}", "at byte 1, line 1: expected a key in quotes"},
        {"{\"a\":1,}", "at byte 7, line 1: expected a key in quotes"},
        {"[1,]", "at byte 3, line 1: expected a value, found ']'"},
        {"[1}", "expected ',' or ']'"},
        {"]", "at byte 0, line 1: expected a value, found ']'"},
        {"1 2", "at byte 2, line 1: something follows the end of the value"},
        {"nul", "expected a value, found 'n'"},
        {"NaN", "expected a value, found 'N'"},
        {"-Infinity", "at byte 0, line 1: expected a value, found '-'"},
        {"\xef\xbb\xbf{}", "expected a value, found byte 0xef"},
        {"01", "a number starts with a needless 0"},
        {"-", "a number needs a digit after its sign"},
        {"-x", "a number needs a digit after its sign"},
        {"1.", "a number needs a digit after its point"},
        {"1e+", "a number needs a digit in its exponent"},
        {"[1e999]", "at byte 1, line 1: a number is outside the range of a double"},
        {"-1e309", "a number is outside the range of a double"},
        {"\"abc", "at byte 0, line 1: this string is not closed"},
        {"\"abc\\", "this string is not closed"},
        {"\"abc\\\"", "this string is not closed"},
        {"\"a\nb\"", "at byte 2, line 1: control character 0x0a in a string"},
        {"\"\\x\"", "at byte 1, line 1: unknown escape in a string"},
        {"\"\\u12g4\"", "\\u needs four hexadecimal digits"},
        {"\"\\u12\"", "\\u needs four hexadecimal digits"},
        {"\"\\ud800\"", "lone high surrogate"},
        {"\"\\ud800\\u0041\"", "lone high surrogate"},
        {"\"\\udc00\"", "at byte 1, line 1: lone low surrogate"},
        {"\"\xc0\x80\"", "at byte 1, line 1: invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "invalid UTF-8"},
        {"\"\xe2\x82\"", "invalid UTF-8"},
        {"\"12345678\xff\"", "at byte 9, line 1: invalid UTF-8"},
        {"// x\n1", "expected a value, found '/'"}};
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_FAILS(t, cx, read_all(cx, bad[i].text, (int64_t)strlen(bad[i].text), NULL),
                    STATUS_BAD_DATA, bad[i].words);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void limits(test *t) {
    context *cx = context_new();
    enum { DEEP = 2000 };
    char deep[DEEP];
    memset(deep, '[', DEEP);
    CHECK_FAILS(t, cx, read_all(cx, deep, DEEP, NULL), STATUS_BAD_DATA,
                "at byte 128, line 1: nested deeper than the limit of 128");
    CHECK_FAILS(t, cx, read_all(cx, deep, DEEP, &(json_limits){.depth = 5000}), STATUS_BAD_DATA,
                "nested deeper than the limit of 1024");
    CHECK_FAILS(t, cx, read_all(cx, "[1,2,3]", 7, &(json_limits){.size_bytes = 6}), STATUS_BAD_DATA,
                "7 bytes are over the limit of 6");
    CHECK_FAILS(t, cx, read_all(cx, "\"abcdef\"", 8, &(json_limits){.string_bytes = 5}),
                STATUS_BAD_DATA, "a string is longer than the limit of 5 bytes");
    CHECK_OK(t, cx, read_all(cx, "\"abcdef\"", 8, &(json_limits){.string_bytes = 6}));
    CHECK_OK(t, cx,
             read_all(cx, "[NaN,-Infinity,Infinity]", 24, &(json_limits){.allow_nonfinite = true}));
    context_free(cx);
}

static void typed_reading(test *t) {
    static const char text[] = "{\"n\": 3.0, \"skip\": {\"a\": [1, {\"b\": \"\\u00e9\"}]}, "
                               "\"k\\u0065y\": \"\\u00e9x\", \"list\": [1, 2, 3], "
                               "\"bad\": 7}";
    context *cx = context_new();
    json j = json_make(cx, "config.json", text, (int64_t)strlen(text), NULL);
    CHECK_OK(t, cx, json_enter_object(&j));
    int64_t n = 0, sum = 0;
    json_text value = {0}, key = {0};
    for (bool more = true;;) {
        CHECK_OK(t, cx, json_next_key(&j, &more, &key));
        if (!more) break;
        if (json_is(key, "n")) {
            CHECK_OK(t, cx, json_integer(&j, 0, 10, &n));
        } else if (json_is(key, "key")) {
            CHECK_OK(t, cx, json_string(&j, &value));
            CHECK(t, json_is(value, "\xc3\xa9x") && json_is(key, "key"), "key and value stay");
        } else if (json_is(key, "list")) {
            CHECK_OK(t, cx, json_enter_array(&j));
            for (;;) {
                bool item;
                int64_t v;
                CHECK_OK(t, cx, json_next_item(&j, &item));
                if (!item) break;
                CHECK_OK(t, cx, json_integer(&j, 1, 3, &v));
                sum += v;
            }
        } else if (json_is(key, "bad")) {
            CHECK_FAILS(t, cx, json_integer(&j, 0, 6, &sum), STATUS_BAD_DATA,
                        "'config.json' at byte 97, line 1: expected an integer in 0..6, found 7");
        } else {
            CHECK_OK(t, cx, json_skip(&j));
        }
    }
    CHECK_OK(t, cx, json_finish(&j));
    CHECK(t, n == 3 && sum == 6, "%lld %lld", (long long)n, (long long)sum);
    json_restart(&j, "again", "[true]", 6);
    CHECK_FAILS(t, cx, json_enter_object(&j), STATUS_BAD_DATA,
                "expected an object, found an array");
    json_free(&j);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

static void numbers_round_trip(test *t) {
    context *cx = context_new();
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random(&seed);
        double v, back;
        memcpy(&v, &bits, 8);
        if (i % 4 == 0) v = (double)(int64_t)(bits >> 40) / 1000;
        if (!isfinite(v)) continue;
        char text[32];
        int n = json_format_number(v, text);
        json j = json_make(cx, "n", text, n, NULL);
        CHECK_OK(t, cx, json_number(&j, -INFINITY, INFINITY, &back));
        CHECK(t, !memcmp(&v, &back, 8), "%s", text);
        double direct = strtod(text, NULL);
        CHECK(t, !memcmp(&direct, &back, 8), "%s", text);
    }
    static const struct {
        const char *text;
        int64_t v;
    } whole[] = {{"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"-0", 0},
                 {"1e3", 1000}};
    for (int64_t i = 0; i < COUNT_OF(whole); i++) {
        int64_t v;
        json j = json_make(cx, "n", whole[i].text, (int64_t)strlen(whole[i].text), NULL);
        CHECK_OK(t, cx, json_integer(&j, INT64_MIN, INT64_MAX, &v));
        CHECK(t, v == whole[i].v, "%s", whole[i].text);
    }
    int64_t v;
    json j = json_make(cx, "n", "9223372036854775808", 19, NULL);
    CHECK_FAILS(t, cx, json_integer(&j, INT64_MIN, INT64_MAX, &v), STATUS_BAD_DATA,
                "expected an integer");
    context_free(cx);
}

static void write_sample(json_writer *w) {
    json_write_object(w);
    json_write_string_field(w, "name", "a\"b\\\n\x01\xe2\x82\xac");
    json_write_key(w, "list");
    json_write_array(w);
    json_write_integer(w, -5);
    json_write_number(w, 0.1);
    json_write_number(w, 2);
    json_write_number(w, 1e300);
    json_write_null(w);
    json_write_array(w);
    json_write_array_end(w);
    json_write_array_end(w);
    json_write_bool_field(w, "on", true);
    json_write_object_end(w);
}

static void writes(test *t) {
    context *cx = context_new();
    json_writer w = json_writer_to_buffer(cx, 0);
    write_sample(&w);
    CHECK_OK(t, cx, json_writer_finish(&w));
    static const char expected[] =
        "{\"name\":\"a\\\"b\\\\\\n\\u0001\xe2\x82\xac\",\"list\":[-5,0.1,2.0,1e+300,null,"
        "[]],\"on\":true}";
    CHECK(t, !strcmp(w.bytes, expected), "%s", w.bytes);
    CHECK_OK(t, cx, read_all(cx, w.bytes, w.size, NULL));
    json_writer_free(&w);

    char path[300];
    snprintf(path, sizeof path, "%s/x.json", test_folder(t));
    FILE *f = fopen(path, "w");
    CHECK(t, f, "%s", path);
    w = json_writer_to_file(cx, f, 2);
    json_write_array(&w);
    for (int i = 0; i < 20000; i++) json_write_string(&w, "0123456789");
    json_write_array_end(&w);
    CHECK_OK(t, cx, json_writer_finish(&w));
    json_writer_free(&w);
    fclose(f);
    file_map map;
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    CHECK(t, map.size_bytes == 20000 * 16 + 3, "%lld", (long long)map.size_bytes);
    CHECK_OK(t, cx, read_all(cx, map.bytes, map.size_bytes, NULL));
    file_map_close(&map);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static status write_wrong(context *cx, int which) {
    json_writer w = json_writer_to_buffer(cx, 0);
    if (which != 5) json_write_object(&w);
    if (which == 0) json_write_integer(&w, 1);
    if (which == 1) json_write_array_end(&w);
    if (which == 2) json_write_key(&w, "\xff");
    if (which == 3) json_write_number_field(&w, "x", INFINITY);
    if (which == 4) json_write_key(&w, "x");
    if (which <= 4) json_write_object_end(&w);
    status st = json_writer_finish(&w);
    json_writer_free(&w);
    return st;
}

static void writer_refuses(test *t) {
    context *cx = context_new();
    CHECK_FAILS(t, cx, write_wrong(cx, 0), STATUS_BUG, "a value came where a key must come");
    CHECK_FAILS(t, cx, write_wrong(cx, 1), STATUS_BUG, "a bracket is closed out of turn");
    CHECK_FAILS(t, cx, write_wrong(cx, 2), STATUS_BAD_DATA, "byte 0 of a string is not UTF-8");
    CHECK_FAILS(t, cx, write_wrong(cx, 3), STATUS_BAD_ARGUMENT, "inf is not a JSON number");
    CHECK_FAILS(t, cx, write_wrong(cx, 4), STATUS_BUG, "a bracket is closed out of turn");
    CHECK_FAILS(t, cx, write_wrong(cx, 5), STATUS_BUG, "the value is not whole");
    CHECK_FAILS(t, cx, write_wrong(cx, 6), STATUS_BUG, "the value is not whole");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void allocation_failures(test *t) {
    context *cx = context_new();
    static const char text[] = "{\"k\\u0041\": \"\\u0041\"}";
    for (int64_t n = 0; n < 2; n++) {
        context_fail_allocation_after(cx, n);
        CHECK_FAILS(t, cx, read_all(cx, text, (int64_t)strlen(text), NULL), STATUS_NO_MEMORY,
                    "out of memory");
    }
    context_fail_allocation_after(cx, 0);
    json_writer w = json_writer_to_buffer(cx, 0);
    write_sample(&w);
    CHECK(t, json_writer_finish(&w) == STATUS_NO_MEMORY, "writer");
    json_writer_free(&w);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void files_appear_whole(test *t) {
    context *cx = context_new();
    char path[300];
    snprintf(path, sizeof path, "%s/f", test_folder(t));
    CHECK_OK(t, cx, file_write_whole(cx, path, "old", 3));
    file_writer w;
    CHECK_OK(t, cx, file_create(cx, path, &w));
    CHECK_OK(t, cx, file_write(&w, "newer", 5));
    CHECK_OK(t, cx, file_write_padding(&w, 8));
    char aside[400];
    snprintf(aside, sizeof aside, "%s", w.aside);
    CHECK(t, file_exists(aside), "%s", aside);
    file_map map;
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    CHECK(t, map.size_bytes == 3 && !memcmp(map.bytes, "old", 3), "still the old file");
    file_map_close(&map);
    CHECK_OK(t, cx, file_commit(&w));
    CHECK(t, !file_exists(aside), "moved");
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    CHECK(t, map.size_bytes == 8 && !memcmp(map.bytes, "newer\0\0\0", 8), "the new file");
    file_map_close(&map);
    CHECK_OK(t, cx, file_create(cx, path, &w));
    file_abandon(&w);
    CHECK(t, !file_exists(aside), "abandoned");
    CHECK_FAILS(t, cx, file_map_open(cx, test_folder(t), &map), STATUS_BAD_ARGUMENT,
                "is not a regular file");
    CHECK_FAILS(t, cx, file_map_open(cx, "/nowhere/x", &map), STATUS_IO, "No such file");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Pieces of every size come out in the order in which they were written. */
static void files_keep_order(test *t) {
    static const int64_t pieces[] = {5, 150000, 7, 200000, 100000, 300000, 1, 262144, 131073, 3};
    context *cx = context_new();
    char path[300];
    file_writer w;
    file_map map;
    snprintf(path, sizeof path, "%s/f", test_folder(t));
    char *piece = context_alloc(cx, 300000);
    CHECK_OK(t, cx, file_create(cx, path, &w));
    for (int i = 0; i < COUNT_OF(pieces); i++) {
        memset(piece, 'a' + i, (size_t)pieces[i]);
        CHECK_OK(t, cx, file_write(&w, piece, pieces[i]));
    }
    CHECK_OK(t, cx, file_commit(&w));
    context_release(cx, piece);
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    int64_t at = 0;
    for (int i = 0; i < COUNT_OF(pieces); i++)
        for (int64_t k = 0; k < pieces[i]; k++, at++)
            CHECK(t, map.bytes[at] == 'a' + i, "byte %lld", (long long)at);
    CHECK(t, at == map.size_bytes, "%lld bytes", (long long)map.size_bytes);
    file_map_close(&map);
    context_free(cx);
}

/* A text like a tokenizer.json: a vocabulary and merges as pairs, 39 MB. */
enum { TEXT_BYTES = 39 << 20 };
static char large[TEXT_BYTES + 128];
static int64_t large_bytes;

PRINTF_LIKE(1, 2) static void append(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    large_bytes += vsnprintf(large + large_bytes, 128, fmt, args);
    va_end(args);
}

static void write_large(void) {
    uint64_t seed = 7;
    append("{\"model\": {\"vocab\": {");
    for (int id = 0; large_bytes < TEXT_BYTES / 2; id++)
        append("%s\n      \"%s%llx%s\": %d", id ? "," : "", id % 2 ? "\xc4\xa0" : "",
               (unsigned long long)(next_random(&seed) >> 34), id % 50 ? "" : "\\u00e9\\n", id);
    append("},\n \"merges\": [");
    for (int id = 0; large_bytes < TEXT_BYTES; id++)
        append("%s\n      [\n        \"\xc4\xa0%llx\",\n        \"a%d\"\n      ]", id ? "," : "",
               (unsigned long long)(next_random(&seed) >> 44), id % 99);
    append("]}}");
}

static void large_file(test *t) {
    context *cx = context_new();
    write_large();
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        CHECK_OK(t, cx, read_all(cx, large, large_bytes, NULL));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        best = fmin(best, (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
    }
    printf("  json: %.0f MB in %.3f s\n", (double)large_bytes / 1e6, best);
    CHECK(t, context_allocations(cx) < 20, "%lld allocations", (long long)context_allocations(cx));
    context_free(cx);
}

const test_case suite_json[] = {{"accepts", accepts},
                                {"refuses", refuses},
                                {"limits", limits},
                                {"typed_reading", typed_reading},
                                {"numbers_round_trip", numbers_round_trip},
                                {"writes", writes},
                                {"writer_refuses", writer_refuses},
                                {"allocation_failures", allocation_failures},
                                {"files_appear_whole", files_appear_whole},
                                {"files_keep_order", files_keep_order},
                                {"large_file", large_file, .slow = true},
                                {0}};
