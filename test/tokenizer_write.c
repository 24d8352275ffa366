/* Tokenizers written and read again: as tokenizer.json, as GGUF metadata, and as tokenizer.json out of that, give the
 * ids that they gave before; what GGUF cannot tell is refused. */
#include "base/log.h"
#include "test.h"
#include "text/tokenizer_gguf_write.h"
#include "text/tokenizer_json_write.h"
#include <stdio.h>

typedef struct sample {
    context *cx;
    arena memory;
    file_map cases; /* texts, each closed by a zero */
    int32_t compared, differ;
} sample;

static status encode(const sample *s, const tokenizer *k, const char *text, token_list *out) {
    encoder *e;
    out->count = 0;
    TRY(encoder_new(s->cx, k, &e));
    status st = encoder_run(e, text, (int64_t)strlen(text),
                            (encode_options){.add_special = true, .trust_special = true}, out);
    encoder_free(e);
    return st;
}

/* Counts the cases in which the two differ, but those that hold `without`. */
static status compare(sample *s, const tokenizer *a, const tokenizer *b, const char *without) {
    token_list x = {.cx = s->cx}, y = {.cx = s->cx};
    text_buffer back[2] = {{.cx = s->cx}, {.cx = s->cx}};
    const char *end = s->cases.bytes + s->cases.size_bytes;
    status st = STATUS_OK;
    s->compared = s->differ = 0;
    for (const char *at = s->cases.bytes; at < end && st == STATUS_OK; at += strlen(at) + 1) {
        if (without && strstr(at, without)) continue;
        TRY_GOTO(done, encode(s, a, at, &x));
        TRY_GOTO(done, encode(s, b, at, &y));
        back[0].length = back[1].length = 0;
        TRY_GOTO(done, tokenizer_decode(a, &(decoder){0}, x.ids, x.count, &back[0]));
        TRY_GOTO(done, tokenizer_decode(b, &(decoder){0}, y.ids, y.count, &back[1]));
        s->compared++;
        s->differ += x.count != y.count || back[0].length != back[1].length ||
                     memcmp(x.ids, y.ids, (size_t)x.count * sizeof *x.ids) != 0 ||
                     memcmp(back[0].bytes, back[1].bytes, (size_t)back[0].length) != 0;
    }
done:
    token_free(&x);
    token_free(&y);
    text_free(&back[0]);
    text_free(&back[1]);
    return st;
}

static status through_json(const sample *s, const tokenizer *k, tokenizer **out) {
    text_buffer text = {.cx = s->cx};
    status st = tokenizer_to_json(k, &text);
    if (st == STATUS_OK) st = tokenizer_open_json(s->cx, "written", text.bytes, text.length, out);
    text_free(&text);
    return st;
}

static status through_gguf(test *t, sample *s, const tokenizer *k, tokenizer **out) {
    gguf_pair pairs[TOKENIZER_GGUF_PAIRS + 2];
    char path[300];
    int64_t count;
    gguf g;
    *out = NULL;
    snprintf(path, sizeof path, "%s/words.gguf", test_folder(t));
    TRY(tokenizer_gguf_pairs(k, tokenizer_size(k) + 3, &s->memory, pairs, &count));
    const gguf_pair ends[] = {
        {"tokenizer.ggml.bos_token_id", {.type = GGUF_U32, .integer = tokenizer_before(k)}},
        {"tokenizer.ggml.eos_token_id", {.type = GGUF_U32, .integer = tokenizer_after(k)}}};
    for (int64_t i = 0; i < COUNT_OF(ends); i++)
        if (ends[i].value.integer >= 0) pairs[count++] = ends[i];
    TRY(gguf_write(s->cx, path, &(gguf_contents){.pairs = pairs, .n_pairs = count}));
    TRY(gguf_open(s->cx, path, &g));
    status st = tokenizer_open_gguf(s->cx, &g, out);
    gguf_close(&g);
    return st;
}

static void sample_open(test *t, sample *s) {
    *s = (sample){.cx = context_new()};
    s->memory = arena_make(s->cx);
    CHECK_OK(t, s->cx, file_map_open(s->cx, "test/golden/tokenizers/cases", &s->cases));
    log_set_level(LOG_ERROR);
}

static void sample_close(test *t, sample *s) {
    log_set_level(LOG_WARNING);
    file_map_close(&s->cases);
    arena_free(&s->memory);
    CHECK(t, context_live_allocations(s->cx) == 0, "leak");
    context_free(s->cx);
}

static const char *golden(const char *name) {
    static char path[300];
    snprintf(path, sizeof path, "test/golden/tokenizers/%s.json", name);
    return path;
}

static void as_json(test *t) {
    static const char *const names[] = {"cl100k",      "deepseek3", "digits",   "gpt2",  "llama",
                                        "metaspace",   "o200k",     "prefixed", "qwen2", "unigram",
                                        "unpublished", "wordpiece", "words"};
    sample s;
    tokenizer *first = NULL;
    sample_open(t, &s);
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        tokenizer *a = NULL, *b = NULL;
        CHECK_OK(t, s.cx, tokenizer_open(s.cx, golden(names[i]), &a));
        CHECK_OK(t, s.cx, through_json(&s, a, &b));
        CHECK_OK(t, s.cx, compare(&s, a, b, NULL));
        CHECK(t, s.compared > 20 && !s.differ, "%s: %d of %d cases", names[i], s.differ,
              s.compared);
        if (i + 1 == COUNT_OF(names)) {
            CHECK_OK(t, s.cx, compare(&s, first, b, NULL));
            CHECK(t, s.differ > 10, "the control: %s is like %s", names[i], names[0]);
        }
        tokenizer_free(b);
        tokenizer_free(i ? a : NULL);
        if (!i) first = a;
    }
    tokenizer_free(first);
    sample_close(t, &s);
}

static const struct {
    const char *path, *refusal; /* NULL: none */
} kinds[] = {{"test/golden/tokenizers/gpt2.json", NULL},
             {"test/golden/tokenizers/cl100k.json", NULL},
             {"test/golden/tokenizers/o200k.json", NULL},
             {"test/golden/tokenizers/deepseek3.json", NULL},
             {"test/golden/tokenizers/wordpiece.json", NULL},
             {"fuzz/corpus/sentencepiece/bpe", NULL},
             {"fuzz/corpus/sentencepiece/unigram", NULL},
             {"test/golden/tokenizers/llama.json", "no scores say the same"},
             {"test/golden/tokenizers/words.json", "no tokenizers of whole words"},
             {"test/golden/tokenizers/unpublished.json", "no name for the pattern"},
             {"test/golden/tokenizers/prefixed.json", "no name for the pattern"},
             {"test/golden/tokenizers/metaspace.json", "normalises or cuts"},
             {"test/golden/tokenizers/unigram.json", "normalises or cuts"}};

static status open_kind(const sample *s, const char *path, tokenizer **out) {
    file_map map;
    size_t n = strlen(path);
    if (!strcmp(path + n - 5, ".json")) return tokenizer_open(s->cx, path, out);
    TRY(file_map_open(s->cx, path, &map));
    status st = tokenizer_open_model(s->cx, path, map.bytes, map.size_bytes, out);
    file_map_close(&map);
    return st;
}

static void as_gguf(test *t) {
    sample s;
    sample_open(t, &s);
    for (int64_t i = 0; i < COUNT_OF(kinds); i++) {
        tokenizer *a, *b = NULL, *c = NULL, *d = NULL;
        CHECK_OK(t, s.cx, open_kind(&s, kinds[i].path, &a));
        if (kinds[i].refusal) {
            CHECK_FAILS(t, s.cx, through_gguf(t, &s, a, &b), STATUS_UNSUPPORTED, kinds[i].refusal);
            tokenizer_free(a);
            continue;
        }
        CHECK_OK(t, s.cx, through_gguf(t, &s, a, &b));
        CHECK(t, tokenizer_size(b) == tokenizer_size(a) + 3, "%s: not filled", kinds[i].path);
        /* tokens that take the space beside them */
        CHECK_OK(t, s.cx, compare(&s, a, b, "tok"));
        CHECK(t, s.compared > 15 && !s.differ, "%s: %d of %d cases", kinds[i].path, s.differ,
              s.compared);
        CHECK_OK(t, s.cx, through_json(&s, b, &c));
        CHECK_OK(t, s.cx, compare(&s, b, c, NULL));
        CHECK(t, !s.differ, "%s out of GGUF: %d of %d cases", kinds[i].path, s.differ, s.compared);
        CHECK_OK(t, s.cx, through_gguf(t, &s, c, &d)); /* from merges where there were scores */
        CHECK_OK(t, s.cx, compare(&s, c, d, NULL));
        CHECK(t, !s.differ, "%s again: %d of %d cases", kinds[i].path, s.differ, s.compared);
        tokenizer_free(a);
        tokenizer_free(b);
        tokenizer_free(c);
        tokenizer_free(d);
    }
    sample_close(t, &s);
}

const test_case suite_tokenizer_write[] = {{"as_json", as_json}, {"as_gguf", as_gguf}, {0}};
