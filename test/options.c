/* Option tables: values of every kind, the order flag, file, default, and refusals that name what is wrong
 * and what would be right. Every verb's own table is held to the rules too. */
#include "test.h"
#include "base/options.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct trial_options {
    bool json, fast;
    int64_t threads, memory;
    double lr, every;
    const char *model;
    string_list data;
    int mode;
} trial_options;

static const char *const modes[] = {"train", "evaluate", "both", NULL};
static const option_def table[] = {
    OPTION(trial_options, json, OPTION_BOOL, .help = "machine words"),
    OPTION(trial_options, fast, OPTION_BOOL, .initial = "true", .help = "hurry"),
    OPTION(trial_options, threads, OPTION_INT, .initial = "2", RANGE(0, 1024), .help = "threads"),
    OPTION(trial_options, memory, OPTION_SIZE, .initial = "1G", RANGE(1, INFINITY),
           .help = "memory"),
    OPTION(trial_options, lr, OPTION_DOUBLE, .initial = "1e-3", RANGE_ABOVE(0, 1), .letter = 'l',
           .help = "rate"),
    OPTION(trial_options, every, OPTION_DURATION, .initial = "5m", .help = "how often"),
    OPTION(trial_options, model, OPTION_STRING, .required = true, .help = "the model"),
    OPTION(trial_options, data, OPTION_STRINGS, .help = "corpora"),
    OPTION(trial_options, mode, OPTION_CHOICE, .choices = modes, .initial = "both", .help = "what"),
    {0}};
static const verb_def trial = {.name = "trial",
                               .summary = "try options",
                               .example = "hone trial x --lr 1e-4",
                               .help = "A first paragraph.\nA second one.",
                               .positional = "WORD",
                               .max_args = 1,
                               .job_file = true,
                               .options_bytes = sizeof(trial_options),
                               .options = table};

typedef struct bench {
    context *cx;
    arena memory;
    verb_call call;
} bench;

static bench bench_make(void) {
    bench b = {.cx = context_new()};
    b.memory = arena_make(b.cx);
    return b;
}

static void bench_free(bench *b) {
    arena_free(&b->memory);
    context_free(b->cx);
}

enum { MOST_WORDS = 32 };
/* Words are parted by single spaces. */
static status read_line(bench *b, const char *line) {
    const char *words[MOST_WORDS];
    int64_t n = 0;
    char *rest = NULL, *text = arena_strdup(&b->memory, line);
    for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) words[n++] = w;
    return options_read(&b->memory, &trial, n, words, &b->call);
}

static const char *job(test *t, bench *b, const char *text) {
    char *path = arena_printf(&b->memory, "%s/job.yaml", test_folder(t));
    FILE *file = fopen(path, "w");
    if (!file) return "";
    fputs(text, file);
    fclose(file);
    return path;
}

/* Runs "--model m JOB rest" with the job's text. */
static status read_job(test *t, bench *b, const char *text, const char *rest) {
    const char *path = job(t, b, text);
    return read_line(b, arena_printf(&b->memory, "%s %s", path, rest));
}

static void kinds(test *t) {
    bench b = bench_make();
    CHECK_OK(t, b.cx, read_line(&b, "--model m"));
    const trial_options *o = b.call.options;
    CHECK(t, !o->json && o->fast && o->threads == 2 && o->memory == 1 << 30 && o->lr == 1e-3);
    CHECK(t, o->every == 300 && o->mode == 2 && o->data.count == 0 && b.call.common.log == 2);
    CHECK_OK(
        t, b.cx,
        read_line(&b, "--model=m --json --no-fast --threads 1e3 --memory 1.5G --lr=1 --every 1h30m "
                      "--data a --data=b --data c --mode train --log debug -- --word"));
    o = b.call.options;
    CHECK(t, o->json && !o->fast && o->threads == 1000 && o->memory == 3 << 29 && o->lr == 1);
    CHECK(t, o->every == 5400 && o->mode == 0 && o->data.count == 3 && b.call.common.log == 3);
    CHECK(t, !strcmp(o->data.item[2], "c") && !strcmp(o->model, "m"));
    CHECK(t, b.call.n_args == 1 && !strcmp(b.call.args[0], "--word"));
    CHECK_OK(t, b.cx, read_line(&b, "-l 0.5 --model m"));
    o = b.call.options;
    CHECK(t, o->lr == 0.5);
    CHECK_OK(t, b.cx, read_line(&b, "--help"));
    CHECK(t, b.call.common.help);
    bench_free(&b);
}

static void flag_refusals(test *t) {
    bench b = bench_make();
    static const char *const cases[][2] = {
        {"--modle x", "unknown option '--modle'; did you mean --model?"},
        {"--xyzzy", "unknown option '--xyzzy'"},
        {"-lr 1", "unknown option '-lr'"},
        {"-l 0 --model m", "--lr: '0' must be a number"},
        {"--model m --threads 4096", "--threads: '4096' must be a whole number, 0 .. 1024"},
        {"--model m --threads 1.5", "--threads: '1.5' must be a whole number"},
        {"--model m --threads 99999999999999999999", "--threads: '99999999999999999999'"},
        {"--model m --lr 0", "--lr: '0' must be a number, above 0, at most 1"},
        {"--model m --lr nan", "--lr: 'nan'"},
        {"--model m --memory 4Q", "--memory: '4Q' must be a size"},
        {"--model m --memory 0", "at least 1"},
        {"--model m --every 5y", "--every: '5y' must be a duration"},
        {"--model m --mode trian",
         "'trian' must be train, evaluate or both; did you mean 'train'?"},
        {"--model m --json=maybe", "--json: 'maybe' must be true or false"},
        {"--model m --no-lr", "unknown option '--no-lr'"},
        {"--model m --model n", "--model: given twice"},
        {"--model", "--model: needs a value"},
        {"--model --json", "--model: needs a value"},
        {"-j", "unknown option '-j'"},
        {"--json", "needs --model"},
        {"--model m a b", "'b' is one word too many"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        CHECK_FAILS(t, b.cx, read_line(&b, cases[i][0]), STATUS_BAD_ARGUMENT, cases[i][1]);
    bench_free(&b);
}

static void job_files(test *t) {
    bench b = bench_make();
    const char *text =
        "# a job\nmodel: m\nthreads: 7\nlr: 0.5\ndata: [a, 'b c']\njson: yes\nmemory: 2M\n";
    CHECK_OK(t, b.cx, read_job(t, &b, text, "--lr 0.25 --no-json word"));
    const trial_options *o = b.call.options;
    CHECK(t, o->threads == 7 && o->lr == 0.25 && !o->json && o->memory == 2 << 20);
    CHECK(t, o->data.count == 2 && !strcmp(o->data.item[1], "b c"));
    CHECK(t, b.call.n_args == 1 && !strcmp(b.call.args[0], "word"), "the job is not counted");
    CHECK_OK(t, b.cx, read_job(t, &b, text, "--data z"));
    o = b.call.options;
    CHECK(t, o->data.count == 1 && !strcmp(o->data.item[0], "z") && o->lr == 0.5);
    CHECK_OK(t, b.cx, read_job(t, &b, "", "--model m"));
    CHECK_OK(t, b.cx, read_job(t, &b, "data: one\nmodel: '~'\n", ""));
    o = b.call.options;
    CHECK(t, o->data.count == 1 && !strcmp(o->model, "~"));
    bench_free(&b);
}

static void job_refusals(test *t) {
    bench b = bench_make();
    static const char *const cases[][2] = {
        {"model: m\n\nthread: 3\n", "job.yaml:3: unknown key 'thread'; did you mean 'threads'?"},
        {"threads: 2000\n", "job.yaml:1: threads: '2000' must be a whole number, 0 .. 1024"},
        {"lr: 1\nlr: 1\n", "job.yaml:2: lr: given twice"},
        {"data: [a]\ndata: [b]\n", "job.yaml:2: data: given twice"},
        {"lr:\n", "job.yaml:1: lr: needs a value"},
        {"lr: {a: 1}\n", "lr: "},
        {"lr: [1]\n", "must be one value"},
        {"- lr\n", "must be a mapping"},
        {"a: b\n---\nc: d\n", "unknown key 'a'"},
        {"lr: 1\n---\nlr: 1\n", "one document"},
        {"lr: &x 1\n", "anchors and tags"},
        {"lr: !!float 1\n", "anchors and tags"},
        {"model: \"a\\0b\"\n", "zero byte"},
        {"lr: [\n", "job.yaml:"},
        {"\tlr: 1\n", "job.yaml:"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        CHECK_FAILS(t, b.cx, read_job(t, &b, cases[i][0], "--model m"), STATUS_BAD_ARGUMENT,
                    cases[i][1]);
    }
    CHECK_FAILS(t, b.cx, read_job(t, &b, "threads: 2000\n", "--model m --threads 1"),
                STATUS_BAD_ARGUMENT, "2000");
    CHECK_FAILS(t, b.cx, read_line(&b, "/nowhere/job.yaml"), STATUS_IO, "/nowhere/job.yaml");
    bench_free(&b);
}

static void numbers(test *t) {
    int64_t n;
    double d;
    CHECK(t, options_count_from("20B", &d) && d == 20e9 && !options_count_from("1e300T", &d));
    CHECK(t, options_size_from("4GiB", &n) && n == INT64_C(4) << 30);
    CHECK(t, options_size_from("4GB", &n) && n == 4000000000);
    CHECK(t, options_size_from("0.5k", &n) && n == 512);
    CHECK(t, options_size_from("12 MiB", &n) && n == 12 << 20 && options_size_from("7B", &n) &&
                 n == 7);
    CHECK(t, !options_size_from("-1", &n) && !options_size_from("", &n) &&
                 !options_size_from("G", &n));
    CHECK(t, !options_size_from("9000000P", &n) && !options_size_from("4GG", &n));
    CHECK(t, options_seconds_from("250ms", &d) && d == 0.25 && options_seconds_from("1.5", &d) &&
                 d == 1.5);
    CHECK(t, options_seconds_from("1d 2h", &d) && d == 93600);
    CHECK(t, !options_seconds_from("-1", &d) && !options_seconds_from("1x", &d) &&
                 !options_seconds_from("", &d));
    CHECK(t, options_int_from("-9223372036854775808", &n) && n == INT64_MIN);
    CHECK(t, !options_int_from("9223372036854775808", &n) && !options_int_from(" 1", &n) &&
                 !options_int_from("1e-3", &n) && !options_int_from("0x10", &n));
    CHECK(t, !options_double_from("1e999", &d) && !options_double_from("1,5", &d));
    static const char *const names[] = {"threads", "temperature", "top-p", "seed"};
    CHECK(t, !strcmp(options_nearest("thraeds", names, 4), "threads"));
    CHECK(t, !strcmp(options_nearest("temp", names, 4), "temperature"));
    CHECK(t, !options_nearest("zzzz", names, 4) && !options_nearest("x", names, 4));
}

static char *printed(bench *b, void (*print)(FILE *, const verb_def *)) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file) return NULL;
    print(file, &trial);
    fclose(file);
    char *copy = arena_strdup(&b->memory, text);
    free(text);
    return copy;
}

static void print_man(FILE *out, const verb_def *verb) {
    options_print_man(out, verb, "9.9");
}

static void texts(test *t) {
    bench b = bench_make();
    const char *help = printed(&b, options_print_help), *man = printed(&b, print_man);
    for (const option_def *d = table; d->kind; d++) {
        char flag[64] = "--";
        options_flag_text(d, flag + 2, sizeof flag - 2);
        CHECK(t, strstr(help, flag) && strstr(help, d->help), "%s", flag);
        CHECK(t, strstr(man, d->name), "%s", flag);
    }
    CHECK(t, strstr(help, "usage: hone trial [options] [JOB.yaml] WORD\n"), "%s", help);
    CHECK(t, strstr(help, "hone trial x") && strstr(man, "hone trial x"), "%s", help);
    CHECK(t, strstr(help, "threads; 0 .. 1024; default 2"), "%s", help);
    CHECK(t, strstr(help, "-l, --lr X"), "%s", help);
    CHECK(t, strstr(help, "rate; above 0, at most 1; default 1e-3"), "%s", help);
    char range[64];
    options_range_text(&(option_def)OPTION(trial_options, lr, OPTION_DOUBLE, RANGE(0.1, 0.9999999)),
                       range, sizeof range);
    CHECK(t, !strcmp(range, "0.1 .. 0.9999999"), "%s", range);
    CHECK(t, strstr(man, ".TH HONE-TRIAL 1") && strstr(man, ".B \\-l, \\-\\-lr X"), "%s", man);
    for (const char *line = help; *line;) {
        size_t length = strcspn(line, "\n");
        CHECK(t, length <= 100, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    bench_free(&b);
}

static void no_memory(test *t) {
    const char *text = "model: m\ndata: [a, b, c]\n";
    int64_t n = 0;
    for (bool done = false; !done; n++) {
        bench b = bench_make();
        const char *path = job(t, &b, text);
        const char *words[] = {path, "--data", "x", "--data", "y"};
        arena small = arena_make(b.cx);
        context_fail_allocation_after(b.cx, n);
        status st = options_read(&small, &trial, COUNT_OF(words), words, &b.call);
        done = st == STATUS_OK;
        CHECK(t, done || st == STATUS_NO_MEMORY, "%s", context_error(b.cx));
        context_fail_allocation_after(b.cx, -1);
        arena_free(&small);
        bench_free(&b);
    }
    CHECK(t, n > 1, "an allocation must have failed");
}

static size_t bytes_of(option_kind kind) {
    switch (kind) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_CHOICE:
        return sizeof(int);
    case OPTION_STRING:
        return sizeof(const char *);
    case OPTION_STRINGS:
        return sizeof(string_list);
    default:
        return 8;
    }
}

/* "" when the table keeps the rules. */
static const char *fault(const option_def *d, const option_def *first) {
    if (bytes_of(d->kind) != d->bytes) return "the member's type does not fit the kind";
    if (!d->help || !*d->help || d->help[strlen(d->help) - 1] == '.')
        return "help must be words, no full stop";
    if (d->kind == OPTION_CHOICE && !d->choices) return "a choice without choices";
    if (d->name[strspn(d->name, "abcdefghijklmnopqrstuvwxyz0123456789_")]) return "name";
    for (; first < d; first++) {
        if (!strcmp(first->name, d->name)) return "two options of one name";
    }
    return "";
}

/* By the words of its name, with more behind them. */
static bool finds(const verb_def *v) {
    char name[64], *rest = NULL;
    const char *words[8];
    int64_t n = 0, used;
    snprintf(name, sizeof name, "%s", v->name);
    for (char *w = strtok_r(name, " ", &rest); w && n < 7; w = strtok_r(NULL, " ", &rest))
        words[n++] = w;
    words[n] = "--json";
    return options_verb(n + 1, words, &used) == v && used == n;
}

static void every_verb(test *t) {
    context *cx = context_new();
    for (int64_t i = 0; registry_verb[i]; i++) {
        const verb_def *v = registry_verb[i];
        CHECK(t, v->name && v->summary && v->run, "%d", (int)i);
        for (const option_def *d = v->options; d && d->kind; d++) {
            CHECK(t, !*fault(d, v->options), "%s --%s: %s", v->name, d->name, fault(d, v->options));
            for (const option_def *c = options_common; c->kind; c++)
                CHECK(t, strcmp(c->name, d->name) != 0, "%s --%s is common", v->name, d->name);
            CHECK(t, d->offset + d->bytes <= v->options_bytes, "%s --%s", v->name, d->name);
        }
        arena memory = arena_make(cx);
        verb_call call;
        const char *const help = "--help"; /* the defaults are of their kinds and in range */
        CHECK_OK(t, cx, options_read(&memory, v, 1, &help, &call));
        arena_free(&memory);
        CHECK(t, finds(v), "%s", v->name);
    }
    int64_t used;
    const char *const none[] = {"no", "verb"};
    CHECK(t, !options_verb(2, none, &used) && !used, "control: no verb of this name");
    static const option_def wrong[] = {OPTION(trial_options, threads, OPTION_BOOL, .help = "x"),
                                       {0}};
    CHECK(t, *fault(wrong, wrong), "control: a wrong kind must show");
    context_free(cx);
}

const test_case suite_options[] = {{"kinds", kinds},
                                   {"flag_refusals", flag_refusals},
                                   {"job_files", job_files},
                                   {"job_refusals", job_refusals},
                                   {"numbers", numbers},
                                   {"texts", texts},
                                   {"no_memory", no_memory},
                                   {"every_verb", every_verb},
                                   {0}};
