/* The documents say what is so: every command of Hone in a code block of README.md and doc/ is understood by the verb's
 * own table; every `make` goal is there; blocks marked "sh run" run, in order, in a folder with tiny models (those of
 * the tour in an empty one); every verb has its page; links lead somewhere. */
#include "base/options.h"
#include "kit/shell.h"
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_BYTES = 1024, MOST_WORDS = 64, MOST_PAGES = 128 };

/* Calls `visit` with each line of the page's shell blocks; `runs` tells marked ones. Lines that end in a backslash go
 * on. */
static bool each_line(test *t, const char *path,
                      void (*visit)(test *t, const char *path, const char *line, bool runs,
                                    FILE *script),
                      FILE *script) {
    char line[LINE_BYTES], whole[2 * LINE_BYTES] = "";
    bool inside = false, shell_block = false, runs = false;
    FILE *in = fopen(path, "r");
    if (!in) return false;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "```", 3)) {
            inside = !inside;
            runs = inside && !strcmp(line, "```sh run");
            shell_block = runs || (inside && !strcmp(line, "```sh"));
            continue;
        }
        if (!shell_block) continue;
        size_t length = strlen(line), used = strlen(whole);
        bool more = length && line[length - 1] == '\\';
        snprintf(whole + used, sizeof whole - used, "%.*s", (int)(length - more), line);
        if (more) continue;
        visit(t, path, whole, runs, script);
        whole[0] = 0;
    }
    fclose(in);
    return true;
}

/* Words up to what a shell would take for itself. */
static int64_t split(arena *memory, const char *at, const char **words) {
    int64_t n = 0;
    while (n < MOST_WORDS && *(at += strspn(at, " ")) && !strchr("|>&#;", *at)) {
        bool quoted = *at == '"' || *at == '\'';
        char end[] = {quoted ? *at : ' ', 0};
        at += quoted;
        size_t length = strcspn(at, end);
        words[n++] = arena_strndup(memory, at, length);
        at += length + (quoted && at[length]);
    }
    return n;
}

static void check_hone(test *t, const char *path, const char *line) {
    context *cx = context_new();
    arena memory = arena_make(cx);
    const char *words[MOST_WORDS];
    int64_t used, n = split(&memory, line, words);
    verb_call call;
    const verb_def *verb = n ? options_verb(n, words, &used) : NULL;
    CHECK(t, verb, "%s: hone %s", path, line);
    bool file_here = n > used && strstr(words[used], ".yaml") && !access(words[used], R_OK);
    if (!verb->job_file || !strstr(line, ".yaml") || file_here) {
        status st = options_read(&memory, verb, n - used, words + used, &call);
        CHECK(t, st == STATUS_OK, "%s: hone %s: %s", path, line, context_error(cx));
    }
    arena_free(&memory);
    context_free(cx);
}

static void understand(test *t, const char *path, const char *line, bool runs, FILE *script) {
    char text[SHELL_TEXT_BYTES], goal[LINE_BYTES];
    (void)runs, (void)script;
    for (const char *at = line; (at = strstr(at, "hone ")); at += 5) {
        bool begins =
            at == line || at[-1] == ' ' || (at - line >= 6 && !strncmp(at - 6, "build/", 6));
        if (begins && at[5] != '-') check_hone(t, path, at + 5);
    }
    if (sscanf(line, "make %1023[a-z]", goal) == 1)
        CHECK(t, shell(text, "grep -q '^%s:' Makefile", goal) == 0, "%s: %s", path, line);
}

static void collect(test *t, const char *path, const char *line, bool runs, FILE *script) {
    (void)t, (void)path;
    if (runs) fprintf(script, "%s\n", line);
}

/* The pages' paths; they lie in `text`. */
static int64_t pages(char text[SHELL_TEXT_BYTES], const char **paths) {
    int64_t n = 0;
    shell(text, "find README.md doc -name '*.md' | sort");
    for (char *at = strtok(text, "\n"); at && n < MOST_PAGES; at = strtok(NULL, "\n"))
        paths[n++] = at;
    return n;
}

static void commands(test *t) {
    static char text[SHELL_TEXT_BYTES];
    const char *paths[MOST_PAGES];
    if (!shell_at_root(t)) return;
    int64_t n = pages(text, paths);
    CHECK(t, n > 20, "%lld pages", (long long)n);
    for (int64_t i = 0; i < n; i++)
        CHECK(t, each_line(t, paths[i], understand, NULL), "%s", paths[i]);
}

/* What the pages' commands work on, in test_folder/files. */
static const char *const prepare =
    "mkdir -p files && cd files && hone data synth stories --count 300 --out stories.txt "
    "--questions "
    "questions.jsonl --questions-count 20 && hone data synth stories --count 5 --seed 1 --out "
    "held-out.txt && hone train --preset 1m --text stories.txt --out storyteller --steps 3 --batch "
    "2 "
    "--context 64 && hone convert storyteller storyteller-q4_0.gguf --format q4_0";

static void run_page(test *t, const char *path) {
    char text[SHELL_TEXT_BYTES], script[LINE_BYTES];
    const char *f = test_folder(t);
    snprintf(script, sizeof script, "%s/script", f);
    FILE *out = fopen(script, "w");
    CHECK(t, out);
    fputs("set -euo pipefail\n", out);
    each_line(t, path, collect, out);
    bool empty = ftell(out) < 20;
    fclose(out);
    if (empty) return;
    bool from_nothing = strstr(path, "tour.md") != NULL;
    int code = shell(text,
                     "cd '%s' && rm -rf page && mkdir page && cp -r %s page && cd page && "
                     "export PATH='%s':$PATH HONE_RUNS='%s/runs.db' && bash ../script",
                     f, from_nothing ? "script" : "files/.", shell_build_folder(), f);
    CHECK(t, code == 0, "%s: %d\n%s", path, code, text);
}

/* Tiny models gain nothing by threads, which would wait for each other on a busy machine. */
static void stay_on_one_core(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

static void runs(test *t) {
    static char text[SHELL_TEXT_BYTES], list[SHELL_TEXT_BYTES];
    const char *paths[MOST_PAGES], *f = test_folder(t);
    if (!shell_at_root(t)) return;
    int64_t n = pages(list, paths);
    stay_on_one_core();
    int code = shell(text, "cd '%s' && export PATH='%s':$PATH HONE_RUNS='%s/runs.db' && %s", f,
                     shell_build_folder(), f, prepare);
    CHECK(t, code == 0, "%s", text);
    for (int64_t i = 0; i < n; i++) run_page(t, paths[i]);
}

static void verbs(test *t) {
    char text[SHELL_TEXT_BYTES];
    if (!shell_at_root(t)) return;
    for (int64_t i = 0; registry_verb[i]; i++)
        CHECK(t, shell(text, "grep -rqE '(hone |`)%s' doc/verbs", registry_verb[i]->name) == 0,
              "doc/verbs says nothing of `hone %s`", registry_verb[i]->name);
}

static void links(test *t) {
    char text[SHELL_TEXT_BYTES];
    if (!shell_at_root(t)) return;
    int code = shell(text, "for page in README.md $(find doc -name '*.md'); do "
                           "grep -oE '\\]\\([^)#:]+\\)' $page | tr -d '])(' | while read -r to; do "
                           "[ -e \"$(dirname $page)/$to\" ] || echo \"$page: $to\"; done; done");
    CHECK(t, code == 0 && !*text, "links that lead nowhere:\n%s", text);
}

const test_case suite_doc[] = {
    {"commands", commands}, {"verbs", verbs}, {"links", links}, {"runs", runs, .slow = true}, {0}};
