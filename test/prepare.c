/* Text to token sets: whatever the wrapping (JSONL, archives, compression, a pipe, pieces, threads), the shards
 * decode to the documents that went in; what is broken is named with its place. */
#include "test.h"
#include "base/utf8.h"
#include "text/prepare.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM = 512 };
static const char gpt2[] = "test/golden/tokenizers/gpt2.json";

static const char *path_in(test *t, const char *name) {
    static char path[8][ROOM];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], ROOM, "%s/%s", test_folder(t), name);
    return path[turn];
}

static bool put(test *t, const char *name, const char *bytes, int64_t length) {
    FILE *file = fopen(path_in(t, name), "wb");
    if (!file) return false;
    fwrite(bytes, 1, (size_t)length, file);
    return fclose(file) == 0;
}

static bool put_text(test *t, const char *name, const char *text) {
    return put(t, name, text, (int64_t)strlen(text));
}

static status prepare_file(test *t, context *cx, const char *name, const char *out,
                           prepare_options o, prepare_result *r) {
    const char *file = path_in(t, name);
    o.input.files = &file;
    o.input.n_files = 1;
    o.folder = path_in(t, out);
    return prepare_run(cx, &o, r);
}

/* The text of a split's document, without the tokens around it. */
static status read_document(token_set *s, const tokenizer *tk, token_split split, int64_t document,
                            text_buffer *out) {
    token_list ids = {.cx = s->cx};
    decoder d = {.skip_special = true};
    int64_t from, to;
    shard *one = s->part[split].shards;
    while (document >= one->documents) document -= one++->documents;
    status st = shard_document(one, document, &from, &to);
    if (st == STATUS_OK) st = token_reserve(&ids, to - from);
    if (st == STATUS_OK) st = shard_read(one, from, to - from, ids.ids);
    out->length = 0;
    if (st == STATUS_OK) st = tokenizer_decode(tk, &d, ids.ids, to - from, out);
    token_free(&ids);
    return st;
}

/* The training documents of the set are these, in order. */
static void check_documents(test *t, context *cx, const char *out, const char *const *texts,
                            int64_t count) {
    token_set s;
    tokenizer *tk;
    text_buffer got = {.cx = cx};
    CHECK_OK(t, cx, token_set_open(cx, path_in(t, out), &s));
    CHECK_OK(t, cx, token_set_verify(&s));
    CHECK_OK(t, cx, tokenizer_open(cx, s.tokenizer, &tk));
    CHECK(t, s.part[TOKENS_TRAIN].documents == count, "%s: %lld documents", out,
          (long long)s.part[TOKENS_TRAIN].documents);
    for (int64_t i = 0; i < count; i++) {
        CHECK_OK(t, cx, read_document(&s, tk, TOKENS_TRAIN, i, &got));
        CHECK(t,
              got.length == (int64_t)strlen(texts[i]) &&
                  !memcmp(got.bytes, texts[i], (size_t)got.length),
              "%s document %lld is '%.*s'", out, (long long)i, (int)MIN_OF(got.length, 200),
              got.bytes);
    }
    text_free(&got);
    tokenizer_free(tk);
    token_set_close(&s);
}

static const char lines[] = "{\"id\": 1, \"text\": \"First\\nof all.\", \"more\": [1, {}]}\n"
                            "\n"
                            "{\"text\": \"\\u00e9t\\u00e9 \\ud83d\\ude80\"}\r\n"
                            "{\"text\": \"\"}\n"
                            "{\"text\": \"Last\"}";
static const char *const line_texts[] = {"First\nof all.", "\u00e9t\u00e9 \U0001F680", "Last"};

static void wrappings(test *t) {
    static const struct {
        const char *name, *make;
    } cases[] = {
        {"a.jsonl", "true"},
        {"a.jsonl.gz", "gzip -k a.jsonl"},
        {"twice.jsonl.gz", "head -c 60 a.jsonl | gzip > twice.jsonl.gz; "
                           "tail -c +61 a.jsonl | gzip >> twice.jsonl.gz"},
        {"a.jsonl.zst", "zstd -q -k a.jsonl"},
        {"a.tar", "printf x > p.jpg; tar -cf a.tar p.jpg a.jsonl"},
        {"gnu.tar", "mkdir -p $(printf 'd%.0s' $(seq 200)) && cp a.jsonl d*/ && "
                    "tar --format=gnu -cf gnu.tar d*/a.jsonl"},
        {"pax.tar.gz", "tar --format=pax -czf pax.tar.gz d*/a.jsonl"},
    };
    context *cx = context_new();
    CHECK(t, put(t, "a.jsonl", lines, sizeof lines - 1));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        char command[2 * ROOM], out[32];
        snprintf(command, sizeof command, "cd '%s' && { %s; }", test_folder(t), cases[i].make);
        snprintf(out, sizeof out, "out-%lld", (long long)i);
        if (strstr(cases[i].name, ".zst") && system("command -v zstd >/dev/null") != 0) continue;
        CHECK(t, system(command) == 0, "%s", command);
        prepare_result r;
        CHECK_OK(t, cx,
                 prepare_file(t, cx, cases[i].name, out, (prepare_options){.bytes = true}, &r));
        CHECK(t, r.passed_over == !strcmp(cases[i].name, "a.tar"), "%s", r.passed_over_first);
        check_documents(t, cx, out, line_texts, COUNT_OF(line_texts));
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void texts(test *t) {
    context *cx = context_new();
    prepare_result r;
    static const char parted[] = "\xEF\xBB\xBFOne.\n<|x|>\nTwo,\n two.\n<|x|><|x|>  Three\n";
    static const char *const three[] = {"One.", "Two,\n two.", "Three"};
    static const char blank[] =
        "<|x|>\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nfor many a mile, and more<|x|>";
    static const char *const mile[] = {"for many a mile, and more"};
    CHECK(t, put(t, "a.txt", parted, sizeof parted - 1));
    prepare_options o = {.tokenizer = gpt2, .input.separator = "<|x|>"};
    CHECK_OK(t, cx, prepare_file(t, cx, "a.txt", "parted", o, &r));
    check_documents(t, cx, "parted", three, 3);
    CHECK(t, put_text(t, "blank.txt", blank));
    o.input.piece_bytes = 24; /* a piece of white space alone */
    o.tokenizer = NULL;
    o.bytes = true;
    CHECK_OK(t, cx, prepare_file(t, cx, "blank.txt", "blank", o, &r));
    check_documents(t, cx, "blank", mile, 1);
    CHECK(t, r.tokens[0] == 25 + 2, "%lld tokens, one begins and one ends", (long long)r.tokens[0]);
    o = (prepare_options){.vocabulary = 262, .input.separator = "<|x|>", .held_out = 0.0};
    CHECK_OK(t, cx, prepare_file(t, cx, "a.txt", "learnt", o, &r));
    CHECK(t, r.vocabulary == 262, "%lld tokens", (long long)r.vocabulary);
    check_documents(t, cx, "learnt", three, 3);
    static const char *const fields[] = {"q", "a"}, *const joined[] = {"why?\nso"};
    CHECK(t, put_text(t, "a.jsonl", "{\"a\": \"so\", \"q\": \"why?\", \"a\": \"again\"}\n"));
    o = (prepare_options){.characters = true, .input = {.fields = fields, .n_fields = 2}};
    CHECK_OK(t, cx, prepare_file(t, cx, "a.jsonl", "joined", o, &r));
    CHECK(t, r.vocabulary == 7, "%lld characters", (long long)r.vocabulary);
    check_documents(t, cx, "joined", joined, 1);
    static const char *const mended[] = {"a\uFFFD\uFFFDb"};
    CHECK(t, put_text(t, "bad.txt",
                      "a\xE4\xBD"
                      "b"));
    o = (prepare_options){.bytes = true, .begin = "", .end = "", .input.replace_invalid = true};
    CHECK_OK(t, cx, prepare_file(t, cx, "bad.txt", "mended", o, &r));
    CHECK(t, r.vocabulary == 256);
    check_documents(t, cx, "mended", mended, 1);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* A text in pieces of some kilobytes, on two threads, gives the ids of the whole text. */
static void check_pieces(test *t, context *cx, const char *tokenizer_name, const file_map *text) {
    tokenizer *tk;
    encoder *e;
    token_list want = {.cx = cx}, got = {.cx = cx};
    token_set s;
    prepare_result r;
    char model[ROOM];
    snprintf(model, sizeof model, "test/golden/tokenizers/%s.json", tokenizer_name);
    CHECK_OK(t, cx, tokenizer_open(cx, model, &tk));
    CHECK_OK(t, cx, encoder_new(cx, tk, &e));
    CHECK_OK(t, cx, encoder_run(e, text->bytes, text->size_bytes, (encode_options){0}, &want));
    prepare_options o = {
        .tokenizer = model, .begin = "", .end = "", .input.piece_bytes = 3000, .threads = 2};
    CHECK_OK(t, cx, prepare_file(t, cx, "text.txt", tokenizer_name, o, &r));
    CHECK_OK(t, cx, token_set_open(cx, path_in(t, tokenizer_name), &s));
    CHECK(t, s.part[0].tokens == want.count && s.part[0].documents == 1, "%s: %lld, whole %lld",
          tokenizer_name, (long long)s.part[0].tokens, (long long)want.count);
    CHECK_OK(t, cx, token_reserve(&got, want.count));
    CHECK_OK(t, cx, shard_read(s.part[0].shards, 0, want.count, got.ids));
    CHECK(t, !memcmp(got.ids, want.ids, (size_t)want.count * 4), "%s", tokenizer_name);
    token_set_close(&s);
    token_free(&want);
    token_free(&got);
    encoder_free(e);
    tokenizer_free(tk);
}

static void pieces(test *t) {
    static const char *const names[] = {"gpt2",      "prefixed",    "cl100k", "qwen2", "o200k",
                                        "deepseek3", "unpublished", "digits", "llama", "metaspace"};
    context *cx = context_new();
    text_buffer text = {.cx = cx};
    file_map cases;
    CHECK_OK(t, cx, file_map_open(cx, "test/golden/tokenizers/cases", &cases));
    for (int turn = 0; turn < 24; turn++) {
        const char *end = cases.bytes + cases.size_bytes;
        for (const char *at = cases.bytes; at < end;) { /* characters of the cases, in lines */
            int n = utf8_length(at, end);
            if (n && *at && text.length % 97 != turn)
                CHECK_OK(t, cx, text_append(&text, at, n));
            else
                CHECK_OK(t, cx, text_append(&text, &" \n\n"[turn % 3], 3 - turn % 3));
            at += MAX_OF(n, 1);
        }
    }
    CHECK(t, text.length > 20000 && put(t, "text.txt", text.bytes, text.length));
    file_map map;
    CHECK_OK(t, cx, file_map_open(cx, path_in(t, "text.txt"), &map));
    for (int64_t i = 0; i < COUNT_OF(names); i++) check_pieces(t, cx, names[i], &map);
    file_map_close(&map);
    file_map_close(&cases);
    text_free(&text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* nanoGPT's way with one long text: the first int(0.9 n) characters are for training. */
static void characters(test *t) {
    const char *data = test_data(t);
    if (!data) return;
    context *cx = context_new();
    prepare_result r;
    char path[ROOM];
    snprintf(path, sizeof path, "%s/text/tinyshakespeare.txt", data);
    const char *file = path;
    const prepare_options o = {.input = {.files = &file, .n_files = 1},
                               .folder = path_in(t, "out"),
                               .characters = true,
                               .held_out = 0.1};
    CHECK_OK(t, cx, prepare_run(cx, &o, &r));
    CHECK(t, r.vocabulary == 65 && r.tokens[0] == 1003854 && r.tokens[1] == 111540);
    token_set s;
    tokenizer *tk;
    text_buffer got = {.cx = cx};
    file_map text;
    CHECK_OK(t, cx, token_set_open(cx, path_in(t, "out"), &s));
    CHECK_OK(t, cx, tokenizer_open(cx, s.tokenizer, &tk));
    CHECK_OK(t, cx, file_map_open(cx, path, &text));
    for (int split = 0, at = 0; split < 2; split++) {
        CHECK_OK(t, cx, read_document(&s, tk, (token_split)split, 0, &got));
        CHECK(t, !memcmp(got.bytes, text.bytes + at, (size_t)got.length), "%d", split);
        at += (int)got.length;
        CHECK(t, split == 0 || at == text.size_bytes);
    }
    CHECK(t, tokenizer_find(tk, "\n") == 0 && tokenizer_find(tk, "z") == 64);
    file_map_close(&text);
    text_free(&got);
    tokenizer_free(tk);
    token_set_close(&s);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* One document of each stretch of ten is held out, not always the same one. */
static void held_out(test *t) {
    context *cx = context_new();
    text_buffer text = {.cx = cx};
    prepare_result r;
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "{\"text\": \"%04d\"}\n", i);
        CHECK_OK(t, cx, text_append(&text, line, (int64_t)strlen(line)));
    }
    CHECK(t, put(t, "n.jsonl", text.bytes, text.length));
    uint32_t places = 0;
    for (int way = 0; way < 2; way++) {
        const char *out = way ? "end" : "drawn";
        const prepare_options o = {
            .bytes = true, .held_out = 0.1, .held_out_end = way, .seed = 4, .begin = ""};
        CHECK_OK(t, cx, prepare_file(t, cx, "n.jsonl", out, o, &r));
        CHECK(t, r.documents[0] == 900 && r.documents[1] == 100, "%lld", (long long)r.documents[1]);
        token_set s;
        tokenizer *tk;
        text_buffer got = {.cx = cx};
        CHECK_OK(t, cx, token_set_open(cx, path_in(t, out), &s));
        CHECK_OK(t, cx, tokenizer_open(cx, s.tokenizer, &tk));
        for (int i = 0; i < 100; i++) {
            CHECK_OK(t, cx, read_document(&s, tk, TOKENS_VALIDATION, i, &got));
            CHECK_OK(t, cx, text_append(&got, "", 1));
            int n = atoi(got.bytes);
            CHECK(t, way ? n == 900 + i : n / 10 == i, "document %d", n);
            if (!way) places |= 1u << n % 10;
        }
        text_free(&got);
        tokenizer_free(tk);
        token_set_close(&s);
    }
    CHECK(t, places == 1023, "places %x", places);
    CHECK(t, put(t, "few.jsonl", text.bytes, 3 * 17)); /* of too few documents the end is taken */
    for (uint64_t seed = 0; seed < 12; seed++) {
        char out[32];
        snprintf(out, sizeof out, "few-%d", (int)seed);
        const prepare_options o = {
            .bytes = true, .held_out = 0.1, .seed = seed, .begin = "", .end = ""};
        CHECK_OK(t, cx, prepare_file(t, cx, "few.jsonl", out, o, &r));
        bool drawn = r.tokens[0] == 8 && r.tokens[1] == 4, cut = r.tokens[0] == 10;
        CHECK(t, drawn || (cut && r.tokens[1] == 2), "seed %d: %lld, %lld", (int)seed,
              (long long)r.tokens[0], (long long)r.tokens[1]);
    }
    text_free(&text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void refusals(test *t) {
    context *cx = context_new();
    static const struct {
        const char *name, *bytes;
        int64_t length;
        status code;
        const char *words;
    } cases[] = {
        {"empty.txt", "", 0, STATUS_BAD_DATA, "there is no text"},
        {"bad.txt", "hello \xFF", 7, STATUS_BAD_DATA, "bad.txt' at byte 6: 0xFF is not UTF-8"},
        {"cut.txt", "ab\xC3", 3, STATUS_BAD_DATA, "at byte 2: 0xC3"},
        {"a.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}\n", 26, STATUS_BAD_DATA, "a.jsonl, line 2'"},
        {"b.jsonl", "{\"text\": \"a\"}\n\n\n{oops}\n", 24, STATUS_BAD_DATA, "b.jsonl, line 4'"},
        {"c.jsonl", "{\"txt\": \"a\"}\n", 13, STATUS_BAD_DATA, "line 1': there is no field 'text'"},
        {"d.jsonl", "{\"text\": \"\xE4\"}\n", 13, STATUS_BAD_DATA, "d.jsonl, line 1'"},
        {"z.gz", "\x1f\x8b\x08\0\0\0\0\0\0\x03KLJ", 13, STATUS_BAD_DATA, "ends inside compressed"},
        {"y.gz", "\x1f\x8b\x08\0\0\0\0\0\0\x03\xFF\xFF", 12, STATUS_BAD_DATA, "gzip says"},
        {"x.zst", "\x28\xb5\x2f\xfd\x20\x05\x07\0\0", 9, STATUS_BAD_DATA, "zstd says"},
    };
    prepare_result r;
    const prepare_options bytes = {.bytes = true};
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(t, put(t, cases[i].name, cases[i].bytes, cases[i].length));
        CHECK_FAILS(t, cx, prepare_file(t, cx, cases[i].name, "out", bytes, &r), cases[i].code,
                    cases[i].words);
        CHECK(t, !file_exists(path_in(t, "out")), "%s: something was left", cases[i].name);
    }
    CHECK_FAILS(t, cx, prepare_file(t, cx, "none", "out", bytes, &r), STATUS_IO, "none'");
    CHECK(t, put_text(t, "fine.txt", "fine"));
    const prepare_options both = {.bytes = true, .characters = true};
    CHECK_FAILS(t, cx, prepare_file(t, cx, "fine.txt", "out", both, &r), STATUS_BAD_ARGUMENT,
                "only one of");
    const prepare_options none = {0}, odd = {.tokenizer = gpt2, .end = "<none>"};
    CHECK_FAILS(t, cx, prepare_file(t, cx, "fine.txt", "out", none, &r), STATUS_BAD_ARGUMENT,
                "must be given");
    CHECK_FAILS(t, cx, prepare_file(t, cx, "fine.txt", "out", odd, &r), STATUS_BAD_ARGUMENT,
                "no token '<none>'");
    char tar[1536] = "x.txt";
    memcpy(tar + 257, "ustar", 5);
    CHECK(t, put(t, "bad.tar", tar, sizeof tar));
    CHECK_FAILS(t, cx, prepare_file(t, cx, "bad.tar", "out", bytes, &r), STATUS_BAD_DATA,
                "the header of a file");
    CHECK_OK(t, cx, prepare_file(t, cx, "fine.txt", "out", bytes, &r));
    CHECK_FAILS(t, cx, prepare_file(t, cx, "fine.txt", "out", bytes, &r), STATUS_BAD_ARGUMENT,
                "nothing is overwritten");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Every allocation of a whole preparation fails once. */
static void no_memory(test *t) {
    context *cx = context_new();
    prepare_result r;
    CHECK(t, put(t, "a.jsonl", lines, sizeof lines - 1));
    const prepare_options o = {.characters = true, .threads = 1, .held_out = 0.3};
    int64_t n = 0;
    for (status st = STATUS_NO_MEMORY; st == STATUS_NO_MEMORY; n++) {
        context_fail_allocation_after(cx, n);
        st = prepare_file(t, cx, "a.jsonl", "out", o, &r);
        context_fail_allocation_after(cx, -1);
        CHECK(t, st == STATUS_OK || st == STATUS_NO_MEMORY, "%lld: %s", (long long)n,
              context_error(cx));
        CHECK(t, context_live_allocations(cx) == 0, "leak at %lld", (long long)n);
        CHECK(t, st == STATUS_OK || !file_exists(path_in(t, "out")), "left at %lld", (long long)n);
    }
    CHECK(t, n > 30, "%lld allocations", (long long)n);
    context_free(cx);
}

const test_case suite_prepare[] = {{"wrappings", wrappings}, {"texts", texts},
                                   {"pieces", pieces},       {"characters", characters},
                                   {"held_out", held_out},   {"refusals", refusals},
                                   {"no_memory", no_memory}, {0}};
