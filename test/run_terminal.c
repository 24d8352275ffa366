/* `hone run` in a terminal: a conversation with its lines edited, Ctrl-C that stops the answer and nothing else, a
 * context that is outgrown, and text of the model that cannot command the terminal. */
#include "base/time.h"
#include "kit/tiny.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct terminal {
    int fd;
    pid_t id;
    char seen[1 << 16]; /* since the last keys */
    size_t n;
} terminal;

static bool open_terminal(terminal *x, const char *const *words) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    *x = (terminal){.fd = posix_openpt(O_RDWR | O_NOCTTY)};
    if (x->fd < 0 || grantpt(x->fd) || unlockpt(x->fd)) return false;
    ioctl(x->fd, TIOCSWINSZ, &size);
    const char *name = ptsname(x->fd);
    x->id = fork();
    if (x->id == 0) {
        setsid();
        int fd = open(name, O_RDWR); /* becomes the controlling terminal */
        dup2(fd, 0), dup2(fd, 1), dup2(fd, 2);
        setenv("TERM", "xterm", 1);
        execv(TEST_HONE, (char *const *)words);
        _exit(127);
    }
    return x->id > 0;
}

/* Reads until `words` have come; false after half a minute without a letter (this process stopped, time does not pass),
 * or at the end. */
static bool sees(terminal *x, const char *words) {
    for (int left = 150; left > 0;) {
        if (strstr(x->seen, words)) return true;
        struct pollfd ready = {.fd = x->fd, .events = POLLIN};
        if (poll(&ready, 1, 200) <= 0) {
            left--;
            continue;
        }
        ssize_t got = read(x->fd, x->seen + x->n, sizeof x->seen - 1 - x->n);
        if (got <= 0) return strstr(x->seen, words) != NULL;
        x->n += (size_t)got;
        x->seen[x->n] = 0;
    }
    return strstr(x->seen, words) != NULL; /* it may have come while this process was stopped */
}

static bool types(terminal *x, const char *keys) {
    x->seen[x->n = 0] = 0;
    return write(x->fd, keys, strlen(keys)) == (ssize_t)strlen(keys);
}

static int64_t tokens_said(const terminal *x) {
    const char *at = strstr(x->seen, "s; ");
    return at ? atoll(at + 3) : -1;
}

static void converse(test *t, terminal *x) {
    CHECK(t, sees(x, "> "), "%s", x->seen);
    CHECK(t, types(x, "hello\r") && sees(x, " a second"), "%s", x->seen);
    for (const char *c = x->seen; *c; c++) /* but for the colours around it */
        CHECK(t, (unsigned char)*c >= 32 || strchr("\r\n\t", *c) || (*c == 27 && c[1] == '['),
              "byte %d reached the terminal", *c);
    CHECK(t, types(x, "\x1b[A") && sees(x, "hello"), "no history: %s", x->seen);
    CHECK(t, types(x, "\r") && sees(x, "tokens of prompt"), "%s", x->seen);
    CHECK(t, types(x, "/clear\r") && sees(x, "> "));
    CHECK(t, types(x, "once more\r") && sees(x, "\x1b[36m"));
    CHECK(t, types(x, "\x03") && sees(x, " a second"), "%s", x->seen);
    CHECK(t, tokens_said(x) >= 0 && tokens_said(x) < 400, "%lld tokens after Ctrl-C",
          (long long)tokens_said(x));
    CHECK(t,
          types(x, "half a line\x03") && types(x, "/nonsense\r") &&
              sees(x, "there is no /nonsense"), /* the line before is gone */
          "%s", x->seen);
    /* Keys typed while an answer comes wait for the line that follows. */
    CHECK(t,
          types(x, "one\r/gr\xc3\xbc\xc3\x9f") && sees(x, " a second") && types(x, "e\r") &&
              sees(x, "there is no /gr\xc3\xbc\xc3\x9f"
                      "e;"),
          "%s", x->seen);
    CHECK(t, types(x, "another\r\x04") && sees(x, " a second"), "%s", x->seen);
}

static void outgrow(test *t, terminal *x) {
    CHECK(t, sees(x, "> "), "%s", x->seen);
    for (int i = 0; i < 6 && !strstr(x->seen, "out of the context"); i++)
        CHECK(t, types(x, "tell me more and more and more\r") && sees(x, " a second"), "%s",
              x->seen);
    CHECK(t, strstr(x->seen, "messages are out of the context now"), "%s", x->seen);
    CHECK(t, types(x, "\x04"));
}

static void in_terminal(test *t, const char *const *words, void (*body)(test *, terminal *)) {
    static terminal x;
    int state = 0;
    if (!open_terminal(&x, words)) {
        test_skip(t, "this machine gives no pseudo-terminal");
        return;
    }
    body(t, &x);
    for (int i = 0; i < 500 && waitpid(x.id, &state, WNOHANG) == 0; i++) {
        char rest[4096];
        struct pollfd ready = {.fd = x.fd, .events = POLLIN};
        if (poll(&ready, 1, 10) > 0 && read(x.fd, rest, sizeof rest) <= 0) time_sleep_ns(10000000);
        if (i == 400) kill(x.id, SIGKILL);
    }
    close(x.fd);
    if (!WIFEXITED(state) || WEXITSTATUS(state))
        test_fail(t, __FILE__, __LINE__, "its end", "%x", (unsigned)state);
}

static void conversation(test *t) {
    char model[512];
    context *cx = context_new();
    snprintf(model, sizeof model, "%s/model", test_folder(t));
    if (!tiny_model(t, cx, model)) return;
    in_terminal(t,
                (const char *[]){"hone", "run", model, "--chat", "--temp", "1", "--seed", "3",
                                 "--ignore-end", NULL},
                converse);
    in_terminal(t,
                (const char *[]){"hone", "run", model, "--chat", "--roll", "-n", "90",
                                 "--ignore-end", "--seed", "3", NULL},
                outgrow);
    context_free(cx);
}

const test_case suite_run_terminal[] = {{"conversation", conversation, true}, {0}};
