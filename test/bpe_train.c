/* Training BPE: the vocabulary and the merges of the `tokenizers` library, ties included (golden made by
 * tool/goldens/bpe_train.py); the same on any number of threads; what cannot be is refused. */
#include "test.h"
#include "base/json_write.h"
#include "text/bpe_train.h"
#include "text/tokenizer.h"
#include "text/tree.h"
#include <stdio.h>

enum { ROOM = 512, MOST_VALUES = 100000 };
static const char *const special[] = {"<|endoftext|>", "<pad>"};

static status add_line(text_buffer *out, const char *text) {
    json_writer j = json_writer_to_buffer(out->cx, 0);
    json_write_object(&j);
    json_write_string_field(&j, "text", text);
    json_write_object_end(&j);
    status st = json_writer_finish(&j);
    if (st == STATUS_OK) st = text_append(out, j.bytes, j.size);
    json_writer_free(&j);
    return st == STATUS_OK ? text_append(out, "\n", 1) : st;
}

/* The documents of the golden: the cases, and words of few letters. */
static status write_documents(test *t, context *cx, char path[ROOM]) {
    text_buffer out = {.cx = cx};
    file_map cases;
    TRY(file_map_open(cx, "test/golden/tokenizers/cases", &cases));
    status st = STATUS_OK;
    const char *end = cases.bytes + cases.size_bytes;
    for (const char *at = cases.bytes; at < end && st == STATUS_OK; at += strlen(at) + 1)
        st = add_line(&out, at);
    for (int i = 0; i < 9 * 49 && st == STATUS_OK; i++) {
        char word[32];
        int a = 'a' + i / 147, b = 'a' + i / 49 % 3, n = 1 + i / 7 % 7, m = 1 + i % 7;
        memset(word, a, sizeof word);
        memset(word + n, b, (size_t)m);
        word[n + m + 1] = 0;
        st = add_line(&out, word);
    }
    snprintf(path, ROOM, "%s/documents.jsonl", test_folder(t));
    if (st == STATUS_OK) st = file_write_whole(cx, path, out.bytes, out.length);
    file_map_close(&cases);
    text_free(&out);
    return st;
}

static status read_tree(context *cx, arena *a, const char *name, const char *bytes, int64_t length,
                        tree **out) {
    json j = json_make(cx, name, bytes, length, NULL);
    status st = tree_read(&j, a, MOST_VALUES, out);
    json_free(&j);
    return st;
}

/* How many values differ. */
static int64_t differing(const tree *a, const tree *b) {
    if (!a || !b) return a != b;
    int64_t n = a->kind != b->kind || a->number != b->number || a->length != b->length;
    if (!n && a->text) n += memcmp(a->text, b->text, (size_t)a->length) != 0;
    if (a->key && b->key) n += strcmp(a->key, b->key) != 0;
    const tree *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next) n += differing(x, y);
    return n + (x != NULL || y != NULL);
}

static int64_t count_of(const tree *list) {
    int64_t n = 0;
    for (const tree *i = list->first; i; i = i->next) n++;
    return n;
}

static bpe_train_options options_for(const char *const *file) {
    return (bpe_train_options){.input = {.files = file, .n_files = 1},
                               .vocabulary = 900,
                               .special = special,
                               .n_special = 2,
                               .threads = 2};
}

static void golden(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    char path[ROOM];
    const char *file = path;
    text_buffer made = {.cx = cx}, again = {.cx = cx};
    bpe_train_result r;
    file_map map;
    tree *want, *got;
    CHECK_OK(t, cx, write_documents(t, cx, path));
    bpe_train_options o = options_for(&file);
    CHECK_OK(t, cx, bpe_train_files(cx, &o, &made, &r));
    CHECK_OK(t, cx, file_map_open(cx, "test/golden/tokenizers/trained.json", &map));
    CHECK_OK(t, cx, read_tree(cx, &a, "trained.json", map.bytes, map.size_bytes, &want));
    CHECK_OK(t, cx, read_tree(cx, &a, "made", made.bytes, made.length, &got));
    const tree *model = tree_find(got, "model"), *merges = tree_find(want, "merges");
    CHECK(t, count_of(merges) == r.merges && r.merges > 600 && r.vocabulary == 900,
          "%lld merges, expected %lld", (long long)r.merges, (long long)count_of(merges));
    CHECK(t, !differing(tree_find(model, "merges"), merges), "merges differ");
    CHECK(t, !differing(tree_find(model, "vocab"), tree_find(want, "vocab")), "words differ");
    merges->first->next->first->text = "?"; /* the control */
    CHECK(t, differing(tree_find(model, "merges"), merges), "a wrong merge was not noticed");
    o.threads = 1;
    CHECK_OK(t, cx, bpe_train_files(cx, &o, &again, &r));
    CHECK(t, again.length == made.length && !memcmp(again.bytes, made.bytes, (size_t)made.length));
    file_map_close(&map);
    text_free(&made);
    text_free(&again);
    arena_free(&a);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Every pattern that has a name makes a tokenizer that opens and gives back any text. */
static void patterns(test *t) {
    static const char *const names[] = {"gpt2",  "cl100k", "llama3",  "qwen2",
                                        "o200k", "tekken", "\\w+|\\W"};
    static const char text[] = "It's 12345 \u00e9t\u00e9,\n\n  \U0001F680 <pad>!\xff";
    context *cx = context_new();
    char path[ROOM];
    const char *file = path;
    bpe_train_result r;
    CHECK_OK(t, cx, write_documents(t, cx, path));
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        text_buffer made = {.cx = cx}, back = {.cx = cx};
        token_list ids = {.cx = cx};
        tokenizer *tk;
        encoder *e;
        decoder d = {0};
        bpe_train_options o = options_for(&file);
        o.pattern = names[i];
        CHECK_OK(t, cx, bpe_train_files(cx, &o, &made, &r));
        CHECK_OK(t, cx, tokenizer_open_json(cx, names[i], made.bytes, made.length, &tk));
        CHECK_OK(t, cx, encoder_new(cx, tk, &e));
        CHECK_OK(t, cx, encoder_run(e, text, sizeof text - 1, (encode_options){0}, &ids));
        CHECK_OK(t, cx, tokenizer_decode(tk, &d, ids.ids, ids.count, &back));
        CHECK(t, back.length == sizeof text - 1 && !memcmp(back.bytes, text, sizeof text - 1), "%s",
              names[i]);
        CHECK(t, tokenizer_find(tk, "<pad>") == 1 && tokenizer_is_special(tk, 1));
        encoder_free(e);
        tokenizer_free(tk);
        token_free(&ids);
        text_free(&back);
        text_free(&made);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* A table of few words drops what came once, and frequent words are counted all the same. */
static void bounded(test *t) {
    context *cx = context_new();
    text_buffer text = {.cx = cx};
    char path[ROOM];
    const char *file = path;
    for (int i = 0; i < 20000; i++) {
        char words[64];
        int n = snprintf(words, sizeof words, " the x%d\n", i);
        CHECK_OK(t, cx, text_append(&text, words, n));
    }
    snprintf(path, sizeof path, "%s/words.txt", test_folder(t));
    CHECK_OK(t, cx, file_write_whole(cx, path, text.bytes, text.length));
    for (int most = 0; most <= 500; most += 500) {
        word_counts c;
        const word_count_options o = {.input = {.files = &file, .n_files = 1, .piece_bytes = 0},
                                      .pattern = " ?\\w+|\\s",
                                      .threads = 2,
                                      .most_words = most};
        CHECK_OK(t, cx, word_counts_make(cx, &o, &c));
        int32_t the = vocab_find(&c.words, " the", 4);
        CHECK(t, the >= 0 && c.count[the] == 20000 && c.text_bytes == text.length);
        CHECK(t, (c.dropped > 0) == (most > 0), "%lld dropped", (long long)c.dropped);
        CHECK(t, most || c.words.size == 20002, "%d words", c.words.size);
        word_counts_free(&c);
    }
    text_free(&text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void refusals(test *t) {
    static const char *const wrong[] = {"<a>", "<a>", "x"};
    context *cx = context_new();
    char path[ROOM];
    const char *file = path;
    text_buffer made = {.cx = cx};
    bpe_train_result r;
    CHECK_OK(t, cx, write_documents(t, cx, path));
    bpe_train_options o = options_for(&file);
    o.vocabulary = 257;
    CHECK_FAILS(t, cx, bpe_train_files(cx, &o, &made, &r), STATUS_BAD_ARGUMENT, "need 258");
    o.vocabulary = 300;
    o.special = wrong;
    CHECK_FAILS(t, cx, bpe_train_files(cx, &o, &made, &r), STATUS_BAD_ARGUMENT, "given twice");
    o.special = wrong + 2;
    o.n_special = 1;
    CHECK_FAILS(t, cx, bpe_train_files(cx, &o, &made, &r), STATUS_BAD_ARGUMENT, "is a byte");
    o.n_special = 0;
    o.pattern = "(";
    context_clear(cx);
    CHECK(t, bpe_train_files(cx, &o, &made, &r) != STATUS_OK && *context_error(cx));
    o.pattern = NULL;
    CHECK_OK(t, cx, file_write_whole(cx, path, "\n", 1));
    CHECK_FAILS(t, cx, bpe_train_files(cx, &o, &made, &r), STATUS_BAD_DATA, "no text");
    text_free(&made);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_bpe_train[] = {
    {"golden", golden}, {"patterns", patterns}, {"bounded", bounded}, {"refusals", refusals}, {0}};
