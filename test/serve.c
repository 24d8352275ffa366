/* A whole server in this process, over a tiny model with random weights: answers are equal bits alone and among others,
 * streamed and whole; clients that leave give everything back; keys, draining, bad requests, counts. */
#include "base/file.h"
#include "base/time.h"
#include "base/utf8.h"
#include "kit/shop.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BESIDE = 12 };

/* The answer from `"choices"` on: without ids and times. */
static const char *choices_of(const char *heard) {
    const char *at = strstr(heard, "\"choices\"");
    return at ? at : heard;
}

static const char *const wanted = "{\"prompt\": \"Once upon a time\", \"max_tokens\": 40, "
                                  "\"temperature\": 1, \"seed\": 5, \"logprobs\": 3, \"n\": 2}";

/* What was asked for alone, and what came among others or in other chunks. */
static char alone[SHOP_ANSWER], among[SHOP_ANSWER];

static void among_others_in(test *t, shop *s) {
    char body[256];
    CHECK(t, shop_complete(s, wanted, alone) == 200, "%s", alone);
    int fd[BESIDE];
    for (int i = 0; i < BESIDE; i++) {
        snprintf(body, sizeof body,
                 "{\"prompt\": \"number %d of many\", \"max_tokens\": %d, \"stream\": true}", i,
                 20 + 10 * i);
        fd[i] = ask_begin(s->port, "POST /v1/completions", "", body);
        CHECK(t, fd[i] >= 0);
    }
    CHECK(t, shop_complete(s, wanted, among) == 200, "%s", among);
    for (int i = 0; i < BESIDE; i++) close(fd[i]);
    CHECK(t, !strcmp(choices_of(alone), choices_of(among)), "%s\n%s", choices_of(alone),
          choices_of(among));
    snprintf(body, sizeof body, "%.*s6%s", (int)(strstr(wanted, "5, \"log") - wanted), wanted,
             strstr(wanted, ", \"log"));
    CHECK(t, shop_complete(s, body, among) == 200 &&
                 strcmp(choices_of(alone), choices_of(among))); /* control: another seed */
}

static void in_chunks(test *t, shop *s) {
    CHECK(t, shop_complete(s, wanted, among) == 200, "%s", among);
    CHECK(t, !strcmp(choices_of(alone), choices_of(among)), "in other chunks: %s\n%s",
          choices_of(alone), choices_of(among));
}

static void among_others(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, among_others_in);
    in_shop(t, &(shop_way){.engine = {.context = 256, .tokens = 3, .page = 64}}, in_chunks);
    in_shop(t,
            &(shop_way){.engine = {.context = 256, .speculate = "ngram", .guesses_always = true}},
            in_chunks);
}

/* The values of every "key": "..." in order, end to end, still escaped. */
static void join(const char *text, const char *key, char *out, size_t size) {
    char mark[64];
    snprintf(mark, sizeof mark, "\"%s\":\"", key);
    *out = 0;
    for (size_t n = 0; (text = strstr(text, mark));) {
        text += strlen(mark);
        while (*text && *text != '"' && n + 3 < size) {
            if (*text == '\\') out[n++] = *text++;
            out[n++] = *text++;
        }
        out[n] = 0;
    }
}

static void streams_in(test *t, shop *s) {
    char *whole = malloc(SHOP_ANSWER), *pieces = malloc(SHOP_ANSWER), *a = malloc(SHOP_ANSWER),
         *b = malloc(SHOP_ANSWER);
    CHECK(t, shop_complete(s, "{\"prompt\": \"abc\", \"max_tokens\": 50, \"temperature\": 0}",
                           whole) == 200);
    CHECK(t,
          shop_complete(s,
                        "{\"prompt\": \"abc\", \"max_tokens\": 50, \"temperature\": 0, \"stream\": "
                        "true, \"stream_options\": {\"include_usage\": true}}",
                        pieces) == 200);
    join(whole, "text", a, SHOP_ANSWER);
    join(pieces, "text", b, SHOP_ANSWER);
    CHECK(t, *a && !strcmp(a, b), "%s\n%s", a, b);
    CHECK(t, strstr(pieces, "\"completion_tokens\":50") && strstr(pieces, "data: [DONE]"), "%s",
          pieces);
    CHECK(t, strstr(whole, "\"finish_reason\":\"length\"") &&
                 strstr(pieces, "\"finish_reason\":\"length\""));
    CHECK(t,
          ask(s->port, "POST /v1/chat/completions", "",
              "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"max_tokens\": 20, "
              "\"temperature\": 0}",
              whole, SHOP_ANSWER) == 200,
          "%s", whole);
    CHECK(t, ask(s->port, "POST /v1/chat/completions", "",
                 "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"max_tokens\": 20, "
                 "\"temperature\": 0, \"stream\": true}",
                 pieces, SHOP_ANSWER) == 200);
    join(whole, "content", a, SHOP_ANSWER);
    join(pieces, "content", b, SHOP_ANSWER);
    CHECK(t, *a && !strcmp(a, b), "%s\n%s", a, b);
    CHECK(t, shop_complete(s, "{\"prompt\": \"[user]hi\", \"max_tokens\": 20, \"temperature\": 0}",
                           whole) == 200); /* what the template made */
    join(whole, "text", b, SHOP_ANSWER);
    CHECK(t, !strcmp(a, b), "%s\n%s", a, b);
    free(whole), free(pieces), free(a), free(b);
}

static void streams(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, streams_in);
}

/* Tokens that are single bytes, drawn at random: what is no UTF-8 comes as U+FFFD, and the stream goes on. */
static void broken_characters_in(test *t, shop *s) {
    static const char body[] =
        "{\"prompt\": \"abc\", \"max_tokens\": 200, \"temperature\": 5, "
        "\"seed\": 1, \"ignore_eos\": true, \"stream\": true, \"logprobs\": 2}";
    CHECK(t, shop_complete(s, body, alone) == 200);
    CHECK(t, strstr(alone, "\xEF\xBF\xBD") && strstr(alone, "data: [DONE]"), "%s", alone);
    const char *end = alone + strlen(alone);
    for (const char *at = alone; at < end;) {
        int n = utf8_length(at, end);
        CHECK(t, n > 0, "at byte %lld", (long long)(at - alone));
        at += n;
    }
}

static void broken_characters(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, broken_characters_in);
}

/* lm-eval's contract: lists of ids, echo, one token, logprobs of all. */
static void scores_in(test *t, shop *s) {
    char *heard = malloc(SHOP_ANSWER);
    CHECK(t,
          shop_complete(s,
                        "{\"prompt\": [[72, 105, 33], [65]], \"echo\": true, \"logprobs\": 1, "
                        "\"max_tokens\": 1, \"temperature\": 0}",
                        heard) == 200,
          "%s", heard);
    CHECK(t,
          strstr(heard, "\"tokens\":[\"H\",\"i\",\"!\",") &&
              strstr(heard, "\"token_logprobs\":[null,-"),
          "%s", heard);
    const char *second = strstr(heard, "\"index\":1");
    CHECK(t,
          second && strstr(second, "\"tokens\":[\"A\",") && strstr(second, "\"text_offset\":[0,1]"),
          "%s", heard);
    CHECK(t, strstr(heard, "\"completion_tokens\":2"), "%s", heard);
    CHECK(t,
          ask(s->port, "POST /tokenize", "", "{\"prompt\": \"Hi!\"}", heard, SHOP_ANSWER) == 200 &&
              strstr(heard, "\"tokens\":[72,105,33]"),
          "%s", heard);
    CHECK(t,
          ask(s->port, "POST /detokenize", "", "{\"tokens\": [72, 105, 33]}", heard, SHOP_ANSWER) ==
                  200 &&
              strstr(heard, "\"prompt\":\"Hi!\""),
          "%s", heard);
    CHECK(t,
          ask(s->port, "GET /tokenizer_info", "", "", heard, SHOP_ANSWER) == 200 &&
              strstr(heard, "\"eos_token\":\"!\""),
          "%s", heard);
    free(heard);
}

static void scores(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, scores_in);
}

static void leaving_in(test *t, shop *s) {
    char *heard = malloc(SHOP_ANSWER);
    int fd[20];
    for (int i = 0; i < 20; i++) /* four run, the others wait */
        fd[i] = ask_begin(s->port, "POST /v1/completions", "",
                          "{\"prompt\": \"abc\", \"max_tokens\": 2000, \"stream\": true}");
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 4));
    CHECK(t,
          shop_complete(s, "{\"prompt\": \"abc\"}", heard) == 429 && strstr(heard, "retry-after:"),
          "%s", heard);
    for (int i = 0; i < 20; i++) close(fd[i]);
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 0) &&
                 shop_settles(s, "\nvllm:num_requests_waiting{", 0));
    CHECK(t, shop_settles(s, "\nvllm:request_success_total{finished_reason=\"abort\"", 20));
    CHECK(t, shop_metric(s, "\nvllm:kv_cache_usage_perc{") == 0);
    CHECK(t, shop_metric(s, "\nvllm:generation_tokens_total{") <
                 20 * 2000); /* nobody was served to the end */
    CHECK(t, shop_complete(s, "{\"prompt\": \"abc\"}", heard) == 200, "%s", heard);
    free(heard);
}

static void leaving(test *t) {
    in_shop(t,
            &(shop_way){.server = {.most_jobs = 20},
                        .engine = {.context = 2048, .sequences = 4, .kv_tokens = 8192}},
            leaving_in);
}

static void draining_in(test *t, shop *s) {
    char *heard = malloc(SHOP_ANSWER);
    int fd = ask_begin(s->port, "POST /v1/completions", "",
                       "{\"prompt\": \"abc\", \"max_tokens\": 1500}");
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 1));
    server_drain(s->server);
    CHECK(t, shop_complete(s, "{\"prompt\": \"abc\"}", heard) == 503, "%s", heard);
    CHECK(t, ask(s->port, "GET /ready", "", "", heard, SHOP_ANSWER) == 503);
    CHECK(t, hear(fd, "\"completion_tokens\":1500", heard, SHOP_ANSWER),
          "a request in flight was not finished: %s", heard);
    close(fd);
    shop_wait(s);
    CHECK(t, s->ended == STATUS_OK);
    free(heard);
}

static void draining(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 2048}}, draining_in);
}

static const char *keys_path(test *t) {
    static char path[512];
    snprintf(path, sizeof path, "%s/keys", test_folder(t));
    return path;
}

static void locked_in(test *t, shop *s) {
    char heard[4096];
    CHECK(t,
          ask(s->port, "GET /v1/models", "", "", heard, sizeof heard) == 401 &&
              strstr(heard, "www-authenticate: Bearer\r\n"),
          "%s", heard);
    CHECK(t, ask(s->port, "GET /v1/models", "Authorization: Bearer open\r\n", "", heard,
                 sizeof heard) == 401);
    CHECK(t,
          ask(s->port, "GET /v1/models", "Authorization: Bearer open sesame\r\n", "", heard,
              sizeof heard) == 200,
          "%s", heard);
    CHECK(t, ask(s->port, "GET /health", "", "", heard, sizeof heard) == 200);
    CHECK_OK(t, s->cx, file_write_whole(s->cx, keys_path(t), "other\n", 6));
    server_reload(s->server);
    int code = 0;
    for (int i = 0; i < 100 && code != 200; i++, time_sleep_ns(2000000))
        code = ask(s->port, "GET /v1/models", "Authorization: Bearer other\r\n", "", heard,
                   sizeof heard);
    CHECK(t, code == 200 && ask(s->port, "GET /v1/models", "Authorization: Bearer open sesame\r\n",
                                "", heard, sizeof heard) == 401);
}

static void locked(test *t) {
    context *cx = context_new();
    CHECK_OK(t, cx, file_write_whole(cx, keys_path(t), "# keys\nopen sesame\n", 19));
    in_shop(t, &(shop_way){.server = {.keys_file = keys_path(t)}, .engine = {.context = 64}},
            locked_in);
    context_free(cx);
}

static void refusals_in(test *t, shop *s) {
    static const struct {
        const char *what, *body;
        int code;
        const char *words;
    } cases[] = {
        {"GET /nothing", "", 404, "nothing at this path"},
        {"GET /v1/completions", "", 405, "another method"},
        {"GET /v1/completions", "", 405, "allow: POST\r\n"},
        {"POST /v1/completions", "{", 400, "the body"},
        {"POST /v1/completions", "{\"prompt\": \"\"}", 400, "empty"},
        {"POST /v1/completions", "{\"prompt\": [300]}", 400, "vocabulary"},
        {"POST /v1/completions", "{\"prompt\": \"a\", \"model\": \"other\"}", 404,
         "model_not_found"},
        {"POST /v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 1000}", 400, "context"},
        {"POST /v1/completions", "{\"prompt\": \"\xff\"}", 400, "UTF-8"},
        {"POST /v1/chat/completions",
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"response_format\": "
         "{\"type\": \"json_schema\"}}",
         400, "response_format"},
        {"POST /v1/completions", "{\"prompt\": [72, 256]}", 400, "\"param\":\"prompt\""},
        {"POST /v1/completions", "{\"prompt\": [[72], [256]]}", 400, "token 256"},
        {"POST /v1/completions", "{\"prompt\": \"a\", \"logit_bias\": {\"256\": 1}}", 400,
         "\"param\":\"logit_bias\""},
        {"POST /v1/embeddings", "{\"input\": \"a\"}", 400, "encoder"},
        {"POST /detokenize", "{\"tokens\": [99999]}", 400, "vocabulary"},
        {"GET /v1/models/other", "", 404, "no such model"},
    };
    char *heard = malloc(SHOP_ANSWER), *body = calloc(1, 4096);
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        int code = ask(s->port, cases[i].what, "", cases[i].body, heard, SHOP_ANSWER);
        CHECK(t, code == cases[i].code && strstr(heard, cases[i].words), "%s %s: %d\n%s",
              cases[i].what, cases[i].body, code, heard);
        CHECK(t, strstr(heard, "\"error\":{\"message\":"), "%s", heard);
    }
    int n = sprintf(body, "{\"prompt\": \"");
    memset(body + n, 'a', 200);
    strcpy(body + n + 200, "\"}");
    CHECK(t, shop_complete(s, body, heard) == 400 && strstr(heard, "\"param\":\"prompt\""), "%s",
          heard);
    CHECK(t, shop_complete(s, "{\"prompt\": \"a\"}", heard) == 200, "%s", heard); /* and goes on */
    free(heard), free(body);
}

/* What a browser asks before a page of another origin may post, with the headers of openai's client. */
static void other_origins_in(test *t, shop *s) {
    char heard[4096];
    CHECK(t,
          ask(s->port, "OPTIONS /v1/completions",
              "Origin: http://a.b\r\nAccess-Control-Request-Headers: authorization, "
              "x-stainless-os\r\n",
              "", heard, sizeof heard) == 204 &&
              strstr(heard, "access-control-allow-origin: http://a.b\r\n") &&
              strstr(heard, "access-control-allow-headers: authorization, *\r\n"),
          "%s", heard);
}

static void other_origins_closed_in(test *t, shop *s) {
    char heard[4096];
    CHECK(t,
          ask(s->port, "OPTIONS /v1/completions", "Origin: http://a.b\r\n", "", heard,
              sizeof heard) == 204 &&
              !strstr(heard, "access-control"),
          "%s", heard);
}

static void other_origins(test *t) {
    in_shop(t, &(shop_way){.server = {.http.cors = "http://a.b"}, .engine = {.context = 64}},
            other_origins_in);
    in_shop(t, &(shop_way){.engine = {.context = 64}}, other_origins_closed_in);
}

static void refusals(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 128}}, refusals_in);
}

static void counts_in(test *t, shop *s) {
    char *heard = malloc(SHOP_ANSWER);
    for (int i = 0; i < 5; i++)
        CHECK(t, shop_complete(s, "{\"prompt\": \"abcd\", \"max_tokens\": 7}", heard) == 200);
    CHECK(t, shop_settles(s, "\nvllm:generation_tokens_total{", 35) &&
                 shop_metric(s, "\nvllm:prompt_tokens_total{") == 20);
    CHECK(t, shop_settles(s, "\nvllm:request_success_total{finished_reason=\"length\"", 5));
    CHECK(t, shop_metric(s, "\nvllm:time_to_first_token_seconds_count{") == 5 &&
                 shop_metric(s, "\nvllm:inter_token_latency_seconds_count{") == 30);
    free(heard);
}

static void counts(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, counts_in);
}

typedef struct base64_reader {
    const char *at;
    uint32_t held;
    int bits;
} base64_reader;

/* Little-endian. */
static float next_float(base64_reader *r) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t word = 0;
    float x;
    for (int byte = 0; byte < 4; byte++, r->bits -= 8) {
        for (; r->bits < 8; r->bits += 6)
            r->held = r->held << 6 | (uint32_t)(strchr(digits, *r->at++) - digits);
        word |= (r->held >> (r->bits - 8) & 255) << 8 * byte;
    }
    memcpy(&x, &word, sizeof x);
    return x;
}

/* Texts, lists and ids; numbers and base64; what is refused, and that what it costs is bounded. */
static void vectors_in(test *t, shop *s) {
    static const struct {
        const char *body;
        int code;
        const char *words;
    } cases[] = {
        {"{\"input\": \"Hi\", \"model\": \"toy\", \"user\": \"me\"}", 200, "\"prompt_tokens\":2"},
        {"{\"input\": [\"Hi\", \"you\"]}", 200, "\"index\":1"},
        {"{\"input\": [72, 105], \"dimensions\": 128}", 200, "\"total_tokens\":2"},
        {"{\"input\": \"Hi\", \"dimensions\": 64}", 400, "\"param\":\"dimensions\""},
        {"{\"input\": [72, 256]}", 400, "vocabulary is 0 .. 255"},
        {"{\"input\": []}", 400, "\"param\":\"input\""},
        {"{\"input\": [\"a\", \"\"]}", 400, "empty"},
        {"{\"input\": \"Hi\", \"encoding_format\": \"hex\"}", 400, "encoding_format"},
        {"{\"input\": \"123456789 123456789 123456789 123456789 123456789 123456789 12345\"}", 400,
         "65 tokens; this model takes 64"},
        {"{\"input\": \"Hi\", \"model\": \"other\"}", 404, "other"},
    };
    char *heard = alone, *text = among;
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        int code = ask(s->port, "POST /v1/embeddings", "", cases[i].body, heard, SHOP_ANSWER);
        CHECK(t, code == cases[i].code && strstr(heard, cases[i].words), "%s: %d\n%s",
              cases[i].body, code, heard);
    }
    CHECK(t, shop_complete(s, "{\"prompt\": \"a\"}", heard) == 400 && strstr(heard, "vectors"));
    CHECK(t, ask(s->port, "POST /v1/embeddings", "", "{\"input\": [\"one\", \"Hi\"]}", heard,
                 SHOP_ANSWER) == 200);
    CHECK(t, ask(s->port, "POST /v1/embeddings", "",
                 "{\"input\": [[72, 105]], \"encoding_format\": \"base64\"}", text,
                 SHOP_ANSWER) == 200);
    const char *from = strstr(strstr(heard, "\"index\":1"), "[") + 1;
    const char *coded = strstr(text, "\"embedding\":\"") + 13;
    double squares = 0;
    base64_reader bytes = {.at = coded};
    for (int i = 0; i < 128; i++) { /* the same numbers, as text and as bytes */
        float x = next_float(&bytes);
        char *end;
        CHECK(t, (float)strtod(from, &end) == x, "number %d: %s is %g", i, from, (double)x);
        from = end + 1;
        squares += (double)x * (double)x;
    }
    CHECK(t, fabs(squares - 1) < 1e-3 && coded[684] == '"' && coded[683] == '=', "%g", squares);
    CHECK(t, shop_settles(s, "\nvllm:request_success_total{finished_reason=\"stop\"", 5));
}

static void vectors(test *t) {
    in_shop(t, &(shop_way){.makes_vectors = true}, vectors_in);
}

const test_case suite_serve[] = {{"among_others", among_others},
                                 {"streams", streams},
                                 {"broken_characters", broken_characters},
                                 {"scores", scores},
                                 {"leaving", leaving, true},
                                 {"draining", draining},
                                 {"locked", locked},
                                 {"vectors", vectors},
                                 {"refusals", refusals},
                                 {"other_origins", other_origins},
                                 {"counts", counts},
                                 {0}};
