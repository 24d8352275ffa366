/* `hone train` as a whole: killed anywhere and resumed it ends with the same bits; what is bad is refused in words,
 * before time is spent and with nothing overwritten. */
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/rng.h"
#include "base/time.h"
#include "test.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const verb_def verb_train, verb_eval_ppl;

enum { MOST_WORDS = 64, OUT_BYTES = 4096, PATH = 600 };

typedef struct outcome {
    status st;
    char text[OUT_BYTES], error[OUT_BYTES];
} outcome;

static void quiet(void *arg, log_level level, const char *line) {
    (void)arg, (void)level, (void)line;
}

/* Runs the verb over words parted by spaces. */
static outcome run_verb(const verb_def *verb, const char *line) {
    static char copy[OUT_BYTES];
    const char *words[MOST_WORDS];
    int64_t n = 0;
    outcome o = {0};
    context *cx = context_new();
    arena mem = arena_make(cx);
    verb_call call;
    FILE *to = tmpfile();
    log_set_sink(quiet, NULL);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok(copy, " "); w && n < MOST_WORDS; w = strtok(NULL, " ")) words[n++] = w;
    o.st = options_read(&mem, verb, n, words, &call);
    call.out = to;
    if (o.st == STATUS_OK) o.st = verb->run(&call);
    snprintf(o.error, sizeof o.error, "%s", context_error(cx));
    rewind(to);
    o.text[fread(o.text, 1, sizeof o.text - 1, to)] = 0;
    fclose(to);
    arena_free(&mem);
    context_free(cx);
    return o;
}

static outcome train(const char *line) {
    return run_verb(&verb_train, line);
}

static bool json_text_of(const char *text, const char *key, char *out, size_t size) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(text, quoted);
    if (!at) return false;
    at += strlen(quoted);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
    return true;
}

static void write_file(const char *path, const char *text, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f)) abort();
}

/* A text with rules to learn, of so many lines. */
static void write_text(const char *path, int lines) {
    static const char *const names[] = {"ada", "ben", "cleo", "dan"};
    FILE *f = fopen(path, "wb");
    if (!f) abort();
    for (int i = 0; i < lines; i++)
        fprintf(f, "%s has %d balls and gives %d to %s.\n", names[i % 4], i % 7 + 2, i % 3,
                names[(i * i + 1) % 4]);
    fclose(f);
}

static const char sizes[] = "--architecture llama --layers 2 --width 32 --heads 2 --context 32 "
                            "--batch 4 --tokenizer characters --no-record --no-tensorboard --json";

static void kills(test *t) {
    const char *asked = getenv("HONE_KILLS");
    int count = asked ? atoi(asked) : 5;
    char text[PATH], line[OUT_BYTES], want[80] = "", got[80] = "";
    const char *folder = test_folder(t);
    snprintf(text, sizeof text, "%s/text", folder);
    write_text(text, 600);
    static const char how[] = "--steps 200 --evaluate-every 50 --save-every 9 --dropout 0.1 "
                              "--ema 0.9 --accumulate 2 --optimiser muon --threads 2";
    snprintf(line, sizeof line, "--text %s --out %s/whole %s %s", text, folder, sizes, how);
    double began = time_seconds();
    outcome whole = train(line);
    double seconds = time_seconds() - began;
    CHECK(t, whole.st == STATUS_OK, "%s", whole.error);
    CHECK(t, json_text_of(whole.text, "weights_sha256", want, sizeof want), "%s", whole.text);
    snprintf(line, sizeof line, "--text %s --out %s/broken %s %s --resume", text, folder, sizes,
             how);
    rng random = rng_make((uint64_t)time_unix_seconds(), 1);
    int killed = 0;
    for (int i = 0; i < count; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) _exit(train(line).st != STATUS_OK);
        time_sleep_ns((int64_t)(1e9 * seconds * (0.05 + 0.4 * rng_uniform(&random))));
        int state;
        kill(child, i % 3 == 2 ? SIGTERM : SIGKILL);
        waitpid(child, &state, 0);
        killed += WIFSIGNALED(state) || WEXITSTATUS(state);
    }
    outcome last = train(line);
    CHECK(t, last.st == STATUS_OK, "%s", last.error);
    CHECK(t, json_text_of(last.text, "weights_sha256", got, sizeof got), "%s", last.text);
    CHECK(t, !strcmp(want, got), "%s, not %s, after %d kills", got, want, killed);
    CHECK(t, killed > 0);
    /* The control: another seed gives other weights. */
    snprintf(line, sizeof line, "--text %s --out %s/other --seed 2 %s %s", text, folder, sizes,
             how);
    outcome other = train(line);
    CHECK(t, other.st == STATUS_OK && json_text_of(other.text, "weights_sha256", got, sizeof got));
    CHECK(t, strcmp(want, got) != 0);
}

/* Flips one byte of a file. */
static void corrupt(const char *path, long at) {
    FILE *f = fopen(path, "r+b");
    if (!f) abort();
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 16, f);
    fclose(f);
}

static void checkpoints(test *t) {
    char text[PATH], base[OUT_BYTES], line[2 * OUT_BYTES], path[PATH];
    const char *folder = test_folder(t);
    snprintf(text, sizeof text, "%s/text", folder);
    write_text(text, 200);
    snprintf(base, sizeof base, "--text %s --out %s/run %s --steps 10", text, folder, sizes);
    outcome o = train(base);
    CHECK(t, o.st == STATUS_OK, "%s", o.error);
    o = train(base);
    CHECK(t, o.st == STATUS_BAD_ARGUMENT && strstr(o.error, "holds a run already"), "%s", o.error);
    snprintf(line, sizeof line, "%s --resume --lr 0.5", base);
    o = train(line);
    CHECK(t, o.st == STATUS_BAD_ARGUMENT && strstr(o.error, "lr=0.5"), "%s", o.error);
    snprintf(line, sizeof line, "%s --resume --intermediate 64", base);
    o = train(line);
    CHECK(t, o.st == STATUS_BAD_ARGUMENT && strstr(o.error, "another shape"), "%s", o.error);
    snprintf(path, sizeof path, "%s/run/checkpoint-last.safetensors", folder);
    corrupt(path, -400);
    snprintf(line, sizeof line, "%s --resume", base);
    o = train(line);
    CHECK(t, o.st == STATUS_BAD_DATA && strstr(o.error, "is corrupt: its XXH64"), "%s", o.error);
    CHECK(t, strstr(o.error, "checkpoint-last.safetensors"), "%s", o.error);
    corrupt(path, -400);
    corrupt(path, 300);
    o = train(line);
    CHECK(t, o.st != STATUS_OK && strstr(o.error, "checkpoint-last.safetensors"), "%s", o.error);
    corrupt(path, 300);
    snprintf(path, sizeof path, "%s/run/data/train-00000.tok", folder);
    corrupt(path, 40);
    o = train(line);
    CHECK(t, o.st == STATUS_BAD_DATA && strstr(o.error, "train-00000.tok"), "%s", o.error);
    corrupt(path, 40);
    o = train(line);
    CHECK(t, o.st == STATUS_OK, "all is well again, but: %s", o.error);
}

/* A folder in use: the second process leaves it alone. */
static void in_use(test *t) {
    char text[PATH], line[OUT_BYTES], path[PATH];
    const char *folder = test_folder(t);
    snprintf(text, sizeof text, "%s/text", folder);
    write_text(text, 200);
    snprintf(line, sizeof line, "--text %s --out %s/run %s --steps 1000000", text, folder, sizes);
    snprintf(path, sizeof path, "%s/run/checkpoint-last.safetensors", folder);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(train(line).st == STATUS_CANCELLED ? 0 : 1);
    for (int i = 0; i < 1000 && access(path, R_OK); i++) time_sleep_ns(10000000);
    outcome o = train(line);
    kill(child, SIGINT);
    int state;
    waitpid(child, &state, 0);
    CHECK(t, o.st == STATUS_BUSY && strstr(o.error, "is in use"), "%s", o.error);
    CHECK(t, WIFEXITED(state) && WEXITSTATUS(state) == 0, "stopped with %d", state);
}

static void bad_input(test *t) {
    static const struct bad {
        const char *words;
        status st;
        const char *error;
    } table[] = {
        {"--text FOLDER/empty OUT SIZES", STATUS_BAD_DATA, "empty"},
        {"--text FOLDER/broken OUT SIZES", STATUS_BAD_DATA, "UTF-8"},
        {"--text FOLDER/nowhere OUT SIZES", STATUS_IO, "nowhere"},
        {"--text FOLDER/lines.jsonl OUT SIZES", STATUS_BAD_DATA, "line 2"},
        {"FOLDER/job.yaml OUT SIZES", STATUS_BAD_ARGUMENT, "job.yaml:2: unknown key 'step'"},
        {"--text FOLDER/text OUT --stepz 4", STATUS_BAD_ARGUMENT, "--steps"},
        {"--text FOLDER/text OUT --lr -1", STATUS_BAD_ARGUMENT, "--lr"},
        {"--text FOLDER/text --data FOLDER OUT SIZES", STATUS_BAD_ARGUMENT, "contradict"},
        {"--text FOLDER/text --preset 1m --model FOLDER OUT", STATUS_BAD_ARGUMENT, "contradict"},
        {"--text FOLDER/text OUT", STATUS_BAD_ARGUMENT, "--preset"},
        {"--text FOLDER/text --preset 2m OUT", STATUS_BAD_ARGUMENT, "no preset '2m'"},
        {"OUT SIZES", STATUS_BAD_ARGUMENT, "nothing to learn"},
        {"--text FOLDER/text SIZES", STATUS_BAD_ARGUMENT, "--out"},
        {"--data FOLDER OUT --preset 1m", STATUS_BAD_DATA, "manifest"},
        {"--text FOLDER/text OUT SIZES --warmup 2000", STATUS_BAD_ARGUMENT, "--warmup"},
        {"--text FOLDER/text OUT --layers 2 --width 33 --heads 2 --tokenizer characters",
         STATUS_BAD_ARGUMENT, "33"},
        {"--text FOLDER/text OUT --layers 64 --width 32768 --heads 64 --tokenizer characters",
         STATUS_NO_MEMORY, "may have"},
        {"--text FOLDER/text OUT --layers 16 --width 512 --heads 8 --tokenizer characters "
         "--batch 2048 --context 512",
         STATUS_NO_MEMORY, "--accumulate"},
    };
    const char *folder = test_folder(t);
    char path[PATH], line[OUT_BYTES];
    snprintf(path, sizeof path, "%s/text", folder);
    write_text(path, 50);
    snprintf(path, sizeof path, "%s/empty", folder);
    write_file(path, "", 0);
    snprintf(path, sizeof path, "%s/broken", folder);
    write_file(path, "abc \xff\xfe def", 10);
    snprintf(path, sizeof path, "%s/lines.jsonl", folder);
    write_file(path, "{\"text\": \"abc\"}\n{\"text\": \"abc\n", 31);
    snprintf(path, sizeof path, "%s/job.yaml", folder);
    write_file(path, "lr: 0.1\nstep: 4\n", 16);
    for (int i = 0; i < COUNT_OF(table); i++) {
        size_t n = 0;
        for (const char *w = table[i].words; *w && n + PATH < sizeof line;) {
            bool starts = w == table[i].words || w[-1] == ' ';
            if (!strncmp(w, "FOLDER", 6)) {
                n += (size_t)snprintf(line + n, sizeof line - n, "%s", folder);
                w += 6;
            } else if (starts && !strncmp(w, "OUT", 3)) {
                n += (size_t)snprintf(line + n, sizeof line - n, "--out %s/run%d", folder, i);
                w += 3;
            } else if (starts && !strncmp(w, "SIZES", 5)) {
                n += (size_t)snprintf(line + n, sizeof line - n, "%s", sizes);
                w += 5;
            } else {
                line[n++] = *w++;
            }
        }
        line[n] = 0;
        outcome o = train(line);
        CHECK(t, o.st == table[i].st && strstr(o.error, table[i].error), "%s: %s, %s", line,
              status_name(o.st), o.error);
    }
}

/* Ids of another tokenizer than the model's are refused, whether there are more or fewer of them. */
static void another_tokenizer(test *t) {
    static const char how[] = "--steps 2 --batch 2 --no-record --no-tensorboard";
    char text[PATH], line[OUT_BYTES];
    const char *folder = test_folder(t);
    snprintf(text, sizeof text, "%s/text", folder);
    write_text(text, 50);
    snprintf(line, sizeof line,
             "--text %s --tokenizer bytes --out %s/bytes --layers 1 --width 16 --heads 2 "
             "--context 16 %s",
             text, folder, how);
    outcome o = train(line);
    CHECK(t, o.st == STATUS_OK, "%s", o.error);
    const struct {
        const char *tokenizer;
        status st;
        const char *error;
    } cases[] = {{"--tokenizer characters", STATUS_BAD_ARGUMENT, "knows by this id"},
                 {"--tokenizer bpe", STATUS_BAD_ARGUMENT, "knows only 257"},
                 {"", STATUS_OK, ""}}; /* control: its own */
    for (int i = 0; i < COUNT_OF(cases); i++) {
        snprintf(line, sizeof line, "--text %s %s --model %s/bytes --out %s/on%d --context 16 %s",
                 text, cases[i].tokenizer, folder, folder, i, how);
        o = train(line);
        CHECK(t, o.st == cases[i].st && strstr(o.error, cases[i].error), "%s: %s, %s", line,
              status_name(o.st), o.error);
    }
}

/* From a real text to a folder that transformers opens and finds as likely. */
static void wikitext(test *t) {
    enum { PART = 6000 };
    const char *data = test_data(t), *folder = data ? test_folder(t) : NULL;
    const char *named = getenv("HONE_PYTHON"), *python = named ? named : "python3";
    char line[OUT_BYTES], part[PATH], text[PATH];
    static char bytes[PART + 1];
    if (!data) return;
    snprintf(text, sizeof text, "%s/text/wikitext-2.valid.txt", data);
    snprintf(line, sizeof line,
             "--text %s --out %s/run --vocabulary 1024 --preset 1m --context 128 --batch 8 --steps "
             "150 --warmup 20 --lr 3e-3 --evaluate-every 150 --no-record --json",
             text, folder);
    outcome o = train(line);
    CHECK(t, o.st == STATUS_OK, "%s", o.error);
    const char *loss = strstr(o.text, "\"val_loss\":");
    CHECK(t, loss && atof(loss + 11) > 3 && atof(loss + 11) < 5.2, "%s", o.text);
    FILE *f = fopen(text, "rb");
    size_t n = f ? fread(bytes, 1, PART, f) : 0;
    while (n && bytes[n - 1] != '\n') n--;
    CHECK(t, f && n > PART / 2 && !fclose(f));
    snprintf(part, sizeof part, "%s/part", folder);
    write_file(part, bytes, n);
    snprintf(line, sizeof line, "%s/run %s --convention transformers --context 128 --json", folder,
             part);
    o = run_verb(&verb_eval_ppl, line);
    const char *ours = strstr(o.text, "\"perplexity\":"), *ids = strstr(o.text, "\"tokens\":");
    CHECK(t, o.st == STATUS_OK && ours && ids, "%s", o.error);
    snprintf(line, sizeof line, "%s -c 'import transformers, torch' 2>/dev/null", python);
    if (system(line) != 0) {
        test_skip(t, "%s has no transformers (HONE_PYTHON names another interpreter)", python);
        return;
    }
    snprintf(line, sizeof line, "%s tool/goldens/perplexity.py %s/run %s 128 64 2>/dev/null",
             python, folder, part);
    double theirs = 0;
    int tokens = 0;
    f = popen(line, "r");
    CHECK(t, f && fscanf(f, "%d %lf", &tokens, &theirs) == 2 && !pclose(f));
    CHECK(t, tokens == atoi(ids + 9), "%d tokens, not %d", atoi(ids + 9), tokens);
    double apart = atof(ours + 13) / theirs - 1;
    CHECK(t, apart < 1e-5 && apart > -1e-5, "%.9g, not %.9g", atof(ours + 13), theirs);
}

const test_case suite_train_run[] = {{"kills", kills, .slow = true},
                                     {"checkpoints", checkpoints},
                                     {"wikitext", wikitext, .slow = true},
                                     {"in_use", in_use},
                                     {"bad_input", bad_input},
                                     {"another_tokenizer", another_tokenizer},
                                     {0}};
