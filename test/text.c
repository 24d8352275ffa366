/* Text on its way through a tokenizer: streams, hostile input, shortage of memory, bad files. */
#include "test.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char gpt2_path[] = "test/golden/tokenizers/gpt2.json";

/* Characters come whole: every prefix of the stream is valid UTF-8, and the end is the text. */
static void stream_whole(test *t) {
    static const char text[] = "h\u00e9llo \U0001F680\u0301 \u4e16\u754c";
    context *cx = context_new();
    tokenizer *tk;
    encoder *e;
    token_list ids = {.cx = cx};
    text_buffer out = {.cx = cx};
    decoder d = {0};
    CHECK_OK(t, cx, tokenizer_open(cx, gpt2_path, &tk));
    CHECK_OK(t, cx, encoder_new(cx, tk, &e));
    CHECK_OK(t, cx, encoder_run(e, text, sizeof text - 1, (encode_options){0}, &ids));
    bool split = false; /* the control: some token alone is no whole character */
    for (int64_t i = 0; i < ids.count; i++) {
        CHECK_OK(t, cx, tokenizer_stream(tk, &d, ids.ids[i], &out));
        split |= d.pending_bytes > 0;
        const char *end = out.bytes + out.length;
        for (const char *at = out.bytes; at < end;) {
            int n = utf8_length(at, end);
            CHECK(t, n, "half a character after id %lld", (long long)i);
            at += n;
        }
    }
    CHECK(t, split, "no character was split");
    CHECK(t, out.length == sizeof text - 1 && !memcmp(out.bytes, text, sizeof text - 1), "%.*s",
          (int)out.length, out.bytes);
    ids.count = 0;
    out.length = 0;
    CHECK_OK(t, cx, encoder_run(e, "a\xF0\x9F\x9A", 4, (encode_options){0}, &ids));
    for (int64_t i = 0; i < ids.count; i++)
        CHECK_OK(t, cx, tokenizer_stream(tk, &d, ids.ids[i], &out));
    CHECK_OK(t, cx, tokenizer_stream_end(&d, &out));
    CHECK(t, out.length == 4 && !memcmp(out.bytes, "a\uFFFD", 4), "the end of a cut stream");
    CHECK_FAILS(t, cx, tokenizer_stream(tk, &d, 1 << 20, &out), STATUS_BAD_ARGUMENT, "1048576");
    token_free(&ids);
    text_free(&out);
    encoder_free(e);
    tokenizer_free(tk);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* All bytes, valid or not, come back from a byte-level model. */
static void any_bytes(test *t) {
    char text[4096];
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)(state >> 56);
    }
    context *cx = context_new();
    tokenizer *tk;
    encoder *e;
    token_list ids = {.cx = cx};
    text_buffer out = {.cx = cx};
    decoder d = {0};
    CHECK_OK(t, cx, tokenizer_open(cx, gpt2_path, &tk));
    CHECK_OK(t, cx, encoder_new(cx, tk, &e));
    CHECK_OK(t, cx, encoder_run(e, text, sizeof text, (encode_options){0}, &ids));
    CHECK_OK(t, cx, tokenizer_decode(tk, &d, ids.ids, ids.count, &out));
    CHECK(t, out.length == sizeof text && !memcmp(out.bytes, text, sizeof text), "bytes changed");
    token_free(&ids);
    text_free(&out);
    encoder_free(e);
    tokenizer_free(tk);
    context_free(cx);
}

static double seconds_for(context *cx, encoder *e, const char *unit, int64_t times) {
    text_buffer text = {.cx = cx};
    token_list ids = {.cx = cx};
    for (int64_t i = 0; i < times; i++)
        if (text_append(&text, unit, (int64_t)strlen(unit)) != STATUS_OK) return -1;
    double best = 1e9;
    for (int round = 0; round < 2; round++) {
        ids.count = 0;
        clock_t start = clock(); /* of this process: others on the machine do not count */
        status st = encoder_run(e, text.bytes, text.length, (encode_options){0}, &ids);
        double took = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (st != STATUS_OK) best = -1;
        if (took < best) best = took;
    }
    token_free(&ids);
    text_free(&text);
    return best;
}

/* Sixteen times the text may cost sixteen times the time and some for the caches, not 256 times. */
static void hostile_text(test *t) {
    static const char *const models[] = {"gpt2",    "qwen2",     "llama",
                                         "unigram", "wordpiece", "unpublished"};
    static const char *const units[] = {"a", " ", "\u0301\u0323", "e\u0301", "\n ", "'"};
    for (int64_t m = 0; m < COUNT_OF(models); m++) {
        context *cx = context_new();
        tokenizer *tk;
        encoder *e;
        char path[128];
        snprintf(path, sizeof path, "test/golden/tokenizers/%s.json", models[m]);
        CHECK_OK(t, cx, tokenizer_open(cx, path, &tk));
        CHECK_OK(t, cx, encoder_new(cx, tk, &e));
        for (int64_t u = 0; u < COUNT_OF(units); u++) {
            double small = seconds_for(cx, e, units[u], 8192);
            double large = seconds_for(cx, e, units[u], 131072);
            CHECK(t, small >= 0 && large >= 0, "%s: %s", models[m], context_error(cx));
            CHECK(t, large < 64 * small + 0.1, "%s, text %lld: %.4f s, sixteen times it %.4f s",
                  models[m], (long long)u, small, large);
        }
        encoder_free(e);
        tokenizer_free(tk);
        context_free(cx);
    }
}

/* Opening and encoding with the n-th allocation failing, until none fails. */
static void short_of_memory(test *t) {
    static const char *const models[] = {"unpublished", "unigram", "wordpiece"};
    for (int64_t m = 0; m < COUNT_OF(models); m++) {
        char path[128];
        snprintf(path, sizeof path, "test/golden/tokenizers/%s.json", models[m]);
        bool done = false;
        int64_t n = 0;
        for (; !done && n < 4000; n += 1 + n / 64) {
            context *cx = context_new();
            tokenizer *tk = NULL;
            encoder *e = NULL;
            token_list ids = {.cx = cx};
            context_fail_allocation_after(cx, n);
            status st = tokenizer_open(cx, path, &tk);
            if (st == STATUS_OK) st = encoder_new(cx, tk, &e);
            if (st == STATUS_OK)
                st = encoder_run(e, "A caf\u00e9, 12", 11, (encode_options){0}, &ids);
            done = st == STATUS_OK;
            CHECK(t, done || st == STATUS_NO_MEMORY, "%s, allocation %lld: %s", models[m],
                  (long long)n, context_error(cx));
            token_free(&ids);
            encoder_free(e);
            tokenizer_free(tk);
            CHECK(t, context_live_allocations(cx) == 0, "leak at allocation %lld", (long long)n);
            context_free(cx);
        }
        CHECK(t, done && n > 10, "%s: %lld allocations", models[m], (long long)n);
    }
}

static void bad_files(test *t) {
    static const struct {
        const char *text;
        status code;
        const char *words;
    } bad[] = {
        {"", STATUS_BAD_DATA, ""},
        {"{}", STATUS_BAD_DATA, "no 'model'"},
        {"{\"model\":{\"type\":\"Markov\",\"vocab\":{}}}", STATUS_UNSUPPORTED, "'Markov'"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a q\"]}}", STATUS_BAD_DATA,
         "merge 0 ('aq')"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}", STATUS_BAD_DATA,
         "id 0 is given twice"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}", STATUS_BAD_DATA, "-1"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}},\"normalizer\":{\"type\":\"Odd\"}}",
         STATUS_UNSUPPORTED, "normalizer 'Odd'"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}},\"pre_tokenizer\":{\"type\":\"Split\","
         "\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}}",
         STATUS_UNSUPPORTED, "pattern '('"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}},\"added_tokens\":[{\"id\":1e9,\"content\":"
         "\"x\"}]}",
         STATUS_BAD_DATA, "added_tokens[0]"},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":3,\"vocab\":[[\"a\",-1]]}}", STATUS_BAD_DATA,
         "unk_id 3"},
    };
    context *cx = context_new();
    tokenizer *tk;
    for (int64_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_FAILS(
            t, cx,
            tokenizer_open_json(cx, "bad.json", bad[i].text, (int64_t)strlen(bad[i].text), &tk),
            bad[i].code, bad[i].words);
        CHECK(t, !tk && strstr(context_error(cx), "bad.json"), "case %lld: %s", (long long)i,
              context_error(cx));
    }
    CHECK_FAILS(t, cx, tokenizer_open_model(cx, "bad.model", "\n\x7F", 2, &tk), STATUS_BAD_DATA,
                "no whole");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Marks in any order, however many, and composed as UAX 15 says. */
static void normal_forms(test *t) {
    static const struct {
        unicode_form form;
        const char *text, *normal;
    } cases[] = {{UNICODE_NFC, "e\u0301", "\u00e9"},
                 {UNICODE_NFC, "a\u0301\u0323z", "\u1ea1\u0301z"},
                 {UNICODE_NFD, "\uac01", "\u1100\u1161\u11a8"},
                 {UNICODE_NFC, "\u1100\u1161\u11a8", "\uac01"},
                 {UNICODE_NFKC, "\ufb01\uff11", "fi1"},
                 {UNICODE_NFC, "\u2126\xFF x", "\u03a9\xFF x"}};
    context *cx = context_new();
    text_buffer out = {.cx = cx};
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = cases[i].text, *normal = cases[i].normal;
        out.length = 0;
        CHECK_OK(t, cx, unicode_normalize(cases[i].form, text, (int64_t)strlen(text), &out));
        CHECK(t,
              out.length == (int64_t)strlen(normal) &&
                  !memcmp(out.bytes, normal, (size_t)out.length),
              "case %lld: '%.*s'", (long long)i, (int)out.length, out.bytes);
        CHECK(t, strcmp(text, normal), "the control: case %lld changes nothing", (long long)i);
    }
    CHECK(t, (unicode_flags('x') & UNICODE_LETTER) && !(unicode_flags(' ') & UNICODE_LETTER),
          "classes");
    text_free(&out);
    context_free(cx);
}

const test_case suite_text[] = {{"stream_whole", stream_whole},
                                {"any_bytes", any_bytes},
                                {"hostile", hostile_text, .slow = true},
                                {"short_of_memory", short_of_memory},
                                {"bad_files", bad_files},
                                {"normal_forms", normal_forms},
                                {0}};
