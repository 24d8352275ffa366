/* Runs every case (or those whose "suite.case" holds one of the words given, each of which must be found), each in its
 * own process so that a crash fails one case only, prints failures and skips with their reasons, the slowest ten, and
 * the closing line. */
#include "test.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const test_case *const registry_suite[];
extern const char *const registry_suite_names[];

struct test {
    int outcome; /* 0 passed, 1 failed, 2 skipped */
    char folder[256];
};
enum { MAX_CASES = 4096, SLOWEST = 10, MAX_WORDS = 64, CASE_SECONDS = 600 };

typedef struct timing {
    char name[128];
    double seconds;
} timing;

void test_fail(test *t, const char *file, int line, const char *what, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    printf("  %s:%d: %s:", file, line, what);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    t->outcome = 1;
}

void test_skip(test *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    printf("  skipped: ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    if (!t->outcome) t->outcome = 2;
}

const char *test_folder(test *t) {
    if (t->folder[0]) return t->folder;
    snprintf(t->folder, sizeof t->folder, "/tmp/hone-test-XXXXXX");
    if (!mkdtemp(t->folder)) abort();
    return t->folder;
}

const char *test_data(test *t) {
    const char *folder = getenv("HONE_DATA");
    if (!folder) folder = "../shared/data";
    if (access(folder, R_OK) == 0) return folder;
    test_skip(t, "no test data at %s (HONE_DATA names another place)", folder);
    return NULL;
}

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ends a child that takes too long; seconds in which this process was stopped do not count. */
static int wait_for(pid_t child, const sigset_t *ends) {
    int wait_status = 0;
    for (int left = CASE_SECONDS; waitpid(child, &wait_status, WNOHANG) == 0;)
        if (sigtimedwait(ends, NULL, &(struct timespec){.tv_sec = 1}) < 0 && --left == 0)
            kill(child, SIGALRM);
    return wait_status;
}

static int run_case(const test_case *c, const char *name) {
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, &before);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        test t = {0};
        c->run(&t);
        if (t.folder[0] && t.outcome != 1) {
            char command[300];
            snprintf(command, sizeof command, "rm -rf '%s'", t.folder);
            if (system(command) != 0) t.outcome = 1;
        }
        fflush(stdout);
        exit(t.outcome); /* exit, not _exit: the leak checker runs here */
    }
    int wait_status = wait_for(child, &ends);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return 0;
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 2) {
        printf("SKIP %s\n", name);
        return 2;
    }
    if (WIFSIGNALED(wait_status)) printf("  ended by signal %d\n", WTERMSIG(wait_status));
    printf("FAIL %s\n", name);
    return 1;
}

static int by_seconds(const void *a, const void *b) {
    double x = ((const timing *)a)->seconds, y = ((const timing *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Marks the words that the name holds; no words: all names are meant. */
static bool is_meant(const char *name, int n_words, char *const *words, bool *found) {
    bool meant = n_words == 0;
    for (int i = 0; i < n_words; i++)
        if (strstr(name, words[i])) meant = found[i] = true;
    return meant;
}

static int put_result(timing *times, int n, const int count[3]) {
    qsort(times, (size_t)n, sizeof *times, by_seconds);
    printf("slowest:\n");
    for (int i = 0; i < n && i < SLOWEST; i++)
        printf("  %6.2f s  %s\n", times[i].seconds, times[i].name);
    printf("%d passed, %d failed, %d skipped\n", count[0], count[1], count[2]);
    return count[1] != 0;
}

int main(int argc, char **argv) {
    static timing times[MAX_CASES];
    bool found[MAX_WORDS] = {0}, quick = argc > 1 && !strcmp(argv[1], "--quick");
    char **words = argv + 1 + quick;
    int count[3] = {0}, n = 0, n_words = argc - 1 - quick;
    if (n_words > MAX_WORDS) {
        fprintf(stderr, "hone_test takes at most %d words\n", MAX_WORDS);
        return 2;
    }
    for (int s = 0; registry_suite[s]; s++) {
        for (const test_case *c = registry_suite[s]; c->name; c++) {
            char name[128];
            snprintf(name, sizeof name, "%s.%s", registry_suite_names[s], c->name);
            if (!is_meant(name, n_words, words, found) || (quick && c->slow)) continue;
            double start = now_seconds();
            count[run_case(c, name)]++;
            if (n < MAX_CASES) {
                times[n].seconds = now_seconds() - start;
                snprintf(times[n++].name, sizeof times->name, "%s", name);
            }
        }
    }
    for (int i = 0; i < n_words; i++) {
        if (found[i]) continue;
        printf("FAIL no case is called '%s'\n", words[i]);
        count[1]++;
    }
    return put_result(times, n, count);
}
