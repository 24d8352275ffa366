/* Tokenizers against the ids that the models' own libraries gave. */
#include "test.h"
#include "store/gguf.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>

static const char separator[] = "\n__ggml_vocab_test__\n";

/* The ids of one line; returns the start of the next. */
static const char *read_ids(const char *at, const char *end, token_list *out, status *st) {
    out->count = 0;
    *st = STATUS_OK;
    while (at < end && *at != '\n' && *st == STATUS_OK) {
        char *stop;
        long id = strtol(at, &stop, 10);
        if (stop == at) {
            at++;
            continue;
        }
        *st = token_append(out, (int32_t)id);
        at = stop;
    }
    return at < end ? at + 1 : at;
}

static bool same(const token_list *a, const token_list *b) {
    return a->count == b->count &&
           (!a->count || !memcmp(a->ids, b->ids, (size_t)a->count * sizeof *a->ids));
}

typedef struct published {
    context *cx;
    gguf model;
    tokenizer *tk;
    encoder *e;
    file_map inp, out;
    token_list got, want;
    text_buffer text;
} published;

static status published_open(published *p, const char *folder, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf", folder, name);
    TRY(gguf_open(p->cx, path, &p->model));
    TRY(tokenizer_open_gguf(p->cx, &p->model, &p->tk));
    TRY(encoder_new(p->cx, p->tk, &p->e));
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf.inp", folder, name);
    TRY(file_map_open(p->cx, path, &p->inp));
    snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf.out", folder, name);
    return file_map_open(p->cx, path, &p->out);
}

static void published_close(published *p) {
    token_free(&p->got);
    token_free(&p->want);
    text_free(&p->text);
    encoder_free(p->e);
    tokenizer_free(p->tk);
    gguf_close(&p->model);
    file_map_close(&p->inp);
    file_map_close(&p->out);
}

/* Every case: equal ids; where the model has all bytes, the text comes back. */
static void check_cases(test *t, published *p, const char *name, bool reversible) {
    const char *at = p->inp.bytes, *end = at + p->inp.size_bytes, *line = p->out.bytes;
    int32_t cases = 0;
    while (at < end) {
        const char *next = memmem(at, (size_t)(end - at), separator, strlen(separator));
        int64_t length = (next ? next : end) - at;
        status st;
        line = read_ids(line, p->out.bytes + p->out.size_bytes, &p->want, &st);
        CHECK_OK(t, p->cx, st);
        p->got.count = 0;
        CHECK_OK(t, p->cx, encoder_run(p->e, at, length, (encode_options){0}, &p->got));
        CHECK(t, same(&p->got, &p->want), "%s case %d '%.*s': %lld ids, expected %lld", name, cases,
              (int)length, at, (long long)p->got.count, (long long)p->want.count);
        p->text.length = 0;
        decoder d = {0};
        CHECK_OK(t, p->cx, tokenizer_decode(p->tk, &d, p->got.ids, p->got.count, &p->text));
        CHECK(t, !reversible || (p->text.length == length && !memcmp(p->text.bytes, at, length)),
              "%s case %d decodes to '%.*s'", name, cases, (int)p->text.length, p->text.bytes);
        if (p->want.count) { /* the control */
            p->want.ids[0] ^= 1;
            CHECK(t, !same(&p->got, &p->want), "a wrong id was not noticed");
        }
        at = next ? next + strlen(separator) : end;
        cases++;
    }
    CHECK(t, cases > 40, "only %d cases", cases);
}

static void check_published(test *t, const char *name, bool reversible) {
    const char *folder = test_data(t);
    if (!folder) return;
    context *cx = context_new();
    published p = {.cx = cx, .got.cx = cx, .want.cx = cx, .text.cx = cx};
    status st = published_open(&p, folder, name);
    if (st == STATUS_OK)
        check_cases(t, &p, name, reversible);
    else
        test_fail(t, __FILE__, __LINE__, "%s: %s", name, context_error(cx));
    published_close(&p);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void gguf_gpt2(test *t) {
    check_published(t, "gpt-2", true);
}
static void gguf_falcon(test *t) {
    check_published(t, "falcon", true);
}
static void gguf_starcoder(test *t) {
    check_published(t, "starcoder", true);
}
static void gguf_deepseek_coder(test *t) {
    check_published(t, "deepseek-coder", true);
}
static void gguf_llama_spm(test *t) {
    check_published(t, "llama-spm", true);
}
static void gguf_phi3(test *t) {
    check_published(t, "phi-3", true);
}
static void gguf_bert(test *t) {
    check_published(t, "bert-bge", false);
}

static void gguf_missing(test *t) {
    test_skip(t, "llama-bpe and qwen2: the cases are there, the vocabularies are not");
}

typedef struct golden {
    context *cx;
    tokenizer *tk;
    encoder *e;
    file_map cases, ids;
    token_list got, want;
} golden;

static status golden_open(golden *p, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "test/golden/tokenizers/%s.json", name);
    TRY(tokenizer_open(p->cx, path, &p->tk));
    TRY(encoder_new(p->cx, p->tk, &p->e));
    TRY(file_map_open(p->cx, "test/golden/tokenizers/cases", &p->cases));
    snprintf(path, sizeof path, "test/golden/tokenizers/%s.ids", name);
    return file_map_open(p->cx, path, &p->ids);
}

static void golden_close(golden *p) {
    token_free(&p->got);
    token_free(&p->want);
    encoder_free(p->e);
    tokenizer_free(p->tk);
    file_map_close(&p->cases);
    file_map_close(&p->ids);
}

/* Three ways of encoding each text: plain, with special tokens around it, and distrusted. */
static void check_golden_cases(test *t, golden *p, const char *name) {
    static const encode_options ways[] = {
        {.trust_special = true}, {.add_special = true, .trust_special = true}, {0}};
    const char *at = p->cases.bytes, *end = at + p->cases.size_bytes, *line = p->ids.bytes;
    for (int32_t c = 0; at < end; c++, at += strlen(at) + 1) {
        for (int w = 0; w < 3; w++) {
            status st;
            line = read_ids(line, p->ids.bytes + p->ids.size_bytes, &p->want, &st);
            CHECK_OK(t, p->cx, st);
            p->got.count = 0;
            CHECK_OK(t, p->cx, encoder_run(p->e, at, (int64_t)strlen(at), ways[w], &p->got));
            int64_t i = 0;
            while (i < p->got.count && i < p->want.count && p->got.ids[i] == p->want.ids[i]) i++;
            /* The library's unigram model finds special tokens as pieces; here they are text. */
            if (w == 2 && !strcmp(name, "unigram")) continue;
            CHECK(t, same(&p->got, &p->want),
                  "%s case %d way %d '%.80s': differs at id %lld (%d, expected %d)", name, c, w, at,
                  (long long)i, i < p->got.count ? p->got.ids[i] : -1,
                  i < p->want.count ? p->want.ids[i] : -1);
        }
    }
}

static void check_golden(test *t, const char *name) {
    context *cx = context_new();
    golden p = {.cx = cx, .got.cx = cx, .want.cx = cx};
    status st = golden_open(&p, name);
    if (st == STATUS_OK)
        check_golden_cases(t, &p, name);
    else
        test_fail(t, __FILE__, __LINE__, "%s: %s", name, context_error(cx));
    golden_close(&p);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void json_gpt2(test *t) {
    check_golden(t, "gpt2");
}
static void json_prefixed(test *t) {
    check_golden(t, "prefixed");
}
static void json_cl100k(test *t) {
    check_golden(t, "cl100k");
}
static void json_qwen2(test *t) {
    check_golden(t, "qwen2");
}
static void json_o200k(test *t) {
    check_golden(t, "o200k");
}
static void json_deepseek3(test *t) {
    check_golden(t, "deepseek3");
}
static void json_unpublished(test *t) {
    check_golden(t, "unpublished");
}
static void json_digits(test *t) {
    check_golden(t, "digits");
}
static void json_llama(test *t) {
    check_golden(t, "llama");
}
static void json_metaspace(test *t) {
    check_golden(t, "metaspace");
}
static void json_unigram(test *t) {
    check_golden(t, "unigram");
}
static void json_wordpiece(test *t) {
    check_golden(t, "wordpiece");
}
static void json_words(test *t) {
    check_golden(t, "words");
}

const test_case suite_tokenizer[] = {{"gguf_gpt2", gguf_gpt2},
                                     {"gguf_falcon", gguf_falcon},
                                     {"gguf_starcoder", gguf_starcoder},
                                     {"gguf_deepseek_coder", gguf_deepseek_coder},
                                     {"gguf_llama_spm", gguf_llama_spm},
                                     {"gguf_phi3", gguf_phi3},
                                     {"gguf_bert", gguf_bert},
                                     {"gguf_missing", gguf_missing},
                                     {"json_gpt2", json_gpt2},
                                     {"json_prefixed", json_prefixed},
                                     {"json_cl100k", json_cl100k},
                                     {"json_qwen2", json_qwen2},
                                     {"json_o200k", json_o200k},
                                     {"json_deepseek3", json_deepseek3},
                                     {"json_unpublished", json_unpublished},
                                     {"json_digits", json_digits},
                                     {"json_llama", json_llama},
                                     {"json_metaspace", json_metaspace},
                                     {"json_unigram", json_unigram},
                                     {"json_wordpiece", json_wordpiece},
                                     {"json_words", json_words},
                                     {0}};
