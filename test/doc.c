/* The documents say what is so: every command in a shell block of README.md and doc/ is understood by the verb's own
 * table and runs, page by page, in a folder with tiny models (those of README.md and the tour in an empty one), its
 * servers in the background; every `make` goal is there; every verb has its page; links lead somewhere. */
#include "base/options.h"
#include "kit/shell.h"
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_BYTES = 1024, MOST_WORDS = 64, MOST_PAGES = 128 };

/* What does not run here, by how the line begins. */
static const char *const elsewhere[][2] = {
    {"make ", "builds, tests and trains for minutes; its goal is looked for"},
    {"cc program.c", "house.library compiles and runs such a program with these flags"},
};
/* What measures this machine for tens of seconds: only with HONE_PAGES=all, as in `make slow`. */
static const char *const long_ones[] = {"hone bench roof", "hone bench ops", "hone bench model",
                                        "hone bench plan", "hone bench engine"};

/* Calls `visit` with each line of the page's shell blocks. Lines that end in a backslash go on. */
static bool each_line(test *t, const char *path,
                      void (*visit)(test *t, const char *path, const char *line, FILE *script),
                      FILE *script) {
    char line[LINE_BYTES], whole[2 * LINE_BYTES] = "";
    bool inside = false, shell_block = false;
    FILE *in = fopen(path, "r");
    if (!in) return false;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "```", 3)) {
            inside = !inside;
            shell_block = inside && !strncmp(line, "```sh", 5);
            if (shell_block && line[5]) {
                fclose(in);
                return false;
            }
            continue;
        }
        if (!shell_block) continue;
        size_t length = strlen(line), used = strlen(whole);
        bool more = length && line[length - 1] == '\\';
        snprintf(whole + used, sizeof whole - used, "%.*s", (int)(length - more), line);
        if (more) continue;
        visit(t, path, whole, script);
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

static void understand(test *t, const char *path, const char *line, FILE *script) {
    char text[SHELL_TEXT_BYTES], goal[LINE_BYTES];
    (void)script;
    for (const char *at = line; (at = strstr(at, "hone ")); at += 5) {
        bool begins =
            at == line || at[-1] == ' ' || (at - line >= 6 && !strncmp(at - 6, "build/", 6));
        if (begins && at[5] != '-') check_hone(t, path, at + 5);
    }
    if (sscanf(line, "make %1023[a-z]", goal) == 1)
        CHECK(t, shell(text, "grep -q '^%s:' Makefile", goal) == 0, "%s: %s", path, line);
}

static bool begins(const char *line, const char *with) {
    return !strncmp(line, with, strlen(with));
}

static bool is_left_out(const char *line) {
    const char *all = getenv("HONE_PAGES");
    for (int i = 0; i < COUNT_OF(elsewhere); i++)
        if (begins(line, elsewhere[i][0])) return true;
    for (int i = 0; i < COUNT_OF(long_ones) && !(all && !strcmp(all, "all")); i++)
        if (begins(line, long_ones[i])) return true;
    return false;
}

/* The line as it runs: names that stand for any are those of the tiny models. */
static void collect(test *t, const char *path, const char *line, FILE *script) {
    static const char *const stands_for[][2] = {{"127.0.0.1:8080", "127.0.0.1:$PORT"},
                                                {"--port 8080", "--port $PORT"},
                                                {"MODEL", "storyteller"}};
    (void)t, (void)path;
    if (is_left_out(line)) return;
    for (const char *at = line; *at;) {
        int k = 0;
        while (k < COUNT_OF(stands_for) && !begins(at, stands_for[k][0])) k++;
        bool other = k < COUNT_OF(stands_for);
        fprintf(script, "%.*s", other ? LINE_BYTES : 1, other ? stands_for[k][1] : at);
        at += other ? strlen(stands_for[k][0]) : 1;
    }
    fputc('\n', script);
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
    "mkdir -p files none && cd files && hone data synth stories --count 300 --out stories.txt "
    "--questions questions.jsonl --questions-count 20 && hone data synth stories --count 5 "
    "--seed 1 --out held-out.txt && hone train --preset 1m --text stories.txt --out storyteller "
    "--steps 3 --batch 2 --context 64 && hone convert storyteller storyteller-q4_0.gguf --format "
    "q4_0 && hone train --preset 1m --text stories.txt "
    "--out storyteller-tiny --steps 2 --batch 2 --context 64 --seed 2 && cp stories.txt "
    "wikitext-2.valid.txt && "
    "cp held-out.txt slice.txt";

/* One that is free now. */
static int free_port(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    bool fine = bind(s, (struct sockaddr *)&a, sizeof a) == 0 &&
                getsockname(s, (struct sockaddr *)&a, &bytes) == 0;
    close(s);
    return fine ? ntohs(a.sin_port) : 0;
}

static bool page_runs(test *t, const char *path, int lane) {
    char text[SHELL_TEXT_BYTES], script[LINE_BYTES], root[LINE_BYTES];
    const char *f = test_folder(t);
    snprintf(script, sizeof script, "%s/script%d", f, lane);
    FILE *out = fopen(script, "w");
    if (!out || !getcwd(root, sizeof root)) return false;
    each_line(t, path, collect, out);
    bool empty = ftell(out) == 0;
    int port = free_port();
    fclose(out);
    if (empty || !port) return empty;
    bool from_nothing = strstr(path, "tour.md") || strstr(path, "README.md");
    int code =
        shell(text,
              "cd '%s' && rm -rf page%d && cp -r %s page%d && cd page%d && export PATH='%s':$PATH "
              "HONE_RUNS=$PWD/runs.db PORT=%d && bash -c '. %s/test/kit/pages.sh; . %s'",
              f, lane, from_nothing ? "none" : "files", lane, lane, shell_build_folder(), port,
              root, script);
    if (code) test_fail(t, __FILE__, __LINE__, path, "%d\n%s", code, text);
    return code == 0;
}

enum { LANES = 2 };

/* Tiny models gain nothing by threads, which would wait for each other on a busy machine. */
static void stay_on_one_core(int lane) {
    cpu_set_t mine, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof mine, &mine)) return;
    int nth = lane % CPU_COUNT(&mine);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &mine) && nth-- == 0) CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

/* Every so many pages, in a process of their own. */
static pid_t begin_lane(test *t, const char *const *paths, int64_t n, int lane) {
    fflush(stdout);
    pid_t child = fork();
    if (child) return child;
    bool fine = true;
    stay_on_one_core(lane);
    for (int64_t i = lane; i < n; i += LANES) fine &= page_runs(t, paths[i], lane);
    fflush(stdout);
    _exit(!fine);
}

static void runs(test *t) {
    static char text[SHELL_TEXT_BYTES], list[SHELL_TEXT_BYTES];
    const char *paths[MOST_PAGES], *f = test_folder(t);
    pid_t lanes[LANES];
    if (!shell_at_root(t)) return;
    int64_t n = pages(list, paths);
    int code = shell(text, "cd '%s' && export PATH='%s':$PATH HONE_RUNS='%s/files/runs.db' && %s",
                     f, shell_build_folder(), f, prepare);
    CHECK(t, code == 0, "%s", text);
    for (int i = 0; i < LANES; i++) lanes[i] = begin_lane(t, paths, n, i);
    for (int i = 0; i < LANES; i++) {
        int end = 1;
        waitpid(lanes[i], &end, 0);
        CHECK(t, end == 0, "a page does not run: above");
    }
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
