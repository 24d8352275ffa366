/* `hone serve` as a process: TLS, SIGHUP for a new certificate and new keys, SIGTERM under load; what is wrong with its
 * start is one line. */
#include "base/time.h"
#include "kit/dial.h"
#include "kit/tiny.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT = 1 << 16, PATHS = 512 };

typedef struct process {
    pid_t id;
    int port;
    char said[4096]; /* on stderr, to the word ready */
    FILE *err;
} process;

/* Starts it; true once it is ready. */
static bool start(process *p, const char *const *words) {
    int ends[2];
    *p = (process){0};
    if (pipe(ends)) return false;
    p->id = fork();
    if (p->id == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(TEST_HONE, (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    p->err = fdopen(ends[0], "r");
    for (size_t n = 0; p->err && n + 1 < sizeof p->said;) {
        if (!fgets(p->said + n, (int)(sizeof p->said - n), p->err)) return false;
        if (!strncmp(p->said + n, "ready ", 6)) {
            p->port = atoi(strrchr(p->said + n, ':') + 1);
            return true;
        }
        n += strlen(p->said + n);
    }
    return false;
}

/* Its exit status; -1: it was killed. What it still says is read, so that it never waits. */
static int end(process *p, int with) {
    int state = 0;
    char rest[512];
    if (with) kill(p->id, with);
    while (p->err && fgets(rest, sizeof rest, p->err)) {
    }
    waitpid(p->id, &state, 0);
    if (p->err) fclose(p->err);
    p->err = NULL;
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

/* Standard output of a command of the shell; its exit status. */
static int shell(char *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int shell(char *out, const char *fmt, ...) {
    char command[4 * PATHS];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(out, 1, TEXT - 1, f) : 0;
    out[n] = 0;
    return f ? pclose(f) : -1;
}

static bool make_certificate(char *out, const char *folder, const char *name) {
    return !shell(
        out,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=%s -keyout %s/key.pem -out %s/cert.pem 2>&1",
        name, folder, folder);
}

/* What a client of TLS sees: the certificate's subject, then the answer. */
static bool sees(char *out, int port, const char *subject, const char *key, const char *answer) {
    for (int tries = 0; tries < 100; tries++, time_sleep_ns(20000000)) {
        shell(out,
              "printf 'GET /v1/models HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer %s\\r\\n"
              "Connection: close\\r\\n\\r\\n' | "
              "timeout 5 openssl s_client -connect 127.0.0.1:%d -ign_eof 2>/dev/null",
              key, port);
        if (strstr(out, subject) && strstr(out, answer)) return true;
    }
    return false;
}

static void write_key(const char *folder, const char *key) {
    tiny_text(folder, "keys", key);
}

static void reloads_with(test *t, const char *folder, const char *model, process *p) {
    static char out[TEXT];
    char cert[PATHS], key[PATHS], keys[PATHS];
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(keys, sizeof keys, "%s/keys", folder);
    write_key(folder, "one\n");
    CHECK(t, make_certificate(out, folder, "first"), "%s", out);
    CHECK(t,
          start(p, (const char *[]){"hone", "serve", model, "--port", "0", "--certificate", cert,
                                    "--key", key, "--keys", keys, NULL}),
          "%s", p->said);
    CHECK(t, strstr(p->said, "ready https://127.0.0.1:"), "%s", p->said);
    CHECK(t, sees(out, p->port, "CN = first", "one", "HTTP/1.1 200"), "%s", out);
    CHECK(t, sees(out, p->port, "CN = first", "two", "HTTP/1.1 401"), "%s", out);
    CHECK(t, make_certificate(out, folder, "second"), "%s", out);
    write_key(folder, "two\n");
    kill(p->id, SIGHUP);
    CHECK(t, sees(out, p->port, "CN = second", "two", "HTTP/1.1 200"), "%s", out);
    CHECK(t, sees(out, p->port, "CN = second", "one", "HTTP/1.1 401"), "%s", out);
    tiny_text(folder, "cert.pem", "no certificate\n"); /* what cannot be read leaves the old */
    kill(p->id, SIGHUP);
    time_sleep_ns(200000000);
    CHECK(t, sees(out, p->port, "CN = second", "two", "HTTP/1.1 200"), "%s", out);
    kill(p->id, SIGTERM);
    size_t n = fread(out, 1, TEXT - 1, p->err);
    out[n] = 0;
    const char *good = strstr(out, "certificate: read again"),
               *bad = strstr(out, "certificate: as before");
    CHECK(t, good && bad && good < bad && !strstr(bad, "certificate: read again"), "%s", out);
}

static void reloads(test *t) {
    char model[PATHS];
    process p = {0};
    context *cx = context_new();
    if (system("openssl version >/dev/null 2>&1")) {
        test_skip(t, "certificates are made with openssl, which is not installed");
        return;
    }
    snprintf(model, sizeof model, "%s/model", test_folder(t));
    if (!tiny_model(t, cx, model)) return;
    reloads_with(t, test_folder(t), model, &p);
    int code = p.id ? end(&p, SIGTERM) : -1;
    CHECK(t, code == 0, "it ended with %d", code);
    context_free(cx);
}

/* SIGTERM while requests run: they finish, new ones are refused, and it ends well. */
static void drains_with(test *t, const char *model, process *p) {
    enum { BUSY = 6 };
    static char out[TEXT];
    int fd[BUSY];
    CHECK(t, start(p, (const char *[]){"hone", "serve", model, "--port", "0", NULL}), "%s",
          p->said);
    for (int i = 0; i < BUSY; i++) {
        fd[i] = ask_begin(p->port, "POST /v1/completions", "",
                          "{\"prompt\": \"abc\", \"max_tokens\": 400, \"ignore_eos\": true, "
                          "\"stream\": true}");
        CHECK(t, hear(fd[i], "data: ", out, sizeof out), "request %d: %s", i, out);
    }
    kill(p->id, SIGTERM);
    int refused = 0;
    for (int i = 0; i < 200 && refused != 503; i++)
        refused =
            ask(p->port, "POST /v1/completions", "", "{\"prompt\": \"abc\"}", out, sizeof out);
    CHECK(t, refused == 503, "%d %s", refused, out);
    for (int i = 0; i < BUSY; i++) {
        CHECK(t, hear(fd[i], "data: [DONE]", out, sizeof out), "request %d was cut off", i);
        close(fd[i]);
    }
}

static void drains(test *t) {
    char model[PATHS];
    process p = {0};
    context *cx = context_new();
    snprintf(model, sizeof model, "%s/model", test_folder(t));
    if (!tiny_model(t, cx, model)) return;
    drains_with(t, model, &p);
    int code = p.id ? end(&p, 0) : -1;
    CHECK(t, code == 0, "it ended with %d", code);
    context_free(cx);
}

/* A start that cannot be is one line, which names what is wrong. */
static void bad_starts(test *t) {
    char model[PATHS], port[16];
    process p = {0}, other = {0};
    context *cx = context_new();
    snprintf(model, sizeof model, "%s/model", test_folder(t));
    if (!tiny_model(t, cx, model)) return;
    bool open = start(&p, (const char *[]){"hone", "serve", model, "--port", "0", NULL});
    snprintf(port, sizeof port, "%d", p.port);
    const struct {
        const char *words[8], *says;
    } cases[] = {
        {{"hone", "serve", "/nowhere/model"}, "/nowhere/model"},
        {{"hone", "serve", model, "--port", port}, "port"},
        {{"hone", "serve", model, "--certificate", "/nowhere.pem"}, "--key"},
        {{"hone", "serve", model, "--certificate", "/no.pem", "--key", "/no.pem"}, "/no.pem"},
        {{"hone", "serve", model, "--keys", "/nowhere/keys"}, "/nowhere/keys"},
        {{"hone", "serve", model, "--policy", "chance"}, "chance"},
        {{"hone", "serve", model, "--speculate", "draft"}, "--draft"},
        {{"hone", "serve", model, "--port", "70000"}, "70000"},
        {{"hone", "serve", model, "--host", "no.such.host.invalid"}, "no.such.host.invalid"},
    };
    for (int64_t i = 0; open && i < COUNT_OF(cases); i++) {
        bool ready = start(&other, cases[i].words);
        int code = end(&other, ready ? SIGTERM : 0);
        const char *line = strstr(other.said, "error: "), *named = NULL;
        if (line) named = strstr(line, cases[i].says);
        if (ready || code <= 0 || !named || memchr(line, '\n', (size_t)(named - line)))
            test_fail(t, __FILE__, __LINE__, cases[i].says, "%d: %s", code, other.said);
    }
    int code = end(&p, SIGTERM);
    CHECK(t, open && code == 0, "%d: %s", code, p.said);
    context_free(cx);
}

const test_case suite_serve_process[] = {
    {"reloads", reloads, true}, {"drains", drains}, {"bad_starts", bad_starts, true}, {0}};
