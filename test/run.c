/* `hone run` as its users meet it: what it prints for a tiny model, and what it says when something is wrong. */
#include "base/json.h"
#include "base/options.h"
#include "kit/tiny.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const verb_def verb_run;

/* Runs the verb over the words; what it printed is in `out`. */
static status run_words(context *cx, int n, const char *const *words, char *out, size_t size) {
    arena mem = arena_make(cx);
    verb_call call;
    FILE *to = tmpfile();
    status st = options_read(&mem, &verb_run, n, words, &call);
    call.out = to;
    if (st == STATUS_OK) st = verb_run.run(&call);
    rewind(to);
    out[fread(out, 1, size - 1, to)] = 0;
    fclose(to);
    arena_free(&mem);
    return st;
}
#define RUN(cx, out, ...)                                                                          \
    run_words(cx, (int)COUNT_OF(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__},   \
              out, sizeof(out))

static bool set_up(test *t, context *cx, char *folder, size_t size) {
    snprintf(folder, size, "%s/model", test_folder(t));
    return tiny_model(t, cx, folder);
}

typedef struct answer {
    int64_t ids[64], n, prompt_tokens;
    double rate, first;
    char text[512];
    bool has_text;
} answer;

static status read_answer(context *cx, const char *line, answer *a) {
    json j = json_make(cx, "answer", line, (int64_t)strlen(line), NULL);
    json_text key, text;
    bool more;
    *a = (answer){0};
    TRY(json_enter_object(&j));
    for (;;) {
        TRY(json_next_key(&j, &more, &key));
        if (!more) break;
        if (json_is(key, "text")) {
            TRY(json_string(&j, &text));
            snprintf(a->text, sizeof a->text, "%.*s", (int)text.length, text.bytes);
            a->has_text = true;
        } else if (json_is(key, "ids")) {
            TRY(json_enter_array(&j));
            for (;;) {
                TRY(json_next_item(&j, &more));
                if (!more) break;
                TRY(json_integer(&j, 0, 659, &a->ids[a->n++]));
            }
        } else if (json_is(key, "prompt_tokens")) {
            TRY(json_integer(&j, 1, 1000, &a->prompt_tokens));
        } else if (json_is(key, "tokens_per_second")) {
            TRY(json_number(&j, 0, 1e9, &a->rate));
        } else if (json_is(key, "ttft_seconds")) {
            TRY(json_number(&j, 0, 1e9, &a->first));
        } else {
            TRY(json_skip(&j));
        }
    }
    json_free(&j);
    return STATUS_OK;
}

static void answers(test *t) {
    context *cx = context_new();
    char m[300], out[8192], prompts[512];
    answer a, again, batch;
    if (!set_up(t, cx, m, sizeof m)) return;
    CHECK_OK(t, cx, RUN(cx, out, m, "-p", "Hello world", "-n", "12", "--temp", "0", "--json"));
    CHECK_OK(t, cx, read_answer(cx, out, &a));
    CHECK(t, a.has_text && a.n > 0 && a.n <= 12 && a.prompt_tokens > 2 && a.rate > 0 && a.first > 0,
          "%s", out);
    CHECK_OK(t, cx, RUN(cx, out, m, "-p", "Hello world", "-n", "12", "--temp", "0"));
    CHECK(t, !strncmp(out, a.text, strlen(a.text)) && out[strlen(a.text)] == '\n',
          "'%s', as JSON '%s'", out, a.text);
    /* a seed gives the same text, alone and among others */
    CHECK_OK(t, cx,
             RUN(cx, out, m, "-p", "Two", "-n", "20", "--temp", "1", "--seed", "5", "--json"));
    CHECK_OK(t, cx, read_answer(cx, out, &again));
    snprintf(prompts, sizeof prompts, "%s/prompts", test_folder(t));
    tiny_text(m, "prompts", "One\n{\"prompt\": \"Two\"}\n\nThree\n");
    snprintf(prompts, sizeof prompts, "%s/prompts", m);
    CHECK_OK(
        t, cx,
        RUN(cx, out, m, "--batch", prompts, "-n", "20", "--temp", "1", "--seed", "5", "--json"));
    const char *second = strchr(out, '\n');
    CHECK(t, second, "one line: %s", out);
    char *third = strchr(second + 1, '\n');
    CHECK(t, third && strchr(third + 1, '\n'), "two lines: %s", out);
    *third = 0;
    CHECK_OK(t, cx, read_answer(cx, second + 1, &batch));
    CHECK(t, batch.n == again.n && !memcmp(batch.ids, again.ids, sizeof again.ids), "%s", second);
    /* a stop string is not shown, and what leads to it is held back */
    char stop[8] = "";
    snprintf(stop, 4, "%s", a.text + strlen(a.text) / 2);
    CHECK_OK(t, cx,
             RUN(cx, out, m, "-p", "Hello world", "-n", "12", "--temp", "0", "--stop", stop));
    CHECK(t, !strstr(out, stop) && !strncmp(out, a.text, strlen(out) - 1),
          "'%s' stopped at '%s': '%s'", a.text, stop, out);
    /* the same question by the template has more tokens */
    CHECK_OK(t, cx,
             RUN(cx, out, m, "-p", "Hello world", "--chat", "--system", "Be brief", "-n", "4",
                 "--json"));
    CHECK_OK(t, cx, read_answer(cx, out, &again));
    CHECK(t, again.prompt_tokens > a.prompt_tokens, "%lld tokens by the template",
          (long long)again.prompt_tokens);
    context_free(cx);
}

static void refusals(test *t) {
    context *cx = context_new();
    char m[300], path[512], out[256];
    if (!set_up(t, cx, m, sizeof m)) return;
    CHECK_FAILS(t, cx, RUN(cx, out, "no/such/model", "-p", "x"), STATUS_IO, "is not there");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x", "-f", "y"), STATUS_BAD_ARGUMENT, "only one");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x", "--logprobs", "3"), STATUS_BAD_ARGUMENT,
                "--json");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x", "--context", "100000"), STATUS_BAD_ARGUMENT,
                "made for 512");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x", "--logit-bias", "7"), STATUS_BAD_ARGUMENT,
                "ID=BIAS");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-f", "no/such/file"), STATUS_IO, "cannot be opened");
    snprintf(path, sizeof path, "%s/tokenizer.json", m);
    unlink(path);
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x"), STATUS_IO, "holds no tokenizer.json");
    snprintf(path, sizeof path, "%s/model.safetensors", m);
    unlink(path);
    tiny_text(m, "pytorch_model.bin", "\x80\x02}q");
    status st = RUN(cx, out, m, "-p", "x");
    CHECK(t, st != STATUS_OK && strstr(context_error(cx), "pickle"), "%s", context_error(cx));
    tiny_text(m, "config.json", "{\"model_type\": \"hovercraft\"}");
    CHECK_FAILS(t, cx, RUN(cx, out, m, "-p", "x"), STATUS_UNSUPPORTED, "hovercraft");
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

const test_case suite_run[] = {{"answers", answers}, {"refusals", refusals}, {0}};
