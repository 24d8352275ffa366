/* The public headers: models through them give what the engine, the embedder and the trainer give; what is wrong is
 * refused in words; nothing leaks; the examples build against the installed library and run. */
#include "hone/model.h"
#include "infer/engine.h"
#include "kit/shell.h"
#include "kit/tiny.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_IDS = 256, MOST_TEXT = 2048 };

typedef struct answer {
    int32_t ids[MOST_IDS];
    int64_t n;
    char text[MOST_TEXT];
    size_t bytes;
    const char *finish;
    int64_t stop_after; /* tokens, after which the callback refuses; 0: never */
    double logprobs;
} answer;

static hone_status hear(void *user, const hone_piece *p) {
    answer *a = user;
    if (p->id >= 0) a->ids[a->n++] = p->id;
    a->logprobs += p->logprob;
    memcpy(a->text + a->bytes, p->text, (size_t)p->text_bytes);
    a->bytes += (size_t)p->text_bytes;
    if (p->finish) a->finish = p->finish;
    return a->stop_after && a->n >= a->stop_after ? HONE_CANCELLED : HONE_OK;
}

static hone_model *open_tiny(test *t, hone_context *h, bool encoder) {
    char folder[512];
    context *cx = context_new();
    snprintf(folder, sizeof folder, "%s/%s", test_folder(t), encoder ? "encoder" : "model");
    bool made = encoder ? tiny_encoder(t, cx, folder) : tiny_model(t, cx, folder);
    context_free(cx);
    hone_model *m = made ? hone_model_open(h, folder, NULL) : NULL;
    if (made && !m) test_fail(t, __FILE__, __LINE__, "opening", "%s", hone_error(h));
    return m;
}

static void tokens(test *t) {
    int32_t ids[8], few[2];
    char text[64], little[4] = "....";
    hone_context *h = hone_new();
    hone_tokenizer *w = hone_tokenizer_open(h, "test/golden/tokenizers/gpt2.json");
    CHECK(t, w, "%s", hone_error(h));
    int64_t n = hone_tokenize(w, "Hello there", -1, 0, ids, 8);
    CHECK(t, n > 2 && n <= 8 && hone_tokenize(w, "Hello there, you", 11, 0, few, 2) == n, "%lld",
          (long long)n);
    CHECK(t, !memcmp(ids, few, sizeof few));
    CHECK(t, hone_detokenize(w, ids, n, 0, text, sizeof text) == 11 &&
                 !memcmp(text, "Hello there", 11));
    CHECK(t, hone_detokenize(w, ids, n, 0, little, 2) == 11 && !memcmp(little, "He..", 4), "%.4s",
          little);
    ids[1] = hone_tokenizer_size(w);
    CHECK(t, hone_detokenize(w, ids, n, 0, text, sizeof text) == -1);
    CHECK(t, *hone_error(h) && hone_error_status(h) != HONE_OK);
    hone_tokenizer_free(w);
    CHECK(t, !hone_tokenizer_open(h, "no/such/folder") && hone_error_status(h) == HONE_IO, "%s",
          hone_error(h));
    hone_free(h);
}

/* Alone and side by side a request gives the same; a stop text, a callback and the length end it. */
static void generates(test *t) {
    static answer one, among[3], other;
    int32_t ids[MOST_IDS];
    hone_context *h = hone_new();
    hone_model *m = open_tiny(t, h, false);
    if (!m) return;
    hone_model_facts facts = hone_model_describe(m);
    CHECK(t, facts.generates && facts.chats && facts.vocabulary == 660 && facts.end_token == 2);
    int64_t n = hone_tokenize(hone_model_tokenizer(m), "Hello world", -1, 0, ids, MOST_IDS);
    hone_request r = {.prompt = ids,
                      .n_prompt = n,
                      .most_tokens = 20,
                      .temperature = 1,
                      .seed = 7,
                      .logprobs = 1,
                      .tell = hear,
                      .user = &one};
    CHECK(t, !hone_generate(m, &r, 1), "%s", hone_error(h));
    CHECK(t, one.n > 0 && one.finish && one.logprobs < 0, "%lld tokens", (long long)one.n);
    hone_request three[3] = {r, r, r};
    for (int i = 0; i < 3; i++) three[i].user = &among[i];
    three[1].seed = 8;
    three[2].n_prompt = 1;
    CHECK(t, !hone_generate(m, three, 3), "%s", hone_error(h));
    CHECK(t, among[0].n == one.n && !memcmp(among[0].ids, one.ids, sizeof one.ids));
    CHECK(t, memcmp(among[1].ids, one.ids, sizeof one.ids), "another seed gives the same");
    other.stop_after = 3;
    r.user = &other;
    CHECK(t, !hone_generate(m, &r, 1) && other.n == 3 && !strcmp(other.finish, "cancelled"),
          "%s after %lld", other.finish, (long long)other.n);
    other = (answer){0};
    char stop[4] = "";
    snprintf(stop, sizeof stop, "%.2s", one.text + one.bytes / 2);
    r.stop = (const char *const[]){stop};
    r.n_stop = 1;
    CHECK(t, !hone_generate(m, &r, 1) && !strcmp(other.finish, "stop") && other.bytes < one.bytes,
          "%s", other.finish);
    CHECK(t, !strstr(other.text, stop));
    hone_message messages[] = {{"system", "Be brief"}, {"user", "Hello world"}};
    CHECK(t, hone_chat(m, messages, 2, ids, MOST_IDS) > n, "%s", hone_error(h));
    hone_model_free(m);
    hone_free(h);
}

static void refusals(test *t) {
    static answer a;
    int32_t ids[2] = {5, 660};
    float out[TINY_WIDTH];
    hone_context *h = hone_new();
    hone_model *m = open_tiny(t, h, false);
    if (!m) return;
    uint64_t id;
    hone_request requests[2] = {
        {.prompt = ids, .n_prompt = 1, .most_tokens = 100, .tell = hear, .user = &a},
        {.prompt = ids, .n_prompt = 2}};
    CHECK(t,
          hone_generate(m, requests, 2) == HONE_BAD_ARGUMENT && strstr(hone_error(h), "token 660"),
          "%s", hone_error(h));
    CHECK(t, a.finish && !strcmp(a.finish, "cancelled") && !hone_busy(m),
          "the first one goes with it");
    requests[0].top_p = 2;
    CHECK(t, hone_submit(m, requests, &id) == HONE_BAD_ARGUMENT && strstr(hone_error(h), "top_p"),
          "%s", hone_error(h));
    CHECK(t, !hone_submit(m, &(hone_request){.prompt = ids, .n_prompt = 1}, &id) && hone_busy(m));
    hone_model_free(m); /* with a request that runs */
    CHECK(t, !hone_model_open(h, "no/such", NULL) && strstr(hone_error(h), "no/such"), "%s",
          hone_error(h));
    m = open_tiny(t, h, true);
    if (!m) return;
    CHECK(t, hone_submit(m, requests, &id) == HONE_UNSUPPORTED && strstr(hone_error(h), "encoder"),
          "%s", hone_error(h));
    CHECK(t, hone_embed(m, (const char *const[]){""}, 1, out) == HONE_OK, "%s", hone_error(h));
    hone_model_free(m);
    hone_trainer_options bad[] = {
        {0},
        {.preset = "1m"},
        {.preset = "zero", .tokenizer = "test/golden/tokenizers/gpt2.json"},
        {.preset = "1m", .tokenizer = "test/golden/tokenizers/gpt2.json", .optimiser = "x"},
        {.preset = "1m", .tokenizer = "test/golden/tokenizers/gpt2.json", .precision = "i8"},
        {.preset = "1m", .tokenizer = "test/golden/tokenizers/gpt2.json", .tokens = -1},
        {.model = "no/such"}};
    for (int i = 0; i < COUNT_OF(bad); i++)
        CHECK(t, !hone_trainer_new(h, &bad[i]) && *hone_error(h), "%d is taken", i);
    hone_free(h);
}

static void embeds(test *t) {
    static float two[2 * TINY_WIDTH], one[TINY_WIDTH];
    hone_context *h = hone_new();
    hone_model *m = open_tiny(t, h, true);
    if (!m) return;
    CHECK(t, hone_model_describe(m).width == TINY_WIDTH && !hone_model_describe(m).generates);
    CHECK(t, !hone_embed(m, (const char *const[]){"a boat", "the sea is wide"}, 2, two), "%s",
          hone_error(h));
    CHECK(t, !hone_embed(m, (const char *const[]){"the sea is wide"}, 1, one), "%s", hone_error(h));
    CHECK(t, !memcmp(one, two + TINY_WIDTH, sizeof one), "other bits alone");
    CHECK(t, memcmp(one, two, sizeof one), "two texts have one vector");
    hone_model_free(m);
    hone_free(h);
}

/* What is learned is saved: the saved model goes on where the trainer was, and says what it learned. */
static void learns(test *t) {
    static answer a;
    static const char text[] = "once upon a time there was a small boat that wanted to see the sea";
    char folder[512];
    int32_t ids[MOST_IDS];
    hone_learned first, last, again, control;
    hone_context *h = hone_new();
    hone_trainer_options o = {.preset = "1m",
                              .tokenizer = "test/golden/tokenizers/gpt2.json",
                              .tokens = MOST_IDS,
                              .sequences = 2,
                              .clip = 1,
                              .seed = 1,
                              .threads = 1};
    snprintf(folder, sizeof folder, "%s/learned", test_folder(t));
    hone_trainer *trainer = hone_trainer_new(h, &o);
    hone_tokenizer *w = hone_tokenizer_open(h, o.tokenizer);
    CHECK(t, trainer && w, "%s", hone_error(h));
    int64_t n = hone_tokenize(w, text, -1, 0, ids, MOST_IDS / 2);
    hone_batch b = {.ids = ids, .lengths = &n, .sequences = 1};
    for (int step = 0; step < 40; step++) {
        CHECK(t, !hone_train_step(trainer, &b, 3e-3, &last), "%s", hone_error(h));
        if (!step) first = last;
    }
    double uniform = log(hone_tokenizer_size(w));
    CHECK(t, fabs(first.loss - uniform) < 0.3 && last.loss < 0.1 && last.tokens == n - 1,
          "%g (a uniform guess has %g) -> %g", first.loss, uniform, last.loss);
    CHECK(t, !hone_trainer_save(trainer, folder, NULL), "%s", hone_error(h));
    CHECK(t, !hone_train_step(trainer, &b, 0, &again), "%s", hone_error(h));
    hone_trainer_free(trainer);
    trainer = hone_trainer_new(
        h, &(hone_trainer_options){.model = folder, .tokens = MOST_IDS, .threads = 1});
    CHECK(t, trainer, "%s", hone_error(h));
    /* targets given are those that would be taken; two sequences are two texts */
    int32_t targets[MOST_IDS];
    for (int64_t i = 0; i < n; i++) targets[i] = i + 1 < n ? ids[i + 1] : -1;
    b.targets = targets;
    CHECK(t, !hone_train_step(trainer, &b, 0, &control) && control.loss == again.loss, "%.9g, %.9g",
          control.loss, again.loss);
    b.lengths = (int64_t[]){n / 2, n - n / 2};
    b.sequences = 2;
    CHECK(t, !hone_train_step(trainer, &b, 0, &control) && control.loss > again.loss + 0.01, "%.9g",
          control.loss);
    b.lengths = (int64_t[]){n, -1};
    CHECK(t,
          hone_train_step(trainer, &b, 0, NULL) == HONE_BAD_ARGUMENT &&
              strstr(hone_error(h), "sequence 2"),
          "%s", hone_error(h));
    hone_trainer_free(trainer);
    hone_model *m = hone_model_open(h, folder, NULL);
    CHECK(t, m, "%s", hone_error(h));
    hone_request r = {.prompt = ids, .n_prompt = 4, .most_tokens = n - 4, .tell = hear, .user = &a};
    CHECK(t, !hone_generate(m, &r, 1) && !memcmp(a.ids, ids + 4, (size_t)(n - 4) * sizeof *ids),
          "'%s'", a.text);
    hone_model_free(m);
    hone_tokenizer_free(w);
    hone_free(h);
}

/* Each example is built by pkg-config from the installed copy alone, and run. */
static void examples(test *t) {
    char text[SHELL_TEXT_BYTES], folder[512];
    const char *f = test_folder(t);
    hone_context *h = hone_new();
    if (!shell_at_root(t) || !shell_install(t, f)) return;
    hone_model_free(open_tiny(t, h, false));
    hone_model_free(open_tiny(t, h, true));
    hone_free(h);
    snprintf(folder, sizeof folder, "%s/learned", f);
    static const struct {
        const char *words, *said;
    } runs[] = {
        {"spirals", "spirals: accuracy 1.000"},
        {"sort", "sort: accuracy"},
        {"write model Hello", " tokens"},
        {"embed encoder boat boat sea", "1.000"},
        {"learn $OLDPWD/test/golden/tokenizers/gpt2.json learned", "at half the usual price."},
        {"write learned 'A small boat lay'", "in the bay."}};
    CHECK(t,
          shell(text,
                "export PKG_CONFIG_PATH=$(dirname $(find '%s/usr' -name hone.pc)); for e in "
                "example/*.c; do "
                "cc -std=c17 -O1 -Wall -Wextra -Werror $e -o '%s'/$(basename $e .c) "
                "$(pkg-config --cflags --libs hone) -lm || exit 1; done; pkg-config "
                "--variable=libdir hone",
                f, f) == 0,
          "%s", text);
    text[strcspn(text, "\n")] = 0;
    setenv("LD_LIBRARY_PATH", text, 1);
    for (int i = 0; i < COUNT_OF(runs); i++)
        CHECK(t,
              shell(text, "cd '%s' && ./%s", f, runs[i].words) == 0 && strstr(text, runs[i].said),
              "%s: %s", runs[i].words, text);
    unsetenv("LD_LIBRARY_PATH");
}

const test_case suite_public[] = {{"tokens", tokens},
                                  {"generates", generates},
                                  {"refusals", refusals},
                                  {"embeds", embeds},
                                  {"learns", learns},
                                  {"examples", examples, .slow = true},
                                  {0}};
